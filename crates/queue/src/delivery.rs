//! A delivery: a message together with the duty to settle it.
//!
//! Constraint: a delivery is settled at most once, because [`Delivery::ack`] consumes it; forgetting it loses nothing,
//! because dropping it leaves the message to the broker, and is counted.

use std::fmt;

use futures::future::join_all;

use crate::in_process::InProcessHold;
use crate::rabbit::RabbitHold;
use crate::{Message, Result};

/// A message in a consumer's hands.
///
/// Acknowledge it with [`Delivery::ack`] when its work is done. Dropped, it will be delivered again: in the process at
/// once and in its old place, with RabbitMQ as soon as its consumer has nothing else in hand or ends. There is no
/// negative acknowledgement: work that must wait is published again with [`crate::Publisher::delay`], then this
/// delivery is acknowledged.
pub struct Delivery {
    message: Message,
    redelivered: bool,
    /// `None` once settled.
    hold: Option<Hold>,
}

/// How the implementation settles a delivery.
pub(crate) enum Hold {
    InProcess(InProcessHold),
    Rabbit(RabbitHold),
}

impl Delivery {
    pub(crate) fn new(message: Message, redelivered: bool, hold: Hold) -> Self {
        Self { message, redelivered, hold: Some(hold) }
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Whether the message was delivered before. `false` does not prove that it is the first time: a publisher that
    /// got no confirmation may have stored it twice.
    pub fn redelivered(&self) -> bool {
        self.redelivered
    }

    /// Tells the broker that the work is done. On an error the message will be delivered again.
    pub async fn ack(mut self) -> Result<()> {
        match self.hold.take() {
            Some(Hold::InProcess(hold)) => {
                hold.ack();
                Ok(())
            }
            Some(Hold::Rabbit(hold)) => hold.ack().await,
            None => Ok(()),
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        match self.hold.take() {
            Some(Hold::InProcess(hold)) => hold.abandon(std::mem::take(&mut self.message)),
            Some(Hold::Rabbit(hold)) => hold.abandon(),
            None => {}
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &self.message)
            .field("redelivered", &self.redelivered)
            .finish_non_exhaustive()
    }
}

/// Acknowledges many deliveries, overlapped: one awaited after the other costs three times the throughput. The answers
/// are in the order of the deliveries.
pub async fn ack_all(deliveries: Vec<Delivery>) -> Vec<Result<()>> {
    join_all(deliveries.into_iter().map(Delivery::ack)).await
}
