//! What the suites with separate services share: ending them, and leaving nothing behind on a broker.

use anyhow::{Result, ensure};
use queue::{Broker as _, RabbitConfig, RabbitMq};

use crate::migration::Migration;
use crate::processes::Process;

/// Asks every service to end, checks that each does so by itself, and deletes the migration's queues.
pub async fn finish(migration: &Migration<'_>, mut services: Vec<Process>) -> Result<()> {
    for service in &services {
        service.terminate()?;
    }
    for service in &mut services {
        let status = service.ended().await?;
        ensure!(status.code() == Some(0), "{service:?} ended with {status}");
    }
    let Some(shared) = &migration.shared else { return Ok(()) };
    let broker = RabbitMq::connect(RabbitConfig::new(shared.queue.parse()?)).await?;
    let dead = broker.dead_letters(&migration.name).await?;
    broker.delete(&migration.name).await?;
    broker.close().await;
    ensure!(dead == 0, "{dead} messages are dead letters");
    Ok(())
}
