//! Time comes in from outside.
//!
//! Constraint: no other file of the services reads the time or sleeps by itself; they take a [`Clock`]. Otherwise
//! a test of a quiet period would have to wait for it, and a test that waits is either slow or flaky.
//!
//! Two readings exist because they answer different questions. [`Clock::now`] is the wall clock: comparable between
//! processes, written to ledgers, may jump. [`Clock::uptime`] never goes backwards and is the one to measure with.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use tokio::sync::watch;

pub use model::UnixMillis;

/// A source of time.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock. May jump when the machine's clock is corrected.
    fn now(&self) -> UnixMillis;

    /// Time since an arbitrary start; monotonic, meaningless between processes.
    fn uptime(&self) -> Duration;

    /// Returns once `duration` has passed on this clock. Dropping the future cancels the wait.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose uptime starts now.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        // Before 1970 only with a machine whose clock was never set: zero is as wrong as any other value there.
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A clock that stands still until a test moves it. Clones share the same time.
#[derive(Clone)]
pub struct ManualClock {
    shared: Arc<Shared>,
}

struct Shared {
    start: UnixMillis,
    uptime: watch::Sender<Duration>,
    /// Deadlines that somebody waits for, with a number that keeps equal ones apart.
    waiting: watch::Sender<usize>,
    deadlines: Mutex<Deadlines>,
}

#[derive(Default)]
struct Deadlines {
    next_id: u64,
    open: BTreeSet<(Duration, u64)>,
}

impl Shared {
    fn deadlines(&self) -> MutexGuard<'_, Deadlines> {
        self.deadlines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: UnixMillis) -> Self {
        Self {
            shared: Arc::new(Shared {
                start,
                uptime: watch::Sender::new(Duration::ZERO),
                waiting: watch::Sender::new(0),
                deadlines: Mutex::default(),
            }),
        }
    }

    /// Moves time forward and wakes every sleeper whose deadline has come.
    pub fn advance(&self, by: Duration) {
        let now = self.uptime().saturating_add(by);
        let mut deadlines = self.shared.deadlines();
        // Removed here and not when the sleeper runs: `wait_for_sleepers` must not count one that is already awake.
        deadlines.open.retain(|(deadline, _)| *deadline > now);
        let left = deadlines.open.len();
        drop(deadlines);
        self.shared.waiting.send_replace(left);
        self.shared.uptime.send_replace(now);
    }

    /// Moves time to the earliest deadline that somebody sleeps for and returns the step; `None` if nobody sleeps.
    pub fn advance_to_next(&self) -> Option<Duration> {
        let earliest = self.shared.deadlines().open.first().map(|(deadline, _)| *deadline)?;
        let step = earliest.saturating_sub(self.uptime());
        self.advance(step);
        Some(step)
    }

    /// How many tasks sleep on this clock at the moment.
    pub fn sleepers(&self) -> usize {
        *self.shared.waiting.borrow()
    }

    /// Waits until at least `count` tasks sleep on this clock: the event a test waits for before it moves time.
    pub async fn wait_for_sleepers(&self, count: usize) {
        let mut waiting = self.shared.waiting.subscribe();
        // The sender lives in `self.shared`, so the channel cannot close while this borrow exists.
        let _ = waiting.wait_for(|sleeping| *sleeping >= count).await;
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock").field("now", &self.now()).field("sleepers", &self.sleepers()).finish()
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        self.shared.start.plus(self.uptime())
    }

    fn uptime(&self) -> Duration {
        *self.shared.uptime.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let mut uptime = self.shared.uptime.subscribe();
        let Some(deadline) = Deadline::register(&self.shared, duration) else { return };
        let _ = uptime.wait_for(|now| *now >= deadline.at).await;
    }
}

/// A registered deadline; leaves the list when its sleeper is cancelled.
struct Deadline<'a> {
    shared: &'a Shared,
    at: Duration,
    id: u64,
}

impl<'a> Deadline<'a> {
    fn register(shared: &'a Shared, duration: Duration) -> Option<Self> {
        if duration.is_zero() {
            return None;
        }
        let mut deadlines = shared.deadlines();
        let at = shared.uptime.borrow().saturating_add(duration);
        let id = deadlines.next_id;
        deadlines.next_id += 1;
        deadlines.open.insert((at, id));
        shared.waiting.send_replace(deadlines.open.len());
        Some(Self { shared, at, id })
    }
}

impl Drop for Deadline<'_> {
    fn drop(&mut self) {
        let mut deadlines = self.shared.deadlines();
        if deadlines.open.remove(&(self.at, self.id)) {
            self.shared.waiting.send_replace(deadlines.open.len());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_in_order_of_their_deadlines() {
        let clock = ManualClock::new(UnixMillis(1_000));
        let (sender, mut woken) = tokio::sync::mpsc::unbounded_channel();
        for seconds in [3, 1, 2] {
            let (clock, sender) = (clock.clone(), sender.clone());
            tokio::spawn(async move {
                clock.sleep(Duration::from_secs(seconds)).await;
                sender.send((seconds, clock.now())).unwrap();
            });
        }
        clock.wait_for_sleepers(3).await;
        for expected in [1_u64, 2, 3] {
            assert_eq!(clock.advance_to_next(), Some(Duration::from_secs(1)));
            let (seconds, at) = woken.recv().await.unwrap();
            assert_eq!(seconds, expected);
            assert_eq!(at, UnixMillis(1_000 + i64::try_from(expected).unwrap() * 1_000));
        }
        assert_eq!(clock.sleepers(), 0);
        assert_eq!(clock.advance_to_next(), None);
    }

    #[tokio::test]
    async fn a_cancelled_sleeper_is_forgotten() {
        let clock = ManualClock::new(UnixMillis(0));
        tokio::select! {
            biased;
            () = clock.sleep(Duration::from_secs(1)) => panic!("nobody moved the clock"),
            () = clock.wait_for_sleepers(1) => {}
        }
        assert_eq!(clock.sleepers(), 0);
    }

    #[tokio::test]
    async fn a_sleep_of_zero_returns_at_once() {
        ManualClock::new(UnixMillis(0)).sleep(Duration::ZERO).await;
    }

    #[test]
    fn the_system_clock_is_in_this_century() {
        let clock = SystemClock::new();
        assert!(clock.now() > UnixMillis(1_700_000_000_000));
        assert!(clock.uptime() <= clock.uptime());
    }
}
