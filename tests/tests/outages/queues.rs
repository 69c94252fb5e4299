//! RabbitMQ is killed, its queues are emptied, its queues are deleted.

use anyhow::Result;
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use system_tests::processes::PATIENCE;
use system_tests::servers::RabbitServer;
use system_tests::waiting::until;

use crate::ground::{Servers, accounts, cases, ends_well, fleet, migration, people, silent};

const STAGES: [&str; 3] = ["extract", "intake", "load"];
/// Where the transformers are in a fleet.
const TRANSFORMERS: std::ops::Range<usize> = 4..6;

async fn channel(rabbit: &RabbitServer) -> Result<Channel> {
    let connection = Connection::connect(&rabbit.url(), ConnectionProperties::default()).await?;
    Ok(connection.create_channel().await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_is_killed_twice_and_comes_back() -> Result<()> {
    let mut servers = Servers::start().await?;
    let accounts = accounts(101).await?;
    let mut migration = migration(&accounts, servers.shared())?;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    people(&accounts, 3).await?;
    servers.rabbit.kill();
    silent(servers.rabbit.port()).await?;
    servers.rabbit.again().await?;
    cases(&accounts, 5).await?;
    servers.rabbit.kill();
    silent(servers.rabbit.port()).await?;
    servers.rabbit.again().await?;
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_queues_are_purged_in_the_middle() -> Result<()> {
    let servers = Servers::start().await?;
    let accounts = accounts(102).await?;
    let mut migration = migration(&accounts, servers.shared())?;
    let mut services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    people(&accounts, 1).await?;
    // Nobody translates: what is read piles up.
    for transformer in services.drain(TRANSFORMERS) {
        transformer.kill().await?;
    }
    let channel = channel(&servers.rabbit).await?;
    let queue = |stage: &str| format!("km.{}.{stage}", migration.name);
    until("records that pile up", PATIENCE, async || {
        let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let intake = channel.queue_declare(queue("intake").into(), look, FieldTable::default()).await?;
        Ok((intake.message_count() >= 5).then_some(()))
    })
    .await?;
    for stage in STAGES {
        let purged = channel.queue_purge(queue(stage).into(), QueuePurgeOptions::default()).await?;
        println!("{purged} messages were purged from {stage}");
    }
    for number in 1..=2 {
        services.push(migration.serve("transformer", &format!("transformer-{number}"))?);
    }
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_queues_are_deleted_in_the_middle() -> Result<()> {
    let servers = Servers::start().await?;
    let accounts = accounts(103).await?;
    let mut migration = migration(&accounts, servers.shared())?;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    people(&accounts, 3).await?;
    let channel = channel(&servers.rabbit).await?;
    for stage in STAGES {
        let queue = format!("km.{}.{stage}", migration.name);
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    }
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}
