//! How many calls one process keeps in flight, learned from the answers.
//!
//! The rule: add one while calls are as fast as usual, multiply by 0.9 when they become slow or the server pushes
//! back. Constraints that keep the rule honest:
//! - raised only if the limit was reached, else an idle process would drift to the maximum and then burst;
//! - adjusted once per mean round trip: earlier, the answers still show the limit before;
//! - the latency of failed calls is ignored: a refusal in 2 ms is not a fast server.
//!
//! One addition was necessary: against a server that queues, each further call adds a little latency, the usual
//! latency follows, and the rule alone climbs for ever (seen in the simulation below). So every fifty rounds the
//! controller eases off for two rounds; if the calls become faster, the queue was ours, and it keeps easing.
//!
//! Pure: time is an argument. [`crate::limiter::Limiter`] drives it for tasks. Use one per class of calls of
//! similar latency: a mix of look-ups and bulk inserts has no usual latency.

use std::time::Duration;

use crate::error::Error;

/// Weight of the newest round in the usual latency: about the last five rounds count.
const SMOOTHING: f64 = 0.2;
/// Deviations above the usual latency that mean "slow". 2.5 leaves out all but about one in a hundred chance rounds.
const SLOW_DEVIATIONS: f64 = 2.5;
/// A rise below a tenth of the usual latency is never "slow": with an evenly answering server the deviation is
/// nearly zero and any hair would count.
const SLOW_AT_LEAST: f64 = 0.1;
/// A round this close to the usual latency counts as "as fast as usual".
const USUAL_BAND: f64 = 1.01;
/// Rounds between two easings. Two rounds at 0.8 of the limit cost 0.8 % of the throughput, and only where the limit
/// is what holds the process back. With 100 rounds the simulated queue below grew to five times its capacity.
const ROUNDS_BETWEEN_EASINGS: u32 = 50;
/// How far an easing goes. If all latency above the server's own is our queue, the calls become 20 % faster.
const EASE: f64 = 0.8;
/// The part of the latency that must go away for the queue to be ours: half of what [`EASE`] can win.
const EASED_AT_LEAST: f64 = 0.1;

/// Limits of the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcurrencySettings {
    /// Calls in flight at the beginning (default 2).
    pub start: usize,
    /// Never fewer than this (default 1).
    pub min: usize,
    /// Never more than this (default 64).
    pub max: usize,
}

impl Default for ConcurrencySettings {
    fn default() -> Self {
        Self { start: 2, min: 1, max: 64 }
    }
}

impl ConcurrencySettings {
    fn validate(self) -> Result<Self, Error> {
        if self.min == 0 {
            return Err(Error::setting("concurrency.min", "must be at least 1"));
        }
        if self.max < self.min {
            return Err(Error::setting("concurrency.max", "must not be less than concurrency.min"));
        }
        if !(self.min..=self.max).contains(&self.start) {
            return Err(Error::setting("concurrency.start", "must lie between concurrency.min and .max"));
        }
        Ok(self)
    }
}

/// How a call ended, as far as the controller is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// A proper answer; its latency counts.
    Answered,
    /// The server said that it is too much: 429, 503.
    PushedBack,
    /// Anything else; says nothing about the right number.
    Failed,
}

/// Learns the number of calls in flight.
#[derive(Debug, Clone)]
pub struct Controller {
    settings: ConcurrencySettings,
    limit: f64,
    in_flight: usize,
    round: Round,
    usual: Option<Usual>,
    easing: Easing,
}

/// Where the controller stands in looking for a queue of its own making.
#[derive(Debug, Clone, Copy)]
enum Easing {
    /// Not looking; this many rounds since the last time.
    Resting { rounds: u32 },
    /// The limit was lowered from `restore`; calls of the time before are still coming back.
    Settling { restore: f64 },
    /// The calls of this round show what the lower limit brings.
    Measuring { restore: f64 },
}

/// What happened since the last adjustment.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    ends_at: Option<Duration>,
    answers: u32,
    latency_sum: f64,
    limit_reached: bool,
    pushed_back: bool,
}

/// Smoothed latency of the rounds so far, in seconds.
#[derive(Debug, Clone, Copy)]
struct Usual {
    mean: f64,
    variance: f64,
}

impl Usual {
    fn is_slow(self, latency: f64) -> bool {
        let band = (SLOW_DEVIATIONS * self.variance.sqrt()).max(SLOW_AT_LEAST * self.mean);
        latency > self.mean + band
    }

    fn is_eased(self, latency: f64) -> bool {
        latency < self.mean - self.variance.sqrt().max(EASED_AT_LEAST * self.mean)
    }

    fn observe(&mut self, latency: f64) {
        let difference = latency - self.mean;
        self.mean += SMOOTHING * difference;
        self.variance = (1.0 - SMOOTHING) * (self.variance + SMOOTHING * difference * difference);
    }
}

impl Controller {
    /// # Errors
    /// [`Error::Setting`] if `min <= start <= max` does not hold or `min` is zero.
    pub fn new(settings: ConcurrencySettings) -> Result<Self, Error> {
        let settings = settings.validate()?;
        Ok(Self {
            settings,
            limit: as_float(settings.start),
            in_flight: 0,
            round: Round::default(),
            usual: None,
            easing: Easing::Resting { rounds: 0 },
        })
    }

    /// Calls that may be in flight.
    pub fn limit(&self) -> usize {
        // Between `min` and `max` by construction, so neither sign nor size is lost; the fraction is meant to be.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to min..=max")]
        let whole = self.limit as usize;
        whole.clamp(self.settings.min, self.settings.max)
    }

    /// Calls that are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// A call was started.
    pub fn started(&mut self) {
        self.in_flight += 1;
        self.round.limit_reached |= self.in_flight >= self.limit();
    }

    /// A call ended at `now` after `latency`. `now` is a monotonic time since any start ([`crate::Clock::uptime`]).
    pub fn finished(&mut self, now: Duration, latency: Duration, outcome: CallOutcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            CallOutcome::Answered => {
                self.round.answers += 1;
                self.round.latency_sum += latency.as_secs_f64();
            }
            CallOutcome::PushedBack => self.round.pushed_back = true,
            CallOutcome::Failed => {}
        }
        let ends_at = *self.round.ends_at.get_or_insert(now + latency);
        if now >= ends_at {
            self.adjust(now, latency);
        }
    }

    fn adjust(&mut self, now: Duration, latest: Duration) {
        let mean = (self.round.answers > 0).then(|| self.round.latency_sum / f64::from(self.round.answers));
        match self.easing {
            Easing::Resting { rounds } => self.follow(rounds, mean),
            Easing::Settling { restore } => self.easing = Easing::Measuring { restore },
            Easing::Measuring { restore } => self.judge_easing(restore, mean),
        }
        self.limit = self.limit.clamp(as_float(self.settings.min), as_float(self.settings.max));
        let round_trip = self.usual.map_or(latest, |usual| Duration::from_secs_f64(usual.mean));
        // Calls in flight stay at the limit across the adjustment, and that counts for the round that begins.
        let limit_reached = self.in_flight >= self.limit();
        self.round = Round { ends_at: Some(now + round_trip), limit_reached, ..Round::default() };
    }

    /// The rule: +1 or x0.9.
    fn follow(&mut self, rounds: u32, mean: Option<f64>) {
        let (slow, fast) = match (mean, self.usual) {
            (Some(mean), Some(usual)) => (usual.is_slow(mean), mean <= usual.mean * USUAL_BAND),
            (Some(_), None) => (false, true),
            (None, _) => (false, false),
        };
        if let Some(mean) = mean {
            self.usual.get_or_insert(Usual { mean, variance: 0.0 }).observe(mean);
        }
        let held_back = self.round.pushed_back || slow;
        if held_back {
            self.limit *= 0.9;
        } else if rounds >= ROUNDS_BETWEEN_EASINGS && self.round.limit_reached && mean.is_some() {
            self.ease();
            return;
        } else if fast && self.round.limit_reached {
            self.limit += 1.0;
        }
        self.easing = Easing::Resting { rounds: rounds.saturating_add(1) };
    }

    fn ease(&mut self) {
        self.easing = Easing::Settling { restore: self.limit };
        self.limit *= EASE;
    }

    fn judge_easing(&mut self, restore: f64, mean: Option<f64>) {
        match (mean, self.usual.as_mut()) {
            (Some(mean), Some(usual)) if usual.is_eased(mean) => {
                usual.mean = mean;
                self.ease();
            }
            _ => {
                // A push-back in these two rounds came at the lower limit; the higher one would fare no better.
                if !self.round.pushed_back {
                    self.limit = restore;
                }
                self.easing = Easing::Resting { rounds: 0 };
            }
        }
    }
}

fn as_float(count: usize) -> f64 {
    // Far below 2^53: a limit of that many calls is nonsense.
    #[expect(clippy::cast_precision_loss, reason = "a number of concurrent calls")]
    let float = count as f64;
    float
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;
    use crate::random::SeededRandom;

    const MS: Duration = Duration::from_millis(1);

    fn controller(max: usize) -> Controller {
        Controller::new(ConcurrencySettings { max, ..ConcurrencySettings::default() }).unwrap()
    }

    /// A simulated server: told the time of arrival and the number of calls in flight, answers with a latency.
    type Server<'a> = &'a mut dyn FnMut(Duration, usize) -> (Duration, CallOutcome);

    /// Drives a controller through `calls` calls of a process that would like to have `demand` in flight. Returns the
    /// limits during the second half, when the controller has settled.
    fn limits(
        mut controller: Controller,
        calls: usize,
        demand: usize,
        server: Server<'_>,
    ) -> std::ops::RangeInclusive<usize> {
        let mut now = Duration::ZERO;
        let mut flying = BinaryHeap::new();
        let (mut lowest, mut highest) = (usize::MAX, 0);
        for call in 0..calls {
            while controller.in_flight() < controller.limit().min(demand) {
                controller.started();
                let (latency, outcome) = server(now, controller.in_flight());
                flying.push(Reverse((now + latency, latency, outcome as usize)));
            }
            let Reverse((returned_at, latency, outcome)) = flying.pop().unwrap();
            now = returned_at;
            let outcome = [CallOutcome::Answered, CallOutcome::PushedBack, CallOutcome::Failed][outcome];
            controller.finished(now, latency, outcome);
            if call > calls / 2 {
                lowest = lowest.min(controller.limit());
                highest = highest.max(controller.limit());
            }
        }
        lowest..=highest
    }

    /// A server that works on `capacity` calls at a time, each `work` long, and lets the others queue.
    fn queueing(
        capacity: usize,
        work: impl Fn() -> Duration,
    ) -> impl FnMut(Duration, usize) -> (Duration, CallOutcome) {
        let mut free_at: BinaryHeap<_> = (0..capacity).map(|_| Reverse(Duration::ZERO)).collect();
        move |now, _| {
            let Reverse(free) = free_at.pop().unwrap();
            let done = free.max(now) + work();
            free_at.push(Reverse(done));
            (done.saturating_sub(now), CallOutcome::Answered)
        }
    }

    #[test]
    fn an_even_server_is_used_up_to_the_maximum() {
        let seen = limits(controller(32), 5_000, 100, &mut |_, _| (100 * MS, CallOutcome::Answered));
        assert!(*seen.start() >= 25 && *seen.end() == 32, "easing to 0.8 is all that may happen: {seen:?}");
    }

    #[test]
    fn noise_alone_does_not_starve_us() {
        let random = SeededRandom::from_seed(4);
        let seen = limits(controller(32), 20_000, 100, &mut |_, _| {
            (50 * MS + random.duration_up_to(100 * MS), CallOutcome::Answered)
        });
        assert!(*seen.start() >= 16, "{seen:?}");
    }

    #[test]
    fn push_back_keeps_the_number_near_what_is_accepted() {
        let seen = limits(controller(64), 20_000, 100, &mut |_, in_flight| {
            if in_flight > 10 { (5 * MS, CallOutcome::PushedBack) } else { (100 * MS, CallOutcome::Answered) }
        });
        assert!(*seen.start() >= 7 && *seen.end() <= 13, "{seen:?}");
    }

    #[test]
    fn a_server_that_queues_is_used_but_not_buried() {
        let seen = limits(controller(64), 50_000, 100, &mut queueing(12, || 100 * MS));
        assert!(*seen.start() >= 8 && *seen.end() <= 30, "{seen:?}");
        let random = SeededRandom::from_seed(9);
        let noisy = || 50 * MS + random.duration_up_to(100 * MS);
        let seen = limits(controller(64), 50_000, 100, &mut queueing(12, noisy));
        assert!(*seen.start() >= 5 && *seen.end() <= 48, "{seen:?}");
    }

    #[test]
    fn a_limit_that_is_not_reached_is_not_raised() {
        let controller =
            Controller::new(ConcurrencySettings { start: 5, ..ConcurrencySettings::default() }).unwrap();
        assert_eq!(limits(controller, 1_000, 4, &mut |_, _| (100 * MS, CallOutcome::Answered)), 5..=5);
    }

    #[test]
    fn failures_neither_raise_nor_lower_it() {
        let seen = limits(controller(64), 1_000, 100, &mut |_, _| (2 * MS, CallOutcome::Failed));
        assert_eq!(seen, 2..=2);
    }

    #[test]
    fn one_round_trip_changes_it_once() {
        let mut controller = controller(64);
        for _ in 0..2 {
            controller.started();
        }
        // The first answer sets the length of the round, answers within it change nothing.
        controller.finished(100 * MS, 100 * MS, CallOutcome::PushedBack);
        controller.started();
        controller.finished(150 * MS, 100 * MS, CallOutcome::PushedBack);
        assert_eq!(controller.limit(), 2);
        controller.finished(200 * MS, 100 * MS, CallOutcome::PushedBack);
        assert_eq!(controller.limit(), 1, "2 x 0.9, rounded down");
    }

    #[test]
    fn contradicting_settings_are_refused() {
        for (start, min, max) in [(2, 0, 4), (2, 3, 2), (1, 2, 4), (5, 2, 4)] {
            assert!(Controller::new(ConcurrencySettings { start, min, max }).is_err());
        }
    }
}
