//! RabbitMQ is killed, its queues are emptied, its queues are deleted, it takes no messages.

use std::time::Duration;

use anyhow::{Result, ensure};
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use system_tests::processes::Process;
use system_tests::servers::RabbitServer;
use system_tests::waiting::until;
use tokio::time::sleep;

use crate::ground::{Servers, accounts, cases, ends_well, fleet, migration, patience, people, silent};

const STAGES: [&str; 3] = ["extract", "intake", "load"];
/// Where the transformers are in a fleet.
const TRANSFORMERS: std::ops::Range<usize> = 4..6;
/// How long an alarm lasts: leases of the scaled protocol end after 2 s, a publish is given up after 30 s.
const ALARMED: Duration = Duration::from_secs(35);

async fn channel(rabbit: &RabbitServer) -> Result<Channel> {
    let connection = Connection::connect(&rabbit.url(), ConnectionProperties::default()).await?;
    Ok(connection.create_channel().await?)
}

/// Messages that wait in a queue.
async fn depth(channel: &Channel, queue: &str) -> Result<u32> {
    let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    Ok(channel.queue_declare(queue.into(), look, FieldTable::default()).await?.message_count())
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

/// Nobody translates any more: waits until what is read piles up.
async fn records_pile_up(services: &mut Vec<Process>, channel: &Channel, intake: &str) -> Result<()> {
    for transformer in services.drain(TRANSFORMERS) {
        transformer.kill().await?;
    }
    until("records that pile up", patience(), async || Ok((depth(channel, intake).await? >= 5).then_some(())))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_queues_are_purged_in_the_middle() -> Result<()> {
    let servers = Servers::start().await?;
    let accounts = accounts(102).await?;
    let mut migration = migration(&accounts, servers.shared())?;
    let mut services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    people(&accounts, 1).await?;
    let channel = channel(&servers.rabbit).await?;
    let queue = |stage: &str| format!("km.{}.{stage}", migration.name);
    records_pile_up(&mut services, &channel, &queue("intake")).await?;
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

/// With its memory alarm raised RabbitMQ takes nothing from whoever publishes; who only reads and acknowledges goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_raises_its_alarm_and_takes_no_messages() -> Result<()> {
    let servers = Servers::start().await?;
    let accounts = accounts(104).await?;
    let mut migration = migration(&accounts, servers.shared())?;
    let mut services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    people(&accounts, 1).await?;
    // So that there is something to publish when the alarm is raised.
    let channel = channel(&servers.rabbit).await?;
    records_pile_up(&mut services, &channel, &format!("km.{}.intake", migration.name)).await?;
    servers.rabbit.alarm(true)?;
    until("the alarm", patience(), async || Ok((!servers.rabbit.alarms()?.is_empty()).then_some(()))).await?;
    for number in 1..=2 {
        services.push(migration.serve("transformer", &format!("transformer-{number}"))?);
    }
    sleep(ALARMED).await;
    ensure!(accounts.cases() < accounts.expected_cases(), "everything has arrived without a queue");
    servers.rabbit.alarm(false)?;
    until("the alarm's end", patience(), async || Ok(servers.rabbit.alarms()?.is_empty().then_some(())))
        .await?;
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}
