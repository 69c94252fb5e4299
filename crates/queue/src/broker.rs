//! The seam: what every queue implementation offers, and what its callers may rely on.
//!
//! Constraint: nothing in here may be true of one implementation only, except where a method says so. The conformance
//! suite runs every promise against both.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Delivery, Message, QueueName, Result};

/// How long a consumer that has reported a missing queue waits before it looks again, so that a caller that simply
/// calls [`Consumer::next`] again does not spin. Short enough that a queue declared anew is picked up at once for a
/// person, long enough to cost nothing.
pub(crate) const MISSING_QUEUE_PAUSE: Duration = Duration::from_secs(1);

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Messages ready to be delivered; those in a consumer's hands are not counted.
    pub ready: u64,
    /// Messages of this queue waiting in the delay ladder; `None` where the ladder is shared and cannot tell
    /// (RabbitMQ).
    pub delayed: Option<u64>,
}

/// A set of queues, one per migration and stage, and what belongs to them. All methods may be called concurrently.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Declares everything that `migration` needs. Repeating it changes nothing, and it restores what is missing.
    async fn declare(&self, migration: &str) -> Result<()>;

    /// A handle for publishing. All handles of a broker share one connection and one window.
    fn publisher(&self) -> Arc<dyn Publisher>;

    /// Starts to consume `queue` with at most `prefetch` (0 counts as 1) unsettled deliveries at a time.
    async fn consume(&self, queue: &QueueName, prefetch: u16) -> Result<Box<dyn Consumer>>;

    /// Starts to consume the dead letters of `migration`; [`Message::dead_letter`] tells their story. To replay one,
    /// publish [`Message::revived`], then acknowledge; to only look at it, drop it.
    async fn consume_dead_letters(&self, migration: &str, prefetch: u16) -> Result<Box<dyn Consumer>>;

    /// How full `queue` is. In RabbitMQ the figure can lag behind by an instant.
    async fn depth(&self, queue: &QueueName) -> Result<Depth>;

    /// How many dead letters `migration` has.
    async fn dead_letters(&self, migration: &str) -> Result<u64>;

    /// How many messages came back from the delay ladder to a queue that no longer exists; for all migrations
    /// together. A broker keeps them apart, up to a limit, for an operator to look at.
    async fn unroutable(&self) -> Result<u64>;

    /// Removes all ready messages of `queue` and says how many there were. Deliveries in hand and delayed messages stay.
    async fn purge(&self, queue: &QueueName) -> Result<u64>;

    /// Removes all dead letters of `migration` and says how many there were.
    async fn purge_dead_letters(&self, migration: &str) -> Result<u64>;

    /// Deletes all queues of `migration` with what they hold. Repeating it is no error.
    async fn delete(&self, migration: &str) -> Result<()>;

    /// Whether messages outlive this process. `false` in the process: after a restart nothing is in the queue.
    fn is_durable(&self) -> bool;

    /// Whether the broker refuses publishes at the moment (memory or disk alarm). Consuming goes on.
    fn is_blocked(&self) -> bool;

    /// Whether there is a connection for publishing and for consuming at the moment.
    fn is_connected(&self) -> bool;

    /// How many deliveries this process dropped without settling them. They come again; a number that grows is a bug
    /// or a panic in a consumer.
    fn abandoned(&self) -> u64;

    /// Closes the connections. Publishes in flight end with an error, consumers with `None`.
    async fn close(&self);
}

/// Puts messages into queues.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Publishes `messages` to `queue`, in order, and answers for each at its own index: `Ok` only if the message is
    /// stored and routed. Messages of one call, and of calls made one after the other, arrive in order, except after
    /// an error. Waits while the broker is away or blocked, but never longer than the time limit of its settings.
    async fn publish(&self, queue: &QueueName, messages: Vec<Message>) -> Vec<Result<()>>;

    /// Lets `message` wait in the delay ladder (the longest step that fits into `wait`, the shortest step if none
    /// fits); then it comes to `queue`. If that queue is gone by then, the message is counted by
    /// [`Broker::unroutable`].
    async fn delay(&self, queue: &QueueName, message: Message, wait: Duration) -> Result<()>;

    /// Gives `message`, which came from `queue`, up: puts it among the migration's dead letters.
    async fn dead_letter(&self, queue: &QueueName, message: Message, reason: &str) -> Result<()>;
}

/// Takes messages out of one queue.
#[async_trait]
pub trait Consumer: Send {
    /// The next delivery; waits for one as long as it takes, also while the broker is away. `None` only after
    /// [`Consumer::cancel`] or [`Broker::close`]. `Some(Err)` if the queue is missing or access is refused: calling
    /// again looks again, after a pause. Dropping the future loses nothing, so it may stand in a `select`.
    async fn next(&mut self) -> Option<Result<Delivery>>;

    /// Stops new deliveries. Those in hand can still be acknowledged, also after the consumer is dropped.
    async fn cancel(&mut self);
}
