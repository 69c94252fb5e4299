//! Taking messages out of a queue of the broker.
//!
//! Constraints:
//! - A consumer never ends in silence: a lost channel or connection is subscribed again, a deleted queue is reported.
//! - The channel lives as long as a delivery of it is in hand, so that a cancelled or renewed subscription can still
//!   be acknowledged. When the last delivery is settled the channel closes, and the broker delivers the rest again.
//! - A delivery dropped unsettled holds credit on its channel for ever. When nothing else is in hand, the channel is
//!   renewed, so that a consumer whose tasks panic neither loses messages nor starves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::config::RabbitConfig;
use super::link::{Line, Link};
use super::{fault, wire};
use crate::broker::MISSING_QUEUE_PAUSE;
use crate::delivery::Hold;
use crate::{Consumer, Delivery, Error, Result};

pub(super) struct RabbitConsumer {
    config: Arc<RabbitConfig>,
    link: Arc<Link>,
    queue: String,
    prefetch: u16,
    subscription: Option<Subscription>,
    /// The last answer was "no such queue": pause before looking again.
    missing: bool,
    /// Deliveries dropped unsettled, over the whole broker handle.
    abandoned: Arc<AtomicU64>,
    cancelled: CancellationToken,
}

struct Subscription {
    deliveries: lapin::Consumer,
    session: Arc<Session>,
}

/// A channel and what is in hand of it.
struct Session {
    line: Line,
    in_hand: AtomicUsize,
    abandoned: AtomicUsize,
    /// Told when nothing is in hand any more.
    idle: Notify,
}

impl Session {
    /// Waits until all credit that is in use is lost credit.
    async fn starved(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            idle.as_mut().enable();
            if self.in_hand.load(Ordering::Acquire) == 0 && self.abandoned.load(Ordering::Acquire) > 0 {
                return;
            }
            idle.await;
        }
    }
}

impl RabbitConsumer {
    /// A consumer with its first subscription; a missing queue is an error here.
    pub(super) async fn start(
        config: Arc<RabbitConfig>,
        link: Arc<Link>,
        queue: String,
        prefetch: u16,
        abandoned: Arc<AtomicU64>,
        closed: &CancellationToken,
    ) -> Result<Self> {
        let cancelled = closed.child_token();
        let prefetch = prefetch.max(1);
        let mut consumer =
            Self { config, link, queue, prefetch, subscription: None, missing: false, abandoned, cancelled };
        consumer.subscription = Some(consumer.subscribe().await?);
        Ok(consumer)
    }

    async fn subscribe(&self) -> Result<Subscription> {
        let deadline = Instant::now() + self.config.operation_timeout;
        let line = self.link.line(deadline).await?;
        let subscribing = async {
            let channel = &line.channel;
            // Per consumer, never global: quorum queues know no other.
            channel.basic_qos(self.prefetch, BasicQosOptions { global: false }).await?;
            let options = BasicConsumeOptions::default();
            channel.basic_consume(self.queue.as_str().into(), "".into(), options, FieldTable::default()).await
        };
        let operation = "basic.consume";
        let deliveries = match timeout_at(deadline, line.unless_lost(subscribing)).await {
            Ok(Some(answer)) => answer.map_err(|error| fault::calling(operation, &self.queue, error))?,
            Ok(None) | Err(_) => return Err(Error::Operation { operation, source: None }),
        };
        let session = Session {
            line,
            in_hand: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
            idle: Notify::new(),
        };
        Ok(Subscription { deliveries, session: Arc::new(session) })
    }

    async fn take(&mut self) -> Result<Delivery> {
        loop {
            if self.subscription.is_none() {
                if self.missing {
                    sleep(MISSING_QUEUE_PAUSE).await;
                    self.missing = false;
                }
                match self.subscribe().await {
                    Ok(subscription) => self.subscription = Some(subscription),
                    Err(error) if error.is_transient() => {
                        tracing::debug!(
                            queue = self.queue,
                            error = &error as &dyn std::error::Error,
                            "cannot consume; trying again"
                        );
                        sleep(self.config.reconnect_min).await;
                    }
                    Err(error) => {
                        self.missing = matches!(error, Error::QueueMissing { .. });
                        return Err(error);
                    }
                }
            }
            let Some(subscription) = &mut self.subscription else { continue };
            let Subscription { deliveries, session } = subscription;
            let coming = async {
                tokio::select! {
                    biased;
                    () = session.starved() => None,
                    delivery = deliveries.next() => delivery,
                }
            };
            let delivery = session.line.unless_lost(coming).await.flatten();
            match delivery {
                Some(Ok(delivery)) => return Ok(hand_over(session, &self.abandoned, delivery)),
                Some(Err(error)) => {
                    tracing::debug!(
                        queue = self.queue,
                        error = &error as &dyn std::error::Error,
                        "the channel broke; subscribing again"
                    );
                    self.subscription = None;
                }
                // Cancelled by the broker (the queue was deleted or moved), connection lost, or starved.
                None => self.subscription = None,
            }
        }
    }
}

fn hand_over(
    session: &Arc<Session>,
    abandoned: &Arc<AtomicU64>,
    mut delivery: lapin::message::Delivery,
) -> Delivery {
    let message = wire::message(&mut delivery);
    session.in_hand.fetch_add(1, Ordering::AcqRel);
    let in_hand = InHand(Arc::clone(session));
    let hold = RabbitHold { acker: delivery.acker, in_hand, abandoned: Arc::clone(abandoned) };
    Delivery::new(message, delivery.redelivered, Hold::Rabbit(hold))
}

#[async_trait]
impl Consumer for RabbitConsumer {
    async fn next(&mut self) -> Option<Result<Delivery>> {
        let cancelled = self.cancelled.clone();
        tokio::select! {
            biased;
            () = cancelled.cancelled() => None,
            delivery = self.take() => Some(delivery),
        }
    }

    async fn cancel(&mut self) {
        self.cancelled.cancel();
        if let Some(Subscription { deliveries, session }) = self.subscription.take() {
            // If the channel is gone the broker delivers nothing on it anyway.
            let cancelling =
                session.line.channel.basic_cancel(deliveries.tag(), BasicCancelOptions::default());
            let _ = timeout(self.config.operation_timeout, session.line.unless_lost(cancelling)).await;
        }
    }
}

/// Counts a delivery as in hand until dropped.
struct InHand(Arc<Session>);

impl Drop for InHand {
    fn drop(&mut self) {
        if self.0.in_hand.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_one();
        }
    }
}

/// The duty to settle a delivery, and its channel.
pub(crate) struct RabbitHold {
    acker: Acker,
    in_hand: InHand,
    abandoned: Arc<AtomicU64>,
}

impl RabbitHold {
    pub(crate) async fn ack(self) -> Result<()> {
        let acking = self.acker.ack(BasicAckOptions::default());
        match self.in_hand.0.line.unless_lost(acking).await {
            Some(Ok(true)) => Ok(()),
            // The channel is gone, and with it the delivery.
            Some(Ok(false)) | None => Err(Error::NotAcked(None)),
            Some(Err(error)) => Err(Error::NotAcked(Some(error))),
        }
    }

    pub(crate) fn abandon(self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
        self.in_hand.0.abandoned.fetch_add(1, Ordering::AcqRel);
        drop(self.in_hand);
    }
}
