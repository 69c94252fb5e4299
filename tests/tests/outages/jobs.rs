//! Jobs of bulk inserts that never end, and jobs that do a part of their work.

use anyhow::{Result, ensure};
use sandbox::kayako::Switches;
use system_tests::accounts::calls;
use system_tests::waiting::until;

use crate::ground::{Servers, accounts_with, cases, ends_well, fleet, migration, patience};

/// Half of a job's cases are written, then it is RUNNING for ever. After the job timeout (30 min, here 90 s) the records are looked for:
/// what is there is kept, what is not is sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_hangs() -> Result<()> {
    let servers = Servers::start().await?;
    let accounts = accounts_with(171, |_| {}).await?;
    let mut migration = migration(&accounts, servers.shared())?;
    // The job timeout comes on top of what a run takes.
    migration.patience *= 3;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    cases(&accounts, 1).await?;
    let kayako = &accounts.sandbox.kayako;
    let switches = kayako.switches();
    kayako.set_switches(Switches { job_hangs_every: 1, ..switches.clone() });
    until("a job that hangs", patience(), async || Ok((kayako.hanging_jobs() > 0).then_some(()))).await?;
    kayako.set_switches(switches);
    println!("{} jobs hang", kayako.hanging_jobs());
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}

/// Jobs that die after half of their items, and jobs that pass over single items and end well. They tell nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_do_a_part_of_their_work() -> Result<()> {
    let servers = Servers::start().await?;
    let accounts = accounts_with(172, |config| {
        let switches = &mut config.kayako.switches;
        (switches.job_dies_every, switches.job_passes_over_every) = (3, 7);
        switches.job_results = sandbox::kayako::JobResults::Nothing;
    })
    .await?;
    let mut migration = migration(&accounts, servers.shared())?;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    let ended = run.ended().await?;
    ensure!(ended.code() == Some(0), "the run ended with {ended}: {}", run.document()?);
    // People whom a batch has lost are inserted one by one.
    let singles = calls(&accounts.sandbox.kayako_server.counts(), |method, path| {
        (method, path) == ("POST", "/api/v1/users")
    });
    println!("{singles} people were inserted singly");
    ensure!(singles > 0, "no job has lost a person");
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}
