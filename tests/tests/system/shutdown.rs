//! SIGTERM: every process finishes what is in hand and ends by itself; started again, it goes on.

use anyhow::{Result, ensure};
use system_tests::accounts::{Accounts, config, slow};
use system_tests::migration::Migration;
use system_tests::processes::PATIENCE;
use system_tests::service_runs::finish;
use system_tests::waiting::until;

/// Exit code of a command that was told to stop.
const INTERRUPTED: i32 = 130;

async fn in_the_middle(accounts: &Accounts) -> Result<()> {
    until("some cases in Kayako", PATIENCE, async || Ok((accounts.cases() >= 5).then_some(()))).await?;
    ensure!(accounts.cases() < accounts.expected_cases(), "nothing is left to do");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_are_asked_to_end_do_so_and_others_go_on() -> Result<()> {
    let mut config = config(91, 80);
    (config.faults.kayako, config.faults.zendesk) = (slow(15), slow(15));
    let accounts = Accounts::open(config).await?;
    let mut migration = Migration::of_services(&accounts)?;
    migration.killed = true;
    let mut first = migration.serve_all()?.into_all();
    let mut run = migration.start(&["run", "--full"])?;
    in_the_middle(&accounts).await?;
    for service in &first {
        service.terminate()?;
    }
    for service in &mut first {
        let status = service.ended().await?;
        ensure!(status.code() == Some(0), "{service:?} ended with {status}");
    }
    let second = migration.serve_all()?.into_all();
    let ended = run.ended().await?;
    ensure!(ended.code() == Some(0), "the run ended with {ended}: {}", run.document()?);
    migration.arrived().await?;
    finish(&migration, second).await?;
    migration.passed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_that_is_asked_to_end_goes_on_with_the_same_command() -> Result<()> {
    let mut config = config(92, 80);
    config.faults.kayako = slow(15);
    let accounts = Accounts::open(config).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    // What waited in its queue is gone with the process.
    migration.killed = true;
    let mut process = migration.start(&["run", "--full"])?;
    in_the_middle(&accounts).await?;
    process.terminate()?;
    let status = process.ended().await?;
    ensure!(status.code() == Some(INTERRUPTED), "it ended with {status}");
    let state = migration.done(&["status"]).await?;
    assert_eq!(state["run"]["status"], "running", "{state}");
    migration.carried_out(&["run", "--full"]).await?;
    migration.arrived().await?;
    migration.passed();
    Ok(())
}
