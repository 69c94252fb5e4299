//! A demo, everything, and everything again, in one process with nothing installed.

use anyhow::{Context as _, Result};
use system_tests::accounts::{Accounts, config};
use system_tests::migration::Migration;
use system_tests::sums;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_and_a_full_run_bring_everything_and_a_second_one_creates_nothing() -> Result<()> {
    let accounts = Accounts::open(config(11, 300)).await?;
    let mut migration = Migration::in_one_process(&accounts)?;

    let demo = migration.carried_out(&["run", "--demo", "--seed", "5"]).await?;
    assert_eq!(demo["kinds"]["case"]["available"], 20, "{demo}");
    assert_eq!(accounts.cases(), 20, "a demo moves its sample and nothing else");

    let full = migration.carried_out(&["run", "--full"]).await?;
    migration.arrived().await?;
    sums::adds_up(&full, 300)?;
    sums::reports_add_up(&migration, &full)?;

    accounts.sandbox.kayako_server.reset_counts();
    let again = migration.carried_out(&["run", "--full"]).await?;
    assert_eq!(accounts.creating_calls(), 0, "{:?}", accounts.sandbox.kayako_server.counts());
    migration.arrived().await?;
    sums::adds_up(&again, 300)?;
    for (kind, counts) in again["kinds"].as_object().context("kinds")? {
        assert_eq!(counts["written_now"], 0, "{kind}: {counts}");
    }
    assert!(accounts.sandbox.zendesk.writes().is_empty(), "the source is only read");
    assert!(accounts.sandbox.zendesk.leaks().is_empty(), "credentials went to the host of the files");
    migration.passed();
    Ok(())
}
