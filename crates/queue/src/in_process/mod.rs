//! The queue inside the process: the same semantics as the broker's, with nothing installed.
//!
//! Constraints:
//! - No thread of its own: delivery happens in the callers' tasks, delays in one timer task per ladder step, which
//!   exists only while that step holds messages.
//! - No limit of its own on the number of messages: the caller's credit window bounds it, as it does on a broker.
//! - Messages keep their place: one that is dropped unsettled goes back where it was, as in a quorum queue with a
//!   delivery limit.
//! - Nothing outlives the process ([`crate::Broker::is_durable`] is `false`).

mod consumer;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use self::consumer::InProcessConsumer;
pub(crate) use self::consumer::InProcessHold;
use self::store::{Place, Store};
use crate::message::check_migration;
use crate::{Broker, Consumer, Depth, Error, Ladder, Message, Publisher, QueueName, Result};

/// The queue inside the process. Clones share everything.
#[derive(Clone)]
pub struct InProcess {
    shared: Arc<Shared>,
}

/// What the handle, its consumers and its deliveries share.
pub(crate) struct Shared {
    ladder: Ladder,
    store: Store,
    abandoned: AtomicU64,
    closed: CancellationToken,
}

impl InProcess {
    /// An empty set of queues with these delays.
    pub fn new(ladder: Ladder) -> Self {
        let store = Store::new(&ladder);
        let shared = Shared { ladder, store, abandoned: AtomicU64::new(0), closed: CancellationToken::new() };
        Self { shared: Arc::new(shared) }
    }

    fn consume_place(&self, place: Place, prefetch: u16) -> Result<Box<dyn Consumer>> {
        self.shared.store.depth(&place)?;
        Ok(Box::new(InProcessConsumer::new(Arc::clone(&self.shared), place, prefetch)))
    }
}

impl Shared {
    fn check(&self, migration: &str) -> Result<()> {
        if self.closed.is_cancelled() {
            return Err(Error::Closed);
        }
        check_migration(migration)
    }

    fn stage(&self, queue: &QueueName) -> Result<Place> {
        self.check(&queue.migration)?;
        Ok(Place::Stage(queue.clone()))
    }

    fn dead(&self, migration: &str) -> Result<Place> {
        self.check(migration)?;
        Ok(Place::Dead(migration.to_owned()))
    }

    fn put(&self, place: &Place, message: Message) -> Result<()> {
        message.check()?;
        if self.store.push(place, message) {
            Ok(())
        } else {
            Err(Error::Unroutable { queue: place.to_string() })
        }
    }
}

#[async_trait]
impl Broker for InProcess {
    async fn declare(&self, migration: &str) -> Result<()> {
        self.shared.check(migration)?;
        self.shared.store.declare(migration);
        Ok(())
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(InProcessPublisher { shared: Arc::clone(&self.shared) })
    }

    async fn consume(&self, queue: &QueueName, prefetch: u16) -> Result<Box<dyn Consumer>> {
        self.consume_place(self.shared.stage(queue)?, prefetch)
    }

    async fn consume_dead_letters(&self, migration: &str, prefetch: u16) -> Result<Box<dyn Consumer>> {
        self.consume_place(self.shared.dead(migration)?, prefetch)
    }

    async fn depth(&self, queue: &QueueName) -> Result<Depth> {
        let ready = self.shared.store.depth(&self.shared.stage(queue)?)?;
        Ok(Depth { ready, delayed: Some(self.shared.store.delayed(queue)) })
    }

    async fn dead_letters(&self, migration: &str) -> Result<u64> {
        self.shared.store.depth(&self.shared.dead(migration)?)
    }

    async fn unroutable(&self) -> Result<u64> {
        Ok(self.shared.store.unroutable())
    }

    async fn purge(&self, queue: &QueueName) -> Result<u64> {
        self.shared.store.purge(&self.shared.stage(queue)?)
    }

    async fn purge_dead_letters(&self, migration: &str) -> Result<u64> {
        self.shared.store.purge(&self.shared.dead(migration)?)
    }

    async fn delete(&self, migration: &str) -> Result<()> {
        self.shared.check(migration)?;
        self.shared.store.delete(migration);
        Ok(())
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn is_blocked(&self) -> bool {
        false
    }

    fn is_connected(&self) -> bool {
        !self.shared.closed.is_cancelled()
    }

    fn abandoned(&self) -> u64 {
        self.shared.abandoned.load(Ordering::Relaxed)
    }

    async fn close(&self) {
        self.shared.closed.cancel();
    }
}

struct InProcessPublisher {
    shared: Arc<Shared>,
}

#[async_trait]
impl Publisher for InProcessPublisher {
    async fn publish(&self, queue: &QueueName, messages: Vec<Message>) -> Vec<Result<()>> {
        let place = match self.shared.stage(queue) {
            Ok(place) => place,
            Err(error) => return vec![Err(error); messages.len()],
        };
        messages.into_iter().map(|message| self.shared.put(&place, message)).collect()
    }

    async fn delay(&self, queue: &QueueName, message: Message, wait: Duration) -> Result<()> {
        self.shared.check(&queue.migration)?;
        message.check()?;
        let step = self.shared.ladder.step(wait);
        if self.shared.store.park(queue, message, step) {
            tokio::spawn(store::release(Arc::downgrade(&self.shared), step));
        }
        Ok(())
    }

    async fn dead_letter(&self, queue: &QueueName, message: Message, reason: &str) -> Result<()> {
        let place = self.shared.dead(&queue.migration)?;
        self.shared.put(&place, message.given_up(queue.stage, reason))
    }
}
