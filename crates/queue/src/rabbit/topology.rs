//! The one place that knows what exists on the broker, and with which arguments.
//!
//! ```text
//! publish ---> <p>.work (direct) -------------------> <p>.<migration>.<stage>   one quorum queue per migration, stage
//!                                                        ^      | delivered too often
//! delay -----> <p>.delay.<ms> (fanout)                   |      v
//!                 '-> queue <p>.delay.<ms>               |   <p>.dead (direct) --> <p>.<migration>.dead
//!                        | time-to-live over             |      ^
//!                        v                               |      '-- dead_letter
//!                     <p>.return (direct) ---------------'
//!                        | alternate exchange: the queue is gone
//!                        v
//!                     <p>.unroutable (fanout) --> queue <p>.unroutable
//! ```
//!
//! Constraints:
//! - Two exchanges lead to the stage queues. `work` has no alternate exchange, because a message that an alternate
//!   exchange takes counts as routed, and the publisher would never learn that its queue is missing. `return` has one,
//!   because at-least-once dead-lettering to nowhere keeps the message and blocks the delay queue.
//! - Delay queues dead-letter without a routing key, so a message returns under its own key and one ladder serves all.
//! - At-least-once dead-lettering always comes as three arguments together: exchange, strategy, `reject-publish`.
//! - Queues that retries return to have no length limit: a full target holds dead-lettered messages back for minutes.
//! - Every queue names its type and its delivery limit: their defaults differ between RabbitMQ 3.10 and 4.x.
//! - Arguments are part of a queue's identity: another value needs another name, or the declaration fails.

use std::time::Duration;

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use super::config::RabbitConfig;
use super::fault::calling;
use crate::ladder::millis;
use crate::{QueueName, Result, Stage};

/// Most messages, and most bytes, kept of what is only looked at by people (dead letters, unroutable messages); the
/// oldest go first. The rows of these messages stand in the ledger and are not lost.
const KEPT_MESSAGES: i64 = 100_000;
const KEPT_BYTES: i64 = 1024 * 1024 * 1024;
/// Looking at a dead letter without settling it must not use it up (4.x drops after 20 by default).
const LOOKS: i64 = 1_000_000_000;

/// The names of everything, under one prefix.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    prefix: String,
    steps: Vec<Duration>,
    delivery_limit: u32,
}

impl Topology {
    pub(super) fn new(config: &RabbitConfig) -> Self {
        Self {
            prefix: config.prefix.clone(),
            steps: config.ladder.steps().to_vec(),
            delivery_limit: config.delivery_limit,
        }
    }

    pub(super) fn stage_queue(&self, queue: &QueueName) -> String {
        queue.render(&self.prefix)
    }

    pub(super) fn dead_queue(&self, migration: &str) -> String {
        format!("{}.{migration}.dead", self.prefix)
    }

    pub(super) fn unroutable(&self) -> String {
        format!("{}.unroutable", self.prefix)
    }

    pub(super) fn work_exchange(&self) -> String {
        format!("{}.work", self.prefix)
    }

    pub(super) fn dead_exchange(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// Exchange and queue of one step of the ladder.
    pub(super) fn delay(&self, step: Duration) -> String {
        format!("{}.delay.{}", self.prefix, millis(step))
    }

    fn return_exchange(&self) -> String {
        format!("{}.return", self.prefix)
    }

    /// Declares what all migrations share, and the queues of one.
    pub(super) async fn declare(&self, channel: &Channel, migration: &str) -> Result<()> {
        let declare = Declare { channel };
        let unroutable = self.unroutable();
        declare.exchange(&unroutable, ExchangeKind::Fanout, FieldTable::default()).await?;
        declare.queue(&unroutable, kept()).await?;
        declare.bind(&unroutable, &unroutable, "").await?;

        declare.exchange(&self.work_exchange(), ExchangeKind::Direct, FieldTable::default()).await?;
        declare.exchange(&self.dead_exchange(), ExchangeKind::Direct, FieldTable::default()).await?;
        let mut arguments = FieldTable::default();
        arguments.insert("alternate-exchange".into(), text(&unroutable));
        declare.exchange(&self.return_exchange(), ExchangeKind::Direct, arguments).await?;

        for step in &self.steps {
            let name = self.delay(*step);
            declare.exchange(&name, ExchangeKind::Fanout, FieldTable::default()).await?;
            declare.queue(&name, self.delay_arguments(*step)).await?;
            declare.bind(&name, &name, "").await?;
        }

        let dead = self.dead_queue(migration);
        declare.queue(&dead, kept()).await?;
        declare.bind(&dead, &self.dead_exchange(), &dead).await?;
        for stage in Stage::ALL {
            let name = self.stage_queue(&QueueName::new(migration, stage));
            declare.queue(&name, self.stage_arguments(&dead)).await?;
            declare.bind(&name, &self.work_exchange(), &name).await?;
            declare.bind(&name, &self.return_exchange(), &name).await?;
        }
        Ok(())
    }

    /// Deletes the queues of one migration. A queue that does not exist is no error.
    pub(super) async fn delete(&self, channel: &Channel, migration: &str) -> Result<()> {
        let stages = Stage::ALL.map(|stage| self.stage_queue(&QueueName::new(migration, stage)));
        for name in stages.into_iter().chain([self.dead_queue(migration)]) {
            delete_queue(channel, &name).await?;
        }
        Ok(())
    }

    /// Deletes what all migrations share.
    pub(super) async fn uninstall(&self, channel: &Channel) -> Result<()> {
        let delays = || self.steps.iter().map(|step| self.delay(*step));
        for name in delays().chain([self.unroutable()]) {
            delete_queue(channel, &name).await?;
        }
        let exchanges =
            [self.work_exchange(), self.return_exchange(), self.dead_exchange(), self.unroutable()];
        for name in delays().chain(exchanges) {
            let deleted = channel.exchange_delete(name.as_str().into(), ExchangeDeleteOptions::default());
            deleted.await.map_err(|error| calling("exchange.delete", &name, error))?;
        }
        Ok(())
    }

    fn stage_arguments(&self, dead_queue: &str) -> FieldTable {
        let mut arguments = quorum(i64::from(self.delivery_limit));
        at_least_once(&mut arguments, &self.dead_exchange());
        arguments.insert("x-dead-letter-routing-key".into(), text(dead_queue));
        arguments
    }

    fn delay_arguments(&self, step: Duration) -> FieldTable {
        let mut arguments = quorum(LOOKS);
        at_least_once(&mut arguments, &self.return_exchange());
        let step = i64::try_from(millis(step)).unwrap_or(i64::MAX);
        arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(step));
        arguments
    }
}

struct Declare<'a> {
    channel: &'a Channel,
}

impl Declare<'_> {
    async fn exchange(&self, name: &str, kind: ExchangeKind, arguments: FieldTable) -> Result<()> {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared = self.channel.exchange_declare(name.into(), kind, options, arguments).await;
        declared.map_err(|error| calling("exchange.declare", name, error))
    }

    async fn queue(&self, name: &str, arguments: FieldTable) -> Result<()> {
        let declared =
            self.channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await;
        declared.map(|_| ()).map_err(|error| calling("queue.declare", name, error))
    }

    async fn bind(&self, queue: &str, exchange: &str, key: &str) -> Result<()> {
        let options = QueueBindOptions::default();
        let bound = self.channel.queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            options,
            FieldTable::default(),
        );
        bound.await.map_err(|error| calling("queue.bind", queue, error))
    }
}

async fn delete_queue(channel: &Channel, name: &str) -> Result<()> {
    let deleted = channel.queue_delete(name.into(), QueueDeleteOptions::default()).await;
    deleted.map(|_| ()).map_err(|error| calling("queue.delete", name, error))
}

fn quorum(delivery_limit: i64) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(delivery_limit));
    arguments
}

fn at_least_once(arguments: &mut FieldTable, exchange: &str) {
    arguments.insert("x-dead-letter-exchange".into(), text(exchange));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
}

fn kept() -> FieldTable {
    let mut arguments = quorum(LOOKS);
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(KEPT_MESSAGES));
    arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(KEPT_BYTES));
    arguments.insert("x-overflow".into(), text("drop-head"));
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}
