//! Records that do not arrive: the table, the reports and `explain` say the same, and why.

use std::fs;

use anyhow::{Context as _, Result};
use sandbox::seed::{AttachmentState, Status, Ticket};
use serde_json::Value;
use system_tests::accounts::{Accounts, config};
use system_tests::migration::{Finished, Migration};
use system_tests::oracle::Difference;

/// Bytes that a file may have in this account: less than the largest file of the source.
const LARGEST: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrated_skipped_and_failed_tickets_are_explained() -> Result<()> {
    let mut config = config(71, 150);
    config.kayako.switches.attachment_limit_bytes = LARGEST;
    let accounts = Accounts::open(config).await?;
    let company = &accounts.company;
    let tickets: Vec<Ticket> = (0..150).filter_map(|index| company.ticket(index)).collect();
    let too_large = |ticket: &Ticket| {
        company.comments(ticket).flat_map(|comment| comment.attachments).any(|file| {
            file.state == AttachmentState::Available
                && usize::try_from(file.size).is_ok_and(|size| size > LARGEST)
        })
    };
    let deleted =
        tickets.iter().find(|ticket| ticket.status == Status::Deleted).context("a deleted ticket")?;
    let failing: Vec<&Ticket> =
        tickets.iter().filter(|ticket| ticket.status != Status::Deleted && too_large(ticket)).collect();
    let failed = failing.first().context("a ticket with a large file")?;
    let fine = tickets.iter().find(|t| t.status != Status::Deleted && !too_large(t)).context("a ticket")?;

    let migration = Migration::in_one_process(&accounts)?;
    let Finished { code, document } = migration.run(&["run", "--full"]).await?;
    assert_eq!(code, Some(6), "records failed, and the exit code says so: {document}");
    assert_eq!(document["run"]["status"], "finished");
    let cases = &document["kinds"]["case"];
    assert_eq!(cases["failed"], failing.len(), "{cases}");
    assert_eq!(cases["skipped"], tickets.iter().filter(|t| t.status == Status::Deleted).count(), "{cases}");
    let missing: Vec<Difference> =
        failing.iter().map(|ticket| Difference::Missing { record: format!("case {}", ticket.id) }).collect();
    assert_eq!(migration.differences().await?, missing);

    let explained = async |ticket: &Ticket| migration.done(&["explain", &ticket.id.to_string()]).await;
    let told = explained(fine).await?;
    assert_eq!(told["state"], "committed", "{told}");
    assert!(told["kayako_id"].is_u64() && told["reason"].is_null(), "{told}");
    let told = explained(deleted).await?;
    assert_eq!((&told["state"], &told["reason"]), (&"skipped".into(), &"deleted_at_source".into()), "{told}");
    let told = explained(failed).await?;
    assert_eq!(told["state"], "failed", "{told}");
    for part in ["reason", "explanation", "next_step"] {
        assert!(told[part].as_str().is_some_and(|text| !text.is_empty()), "{part}: {told}");
    }
    assert!(told["history"].as_array().is_some_and(|history| history.len() > 1), "{told}");

    let report = migration.path("plan.kayako-migrate/reports/run-000001/cases-failed.json");
    let rows: Vec<Value> = serde_json::from_str(&fs::read_to_string(report)?)?;
    let mut reported: Vec<&str> = rows.iter().filter_map(|row| row["source_id"].as_str()).collect();
    reported.sort_unstable();
    let mut expected: Vec<String> = failing.iter().map(|ticket| ticket.id.to_string()).collect();
    expected.sort_unstable();
    assert_eq!(reported, expected);
    assert!(rows.iter().all(|row| row["reason"] == told["reason"] && row["detail"].is_string()), "{rows:?}");
    migration.passed();
    Ok(())
}
