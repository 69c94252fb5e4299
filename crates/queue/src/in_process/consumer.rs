//! Taking messages out of a queue in the process.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::store::{Place, Position, Taken};
use crate::broker::MISSING_QUEUE_PAUSE;
use crate::delivery::Hold;
use crate::{Consumer, Delivery, Message, Result};

pub(super) struct InProcessConsumer {
    shared: Arc<Shared>,
    place: Place,
    /// One permit per delivery in hand.
    credit: Arc<Semaphore>,
    /// The last answer was "no such queue": pause before looking again.
    missing: bool,
    cancelled: CancellationToken,
}

impl InProcessConsumer {
    pub(super) fn new(shared: Arc<Shared>, place: Place, prefetch: u16) -> Self {
        let credit = Arc::new(Semaphore::new(usize::from(prefetch.max(1))));
        let cancelled = shared.closed.child_token();
        Self { shared, place, credit, missing: false, cancelled }
    }

    async fn take(&mut self) -> Option<Result<Delivery>> {
        // The semaphore is never closed; were it, the consumer would be at its end.
        let permit = Arc::clone(&self.credit).acquire_owned().await.ok()?;
        if self.missing {
            tokio::time::sleep(MISSING_QUEUE_PAUSE).await;
            self.missing = false;
        }
        loop {
            let arrivals = match self.shared.store.take(&self.place) {
                Ok(Ok(taken)) => return Some(Ok(self.hand_over(taken, permit))),
                Ok(Err(arrivals)) => arrivals,
                Err(error) => {
                    self.missing = true;
                    return Some(Err(error));
                }
            };
            let mut arrival = std::pin::pin!(arrivals.notified());
            // Registered before the second look: a message (or a deletion) between the look and the wait is not missed.
            arrival.as_mut().enable();
            match self.shared.store.take(&self.place) {
                Ok(Ok(taken)) => return Some(Ok(self.hand_over(taken, permit))),
                Ok(Err(_)) => arrival.await,
                Err(_) => {}
            }
        }
    }

    fn hand_over(&self, taken: Taken, permit: OwnedSemaphorePermit) -> Delivery {
        let Taken { message, redelivered, position } = taken;
        let (shared, place) = (Arc::clone(&self.shared), self.place.clone());
        let hold = InProcessHold { shared, place, position, permit };
        Delivery::new(message, redelivered, Hold::InProcess(hold))
    }
}

#[async_trait]
impl Consumer for InProcessConsumer {
    async fn next(&mut self) -> Option<Result<Delivery>> {
        let cancelled = self.cancelled.clone();
        tokio::select! {
            biased;
            () = cancelled.cancelled() => None,
            delivery = self.take() => delivery,
        }
    }

    async fn cancel(&mut self) {
        self.cancelled.cancel();
    }
}

/// The duty to settle a delivery, and the credit it takes.
pub(crate) struct InProcessHold {
    shared: Arc<Shared>,
    place: Place,
    position: Position,
    permit: OwnedSemaphorePermit,
}

impl InProcessHold {
    pub(crate) fn ack(self) {
        drop(self.permit);
    }

    pub(crate) fn abandon(self, message: Message) {
        self.shared.abandoned.fetch_add(1, Ordering::Relaxed);
        self.shared.store.put_back(&self.place, self.position, message);
        drop(self.permit);
    }
}
