//! The queue as one process sees it: publishes that take time, are not stored, stored twice, or stored without a confirm.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use queue::{Broker, Consumer, Delivery, Depth, Error, Message, Publisher, QueueName, Result};

use crate::weather::Weather;

/// The usual round trip to the broker.
const USUAL: Duration = Duration::from_millis(2);

/// A broker behind one process's weather.
pub struct StormyBroker {
    broker: Arc<dyn Broker>,
    durable: bool,
    weather: Weather,
}

impl StormyBroker {
    /// `broker` as it looks from a process with this weather. `durable`: what is in it outlives the process.
    pub fn new(broker: Arc<dyn Broker>, durable: bool, weather: Weather) -> Self {
        Self { broker, durable, weather }
    }
}

#[async_trait]
impl Broker for StormyBroker {
    async fn declare(&self, migration: &str) -> Result<()> {
        self.broker.declare(migration).await
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(StormyPublisher { publisher: self.broker.publisher(), weather: self.weather.clone() })
    }

    async fn consume(&self, queue: &QueueName, prefetch: u16) -> Result<Box<dyn Consumer>> {
        let consumer = self.broker.consume(queue, prefetch).await?;
        Ok(Box::new(StormyConsumer { consumer, weather: self.weather.clone() }))
    }

    async fn consume_dead_letters(&self, migration: &str, prefetch: u16) -> Result<Box<dyn Consumer>> {
        self.broker.consume_dead_letters(migration, prefetch).await
    }

    async fn depth(&self, queue: &QueueName) -> Result<Depth> {
        self.broker.depth(queue).await
    }

    async fn dead_letters(&self, migration: &str) -> Result<u64> {
        self.broker.dead_letters(migration).await
    }

    async fn unroutable(&self) -> Result<u64> {
        self.broker.unroutable().await
    }

    async fn purge(&self, queue: &QueueName) -> Result<u64> {
        self.broker.purge(queue).await
    }

    async fn purge_dead_letters(&self, migration: &str) -> Result<u64> {
        self.broker.purge_dead_letters(migration).await
    }

    async fn delete(&self, migration: &str) -> Result<()> {
        self.broker.delete(migration).await
    }

    fn is_durable(&self) -> bool {
        self.durable
    }

    fn is_blocked(&self) -> bool {
        self.broker.is_blocked()
    }

    fn is_connected(&self) -> bool {
        self.broker.is_connected()
    }

    fn abandoned(&self) -> u64 {
        self.broker.abandoned()
    }

    async fn close(&self) {
        self.broker.close().await;
    }
}

struct StormyPublisher {
    publisher: Arc<dyn Publisher>,
    weather: Weather,
}

impl StormyPublisher {
    fn unconfirmed(queue: &QueueName) -> Error {
        Error::Unconfirmed { queue: queue.to_string(), source: None }
    }
}

#[async_trait]
impl Publisher for StormyPublisher {
    async fn publish(&self, queue: &QueueName, messages: Vec<Message>) -> Vec<Result<()>> {
        self.weather.awake().await;
        let mut answers = Vec::with_capacity(messages.len());
        for message in messages {
            if self.weather.strikes(|hazards| hazards.publish_lost) {
                self.weather.note(format_args!("a message for {queue} is not stored"));
                answers.push(Err(Self::unconfirmed(queue)));
                continue;
            }
            if self.weather.strikes(|hazards| hazards.publish_doubled) {
                self.weather.note(format_args!("a message for {queue} is stored twice"));
                self.publisher.publish(queue, vec![message.clone()]).await;
            }
            let stored = self.publisher.publish(queue, vec![message]).await.pop().unwrap_or(Ok(()));
            let lost = stored.is_ok() && self.weather.strikes(|hazards| hazards.confirm_lost);
            if lost {
                self.weather.note(format_args!("the confirm of a message for {queue} is lost"));
            }
            answers.push(if lost { Err(Self::unconfirmed(queue)) } else { stored });
        }
        self.weather.delay(USUAL, |hazards| hazards.slow_queue).await;
        self.weather.awake().await;
        answers
    }

    async fn delay(&self, queue: &QueueName, message: Message, wait: Duration) -> Result<()> {
        self.weather.awake().await;
        if self.weather.strikes(|hazards| hazards.publish_lost) {
            return Err(Self::unconfirmed(queue));
        }
        self.publisher.delay(queue, message, wait).await?;
        self.weather.delay(USUAL, |hazards| hazards.slow_queue).await;
        if self.weather.strikes(|hazards| hazards.confirm_lost) {
            return Err(Self::unconfirmed(queue));
        }
        Ok(())
    }

    async fn dead_letter(&self, queue: &QueueName, message: Message, reason: &str) -> Result<()> {
        self.weather.note(format_args!("a message of {queue} is given up: {reason}"));
        self.publisher.dead_letter(queue, message, reason).await
    }
}

struct StormyConsumer {
    consumer: Box<dyn Consumer>,
    weather: Weather,
}

#[async_trait]
impl Consumer for StormyConsumer {
    async fn next(&mut self) -> Option<Result<Delivery>> {
        self.weather.awake().await;
        // Nothing may be taken and then waited with: a caller that stops waiting would lose it.
        self.consumer.next().await
    }

    async fn cancel(&mut self) {
        self.consumer.cancel().await;
    }
}
