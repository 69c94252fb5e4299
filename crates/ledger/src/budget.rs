//! The rate budget of one (account, rate class), shared by all processes.
//!
//! Constraints: pure; the store only compares and sets the packed state. A configured limit is used: in every
//! sliding minute at most so many calls are granted, and fewer if the account throttles below it. Without one, nothing is
//! held back until the account throttles; that teaches the ceiling, which is kept: half of it after the stop, 0.98 of it within a minute, and a test above it
//! at most once an hour.

use std::time::Duration;

use model::UnixMillis;
use serde::{Deserialize, Serialize};

/// Calls are granted in slices of so many milliseconds, so that one ledger call covers many.
const SLICE_MS: f64 = 200.0;
const MINUTE_MS: f64 = 60_000.0;
/// Room for calls that arrive closer together than they left.
const GUARD: f64 = 1.002;
/// Calls are remembered for a minute in slots of a second, to tell the rate at which an account began to throttle.
const SLOTS: usize = 60;
const SLOT_MS: i64 = 1_000;
/// Share of the learned ceiling used right after a stop, and in the steady state; and how long the climb takes.
const RESTART: f64 = 0.5;
const STEADY: f64 = 0.98;
const CLIMB_MS: f64 = 45_000.0;
/// How far above the ceiling a test goes, how long it must go well before it counts, and how long after one the next may begin.
const TEST: f64 = 1.05;
const TEST_MS: i64 = 60_000;
const TEST_EVERY_MS: i64 = 3_600_000;
/// Throttled below a ceiling that held before: somebody else uses the account too. It falls by at most so much at once.
const FALL: f64 = 0.9;
/// A ceiling holds once the account was driven at this share of it for a minute without throttling.
const HELD: f64 = 0.95;

/// The permission to make calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// So many calls may be made now.
    pub granted: u32,
    /// Ask again after this; zero if everything was granted.
    pub wait: Duration,
}

/// The state of one budget. Times in milliseconds since 1970, fractions allowed: at 100,000 calls a minute they are 0.6 ms apart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Budget {
    /// When the next call fits the rate.
    #[serde(default)]
    next_at: f64,
    /// The rate by which that was reckoned, in calls per minute.
    #[serde(default)]
    reckoned_per_minute: f64,
    /// The class is stopped for all until then.
    #[serde(default)]
    pub stopped_until: UnixMillis,
    /// What was configured when calls were last asked for.
    #[serde(default)]
    configured_per_minute: Option<f64>,
    /// The rate at which the account throttled, in calls per minute.
    #[serde(default)]
    pub learned_per_minute: Option<f64>,
    /// When a rate above the learned one was last tried.
    #[serde(default)]
    pub last_test_at: UnixMillis,
    /// A test is under way since then.
    #[serde(default)]
    test_since: Option<UnixMillis>,
    /// The learned rate was used up for a minute and nobody was throttled.
    #[serde(default)]
    held: bool,
    /// When the first of the remembered calls was granted, after a pause of a minute or more.
    #[serde(default)]
    since: UnixMillis,
    /// Number of the newest slot, and the calls granted in each, newest last.
    #[serde(default)]
    slot: i64,
    #[serde(default)]
    calls: Vec<u32>,
}

impl Budget {
    /// Asks for `n` calls. `limit` is a configured number of calls per minute.
    pub fn take(&mut self, now: UnixMillis, n: u32, limit: Option<u32>) -> Grant {
        if now < self.stopped_until {
            return Grant { granted: 0, wait: now.until(self.stopped_until) };
        }
        self.configured_per_minute = limit.map(f64::from);
        let per_minute = match (self.configured_per_minute, self.rate(now)) {
            // The account takes fewer than configured: its limit was lowered, or somebody else uses it too.
            (Some(configured), Some(learned)) => configured.min(learned),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => {
                self.count(now, n);
                return Grant { granted: n, wait: Duration::ZERO };
            }
        };
        // (minute + slice) / interval calls at most lie in any window of a minute.
        let interval = (MINUTE_MS + SLICE_MS) / per_minute.max(0.1) * GUARD;
        let now_ms = millis(now);
        if self.next_at > now_ms && per_minute > self.reckoned_per_minute {
            // The account has told a higher limit than the one assumed: what is left of the pause shrinks with it. Fewer calls than the
            // higher limit allows were granted before, so no window is overdrawn.
            self.next_at = now_ms + (self.next_at - now_ms) * self.reckoned_per_minute / per_minute;
        }
        self.reckoned_per_minute = per_minute;
        let from = self.next_at.max(now_ms);
        let fit = if from <= now_ms + SLICE_MS {
            ((now_ms + SLICE_MS - from) / interval).floor() + 1.0
        } else {
            0.0
        };
        let granted = whole(fit.min(f64::from(n)));
        self.next_at = from + f64::from(granted) * interval;
        self.count(now, granted);
        let wait = if granted == n { 0.0 } else { (self.next_at - now_ms - SLICE_MS).max(1.0) };
        Grant { granted, wait: Duration::from_secs_f64(wait / 1000.0) }
    }

    /// The account said 429: nobody calls before `until`, and the ceiling is learned.
    pub fn throttled(&mut self, now: UnixMillis, until: UnixMillis) {
        // Calls that were on their way when the first 429 arrived teach nothing new.
        let echo = now < self.stopped_until;
        if !echo {
            let seen = self.seen(now, until);
            let learned = match (self.learned_per_minute, self.test_since) {
                (Some(ceiling), Some(_)) => ceiling,
                (Some(ceiling), None) if self.held => seen.clamp(ceiling * FALL, ceiling),
                // The first estimate may rest on a few seconds; until a ceiling has held, the next one replaces it.
                (Some(ceiling), None) => seen.min(ceiling),
                // One stray 429 after a few calls must not halt an account whose limit is known.
                (None, _) => {
                    seen.max(self.configured_per_minute.map_or(0.0, |configured| configured * RESTART))
                }
            };
            self.held &= self.test_since.is_some();
            self.learned_per_minute = Some(learned.max(1.0));
            self.last_test_at = now;
            self.test_since = None;
        }
        self.stopped_until = self.stopped_until.max(until);
        self.next_at = self.next_at.max(millis(self.stopped_until));
    }

    /// The rate used now, in calls per minute; starts and ends tests above the ceiling.
    fn rate(&mut self, now: UnixMillis) -> Option<f64> {
        let ceiling = self.learned_per_minute?;
        match self.test_since {
            Some(since) if now.0 - since.0 >= TEST_MS => {
                // It went well if the account was really driven at the higher rate.
                let driven = f64::from(self.recent(now)) >= ceiling;
                if driven {
                    self.learned_per_minute = Some(ceiling * TEST);
                }
                self.test_since = driven.then_some(now);
                self.last_test_at = now;
            }
            None if now.0 - self.last_test_at.0 >= TEST_EVERY_MS => {
                self.test_since = Some(now);
                self.last_test_at = now;
            }
            _ => {}
        }
        let ceiling = self.learned_per_minute?;
        if self.test_since.is_some() {
            return Some(ceiling * TEST);
        }
        let open = millis(now) - millis(self.stopped_until);
        if !self.held && open > CLIMB_MS + MINUTE_MS {
            self.held = f64::from(self.recent(now)) >= ceiling * HELD;
        }
        Some(ceiling * (RESTART + (STEADY - RESTART) * (open / CLIMB_MS).clamp(0.0, 1.0)))
    }

    /// Calls per minute at which the account began to throttle: what was granted in the span that ends when the account takes calls
    /// again, at most a minute. Right for minutes that slide, for minutes that begin anew (the span is then that minute) and roughly for
    /// limits per second. A wait of a minute or more is a penalty and says nothing about the window: then it is the last minute.
    fn seen(&mut self, now: UnixMillis, until: UnixMillis) -> f64 {
        self.roll(now);
        let wait = millis(until) - millis(now);
        let wait = if wait >= MINUTE_MS { 0.0 } else { wait.max(0.0) };
        let begin = millis(self.since).max(millis(now) + wait - MINUTE_MS);
        let span = if wait == 0.0 { MINUTE_MS } else { (millis(now) + wait - begin).max(1.0) };
        let newest = millis(UnixMillis(self.slot.saturating_mul(SLOT_MS)));
        let calls = self.calls.iter().rev().scan(newest, |slot_begin, calls| {
            let inside = *slot_begin + millis(UnixMillis(SLOT_MS)) > begin;
            *slot_begin -= millis(UnixMillis(SLOT_MS));
            inside.then_some(f64::from(*calls))
        });
        calls.sum::<f64>() * MINUTE_MS / span
    }

    fn recent(&mut self, now: UnixMillis) -> u32 {
        self.roll(now);
        self.calls.iter().sum()
    }

    fn count(&mut self, now: UnixMillis, n: u32) {
        if self.recent(now) == 0 {
            self.since = now;
        }
        if let Some(newest) = self.calls.last_mut() {
            *newest = newest.saturating_add(n);
        }
    }

    /// Moves the slots on to the present.
    fn roll(&mut self, now: UnixMillis) {
        self.calls.resize(SLOTS, 0);
        let slot = now.0.div_euclid(SLOT_MS);
        let by = usize::try_from(slot.saturating_sub(self.slot)).unwrap_or(0).min(SLOTS);
        self.calls.rotate_left(by % SLOTS);
        self.calls[SLOTS - by..].fill(0);
        self.slot = self.slot.max(slot);
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay below 2^53 for 285,000 years")]
fn millis(at: UnixMillis) -> f64 {
    at.0 as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded by 0 and the number of calls asked for, a u32"
)]
fn whole(calls: f64) -> u32 {
    calls as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)]
    use std::collections::VecDeque;

    use super::*;

    /// An account as its callers see it: a limit within a window that slides or begins anew, and a clock.
    struct Account {
        limit: usize,
        window_ms: i64,
        sliding: bool,
        calls: VecDeque<i64>,
        accepted: Vec<i64>,
        throttled: Vec<i64>,
        stopped_ms: i64,
    }

    impl Account {
        fn new(limit: usize, window_ms: i64, sliding: bool) -> Self {
            Self {
                limit,
                window_ms,
                sliding,
                calls: VecDeque::new(),
                accepted: Vec::new(),
                throttled: Vec::new(),
                stopped_ms: 0,
            }
        }

        /// One call; how long to wait if it was throttled.
        fn call(&mut self, now: i64) -> Option<i64> {
            let begin =
                if self.sliding { now - self.window_ms + 1 } else { now - now.rem_euclid(self.window_ms) };
            while self.calls.front().is_some_and(|at| *at < begin) {
                self.calls.pop_front();
            }
            if self.calls.len() < self.limit {
                self.calls.push_back(now);
                self.accepted.push(now);
                return None;
            }
            self.throttled.push(now);
            let frees = if self.sliding { self.calls[0] } else { begin } + self.window_ms;
            // Retry-After has whole seconds.
            Some((frees - now).max(1).div_euclid(1000) * 1000 + 1000)
        }

        /// Callers that always want `want` calls, until `to`.
        fn drive(&mut self, budget: &mut Budget, from: i64, to: i64, want: u32, limit: Option<u32>) {
            let mut now = from;
            while now < to {
                let grant = budget.take(UnixMillis(now), want, limit);
                let stopped = now < budget.stopped_until.0;
                for _ in 0..grant.granted {
                    if let Some(wait) = self.call(now) {
                        budget.throttled(UnixMillis(now), UnixMillis(now + wait));
                        break;
                    }
                }
                let wait = i64::try_from(grant.wait.as_millis()).unwrap();
                // Without any limit the callers' own work is what takes time.
                let step = if wait == 0 && limit.is_none() { 10 } else { wait };
                if stopped {
                    self.stopped_ms += step;
                }
                now += step;
            }
        }

        fn most_in_a_minute(&self) -> usize {
            let mut first = 0;
            let mut most = 0;
            for (last, at) in self.accepted.iter().enumerate() {
                while self.accepted[first] <= at - 60_000 {
                    first += 1;
                }
                most = most.max(last - first + 1);
            }
            most
        }
    }

    const START: i64 = 1_795_648_396_938;
    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_configured_limit_is_used_up_and_never_exceeded() {
        for limit in [10u32, 600, 5_000] {
            for want in [1, 40] {
                let mut account = Account::new(usize::MAX, 60_000, true);
                let mut budget = Budget::default();
                account.drive(&mut budget, START, START + HOUR / 6, want, Some(limit));
                assert!(
                    account.most_in_a_minute() <= limit as usize,
                    "{} calls in a minute at a limit of {limit}",
                    account.most_in_a_minute()
                );
                let share = account.accepted.len() as f64 / (f64::from(limit) * 10.0);
                assert!(
                    share >= 0.99 || limit <= 10,
                    "only {share:.4} of a limit of {limit} was used, {want} at a time"
                );
            }
        }
    }

    #[test]
    fn a_limit_that_turns_out_to_be_higher_does_not_leave_the_pause_of_the_lower_one() {
        let mut budget = Budget::default();
        assert_eq!(budget.take(UnixMillis(START), 1, Some(10)).granted, 1);
        let soon = UnixMillis(START + 50);
        assert!(
            budget.take(soon, 1, Some(10)).wait > Duration::from_secs(5),
            "ten a minute are six seconds apart"
        );
        assert_eq!(budget.take(soon, 1, Some(1_000)).granted, 1, "a thousand a minute are not");
        let mut account = Account::new(usize::MAX, 60_000, true);
        account.drive(&mut budget, START + 60, START + HOUR / 60, 40, Some(1_000));
        assert!(account.most_in_a_minute() <= 1_000 - 2);
    }

    #[test]
    fn an_unknown_limit_is_learned_kept_and_used() {
        // Kayako's limits are per minute. Slices of 200 ms cannot use more than about five sixths of a limit per second.
        let accounts = [
            ("a minute that begins anew", Account::new(1_000, 60_000, false), 0.95),
            ("a sliding minute", Account::new(1_000, 60_000, true), 0.95),
            ("a large account", Account::new(5_000, 60_000, false), 0.95),
            ("a second", Account::new(100, 1_000, true), 0.7),
        ];
        for (name, mut account, least) in accounts {
            let per_minute = account.limit as f64 * 60_000.0 / account.window_ms as f64;
            let mut budget = Budget::default();
            let learning = START + HOUR;
            account.drive(&mut budget, START, learning, 40, None);
            let learned = budget.learned_per_minute.unwrap();
            assert!(
                (least - 0.05..=1.1).contains(&(learned / per_minute)),
                "{name}: learned {learned:.0} of {per_minute:.0} calls a minute"
            );
            let (accepted, throttled) = (account.accepted.len(), account.throttled.len());
            account.stopped_ms = 0;
            let to = learning + 2 * HOUR;
            account.drive(&mut budget, learning, to, 40, None);
            let accepted = (account.accepted.len() - accepted) as f64;
            let open_minutes = (to - learning - account.stopped_ms) as f64 / 60_000.0;
            let share = accepted / (per_minute * open_minutes);
            assert!(share >= least, "{name}: only {share:.3} of the budget is used after learning");
            let per_thousand = (account.throttled.len() - throttled) as f64 * 1000.0 / accepted;
            assert!(per_thousand <= 2.0, "{name}: {per_thousand:.2} throttled answers per 1,000 calls");
        }
    }

    #[test]
    fn a_stop_holds_everybody_until_it_ends_and_is_extended_but_never_shortened() {
        let mut budget = Budget::default();
        assert_eq!(budget.take(UnixMillis(START), 500, None).granted, 500, "nothing is known yet");
        budget.throttled(UnixMillis(START + 1_000), UnixMillis(START + 31_000));
        let learned = budget.learned_per_minute;
        assert!(learned.is_some());
        // The other calls of the same moment.
        budget.throttled(UnixMillis(START + 1_100), UnixMillis(START + 21_000));
        assert_eq!(budget.stopped_until, UnixMillis(START + 31_000));
        budget.throttled(UnixMillis(START + 1_200), UnixMillis(START + 41_000));
        assert_eq!(budget.stopped_until, UnixMillis(START + 41_000));
        assert_eq!(budget.learned_per_minute, learned, "an echo must not lower the ceiling");
        for (limit, at) in [(None, START + 2_000), (Some(600), START + 40_999)] {
            let grant = budget.take(UnixMillis(at), 5, limit);
            assert_eq!(grant.granted, 0);
            assert_eq!(UnixMillis(at).plus(grant.wait), UnixMillis(START + 41_000));
        }
        assert!(budget.take(UnixMillis(START + 41_000), 5, Some(600)).granted > 0);
    }

    #[test]
    fn the_state_survives_being_stored() {
        let mut budget = Budget::default();
        budget.take(UnixMillis(START), 7, Some(100));
        budget.throttled(UnixMillis(START + 5), UnixMillis(START + 1_005));
        let stored = serde_json::to_vec(&budget).unwrap();
        assert_eq!(serde_json::from_slice::<Budget>(&stored).unwrap(), budget);
    }
}
