//! Stopping is three signals, not one: *begin* (take no new work, finish what is in hand), *force* (let go of
//! everything now) and *complete* (all tasks have ended).
//!
//! Constraints:
//! - SIGTERM or SIGINT begins; a second one, or the end of the grace period, forces. The grace period must fit into
//!   the orchestrator's termination period, else it kills us in the middle of the last confirms.
//! - Beginning stops the intake only. Acks and confirms of work in hand are still read afterwards: a service that
//!   stops reading them the moment the shutdown begins has every one of its last messages delivered again.
//! - A task that fails or panics is never lost: it is logged once, kept for [`Shutdown::complete`], and begins the
//!   shutdown of the whole process. Half a service that still answers its probes is worse than a restarted one.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::Context;

/// How long tasks get to notice that the shutdown was forced before they are aborted. They only have to drop what
/// they hold, which takes no I/O; two seconds cover a starved two-core machine.
const ABORT_AFTER_FORCE: Duration = Duration::from_secs(2);

/// Why a process stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// SIGTERM or SIGINT.
    Signal,
    /// The work is done, or an operator's command ended it.
    Finished,
    /// A task failed or panicked.
    TaskFailed,
}

/// How a task that did not simply end went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskFailure {
    /// The task returned an error.
    #[error("task {task} failed")]
    Failed {
        /// The name given to [`Shutdown::spawn`].
        task: &'static str,
        /// What it returned.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The task panicked. The message is kept only if it is a literal: a formatted one can quote customer text (a
    /// slice at a wrong boundary prints the whole string).
    #[error("task {task} panicked: {message}")]
    Panicked {
        /// The name given to [`Shutdown::spawn`].
        task: &'static str,
        /// The literal, or a note that it was withheld.
        message: &'static str,
    },
    /// The task had to be aborted after the shutdown was forced.
    #[error("task {task} did not end and was aborted")]
    Aborted {
        /// The name given to [`Shutdown::spawn`].
        task: &'static str,
    },
}

/// What [`Shutdown::complete`] found.
#[derive(Debug)]
#[must_use]
pub struct Completion {
    /// What began the shutdown.
    pub reason: Reason,
    /// Whether the grace period was not enough, or a second signal came.
    pub forced: bool,
    /// Every task that did not end by itself with success.
    pub failures: Vec<TaskFailure>,
}

impl Completion {
    /// Whether everything in hand was finished.
    pub fn is_clean(&self) -> bool {
        !self.forced && self.failures.is_empty()
    }
}

/// Begins, forces and awaits the end of a process, and owns its tasks. Clones share all of it.
#[derive(Debug, Clone)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    context: Context,
    grace: Duration,
    begun: CancellationToken,
    forced: CancellationToken,
    tracker: TaskTracker,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    reason: Option<Reason>,
    next_task: u64,
    running: BTreeMap<u64, (&'static str, Option<AbortHandle>)>,
    failures: Vec<TaskFailure>,
}

/// The tasks' side: tells them that the shutdown has begun or was forced.
#[derive(Debug, Clone)]
pub struct Draining {
    begun: CancellationToken,
    forced: CancellationToken,
}

impl Draining {
    /// Never drains: for tests and one-off commands.
    pub fn never() -> Self {
        Self { begun: CancellationToken::new(), forced: CancellationToken::new() }
    }

    /// Whether new work must not be started any more.
    pub fn is_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Whether everything must be let go.
    pub fn is_forced(&self) -> bool {
        self.forced.is_cancelled()
    }

    /// Returns once the shutdown has begun.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Returns once the shutdown was forced.
    pub async fn forced(&self) {
        self.forced.cancelled().await;
    }

    /// Runs `work` unless the shutdown begins first; `None` if it did. For waiting and for intake.
    pub async fn unless_begun<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.begun.run_until_cancelled(work).await
    }

    /// Runs `work` unless the shutdown is forced first; `None` if it was. For work in hand.
    pub async fn unless_forced<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.forced.run_until_cancelled(work).await
    }
}

impl Shutdown {
    /// `grace` is the time from begin to force.
    pub fn new(context: Context, grace: Duration) -> Self {
        let begun = CancellationToken::new();
        Self {
            shared: Arc::new(Shared {
                context,
                grace,
                begun,
                forced: CancellationToken::new(),
                tracker: TaskTracker::new(),
                state: Mutex::default(),
            }),
        }
    }

    /// Lets SIGTERM and SIGINT begin the shutdown, and the second of them force it.
    ///
    /// # Errors
    /// [`crate::Error::Signals`] if the handlers cannot be installed.
    pub fn listen_to_signals(&self) -> Result<(), crate::Error> {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate()).map_err(crate::Error::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(crate::Error::Signals)?;
        let shutdown = self.clone();
        // Not tracked: it waits for signals for as long as the process lives.
        tokio::spawn(async move {
            loop {
                let received = tokio::select! {
                    received = terminate.recv() => received,
                    received = interrupt.recv() => received,
                };
                if received.is_none() {
                    return;
                }
                shutdown.signalled();
            }
        });
        Ok(())
    }

    /// What one signal does: the first begins, the next forces.
    pub fn signalled(&self) {
        if self.shared.begun.is_cancelled() { self.force() } else { self.begin(Reason::Signal) }
    }

    /// Begins the shutdown. Only the first reason counts.
    pub fn begin(&self, reason: Reason) {
        self.shared.begin(reason);
    }

    /// Forces the shutdown (and begins it, if that has not happened).
    pub fn force(&self) {
        self.begin(Reason::Signal);
        self.shared.forced.cancel();
        self.shared.context.crash.release();
    }

    /// Ends every task where it stands, as the death of the process does: nothing is finished or given back but what dropping does.
    /// For simulations.
    pub fn abort(&self) {
        self.begin(Reason::TaskFailed);
        self.shared.abort();
    }

    /// What tasks watch.
    pub fn draining(&self) -> Draining {
        Draining { begun: self.shared.begun.clone(), forced: self.shared.forced.clone() }
    }

    /// Runs a task that belongs to the process. If it returns an error or panics the shutdown begins; if it ends with
    /// success nothing happens.
    pub fn spawn<E>(&self, task: &'static str, work: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let id = {
            let mut state = self.shared.state();
            let id = state.next_task;
            state.next_task += 1;
            state.running.insert(id, (task, None));
            id
        };
        let shared = Arc::clone(&self.shared);
        let handle = self.shared.tracker.spawn(async move {
            let mut registration = Registration { shared, id, task, ended: false };
            let failure = match AssertUnwindSafe(work).catch_unwind().await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(TaskFailure::Failed { task, source: error.into() }),
                Err(panic) => {
                    Some(TaskFailure::Panicked { task, message: crate::panics::literal(panic.as_ref()) })
                }
            };
            registration.end(failure);
        });
        // The task may have ended already; then there is nothing to abort.
        if let Some((_, abort)) = self.shared.state().running.get_mut(&id) {
            *abort = Some(handle.abort_handle());
        }
    }

    /// Names of the tasks that have not ended.
    pub fn running(&self) -> Vec<&'static str> {
        self.shared.state().running.values().map(|(task, _)| *task).collect()
    }

    /// Waits for the shutdown to begin and then for every task to end, forcing after the grace period and aborting
    /// what does not even react to that.
    pub async fn complete(&self) -> Completion {
        self.shared.begun.cancelled().await;
        self.shared.tracker.close();
        let draining = self.draining();
        let clock = &self.shared.context.clock;
        tokio::select! {
            biased;
            () = self.shared.tracker.wait() => {}
            () = draining.forced() => {}
            () = clock.sleep(self.shared.grace) => {
                tracing::warn!(grace = ?self.shared.grace, tasks = ?self.running(), "the grace period was not enough");
                self.force();
            }
        }
        if draining.is_forced() {
            tokio::select! {
                biased;
                () = self.shared.tracker.wait() => {}
                () = clock.sleep(ABORT_AFTER_FORCE) => {
                    self.shared.abort();
                    self.shared.tracker.wait().await;
                }
            }
        }
        let mut state = self.shared.state();
        Completion {
            reason: state.reason.unwrap_or(Reason::Finished),
            forced: draining.is_forced(),
            failures: std::mem::take(&mut state.failures),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn abort(&self) {
        // Taken first: a task that ends leaves the list.
        let running: Vec<_> = self.state().running.values().filter_map(|(_, abort)| abort.clone()).collect();
        running.iter().for_each(AbortHandle::abort);
    }

    fn begin(&self, reason: Reason) {
        let first = {
            let mut state = self.state();
            let first = state.reason.is_none();
            state.reason.get_or_insert(reason);
            first
        };
        if first {
            tracing::info!(?reason, "shutting down: no new work, finishing what is in hand");
            self.begun.cancel();
        }
    }
}

/// A task's entry in the list; leaves it however the task ends, also when it is aborted.
struct Registration {
    shared: Arc<Shared>,
    id: u64,
    task: &'static str,
    ended: bool,
}

impl Registration {
    fn end(&mut self, failure: Option<TaskFailure>) {
        self.ended = true;
        let failed = failure.is_some();
        if let Some(failure) = &failure {
            tracing::error!(
                task = self.task,
                error = crate::error::chain(failure),
                "a task of this process went wrong"
            );
        }
        let mut state = self.shared.state();
        state.running.remove(&self.id);
        state.failures.extend(failure);
        drop(state);
        if failed {
            self.shared.begin(Reason::TaskFailed);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !self.ended {
            let task = self.task;
            self.end(Some(TaskFailure::Aborted { task }));
        }
    }
}

#[cfg(test)]
mod tests;
