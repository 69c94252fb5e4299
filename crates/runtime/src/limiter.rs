//! Admission of tasks to a learned number of calls in flight: the [`Controller`] behind a first-come queue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::concurrency::{CallOutcome, ConcurrencySettings, Controller};
use crate::error::Error;

/// Admits calls up to a learned limit, first come, first served. Clones share the limit.
#[derive(Debug, Clone)]
pub struct Limiter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    places: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    controller: Controller,
    /// Places that exist at the moment, free or taken. Follows the controller's limit; after a cut it is above it
    /// until calls return.
    places: usize,
}

/// The right to make one call. Dropped without [`Permit::finish`] it counts as failed.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    shared: Arc<Shared>,
    started: Duration,
    outcome: CallOutcome,
}

impl Limiter {
    /// # Errors
    /// See [`Controller::new`].
    pub fn new(settings: ConcurrencySettings, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let controller = Controller::new(settings)?;
        let places = controller.limit();
        Ok(Self {
            shared: Arc::new(Shared {
                clock,
                places: Semaphore::new(places),
                state: Mutex::new(State { controller, places }),
            }),
        })
    }

    /// Waits for a place. Dropping the future gives up the place in the queue.
    pub async fn acquire(&self) -> Permit {
        // An error would mean a closed semaphore; it is private and nobody closes it.
        if let Ok(place) = self.shared.places.acquire().await {
            place.forget();
        }
        self.shared.state().controller.started();
        Permit {
            started: self.shared.clock.uptime(),
            shared: Arc::clone(&self.shared),
            outcome: CallOutcome::Failed,
        }
    }

    /// Calls that may be in flight at the moment.
    pub fn limit(&self) -> usize {
        self.shared.state().controller.limit()
    }

    /// Calls that are in flight at the moment.
    pub fn in_flight(&self) -> usize {
        self.shared.state().controller.in_flight()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Ends the call.
    pub fn finish(mut self, outcome: CallOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.shared.clock.uptime();
        let mut state = self.shared.state();
        state.controller.finished(now, now.saturating_sub(self.started), self.outcome);
        let limit = state.controller.limit();
        state.places -= 1;
        if state.places < limit {
            self.shared.places.add_permits(limit - state.places);
            state.places = limit;
        } else {
            state.places -= self.shared.places.forget_permits(state.places - limit);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use futures::FutureExt as _;

    use super::*;
    use crate::context::Context;

    const MS: Duration = Duration::from_millis(1);

    fn finish(held: Vec<Permit>, outcome: CallOutcome) {
        for permit in held {
            permit.finish(outcome);
        }
    }

    #[tokio::test]
    async fn the_limiter_follows_its_controller_up_and_down() {
        let (context, clock) = Context::manual(1);
        let limiter = Limiter::new(ConcurrencySettings::default(), Arc::clone(&context.clock)).unwrap();
        let mut peak = 0;
        for _ in 0..20 {
            // Each round gets a fresh share of the cooperative budget, else a free place looks taken.
            tokio::task::yield_now().await;
            let mut held = Vec::new();
            while let Some(permit) = limiter.acquire().now_or_never() {
                held.push(permit);
            }
            assert_eq!(held.len(), limiter.limit());
            peak = peak.max(held.len());
            clock.advance(100 * MS);
            finish(held, CallOutcome::Answered);
        }
        assert!(peak > 10, "{peak}");
        for _ in 0..60 {
            tokio::task::yield_now().await;
            let mut held = Vec::new();
            while let Some(permit) = limiter.acquire().now_or_never() {
                held.push(permit);
            }
            assert_eq!(held.len(), limiter.limit());
            clock.advance(100 * MS);
            finish(held, CallOutcome::PushedBack);
        }
        assert_eq!(limiter.limit(), 1);
        assert_eq!(limiter.in_flight(), 0);
    }

    #[tokio::test]
    async fn a_waiting_caller_gets_the_place_of_a_dropped_permit() {
        let (context, _clock) = Context::manual(1);
        let one = ConcurrencySettings { start: 1, min: 1, max: 1 };
        let limiter = Limiter::new(one, Arc::clone(&context.clock)).unwrap();
        let held = limiter.acquire().await;
        let mut waiting = std::pin::pin!(limiter.acquire());
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        drop(held);
        waiting.await.finish(CallOutcome::Answered);
        assert_eq!(limiter.in_flight(), 0);
    }
}
