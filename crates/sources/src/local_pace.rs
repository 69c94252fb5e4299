//! Rate budgets of one process.
//!
//! Constraints: never more requests in any window of a minute than our share of the limit, however our window lies to
//! the source's; after a 429 nothing is granted before `Retry-After` has passed. All waiting happens on the tokio
//! clock, so that tests can drive it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep_until};

use crate::error::Error;
use crate::pace::{Bucket, Pace, RateHeaders, Scope};

/// What a 429 without `Retry-After` is taken to mean.
const ASSUMED_RETRY_AFTER: Duration = Duration::from_mins(1);

/// How a process divides an account's budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaceSettings {
    /// The part of a shared bucket we use, above 0 and at most 1. The agents' own programs live from the rest.
    pub share: f64,
    /// Requests a minute that the plan names for the account; used whole, whatever its headers say.
    pub configured: Option<u32>,
    /// The time the source means by "a minute"; shorter only against a sandbox that runs faster.
    pub window: Duration,
    /// Upper bound of the random time added to every `Retry-After`, so that several processes do not come back at
    /// the same instant.
    pub jitter: Duration,
    /// Seed of that random time.
    pub seed: u64,
}

impl Default for PaceSettings {
    fn default() -> Self {
        // Live desks usually leave 50 to 70 % free [assumed]; 2 s spreads some dozens of processes.
        Self {
            share: 0.6,
            configured: None,
            window: Duration::from_mins(1),
            jitter: Duration::from_secs(2),
            seed: 0,
        }
    }
}

/// [`Pace`] for one process: a sliding window per bucket.
#[derive(Debug)]
pub struct LocalPace {
    settings: PaceSettings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    buckets: HashMap<&'static str, Window>,
    random: ChaCha8Rng,
}

#[derive(Debug)]
struct Window {
    limit: u32,
    granted: VecDeque<Instant>,
    closed_until: Option<Instant>,
}

impl LocalPace {
    /// A fresh budget.
    pub fn new(settings: PaceSettings) -> Self {
        let random = ChaCha8Rng::seed_from_u64(settings.seed);
        Self { settings, state: Mutex::new(State { buckets: HashMap::new(), random }) }
    }

    /// Our window is a little longer than the source's: requests do not all travel equally long, and one that arrives
    /// late would otherwise share a window with those granted after it.
    fn span(&self) -> Duration {
        self.settings.window + self.settings.window / 50
    }

    fn ours(&self, bucket: Bucket, limit: u32) -> usize {
        if let (Scope::Account, Some(configured)) = (bucket.scope, self.settings.configured) {
            return usize::try_from(configured.max(1)).unwrap_or(usize::MAX);
        }
        let share = if bucket.scope == Scope::Ours { 1.0 } else { self.settings.share.clamp(0.01, 1.0) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and u32::MAX")]
        let ours = (f64::from(limit) * share).floor().max(1.0) as u32;
        usize::try_from(ours).unwrap_or(usize::MAX)
    }

    /// Takes a request now, or says when to ask again.
    fn take(&self, bucket: Bucket) -> Result<(), Instant> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let window = state.buckets.entry(bucket.name).or_insert_with(|| Window {
            limit: bucket.per_minute,
            granted: VecDeque::new(),
            closed_until: None,
        });
        if let Some(until) = window.closed_until {
            if now < until {
                return Err(until);
            }
            window.closed_until = None;
        }
        while window.granted.front().is_some_and(|&at| at + self.span() <= now) {
            window.granted.pop_front();
        }
        match window.granted.front() {
            Some(&oldest) if window.granted.len() >= self.ours(bucket, window.limit) => {
                Err(oldest + self.span())
            }
            _ => {
                window.granted.push_back(now);
                Ok(())
            }
        }
    }
}

impl Default for LocalPace {
    fn default() -> Self {
        Self::new(PaceSettings::default())
    }
}

#[async_trait]
impl Pace for LocalPace {
    async fn acquire(&self, bucket: Bucket) -> Result<(), Error> {
        while let Err(again) = self.take(bucket) {
            sleep_until(again).await;
        }
        Ok(())
    }

    fn observe(&self, bucket: Bucket, limits: RateHeaders) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let jitter = state.random.random_range(Duration::ZERO..=self.settings.jitter);
        let window = state.buckets.entry(bucket.name).or_insert_with(|| Window {
            limit: bucket.per_minute,
            granted: VecDeque::new(),
            closed_until: None,
        });
        // A limit of zero would stop everything for good; no account has one.
        if let Some(limit) = limits.limit.filter(|&limit| limit > 0) {
            window.limit = limit;
        }
        let mut close = |until: Instant| {
            window.closed_until = Some(window.closed_until.map_or(until, |known| known.max(until)));
        };
        if limits.throttled {
            close(now + limits.retry_after.unwrap_or(ASSUMED_RETRY_AFTER) + jitter);
        } else if limits.remaining == Some(0) {
            // Others have used up the window: the next request would only collect a 429.
            close(now + limits.resets_in.unwrap_or(self.settings.window) + jitter);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SHARED: Bucket = Bucket { name: "account", per_minute: 10, scope: Scope::Account };
    const OWN: Bucket = Bucket { name: "export", per_minute: 3, scope: Scope::Ours };

    fn pace() -> LocalPace {
        LocalPace::new(PaceSettings {
            jitter: Duration::from_millis(500),
            seed: 7,
            ..PaceSettings::default()
        })
    }

    async fn granted_at(pace: &LocalPace, bucket: Bucket, requests: usize) -> Vec<Duration> {
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..requests {
            pace.acquire(bucket).await.unwrap();
            times.push(start.elapsed());
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn no_window_of_a_minute_holds_more_than_our_share() {
        let times = granted_at(&pace(), SHARED, 30).await;
        for (i, from) in times.iter().enumerate() {
            let within = times[i..].iter().filter(|&&t| t < *from + Duration::from_mins(1)).count();
            assert!(within <= 6, "{within} of 10 requests in the minute from {from:?}");
        }
        assert!(*times.last().unwrap() < Duration::from_mins(5), "the share is not used up: {times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_of_our_own_is_used_whole_and_headers_outrank_the_documented_number() {
        let pace = pace();
        assert!(granted_at(&pace, OWN, 3).await.iter().all(Duration::is_zero));
        pace.observe(OWN, RateHeaders { limit: Some(5), ..RateHeaders::default() });
        assert!(granted_at(&pace, OWN, 2).await.iter().all(Duration::is_zero));
        assert!(granted_at(&pace, OWN, 1).await[0] >= Duration::from_mins(1));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_granted_before_retry_after() {
        let pace = pace();
        pace.acquire(SHARED).await.unwrap();
        pace.observe(
            SHARED,
            RateHeaders {
                throttled: true,
                retry_after: Some(Duration::from_secs(93)),
                ..RateHeaders::default()
            },
        );
        // A later, friendlier answer of a request that was already on its way must not open the bucket early.
        pace.observe(SHARED, RateHeaders { remaining: Some(4), ..RateHeaders::default() });
        let waited = granted_at(&pace, SHARED, 1).await[0];
        assert!(waited >= Duration::from_secs(93), "granted after {waited:?}");
        assert!(granted_at(&pace, OWN, 1).await[0].is_zero(), "another bucket was stopped too");
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_window_is_waited_out_before_it_becomes_a_refusal() {
        let pace = pace();
        let empty = RateHeaders {
            remaining: Some(0),
            resets_in: Some(Duration::from_secs(20)),
            ..RateHeaders::default()
        };
        pace.observe(SHARED, empty);
        assert!(granted_at(&pace, SHARED, 1).await[0] >= Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_without_retry_after_means_a_minute() {
        let pace = pace();
        pace.observe(OWN, RateHeaders { throttled: true, ..RateHeaders::default() });
        assert!(granted_at(&pace, OWN, 1).await[0] >= Duration::from_mins(1));
    }
}
