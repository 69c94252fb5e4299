//! The services themselves: killed at random, and restarted one after the other in the middle of a run.

use std::time::Duration;

use anyhow::Result;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use system_tests::processes::Process;
use tokio::time::sleep;

use crate::ground::{ROLES, Servers, accounts, ends_well, fleet, is_large, migration, people};

/// Between two kills: less than a lease of the scaled protocol (2 s).
const PAUSE: Duration = Duration::from_millis(1_500);
/// Kills in a small account, which is moved in a few seconds.
const KILLS: usize = 10;
/// In a large one they go on until three quarters of the cases are there, so slowly that a service gets something done in between.
const PAUSE_OF_LARGE: Duration = Duration::from_secs(6);
/// No run takes so many.
const MOST_KILLS: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_services_are_killed_all_the_time() -> Result<()> {
    let servers = Servers::start().await?;
    let accounts = accounts(131).await?;
    let mut migration = migration(&accounts, servers.shared())?;
    let mut services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    people(&accounts, 1).await?;
    let mut random = ChaCha8Rng::seed_from_u64(131);
    let (large, most) = (is_large(), accounts.expected_cases() * 3 / 4);
    let mut kills = 0;
    while kills < KILLS || (large && accounts.cases() < most && kills < MOST_KILLS) {
        let victim = random.random_range(0..services.len());
        let role = ROLES[victim / 2];
        let replacement = migration.serve(role, &format!("{role}-{}", victim % 2 + 1))?;
        std::mem::replace(&mut services[victim], replacement).kill().await?;
        kills += 1;
        sleep(if large { PAUSE_OF_LARGE } else { PAUSE }).await;
    }
    println!("{kills} services were killed");
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_services_are_restarted_one_after_the_other() -> Result<()> {
    let servers = Servers::start().await?;
    let accounts = accounts(132).await?;
    let mut migration = migration(&accounts, servers.shared())?;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    people(&accounts, 1).await?;
    let mut restarted: Vec<Process> = Vec::new();
    for (place, mut service) in services.into_iter().enumerate() {
        let role = ROLES[place / 2];
        service.terminate()?;
        let status = service.ended().await?;
        anyhow::ensure!(status.code() == Some(0), "{role} did not drain: {status}");
        restarted.push(migration.serve(role, &format!("{role}-{}", place % 2 + 1))?);
    }
    ends_well(&mut migration, &mut run, restarted).await?;
    migration.passed();
    Ok(())
}
