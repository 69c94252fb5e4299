//! Notices a batch that stands still: neither a call to Kayako nor the waiting for one, for longer than anything may take.
//!
//! Without this, a step that never ends would keep the lease of its records for ever, because renewing goes on beside it, and no other
//! loader could take them over. Every call has a time limit of its own; what is noticed here is a defect or a machine that is unwell.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

tokio::task_local! {
    static ACTIVITY: Arc<Activity>;
}

/// Looks per time limit: a batch is given up at most a quarter too late.
const LOOKS: u32 = 4;

struct Activity {
    state: Mutex<State>,
}

struct State {
    /// Calls that wait for their turn, which may take as long as the account's limits want it.
    waiting: usize,
    last: Instant,
}

impl Activity {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = Instant::now();
        change(&mut state);
    }

    fn stands_still(&self, limit: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting == 0 && state.last.elapsed() > limit
    }
}

/// Runs `work`; `None` if it stood still for `limit`, and has been dropped.
pub(crate) async fn watched<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let activity = Arc::new(Activity { state: Mutex::new(State { waiting: 0, last: Instant::now() }) });
    let watch = Arc::clone(&activity);
    let watching = async move {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = sleep(limit / LOOKS) => if watch.stands_still(limit) { return None },
            }
        }
    };
    ACTIVITY.scope(activity, watching).await
}

/// Something has happened in the batch of this task.
pub(crate) fn touch() {
    // Calls outside of a batch (log-in, catalogue) are nobody's activity.
    ACTIVITY.try_with(|activity| activity.change(|_| {})).ok();
}

/// While it is held, a call of this task's batch waits for its turn.
pub(crate) struct Waiting(Option<Arc<Activity>>);

/// A call begins to wait for its turn.
pub(crate) fn waiting() -> Waiting {
    let activity = ACTIVITY.try_with(Arc::clone).ok();
    if let Some(activity) = &activity {
        activity.change(|state| state.waiting += 1);
    }
    Waiting(activity)
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(activity) = &self.0 {
            activity.change(|state| state.waiting = state.waiting.saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LIMIT: Duration = Duration::from_mins(5);

    #[tokio::test(start_paused = true)]
    async fn only_a_batch_that_neither_calls_nor_waits_for_a_call_is_given_up() {
        let busy = async {
            for _ in 0..10 {
                sleep(LIMIT / 2).await;
                touch();
            }
            let turn = waiting();
            sleep(LIMIT * 10).await;
            drop(turn);
            sleep(LIMIT / 2).await;
        };
        assert_eq!(watched(LIMIT, busy).await, Some(()));
        let began = Instant::now();
        assert_eq!(watched(LIMIT, pending::<()>()).await, None);
        assert!(began.elapsed() > LIMIT && began.elapsed() <= LIMIT * 3 / 2);
        let gone = async {
            drop(waiting());
            pending::<()>().await;
        };
        assert_eq!(watched(LIMIT, gone).await, None);
    }
}
