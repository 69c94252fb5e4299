//! What stops a run until a person acts, and what a person may do to a run.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use sandbox::faults::{Fault, Schedule, When};
use sandbox::seed::Status;
use serde_json::Value;
use system_tests::accounts::{Accounts, config, rule};
use system_tests::migration::{Finished, Migration};
use system_tests::processes::PATIENCE;
use system_tests::waiting::until;

const RUN: [&str; 2] = ["run", "--full"];

/// Somebody replaces Kayako's password at night. The run stops for all, with one bad log-in, fails nothing, and goes on with the
/// same command once the new password is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_changes_in_the_middle_halts_the_run_and_fails_nothing() -> Result<()> {
    let mut config = config(81, 60);
    config.faults.kayako = system_tests::accounts::slow(40);
    let accounts = Accounts::open(config).await?;
    let before = accounts.before.users.len();
    let (email, old) = (accounts.kayako_email.clone(), accounts.kayako_password.clone());
    let mut migration = Migration::in_one_process(&accounts)?;
    let mut run = migration.start(&RUN)?;
    until("people in Kayako", PATIENCE, async || {
        Ok((accounts.sandbox.kayako.counts().users > before).then_some(()))
    })
    .await?;
    accounts.sandbox.kayako_server.reset_counts();
    ensure!(accounts.sandbox.kayako.set_password(&email, "another one"), "nobody has the address {email}");
    let ended = run.ended().await?;
    let document = run.document()?;
    assert_eq!(ended.code(), Some(5), "a halted run has its own exit code: {document}");
    assert_eq!(document["error"]["code"], "run-halted", "{document}");
    let bad = accounts.sandbox.kayako_server.counts();
    let bad = bad.calls.get("GET /api/v1/session").and_then(|by_status| by_status.get(&401)).copied();
    assert_eq!(bad, Some(1), "one bad log-in for one action of an operator");

    let status = migration.done(&["status"]).await?;
    assert_eq!(status["run"]["status"], "halted", "{status}");
    let reasons = status["waiting_for"].as_array().context("what it waits for")?;
    assert!(reasons.iter().any(|reason| reason.as_str().is_some_and(|text| text.starts_with("a person"))));
    for (kind, counts) in status["kinds"].as_object().context("kinds")? {
        assert_eq!(counts["failed"], 0, "{kind}: {counts}");
    }
    // With the old password the command is refused before it touches the run; with the new one it goes on.
    let refused = migration.run(&RUN).await?;
    assert_eq!(refused.document["error"]["code"], "target-credentials", "{}", refused.document);
    accounts.sandbox.kayako.set_password(&email, &old);
    migration.carried_out(&RUN).await?;
    migration.arrived().await?;
    migration.passed();
    Ok(())
}

/// One conversation that the source cannot show holds up nothing else and is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_that_can_never_be_read_fails_alone() -> Result<()> {
    let mut config = config(82, 40);
    let company = sandbox::Sandbox::start(config.clone()).await?.zendesk.company();
    let ticket = (0..40)
        .filter_map(|index| company.ticket(index))
        .find(|ticket| ticket.status != Status::Deleted)
        .context("a ticket")?;
    let path = format!("/api/v2/tickets/{}/comments", ticket.id);
    let broken = rule("GET", &path, When::Always, Fault::ErrorBefore);
    config.faults.zendesk = Schedule { seed: 1, rules: vec![broken] };
    let accounts = Accounts::open(config).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    let Finished { code, document } = migration.run(&RUN).await?;
    assert_eq!(code, Some(6), "one record failed: {document}");
    assert_eq!(document["kinds"]["case"]["failed"], 1, "{document}");
    assert_eq!(document["kinds"]["case"]["pending"], 0, "{document}");
    let told = migration.done(&["explain", &ticket.id.to_string()]).await?;
    assert_eq!((&told["state"], &told["reason"]), (&"failed".into(), &"source_unreadable".into()), "{told}");
    // The next run reads it again.
    accounts.sandbox.zendesk_server.set_faults(Schedule::default());
    migration.carried_out(&RUN).await?;
    migration.arrived().await?;
    migration.passed();
    Ok(())
}

/// The rows of a ledger speak of the accounts they were written to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_is_not_continued_into_another_account() -> Result<()> {
    let accounts = Accounts::open(config(83, 20)).await?;
    let other = Accounts::open(config(83, 20)).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.carried_out(&["run", "--demo"]).await?;
    let file = migration.path("plan.yaml");
    let plan = fs::read_to_string(&file)?;
    for (mine, others) in [
        (&accounts.sandbox.kayako_url, &other.sandbox.kayako_url),
        (&accounts.sandbox.zendesk_url, &other.sandbox.zendesk_url),
    ] {
        fs::write(&file, plan.replace(mine.as_str(), others))?;
        let refused = migration.run(&RUN).await?;
        assert_eq!(refused.code, Some(8), "{}", refused.document);
        assert_eq!(refused.document["error"]["code"], "ledger-other", "{}", refused.document);
        let message = refused.document["error"]["message"].as_str().context("a message")?;
        assert!(message.contains(mine.as_str()) && message.contains(others.as_str()), "{message}");
    }
    assert_eq!(other.cases(), other.before.cases.len(), "nothing was written to the other account");
    fs::write(&file, plan)?;
    migration.carried_out(&RUN).await?;
    migration.arrived().await?;
    migration.passed();
    Ok(())
}

/// What a cancelled run has listed is no part of a later run that does not want it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_after_a_cancelled_run_moves_its_sample_and_nothing_else() -> Result<()> {
    let accounts = Accounts::open(config(84, 60)).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    let before = accounts.before.users.len();
    let mut run = migration.start(&RUN)?;
    until("people in Kayako", PATIENCE, async || {
        Ok((accounts.sandbox.kayako.counts().users > before).then_some(()))
    })
    .await?;
    // Kayako goes away before a case is written, and the source is read on.
    accounts.sandbox.kayako.set_outage(true);
    until("cases that are listed", PATIENCE, async || {
        let status = migration.done(&["status"]).await?;
        let listed = status["kinds"]["case"]["pending"].as_u64().unwrap_or(0);
        Ok((listed >= 40).then_some(()))
    })
    .await?;
    migration.done(&["cancel"]).await?;
    let ended = run.ended().await?;
    assert_eq!(ended.code(), Some(5), "{}", run.document()?);
    accounts.sandbox.kayako.set_outage(false);
    let written = accounts.cases();
    let demo = migration.carried_out(&["run", "--demo", "--seed", "3"]).await?;
    assert_eq!(demo["kinds"]["case"]["available"], 20, "{demo}");
    assert_eq!(accounts.cases(), written + 20, "{written} cases were there before the demo");
    migration.carried_out(&RUN).await?;
    migration.arrived().await?;
    migration.passed();
    Ok(())
}

/// What was carried differently stands in the report of the migrated records, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_of_migrated_records_tells_what_was_left_out() -> Result<()> {
    let accounts = Accounts::open(config(85, 150)).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.carried_out(&RUN).await?;
    let report = migration.path("plan.kayako-migrate/reports/run-000001/cases-migrated.json");
    let rows: Vec<Value> = serde_json::from_str(&fs::read_to_string(report)?)?;
    let gone = rows.iter().filter(|row| {
        row["detail"].as_str().is_some_and(|detail| detail.contains("files the source no longer has"))
    });
    assert!(gone.count() > 0, "the company has deleted files; no case tells of one");
    migration.passed();
    Ok(())
}

/// The state of a migration is lost after everything was moved, and the migration is begun anew, with a demo first as usual.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_ledger_doubles_nothing() -> Result<()> {
    let accounts = Accounts::open(config(86, 60)).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.carried_out(&RUN).await?;
    migration.arrived().await?;
    fs::remove_dir_all(migration.path("plan.kayako-migrate"))?;
    accounts.sandbox.kayako_server.reset_counts();
    let demo = migration.carried_out(&["run", "--demo", "--seed", "4"]).await?;
    assert_eq!(demo["kinds"]["case"]["available"], 20, "{demo}");
    migration.carried_out(&RUN).await?;
    migration.arrived().await?;
    let counts = accounts.sandbox.kayako_server.counts();
    let created = |kind: &str| {
        let path = format!("/api/v1/bulk/{kind}");
        system_tests::accounts::calls(&counts, |method, called| method == "POST" && called == path)
    };
    let all = ["teams", "organizations", "cases"].map(created);
    assert_eq!(all, [0, 0, 0], "everything was there: {:?}", counts.calls);
    // A demo cannot see people who were deleted for good, and gives their cases to the stand-in, whom no run has needed before.
    assert!(created("users") <= 1, "{:?}", counts.calls);
    migration.passed();
    Ok(())
}

/// The source answers nothing but 500 for longer than any call is repeated. `status` says so, no record fails, and the run goes on by
/// itself. One record that could be read before the outage is not taken for proof that the others are to blame.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_away_for_long_fails_nothing_and_is_told() -> Result<()> {
    let mut config = config(89, 60);
    config.faults.zendesk = system_tests::accounts::slow(15);
    let accounts = Accounts::open(config).await?;
    let migration = Migration::in_one_process(&accounts)?;
    let mut run = migration.start(&RUN)?;
    until("conversations that are read", PATIENCE, async || {
        let counts = accounts.sandbox.zendesk_server.counts();
        let read = system_tests::accounts::calls(&counts, |_, path| path.ends_with("/comments"));
        Ok((read >= 5).then_some(()))
    })
    .await?;
    let broken = rule("", "", When::Always, Fault::ErrorBefore);
    accounts.sandbox.zendesk_server.set_faults(Schedule { seed: 1, rules: vec![broken] });
    until("the word that the source is away", PATIENCE, async || {
        let status = migration.done(&["status"]).await?;
        let told = status["waiting_for"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(told.into_iter().any(|reason| reason.starts_with("the source to answer again")).then_some(()))
    })
    .await?;
    accounts.sandbox.zendesk_server.set_faults(Schedule::default());
    let ended = run.ended().await?;
    ensure!(ended.code() == Some(0), "the run ended with {ended}: {}", run.document()?);
    migration.arrived().await?;
    migration.passed();
    Ok(())
}
