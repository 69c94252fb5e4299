//! What every part of a service is given instead of reaching for the machine: time, randomness, crash points.

use std::sync::Arc;

use crate::clock::{Clock, ManualClock, SystemClock, UnixMillis};
use crate::crash::CrashPoints;
use crate::random::SeededRandom;

/// Cheap to clone; clones share the clock, the random stream and the crash points.
#[derive(Debug, Clone)]
pub struct Context {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: SeededRandom,
    /// Places where a test or an operator's drill lets the process die.
    pub crash: CrashPoints,
}

impl Context {
    /// The machine's clock, fresh randomness, the given crash points (see [`CrashPoints::from_spec`]).
    pub fn system(crash: CrashPoints) -> Self {
        Self { clock: Arc::new(SystemClock::new()), random: SeededRandom::from_entropy(), crash }
    }

    /// A context that stands still at 2026-01-01T00:00:00Z, with crash points that record, and the clock to move it.
    pub fn manual(seed: u64) -> (Self, ManualClock) {
        let clock = ManualClock::new(UnixMillis(1_767_225_600_000));
        let context = Self {
            clock: Arc::new(clock.clone()),
            random: SeededRandom::from_seed(seed),
            crash: CrashPoints::recording(),
        };
        (context, clock)
    }

    /// The same clock and crash points with a random stream of its own for one task.
    #[must_use]
    pub fn fork(&self, label: &str) -> Self {
        Self { random: self.random.fork(label), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_shares_time_but_not_randomness() {
        let (context, clock) = Context::manual(3);
        let fork = context.fork("loader");
        clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(fork.clock.now(), context.clock.now());
        assert_ne!(fork.random.bits(), context.random.bits());
    }
}
