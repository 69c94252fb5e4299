//! The rate budget of one (account, rate class), shared by all processes.
//!
//! Constraints: pure; the store only compares and sets the packed state. A configured limit is simply used: in every sliding minute at most so many calls are granted. Without
//! one, nothing is held back until the account throttles; that teaches the ceiling, which is kept: half of it after the stop, 0.98 of it
//! within a minute, and a test above it at most once an hour (design section 11).

use std::time::Duration;

use model::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::documents::{Version, parse};
use crate::error::Error;
use crate::ledger::Ledger;

/// Calls are granted in slices of so many milliseconds, so that one ledger call covers many (design section 11).
const SLICE_MS: f64 = 200.0;
const MINUTE_MS: f64 = 60_000.0;
/// Room for calls that arrive closer together than they left.
const GUARD: f64 = 1.002;
/// Calls are remembered for a minute in slots of 5 s, to tell the rate at which an account began to throttle.
const SLOTS: usize = 12;
const SLOT_MS: i64 = 5_000;
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
    /// The class is stopped for all until then.
    #[serde(default)]
    pub stopped_until: UnixMillis,
    /// The rate at which the account throttled, in calls per minute.
    #[serde(default)]
    pub learned_per_minute: Option<f64>,
    /// When a rate above the learned one was last tried.
    #[serde(default)]
    pub last_test_at: UnixMillis,
    /// A test is under way since then.
    #[serde(default)]
    test_since: Option<UnixMillis>,
    /// Number of the newest slot, and the calls granted in each, newest last.
    #[serde(default)]
    slot: i64,
    #[serde(default)]
    calls: [u32; SLOTS],
}

impl Budget {
    /// Asks for `n` calls. `limit` is a configured number of calls per minute.
    pub fn take(&mut self, now: UnixMillis, n: u32, limit: Option<u32>) -> Grant {
        if now < self.stopped_until {
            return Grant { granted: 0, wait: now.until(self.stopped_until) };
        }
        let Some(per_minute) = limit.map(f64::from).or_else(|| self.rate(now)) else {
            self.count(now, n);
            return Grant { granted: n, wait: Duration::ZERO };
        };
        // (minute + slice) / interval calls at most lie in any window of a minute.
        let interval = (MINUTE_MS + SLICE_MS) / per_minute.max(0.1) * GUARD;
        let now_ms = millis(now);
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
                (Some(ceiling), None) => seen.clamp(ceiling * FALL, ceiling),
                (None, _) => seen,
            };
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
        let climbed = ((millis(now) - millis(self.stopped_until)) / CLIMB_MS).clamp(0.0, 1.0);
        Some(ceiling * (RESTART + (STEADY - RESTART) * climbed))
    }

    /// Calls per minute at which the account began to throttle. What was granted since the first remembered call, over the time until
    /// the account takes calls again: right for limits per minute and for limits per second alike.
    fn seen(&mut self, now: UnixMillis, until: UnixMillis) -> f64 {
        self.roll(now);
        let oldest = self.calls.iter().position(|calls| *calls > 0).unwrap_or(SLOTS - 1);
        let oldest_slot = self.slot - i64::try_from(SLOTS - 1 - oldest).unwrap_or(0);
        let span = (millis(now.max(until)) - millis(UnixMillis(oldest_slot * SLOT_MS))).max(1.0);
        f64::from(self.calls.iter().sum::<u32>()) * MINUTE_MS / span
    }

    fn recent(&mut self, now: UnixMillis) -> u32 {
        self.roll(now);
        self.calls.iter().sum()
    }

    fn count(&mut self, now: UnixMillis, n: u32) {
        self.roll(now);
        self.calls[SLOTS - 1] = self.calls[SLOTS - 1].saturating_add(n);
    }

    /// Moves the slots on to the present.
    fn roll(&mut self, now: UnixMillis) {
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

/// Processes that take from one budget at the same moment collide; each collision means that another one got its slice.
const ROUNDS: u32 = 64;

impl Ledger {
    /// Asks for `n` calls of a rate class. `limit` is the configured number of calls per minute, `None` if it is not known.
    pub async fn take(&self, class: &str, n: u32, limit: Option<u32>) -> Result<Grant, Error> {
        self.change_budget(class, |budget, now| budget.take(now, n, limit)).await
    }

    /// The account throttled this class: nobody calls before `until` (the store's time).
    pub async fn throttle(&self, class: &str, until: UnixMillis) -> Result<(), Error> {
        self.change_budget(class, |budget, now| budget.throttled(now, until)).await
    }

    /// A budget as it stands, for status and metrics.
    pub async fn budget(&self, class: &str) -> Result<Option<Budget>, Error> {
        Ok(self.document(&name(class)).await?.map(|(_, budget)| budget))
    }

    async fn change_budget<T>(
        &self,
        class: &str,
        change: impl Fn(&mut Budget, UnixMillis) -> T + Send,
    ) -> Result<T, Error> {
        let name = name(class);
        for _ in 0..ROUNDS {
            let (moment, found) = self.store.document(&name).await?;
            let (version, mut budget) = match &found {
                Some((version, body)) => (Some(Version(*version)), parse::<Budget>(&name, body)?),
                None => (None, Budget::default()),
            };
            let before = budget.clone();
            let answer = change(&mut budget, moment.now);
            if budget == before && found.is_some() {
                return Ok(answer);
            }
            if self.put_document(&name, version, &budget).await?.is_ok() {
                return Ok(answer);
            }
        }
        Err(Error::Contended { rounds: ROUNDS })
    }
}

fn name(class: &str) -> String {
    format!("budget/{class}")
}
