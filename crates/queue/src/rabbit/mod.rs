//! The queue on RabbitMQ 3.10 to 4.x, with quorum queues and no plugins.
//!
//! Constraints: publishing and consuming have a connection each, because a broker that runs out of memory blocks the
//! connections that publish, and acknowledgements must go on. Administrative calls use the consuming connection, each
//! on a channel of its own, because the broker answers an error by closing the channel.

mod address;
mod config;
mod consumer;
mod fault;
mod lane;
mod link;
mod publisher;
mod topology;
mod wire;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use lapin::Channel;
use lapin::options::{QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

pub use self::address::Address;
pub use self::config::RabbitConfig;
use self::consumer::RabbitConsumer;
pub(crate) use self::consumer::RabbitHold;
use self::link::Link;
use self::publisher::RabbitPublisher;
use self::topology::Topology;
use crate::message::check_migration;
use crate::{Broker, Consumer, Depth, Error, Publisher, QueueName, Result};

/// Must be part of a process's log filter, whatever the operator asks for: the client library logs a returned message
/// with its body, and at its finest level every frame, and bodies may hold a customer's text. We report returned
/// messages ourselves, as [`Error::Unroutable`].
pub const LOG_DIRECTIVES: [&str; 2] = ["lapin=info", "lapin::returned_messages=off"];

/// The queue on RabbitMQ.
pub struct RabbitMq {
    config: Arc<RabbitConfig>,
    topology: Topology,
    publishing: Arc<Link>,
    consuming: Arc<Link>,
    publisher: Arc<RabbitPublisher>,
    abandoned: Arc<AtomicU64>,
    closed: CancellationToken,
}

impl RabbitMq {
    /// Connects. Fails at the first try if the settings, the broker or the credentials are not in order; from then on
    /// it reconnects by itself. Must be called inside a tokio runtime, which carries its tasks.
    pub async fn connect(config: RabbitConfig) -> Result<Self> {
        config.check()?;
        let config = Arc::new(config);
        let closed = CancellationToken::new();
        let publishing = Arc::new(Link::new("publish", Arc::clone(&config), closed.clone()));
        let consuming = Arc::new(Link::new("consume", Arc::clone(&config), closed.clone()));
        publishing.connect_once().await?;
        consuming.connect_once().await?;
        let topology = Topology::new(&config);
        let publisher =
            RabbitPublisher::start(Arc::clone(&config), topology.clone(), Arc::clone(&publishing));
        let (publisher, abandoned) = (Arc::new(publisher), Arc::default());
        Ok(Self { config, topology, publishing, consuming, publisher, abandoned, closed })
    }

    /// Removes what all migrations under this prefix share: exchanges, delay ladder with the messages in it, unroutable
    /// messages. Only for taking an installation down; no process may be running on it.
    pub async fn uninstall(&self) -> Result<()> {
        self.admin("uninstall", |channel| async move { self.topology.uninstall(&channel).await }).await
    }

    /// The name of a stage's queue; one that is too long for the broker is refused here.
    fn stage_queue(&self, queue: &QueueName) -> Result<String> {
        check_migration(&queue.migration)?;
        Ok(self.topology.stage_queue(queue))
    }

    fn dead_queue(&self, migration: &str) -> Result<String> {
        check_migration(migration)?;
        Ok(self.topology.dead_queue(migration))
    }

    async fn admin<T, F>(&self, operation: &'static str, call: impl FnOnce(Channel) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let deadline = Instant::now() + self.config.operation_timeout;
        let line = self.consuming.line(deadline).await?;
        let answer = timeout_at(deadline, line.unless_lost(call(line.channel.clone()))).await;
        answer.ok().flatten().unwrap_or(Err(Error::Operation { operation, source: None }))
    }

    async fn count(&self, name: String) -> Result<u64> {
        let call = |channel: Channel| async move {
            let options = QueueDeclareOptions::durable().passive();
            let queue = channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await;
            let queue = queue.map_err(|error| fault::calling("queue.declare", &name, error))?;
            Ok(u64::from(queue.message_count()))
        };
        self.admin("queue.declare", call).await
    }

    async fn purge_queue(&self, name: String) -> Result<u64> {
        let call = |channel: Channel| async move {
            let purged = channel.queue_purge(name.as_str().into(), QueuePurgeOptions::default()).await;
            purged.map(u64::from).map_err(|error| fault::calling("queue.purge", &name, error))
        };
        self.admin("queue.purge", call).await
    }

    async fn consume_queue(&self, name: String, prefetch: u16) -> Result<Box<dyn Consumer>> {
        let (config, link) = (Arc::clone(&self.config), Arc::clone(&self.consuming));
        let abandoned = Arc::clone(&self.abandoned);
        let consumer = RabbitConsumer::start(config, link, name, prefetch, abandoned, &self.closed).await?;
        Ok(Box::new(consumer))
    }
}

#[async_trait]
impl Broker for RabbitMq {
    async fn declare(&self, migration: &str) -> Result<()> {
        check_migration(migration)?;
        let call = |channel: Channel| async move { self.topology.declare(&channel, migration).await };
        self.admin("declare", call).await
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::clone(&self.publisher) as Arc<dyn Publisher>
    }

    async fn consume(&self, queue: &QueueName, prefetch: u16) -> Result<Box<dyn Consumer>> {
        self.consume_queue(self.stage_queue(queue)?, prefetch).await
    }

    async fn consume_dead_letters(&self, migration: &str, prefetch: u16) -> Result<Box<dyn Consumer>> {
        self.consume_queue(self.dead_queue(migration)?, prefetch).await
    }

    async fn depth(&self, queue: &QueueName) -> Result<Depth> {
        let ready = self.count(self.stage_queue(queue)?).await?;
        Ok(Depth { ready, delayed: None })
    }

    async fn dead_letters(&self, migration: &str) -> Result<u64> {
        self.count(self.dead_queue(migration)?).await
    }

    async fn unroutable(&self) -> Result<u64> {
        self.count(self.topology.unroutable()).await
    }

    async fn purge(&self, queue: &QueueName) -> Result<u64> {
        self.purge_queue(self.stage_queue(queue)?).await
    }

    async fn purge_dead_letters(&self, migration: &str) -> Result<u64> {
        self.purge_queue(self.dead_queue(migration)?).await
    }

    async fn delete(&self, migration: &str) -> Result<()> {
        check_migration(migration)?;
        let call = |channel: Channel| async move { self.topology.delete(&channel, migration).await };
        self.admin("delete", call).await
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn is_blocked(&self) -> bool {
        self.publishing.is_blocked()
    }

    fn is_connected(&self) -> bool {
        self.publishing.is_connected() && self.consuming.is_connected()
    }

    fn abandoned(&self) -> u64 {
        self.abandoned.load(Ordering::Relaxed)
    }

    async fn close(&self) {
        self.closed.cancel();
        tokio::join!(self.publishing.close(), self.consuming.close());
    }
}
