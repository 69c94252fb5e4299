//! The steps that a waiting message can take.
//!
//! Constraint: one step is one queue with one time-to-live. Messages with different delays in one queue block each
//! other (a message of 0.5 s behind one of 6 s waits 6 s), so a wait is rounded down to a step and the caller lets the
//! message hop again until its own deadline (header [`crate::UNTIL`]) has come.

use std::time::Duration;

use crate::{Error, Result};

/// The delays offered, shortest first.
///
/// Default: 1 s, 10 s, 1 min, 10 min, 1 h (the retry ladder of the failure table plus one short step for records that
/// wait for a parent that is just being written).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    steps: Vec<Duration>,
}

impl Default for Ladder {
    fn default() -> Self {
        Self { steps: [1, 10, 60, 600, 3600].map(Duration::from_secs).to_vec() }
    }
}

impl Ladder {
    /// Most steps: each is a queue of its own on the broker, declared by every process at start.
    const MOST_STEPS: usize = 16;
    /// Longest step: 24 h. Longer waits are hops.
    const LONGEST: Duration = Duration::from_hours(24);

    /// A ladder of these steps, 1 to 16 of them, each 1 ms to 24 h, in any order. Steps are whole milliseconds
    /// (rounded down); equal ones count once.
    pub fn new(steps: impl IntoIterator<Item = Duration>) -> Result<Self> {
        let mut steps: Vec<Duration> =
            steps.into_iter().map(|step| Duration::from_millis(millis(step))).collect();
        steps.sort_unstable();
        steps.dedup();
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
            return Err(Error::InvalidConfig { problem: "the delay ladder has no step" });
        };
        if first.is_zero() || *last > Self::LONGEST {
            return Err(Error::InvalidConfig { problem: "a step of the delay ladder has 1 ms to 24 h" });
        }
        if steps.len() > Self::MOST_STEPS {
            return Err(Error::InvalidConfig { problem: "the delay ladder has more than 16 steps" });
        }
        Ok(Self { steps })
    }

    /// The same ladder with every step multiplied by `scale`, so that tests run the same protocol fast. Fails if a
    /// step leaves the range of [`Ladder::new`] or `scale` is not a positive number.
    pub fn scaled(&self, scale: f64) -> Result<Self> {
        let scaled: Option<Vec<Duration>> = self
            .steps
            .iter()
            .map(|step| Duration::try_from_secs_f64(step.as_secs_f64() * scale).ok())
            .collect();
        Self::new(
            scaled.ok_or(Error::InvalidConfig {
                problem: "the scale of the delay ladder is no positive number",
            })?,
        )
    }

    /// The steps, shortest first.
    pub fn steps(&self) -> &[Duration] {
        &self.steps
    }

    /// The longest step that is not longer than `wait`; the shortest step if all are longer.
    pub fn step(&self, wait: Duration) -> Duration {
        let fitting = self.steps.iter().rev().find(|step| **step <= wait);
        fitting.or_else(|| self.steps.first()).copied().unwrap_or(wait)
    }
}

/// Whole milliseconds: what a broker counts in.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_wait_takes_the_longest_step_that_fits() {
        let ladder = Ladder::new([ms(10_000), ms(1000), ms(1000)]).unwrap();
        assert_eq!(ladder.steps(), [ms(1000), ms(10_000)]);
        assert_eq!(ladder.step(ms(0)), ms(1000));
        assert_eq!(ladder.step(ms(9999)), ms(1000));
        assert_eq!(ladder.step(ms(10_000)), ms(10_000));
        assert_eq!(ladder.step(Duration::MAX), ms(10_000));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Ladder::new([]).is_err());
        assert!(Ladder::new([Duration::from_micros(999)]).is_err());
        assert!(Ladder::new([Duration::from_secs(24 * 3600 + 1)]).is_err());
        assert!(Ladder::new((1..=17).map(ms)).is_err());
        assert!(Ladder::default().scaled(0.0).is_err());
        assert!(Ladder::default().scaled(-1.0).is_err());
        assert!(Ladder::default().scaled(f64::NAN).is_err());
    }

    #[test]
    fn scaling_keeps_the_proportions() {
        let ladder = Ladder::default().scaled(0.01).unwrap();
        assert_eq!(ladder.steps(), [ms(10), ms(100), ms(600), ms(6000), ms(36_000)]);
    }
}
