//! `kill -9` in the middle, then the same command again: everything arrives, nothing twice, nothing half written.

use anyhow::{Result, ensure};
use system_tests::accounts::{Accounts, calls, config, slow};
use system_tests::migration::{Finished, Migration, Services};
use system_tests::oracle::Difference;
use system_tests::processes::{PATIENCE, Process};
use system_tests::service_runs::finish;
use system_tests::waiting::until;

/// Milliseconds that every call takes: long enough that a kill meets work on its way.
const LATENCY: u64 = 15;

/// Waits until so many cases are in Kayako.
async fn cases(accounts: &Accounts, at_least: usize) -> Result<()> {
    until(&format!("{at_least} cases in Kayako"), PATIENCE, async || {
        Ok((accounts.cases() >= at_least).then_some(()))
    })
    .await
}

/// Waits until so many people have come into Kayako.
async fn people(accounts: &Accounts, at_least: usize) -> Result<()> {
    let before = accounts.before.users.len();
    until(&format!("{at_least} new people in Kayako"), PATIENCE, async || {
        Ok((accounts.sandbox.kayako.counts().users >= before + at_least).then_some(()))
    })
    .await
}

/// Waits until the conversations of so many tickets have been read.
async fn read(accounts: &Accounts, at_least: u64) -> Result<()> {
    until(&format!("{at_least} conversations read"), PATIENCE, async || {
        let counts = accounts.sandbox.zendesk_server.counts();
        let read = calls(&counts, |_, path| path.ends_with("/comments"));
        Ok((read >= at_least).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_killed_again_and_again_goes_on_with_the_same_command() -> Result<()> {
    let mut config = config(31, 140);
    config.faults.kayako = slow(LATENCY);
    config.kayako.switches.job_item_ms = 2;
    let accounts = Accounts::open(config).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.killed = true;
    let run = ["run", "--full"];

    let process = migration.start(&run)?;
    people(&accounts, 5).await?;
    process.kill().await?;

    let process = migration.start(&run)?;
    cases(&accounts, 20).await?;
    process.kill().await?;

    let process = migration.start(&run)?;
    cases(&accounts, 70).await?;
    process.kill().await?;
    ensure!(accounts.cases() < accounts.expected_cases(), "nothing was left to do after the last kill");

    migration.carried_out(&run).await?;
    migration.arrived().await?;
    migration.passed();
    Ok(())
}

/// A process that dies between two of its steps, exactly where doubles and halves come from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_dies_around_its_write_neither_doubles_nor_halves() -> Result<()> {
    let accounts = Accounts::open(config(32, 40)).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.killed = true;
    // Sent, and the answer is lost; then created, and nothing after that is done: users without organization and notes.
    for point in ["loader.sent:abort:3", "loader.created:abort:4"] {
        migration.environment = vec![("KAYAKO_MIGRATE_CRASH", point.to_owned())];
        let died = migration.start(&["run", "--full"])?.ended().await?;
        ensure!(died.code().is_none(), "{point} was never reached: the process ended with {died}");
    }
    migration.environment.clear();
    migration.carried_out(&["run", "--full"]).await?;
    migration.arrived().await?;
    migration.passed();
    Ok(())
}

/// What was on its way when the process died is gone at the source when it comes back: every row must still end, and what is there is
/// counted as migrated only if it is known to be whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tickets_that_are_deleted_while_the_process_is_dead_do_not_hold_up_the_run() -> Result<()> {
    let mut config = config(37, 60);
    config.faults.kayako = slow(LATENCY);
    config.kayako.switches.job_item_ms = 20;
    let accounts = Accounts::open(config).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.killed = true;
    let process = migration.start(&["run", "--full"])?;
    cases(&accounts, 8).await?;
    process.kill().await?;
    ensure!(accounts.cases() < accounts.expected_cases(), "nothing was left to do after the kill");
    let all: Vec<_> = (0..60).map(|index| accounts.company.ticket_id(index)).collect();
    for ticket in &all {
        accounts.sandbox.zendesk.delete_ticket(*ticket, true);
    }
    let Finished { code, document } = migration.run(&["run", "--full"]).await?;
    ensure!(matches!(code, Some(0 | 6)), "the run ended with {code:?}: {document}");
    assert_eq!(document["run"]["status"], "finished", "{document}");
    let counted = |column: &str| document["kinds"]["case"][column].as_u64().unwrap_or(0);
    assert_eq!(counted("pending"), 0, "{document}");
    let there = accounts.cases() as u64;
    assert_eq!(counted("migrated") + counted("failed"), there, "{there} cases are in Kayako: {document}");
    // None may be doubled, altered or half there; that they are missing is right.
    let missing = |difference: &Difference| matches!(difference, Difference::Missing { record } if record.starts_with("case "));
    let wrong: Vec<_> =
        migration.differences().await?.into_iter().filter(|difference| !missing(difference)).collect();
    assert_eq!(wrong, []);
    migration.passed();
    Ok(())
}

/// A case exists, its last steps are not done, and the source deletes the ticket: nobody knows any more what is left to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_before_its_last_steps_is_told_and_not_called_whole() -> Result<()> {
    let accounts = Accounts::open(config(38, 30)).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.killed = true;
    migration.environment = vec![("KAYAKO_MIGRATE_CRASH", "loader.created@case:abort:1".to_owned())];
    let died = migration.start(&["run", "--full"])?.ended().await?;
    ensure!(died.code().is_none(), "the point was never reached: the process ended with {died}");
    migration.environment.clear();
    let written = accounts.sandbox.kayako.cases(0, 100);
    ensure!(!written.is_empty(), "no case was written before the process died");
    for index in 0..30 {
        accounts.sandbox.zendesk.delete_ticket(accounts.company.ticket_id(index), true);
    }
    let Finished { code, document } = migration.run(&["run", "--full"]).await?;
    assert_eq!(code, Some(6), "{document}");
    assert_eq!(document["kinds"]["case"]["failed"].as_u64(), Some(written.len() as u64), "{document}");
    assert_eq!(document["kinds"]["case"]["pending"], 0, "{document}");
    let key = written[0].legacy_id.as_deref().unwrap_or_default();
    let ticket = key.rsplit(':').next().unwrap_or_default();
    let told = migration.done(&["explain", ticket]).await?;
    assert_eq!((&told["state"], &told["reason"]), (&"failed".into(), &"unfinished".into()), "{told}");
    assert_eq!(told["kayako_id"].as_u64(), Some(written[0].id), "a person can open it: {told}");
    assert_eq!(accounts.sandbox.kayako.cases(0, 100).len(), written.len(), "nothing was added or removed");
    migration.passed();
    Ok(())
}

/// Kills one of the services when `moment` has come, starts it again, and lets the run come to its end.
async fn killed(
    seed: u64,
    moment: impl AsyncFnOnce(&Accounts) -> Result<()>,
    kill: impl AsyncFnOnce(&Migration<'_>, Services) -> Result<Vec<Process>>,
) -> Result<()> {
    let mut config = config(seed, 80);
    config.faults.kayako = slow(LATENCY);
    config.faults.zendesk = slow(LATENCY);
    let accounts = Accounts::open(config).await?;
    let mut migration = Migration::of_services(&accounts)?;
    migration.killed = true;
    let services = migration.serve_all()?;
    let mut run = migration.start(&["run", "--full"])?;
    moment(&accounts).await?;
    let services = kill(&migration, services).await?;
    ensure!(accounts.cases() < accounts.expected_cases(), "nothing was left to do after the kill");
    let ended = run.ended().await?;
    ensure!(ended.code() == Some(0), "the run ended with {ended}: {}", run.document()?);
    migration.arrived().await?;
    finish(&migration, services).await?;
    migration.passed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_coordinator_is_replaced() -> Result<()> {
    killed(
        33,
        async |accounts| people(accounts, 1).await,
        async |migration, services| {
            services.coordinator.kill().await?;
            let coordinator = migration.serve("coordinator", "coordinator")?;
            Ok(Services { coordinator, ..services }.into_all())
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_extractor_is_replaced() -> Result<()> {
    killed(
        34,
        async |accounts| read(accounts, 15).await,
        async |migration, services| {
            services.extractor.kill().await?;
            let extractor = migration.serve("extractor", "extractor")?;
            Ok(Services { extractor, ..services }.into_all())
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_transformer_is_replaced() -> Result<()> {
    killed(
        35,
        async |accounts| read(accounts, 15).await,
        async |migration, services| {
            services.transformer.kill().await?;
            let transformer = migration.serve("transformer", "transformer")?;
            Ok(Services { transformer, ..services }.into_all())
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_loader_is_replaced() -> Result<()> {
    killed(
        36,
        async |accounts| cases(accounts, 10).await,
        async |migration, services| {
            let [first, second] = services.loaders;
            first.kill().await?;
            let loaders = [migration.serve("loader", "loader-1")?, second];
            Ok(Services { loaders, ..services }.into_all())
        },
    )
    .await
}
