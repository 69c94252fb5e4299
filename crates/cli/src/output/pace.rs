//! How fast a run is and how long it will take.
//!
//! Constraint: an estimate from few records is worse than none, and a rate from the whole run hides that it stands still; so the
//! rate is that of a recent stretch.

use std::collections::VecDeque;
use std::time::Duration;

use coordinator::Status;
use model::run::RunCounts;

/// The stretch that the rate is taken from.
const STRETCH: Duration = Duration::from_mins(1);

/// Speed and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Pace {
    /// Records settled per second.
    pub(crate) per_second: Option<f64>,
    /// Until everything known and estimated is settled.
    pub(crate) remaining: Option<Duration>,
}

/// Remembers what was settled when.
#[derive(Debug, Default)]
pub(crate) struct PaceMeter {
    seen: VecDeque<(Duration, u64)>,
}

/// Records on which work is over.
pub(crate) fn settled(counts: &RunCounts) -> u64 {
    counts.kinds.iter().map(|(_, c)| c.migrated + c.failed + c.skipped).sum()
}

/// Records there are: as registered, or as the source estimates while it is still being read.
pub(crate) fn expected(status: &Status) -> u64 {
    let of = |kind| {
        let counts = status.counts.of(kind);
        let phase = status.phases.iter().find(|phase| phase.kind == kind);
        let reading = phase.is_some_and(|phase| phase.shards > phase.shards_done);
        let estimate = phase.and_then(|phase| phase.estimate).filter(|_| reading).unwrap_or(0);
        counts.available.max(estimate.saturating_sub(counts.filtered))
    };
    status.counts.kinds.iter().map(|(kind, _)| of(*kind)).sum()
}

#[expect(clippy::cast_precision_loss, reason = "an estimate; numbers of records stay far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

impl PaceMeter {
    /// Takes a look at `uptime`.
    pub(crate) fn look(&mut self, uptime: Duration, status: &Status) -> Pace {
        let done = settled(&status.counts);
        self.seen.push_back((uptime, done));
        while self.seen.len() > 2
            && self.seen.front().is_some_and(|(at, _)| uptime.saturating_sub(*at) > STRETCH)
        {
            self.seen.pop_front();
        }
        let Some((from, before)) = self.seen.front().copied() else { return Pace::default() };
        let seconds = uptime.saturating_sub(from).as_secs_f64();
        if seconds <= 0.0 {
            return Pace::default();
        }
        let per_second = number(done.saturating_sub(before)) / seconds;
        let left = number(expected(status).saturating_sub(done));
        let remaining =
            (per_second > 0.0).then(|| Duration::try_from_secs_f64(left / per_second).ok()).flatten();
        Pace { per_second: Some(per_second), remaining }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use coordinator::PhaseStatus;
    use model::Kind;
    use model::run::{KindCounts, Run, RunMode, RunStatus};
    use model::{RunNo, UnixMillis};

    use super::*;

    fn status(migrated: u64, pending: u64, estimate: u64) -> Status {
        let counts = KindCounts { available: migrated + pending, migrated, pending, ..KindCounts::default() };
        Status {
            run: Run {
                number: RunNo(1),
                mode: RunMode::Full,
                status: RunStatus::Running,
                plan_hash: String::new(),
                sample: Vec::new(),
                seed: None,
                opened: Vec::new(),
                started_at: UnixMillis(0),
                ended_at: None,
            },
            counts: RunCounts { kinds: vec![(Kind::Case, counts)] },
            phases: vec![PhaseStatus {
                kind: Kind::Case,
                opened: true,
                shards: 1,
                shards_done: 0,
                estimate: Some(estimate),
            }],
            waiting_for: Vec::new(),
            queues: Vec::new(),
            reconciliation: None,
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_minute_and_the_estimate_counts_while_it_is_read() {
        let mut meter = PaceMeter::default();
        assert_eq!(meter.look(Duration::ZERO, &status(0, 100, 1_000)), Pace::default());
        let pace = meter.look(Duration::from_secs(10), &status(100, 100, 1_000));
        assert_eq!(pace, Pace { per_second: Some(10.0), remaining: Some(Duration::from_secs(90)) });
        // Two minutes without progress: the early burst is forgotten.
        meter.look(Duration::from_secs(70), &status(100, 100, 1_000));
        let pace = meter.look(Duration::from_secs(130), &status(100, 100, 1_000));
        assert_eq!(pace, Pace { per_second: Some(0.0), remaining: None });
    }
}
