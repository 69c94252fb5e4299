//! Every waiting time of the write protocol, derived from one time scale, and the relations between them.
//!
//! Constraints: the relations are what "exactly once" rests on; [`Timing::check`] refuses a set that breaks one. Tests run the same
//! protocol at a small scale; nothing else may shorten a single time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{Epoch, UnixMillis};

/// Waiting times at their real length, times the scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Longest time one write request to Kayako may take, connect included.
    pub request_timeout: Duration,
    /// How long a loader may work on a record without renewing.
    pub lease: Duration,
    /// How long after the last possible send a write may still become visible [assumed 120 s].
    pub quiet: Duration,
    /// How long a created object may stay invisible to a look-up [assumed 30 s].
    pub visibility: Duration,
    /// After this a job that never ends is treated as if its id were unknown [assumed 30 min].
    pub job_timeout: Duration,
    /// First pause between two polls of a job.
    pub job_poll: Duration,
    /// Pauses between attempts; the last one repeats.
    pub ladder: Vec<Duration>,
    /// Attempts before a record fails.
    pub attempts: u8,
    /// A parked record whose parent is missing is looked at again after this.
    pub parent_wait: Duration,
    /// How long a due row may lie untouched before the coordinator reads it again from the source.
    pub lost_after: Duration,
    /// How long a leader or a single-flight lock lives without renewal.
    pub leadership: Duration,
    /// How often reconcilers run without a signal.
    pub reconcile: Duration,
    /// How long a loader waits for more commands before it sends a small batch.
    pub linger: Duration,
}

/// Two waiting times contradict each other.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{shorter} ({shorter_ms} ms) must be shorter than {longer} ({longer_ms} ms): {why}")]
pub struct Contradiction {
    shorter: &'static str,
    shorter_ms: u128,
    longer: &'static str,
    longer_ms: u128,
    why: &'static str,
}

impl Timing {
    /// The real times (scale 1) or the same protocol faster (scale below 1).
    pub fn scaled(scale: f64) -> Self {
        let of = |seconds: f64| Duration::from_secs_f64((seconds * scale).max(0.001));
        Self {
            request_timeout: of(30.0),
            lease: of(40.0),
            quiet: of(120.0),
            visibility: of(30.0),
            job_timeout: of(1800.0),
            job_poll: of(0.5),
            ladder: [10.0, 60.0, 600.0, 3600.0].map(of).to_vec(),
            attempts: 8,
            parent_wait: of(5.0),
            lost_after: of(300.0),
            leadership: of(15.0),
            reconcile: of(2.0),
            linger: of(0.1),
        }
    }

    /// The pause before attempt number `attempts + 1`.
    pub fn pause(&self, attempts: u8) -> Duration {
        let step = usize::from(attempts).min(self.ladder.len().saturating_sub(1));
        self.ladder.get(step).copied().unwrap_or(self.visibility)
    }

    /// Refuses a set of times under which the protocol would not hold.
    pub fn check(&self) -> Result<(), Contradiction> {
        let relations = [
            (
                "request_timeout",
                self.request_timeout,
                "lease",
                self.lease,
                "a request must end while its sender still holds the record",
            ),
            (
                "request_timeout",
                self.request_timeout,
                "quiet",
                self.quiet,
                "a probe must come after every request that may still be on its way",
            ),
            ("lease", self.lease, "lost_after", self.lost_after, "work in hand must not be taken for lost"),
            (
                "quiet",
                self.quiet,
                "lost_after",
                self.lost_after,
                "a record waiting for its probe must not be taken for lost",
            ),
            (
                "job_poll",
                self.job_poll,
                "job_timeout",
                self.job_timeout,
                "a job must be asked before it is given up",
            ),
        ];
        for (shorter, a, longer, b, why) in relations {
            if a >= b {
                return Err(Contradiction {
                    shorter,
                    shorter_ms: a.as_millis(),
                    longer,
                    longer_ms: b.as_millis(),
                    why,
                });
            }
        }
        Ok(())
    }
}

/// The earliest moment at which a row of an older epoch can be probed: `epoch_since` is when the current epoch began.
///
/// The last intent of an older epoch may be among what was lost. It was stored before the epoch began, it names no moment after its lease's
/// end, and its request may take effect until the quiet period after that moment is over.
pub fn probe_from(epoch: Epoch, epoch_since: UnixMillis, lease: Duration, quiet: Duration) -> UnixMillis {
    if epoch <= Epoch(1) { UnixMillis(i64::MIN) } else { epoch_since.plus(lease).plus(quiet) }
}

impl Default for Timing {
    fn default() -> Self {
        Self::scaled(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_holds_at_every_scale_and_contradictions_are_named() {
        for scale in [1.0, 0.1, 0.01, 0.002] {
            assert_eq!(Timing::scaled(scale).check(), Ok(()), "scale {scale}");
        }
        let broken = Timing { lease: Duration::from_secs(1), ..Timing::default() };
        let message = broken.check().err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message.contains("request_timeout") && message.contains("lease"), "{message}");
    }
}
