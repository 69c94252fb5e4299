//! Redis is killed, loses its last second, is emptied.

use anyhow::{Result, ensure};
use redis::Client;

use crate::ground::{Servers, accounts, cases, ends_well, fleet, judged, migration, people, silent};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_comes_back() -> Result<()> {
    let mut servers = Servers::start().await?;
    let accounts = accounts(111).await?;
    let mut migration = migration(&accounts, servers.shared())?;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    cases(&accounts, 5).await?;
    servers.redis.kill();
    silent(servers.redis.port()).await?;
    servers.redis.again().await?;
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}

/// What was acknowledged since the snapshot never happened, as far as Redis knows: registrations, intents, commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_comes_back_without_its_last_moments() -> Result<()> {
    let mut servers = Servers::start().await?;
    let accounts = accounts(112).await?;
    let mut migration = migration(&accounts, servers.shared())?;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    people(&accounts, 3).await?;
    let earlier = servers.redis.snapshot()?;
    cases(&accounts, 5).await?;
    servers.redis.kill();
    silent(servers.redis.port()).await?;
    servers.redis.restore(&earlier)?;
    servers.redis.again().await?;
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}

/// Everything is forgotten. The services wait; the same command begins anew, and what is in Kayako is found by its keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_emptied_and_the_same_command_begins_anew() -> Result<()> {
    let servers = Servers::start().await?;
    let accounts = accounts(113).await?;
    let mut migration = migration(&accounts, servers.shared())?;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    cases(&accounts, 5).await?;
    let mut connection = Client::open(servers.redis.url())?.get_multiplexed_async_connection().await?;
    let _: () = redis::cmd("FLUSHALL").query_async(&mut connection).await?;
    let ended = run.ended().await?;
    ensure!(ended.code() != Some(0), "the run ended well on an empty ledger: {}", run.document()?);
    migration.carried_out(&["run", "--full"]).await?;
    // What was on its way when everything was forgotten may be there twice; the comparison finds and repairs it.
    let repaired = migration.run(&["verify", "--reconcile", "--repair"]).await?;
    println!("after the loss: {}", repaired.document);
    judged(&mut migration, services).await?;
    migration.passed();
    Ok(())
}
