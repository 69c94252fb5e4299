//! The publisher's handle: spreads parcels over the lanes.
//!
//! Constraint: the messages of one call stay on one lane, in order. Different calls use different lanes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use lapin::types::ShortString;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::config::RabbitConfig;
use super::lane::{Answers, Lane, Outgoing, Parcel};
use super::link::Link;
use super::topology::Topology;
use crate::message::check_migration;
use crate::{Error, Message, Publisher, QueueName, Result};

/// Windows of bytes that a lane holds: one in flight, one waiting to follow at once. What comes beyond waits with its
/// caller. Counted in bytes, not in parcels, so that many callers with a message each still fill a window together.
const WINDOWS_HELD: usize = 2;
/// The unit in which room is counted, in bytes; also what the smallest message is taken to cost.
const ROOM_UNIT: usize = 1024;

/// The way to one lane.
struct Entrance {
    parcels: mpsc::UnboundedSender<Parcel>,
    /// Bounds what is in the lane's hands, in units of [`ROOM_UNIT`].
    room: Arc<Semaphore>,
    capacity: usize,
}

impl Entrance {
    /// Hands a parcel over as soon as there is room; one that is larger than all the room goes alone.
    async fn hand_over(
        &self,
        messages: Vec<Outgoing>,
        deadline: Instant,
    ) -> Option<oneshot::Receiver<Answers>> {
        let units =
            messages.iter().map(|outgoing| outgoing.message.size().div_ceil(ROOM_UNIT).max(1)).sum::<usize>();
        let units = u32::try_from(units.min(self.capacity)).ok()?;
        let room = timeout_at(deadline, Arc::clone(&self.room).acquire_many_owned(units)).await.ok()?.ok()?;
        let (answer, answered) = oneshot::channel();
        self.parcels.send(Parcel { messages, deadline, answer, room }).ok()?;
        Some(answered)
    }
}

pub(super) struct RabbitPublisher {
    config: Arc<RabbitConfig>,
    topology: Topology,
    link: Arc<Link>,
    lanes: Vec<Entrance>,
    next_lane: AtomicUsize,
}

impl RabbitPublisher {
    /// Starts the lanes; they end with the publisher.
    pub(super) fn start(config: Arc<RabbitConfig>, topology: Topology, link: Arc<Link>) -> Self {
        let lane = |_| {
            let (sender, parcels) = mpsc::unbounded_channel();
            tokio::spawn(Lane::new(Arc::clone(&config), Arc::clone(&link)).run(parcels));
            let capacity = (WINDOWS_HELD * config.window_bytes / ROOM_UNIT).clamp(1, Semaphore::MAX_PERMITS);
            Entrance { parcels: sender, room: Arc::new(Semaphore::new(capacity)), capacity }
        };
        let lanes = (0..config.lanes).map(lane).collect();
        Self { config, topology, link, lanes, next_lane: AtomicUsize::new(0) }
    }

    async fn send(&self, exchange: &str, routing_key: &str, messages: Vec<Message>) -> Vec<Result<()>> {
        let (exchange, routing_key) = (ShortString::from(exchange), ShortString::from(routing_key));
        let lane = &self.lanes[self.next_lane.fetch_add(1, Ordering::Relaxed) % self.lanes.len()];
        let mut answers: Vec<Result<()>> = messages.iter().map(Message::check).collect();
        let mut open: Vec<(usize, Message)> =
            messages.into_iter().enumerate().filter(|(index, _)| answers[*index].is_ok()).collect();
        open.reverse();

        let mut waiting = Vec::new();
        while !open.is_empty() {
            let (mut indices, mut outgoing, mut bytes) = (Vec::new(), Vec::new(), 0);
            while let Some((index, message)) = open.pop() {
                bytes += message.size();
                if !outgoing.is_empty()
                    && (outgoing.len() == self.config.window || bytes > self.config.window_bytes)
                {
                    open.push((index, message));
                    break;
                }
                indices.push(index);
                let (exchange, routing_key) = (exchange.clone(), routing_key.clone());
                outgoing.push(Outgoing { exchange, routing_key, message });
            }
            let deadline = Instant::now() + self.config.publish_timeout;
            match lane.hand_over(outgoing, deadline).await {
                Some(answered) => waiting.push((indices, answered)),
                None => indices.into_iter().for_each(|index| answers[index] = Err(self.link.unsent())),
            }
        }
        for (indices, answered) in waiting {
            // Without an answer the lane is gone (its runtime ended): what it sent may be stored.
            let unconfirmed = || Error::Unconfirmed { queue: routing_key.to_string(), source: None };
            let given = answered.await.unwrap_or_else(|_| vec![Err(unconfirmed()); indices.len()]);
            indices.into_iter().zip(given).for_each(|(index, answer)| answers[index] = answer);
        }
        answers
    }

    async fn send_one(&self, exchange: &str, routing_key: &str, message: Message) -> Result<()> {
        let answers = self.send(exchange, routing_key, vec![message]).await;
        answers.into_iter().collect()
    }
}

#[async_trait]
impl Publisher for RabbitPublisher {
    async fn publish(&self, queue: &QueueName, messages: Vec<Message>) -> Vec<Result<()>> {
        if let Err(error) = check_migration(&queue.migration) {
            return vec![Err(error); messages.len()];
        }
        self.send(&self.topology.work_exchange(), &self.topology.stage_queue(queue), messages).await
    }

    async fn delay(&self, queue: &QueueName, message: Message, wait: Duration) -> Result<()> {
        check_migration(&queue.migration)?;
        let exchange = self.topology.delay(self.config.ladder.step(wait));
        self.send_one(&exchange, &self.topology.stage_queue(queue), message).await
    }

    async fn dead_letter(&self, queue: &QueueName, message: Message, reason: &str) -> Result<()> {
        check_migration(&queue.migration)?;
        let (exchange, key) = (self.topology.dead_exchange(), self.topology.dead_queue(&queue.migration));
        self.send_one(&exchange, &key, message.given_up(queue.stage, reason)).await
    }
}
