//! A demo, everything, and everything again, in one process with nothing installed.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;
use system_tests::accounts::{Accounts, config};
use system_tests::migration::Migration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_and_a_full_run_bring_everything_and_a_second_one_creates_nothing() -> Result<()> {
    let accounts = Accounts::open(config(11, 300)).await?;
    let mut migration = Migration::in_one_process(&accounts)?;

    let demo = migration.carried_out(&["run", "--demo", "--seed", "5"]).await?;
    assert_eq!(demo["kinds"]["case"]["available"], 20, "{demo}");
    assert_eq!(accounts.cases(), 20, "a demo moves its sample and nothing else");

    let full = migration.carried_out(&["run", "--full"]).await?;
    migration.arrived().await?;
    adds_up(&full, 300)?;
    reports_add_up(&migration, &full)?;

    accounts.sandbox.kayako_server.reset_counts();
    let again = migration.carried_out(&["run", "--full"]).await?;
    assert_eq!(accounts.creating_calls(), 0, "{:?}", accounts.sandbox.kayako_server.counts());
    migration.arrived().await?;
    adds_up(&again, 300)?;
    for (kind, counts) in again["kinds"].as_object().context("kinds")? {
        assert_eq!(counts["written_now"], 0, "{kind}: {counts}");
    }
    assert!(accounts.sandbox.zendesk.writes().is_empty(), "the source is only read");
    assert!(accounts.sandbox.zendesk.leaks().is_empty(), "credentials went to the host of the files");
    migration.passed();
    Ok(())
}

/// Available = migrated + failed + skipped + pending, for every kind; every ticket of the source is in it.
fn adds_up(document: &Value, tickets: u64) -> Result<()> {
    for (kind, counts) in document["kinds"].as_object().context("kinds")? {
        let of = |column: &str| counts[column].as_u64().unwrap_or(u64::MAX);
        let parts = of("migrated") + of("failed") + of("skipped") + of("pending");
        assert_eq!(of("available"), parts, "{kind}: {counts}");
        assert_eq!((of("failed"), of("pending")), (0, 0), "{kind}: {counts}");
    }
    assert_eq!(document["kinds"]["case"]["available"], tickets);
    Ok(())
}

/// The reports of a finished run have one line for every record of the table, as CSV and as JSON.
fn reports_add_up(migration: &Migration<'_>, document: &Value) -> Result<()> {
    let files = document["reports"].as_array().context("reports")?;
    let find = |name: &str| {
        let ends = |file: &&str| Path::new(file).file_name().is_some_and(|own| own == name);
        let file = files.iter().filter_map(Value::as_str).find(ends);
        file.map(|file| migration.path(file)).with_context(|| format!("there is no report {name}"))
    };
    for (kind, counts) in document["kinds"].as_object().context("kinds")? {
        for outcome in ["migrated", "failed", "skipped"] {
            let stem = format!("{kind}s-{outcome}");
            let lines = csv::Reader::from_path(find(&format!("{stem}.csv"))?)?.into_records().count();
            let rows: Vec<Value> =
                serde_json::from_str(&fs::read_to_string(find(&format!("{stem}.json"))?)?)?;
            assert_eq!(counts[outcome], lines, "{stem}.csv");
            assert_eq!(counts[outcome], rows.len(), "{stem}.json");
        }
    }
    Ok(())
}
