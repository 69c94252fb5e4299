//! Retrying with growing pauses. The only file that may name the `backoff` crate (see ADR 0002).
//!
//! Constraints:
//! - Only for reads and for writes of absolute values: [`retry`] repeats after an ambiguous answer, which would
//!   double a create. Creates go through the ledger's intent instead.
//! - A server that says how long to wait is never asked sooner.
//! - Waiting for a rate limit is not failing: it does not use up the time to give up, and a wait that the server
//!   stated does not lengthen the pauses after other failures.
//! - A shutdown ends a pause at once; a call in flight is finished, and dropped only when the shutdown is forced.

use std::time::Duration;

use ::backoff::ExponentialBackoff;
use ::backoff::backoff::Backoff as _;
use model::{Classify, FailureClass};

use crate::context::Context;
use crate::error::Error;
use crate::random::SeededRandom;
use crate::shutdown::Draining;

/// How pauses grow. Checked when built: with a maximum below the first pause, or a jitter that is not a number, the
/// pauses would be zero or endless, and nobody would notice before an outage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    first: Duration,
    max: Duration,
    multiplier: f64,
    jitter: f64,
    give_up_after: Option<Duration>,
}

impl RetryPolicy {
    /// - `first`: the pause after the first failure, more than zero.
    /// - `max`: no pause is longer before jitter; at least `first`.
    /// - `multiplier`: each pause relative to the one before, 1.0 (constant) to 10.0.
    /// - `jitter`: 0.0 (none) to 1.0; a pause of p becomes something in `p*(1-jitter)..=p*(1+jitter)`.
    /// - `give_up_after`: the last error is returned once this much time has been spent on failing, counted from the
    ///   first call; `None` tries until the shutdown begins.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the contradiction.
    pub fn new(
        first: Duration,
        max: Duration,
        multiplier: f64,
        jitter: f64,
        give_up_after: Option<Duration>,
    ) -> Result<Self, Error> {
        if first.is_zero() {
            return Err(Error::setting("retry.first", "must be more than zero"));
        }
        if max < first {
            return Err(Error::setting("retry.max", "must not be less than retry.first"));
        }
        // `contains` is false for a NaN, too.
        if !(1.0..=10.0).contains(&multiplier) {
            return Err(Error::setting("retry.multiplier", "must be a number from 1 to 10"));
        }
        if !(0.0..=1.0).contains(&jitter) {
            return Err(Error::setting("retry.jitter", "must be a number from 0 to 1"));
        }
        Ok(Self { first, max, multiplier, jitter, give_up_after })
    }

    /// For one HTTP read or absolute update: 0.5 s to 30 s, giving up after two minutes. Longer outages belong to the
    /// queue's delay ladder, which holds no process and no lease.
    pub const fn http_call() -> Self {
        Self {
            first: Duration::from_millis(500),
            max: Duration::from_secs(30),
            multiplier: 2.0,
            jitter: 0.5,
            give_up_after: Some(Duration::from_mins(2)),
        }
    }

    /// For connections to the ledger, the queue or the blob store: 100 ms to 5 s, until the shutdown begins. Without
    /// them a service has nothing else to do, and giving up would only exchange this wait for a restart loop.
    pub const fn connection() -> Self {
        Self {
            first: Duration::from_millis(100),
            max: Duration::from_secs(5),
            multiplier: 2.0,
            jitter: 0.5,
            give_up_after: None,
        }
    }

    /// The same policy with every time multiplied by `scale` (the one time scale by which tests run the real protocol
    /// fast). No time becomes shorter than a millisecond.
    #[must_use]
    pub fn scaled(self, scale: f64) -> Self {
        let shrink = |time: Duration| time.mul_f64(scale.clamp(0.0, 1_000.0)).max(Duration::from_millis(1));
        Self {
            first: shrink(self.first),
            max: shrink(self.max),
            give_up_after: self.give_up_after.map(shrink),
            ..self
        }
    }

    /// The pauses by themselves, jitter included, without sleeping. Never ends: giving up depends on time.
    pub fn delays(&self, random: SeededRandom) -> Delays {
        Delays { growth: self.growth(), jitter: self.jitter, random }
    }

    /// The crate's growth without its jitter and its clock: both would come from the machine instead of the context.
    fn growth(&self) -> ExponentialBackoff {
        let mut growth = ExponentialBackoff {
            initial_interval: self.first,
            max_interval: self.max,
            multiplier: self.multiplier,
            randomization_factor: 0.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        growth.reset();
        growth
    }
}

/// See [`RetryPolicy::delays`].
#[derive(Debug)]
pub struct Delays {
    growth: ExponentialBackoff,
    jitter: f64,
    random: SeededRandom,
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // Read before the step: `next_backoff` returns the same value plus up to a nanosecond of the crate's own dice.
        let base = self.growth.current_interval;
        self.growth.next_backoff();
        Some(base.mul_f64(1.0 + self.jitter * (2.0 * self.random.unit() - 1.0)))
    }
}

/// Why [`retry`] ended without a result. The last error of the operation is inside wherever there was one.
#[derive(Debug, thiserror::Error)]
pub enum RetryError<E: std::error::Error + 'static> {
    /// The failure is of a class that trying again cannot cure.
    #[error("not retried")]
    Permanent(#[source] E),
    /// The policy's time is over, or the server asked for a longer wait than that.
    #[error("given up after {attempts} attempts")]
    GaveUp {
        /// Calls made.
        attempts: u32,
        /// The last failure.
        #[source]
        last: E,
    },
    /// The shutdown ended the wait, or was forced during a call. Nothing is held against the work.
    #[error("interrupted by the shutdown")]
    Draining(#[source] Option<E>),
}

impl<E: std::error::Error + 'static> RetryError<E> {
    /// The operation's last error, if it made one.
    pub fn into_last(self) -> Option<E> {
        match self {
            Self::Permanent(error) | Self::GaveUp { last: error, .. } => Some(error),
            Self::Draining(error) => error,
        }
    }
}

impl<E: Classify + std::error::Error + 'static> Classify for RetryError<E> {
    fn class(&self) -> FailureClass {
        match self {
            Self::Permanent(error) | Self::GaveUp { last: error, .. } => error.class(),
            Self::Draining(_) => FailureClass::Death,
        }
    }
}

/// Calls `operation` until it succeeds, fails for good, or the policy or the shutdown ends it.
///
/// # Errors
/// [`RetryError`], which says which of the three it was.
pub async fn retry<T, E, Operation, Running>(
    context: &Context,
    policy: &RetryPolicy,
    draining: &Draining,
    mut operation: Operation,
) -> Result<T, RetryError<E>>
where
    E: Classify + std::error::Error + 'static,
    Operation: FnMut() -> Running,
    Running: Future<Output = Result<T, E>>,
{
    let mut delays = policy.delays(context.random.clone());
    let mut attempts = 0_u32;
    let mut spent_failing = Duration::ZERO;
    loop {
        let started = context.clock.uptime();
        let Some(result) = draining.unless_forced(operation()).await else {
            return Err(RetryError::Draining(None));
        };
        attempts = attempts.saturating_add(1);
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let class = error.class();
        if !class.is_retryable_read() {
            return Err(RetryError::Permanent(error));
        }
        let patience = policy.give_up_after.unwrap_or(Duration::MAX);
        let (pause, counted) = match class {
            FailureClass::Throttled { retry_after: Some(wait) } => {
                // Spread over `first`, or every replica comes back in the same instant and is throttled again.
                let pause = wait.saturating_add(context.random.duration_up_to(policy.first));
                if wait > patience {
                    return Err(RetryError::GaveUp { attempts, last: error });
                }
                (pause, Duration::ZERO)
            }
            FailureClass::Throttled { retry_after: None } => {
                (delays.next().unwrap_or(policy.max), Duration::ZERO)
            }
            _ => {
                let call = context.clock.uptime().saturating_sub(started);
                let pause = delays.next().unwrap_or(policy.max);
                (pause, call.saturating_add(pause))
            }
        };
        spent_failing = spent_failing.saturating_add(counted);
        // Counting the pause before it is made: a pause whose end lies behind the limit would be slept for nothing.
        if spent_failing > patience {
            return Err(RetryError::GaveUp { attempts, last: error });
        }
        tracing::debug!(attempts, class = class.name(), ?pause, "trying again after a pause");
        if draining.unless_begun(context.clock.sleep(pause)).await.is_none() {
            return Err(RetryError::Draining(Some(error)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::cell::Cell;

    use super::*;
    use crate::shutdown::{Reason, Shutdown};

    #[derive(Debug, Clone, PartialEq, thiserror::Error)]
    #[error("a {0} failure")]
    struct Failure(FailureClass);

    impl Classify for Failure {
        fn class(&self) -> FailureClass {
            self.0.clone()
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn policy(give_up_after: Option<Duration>) -> RetryPolicy {
        RetryPolicy::new(SECOND, 8 * SECOND, 2.0, 0.0, give_up_after).unwrap()
    }

    /// Runs `operation` under `policy`, moving the clock whenever everybody sleeps; returns the pauses that were made.
    async fn pauses(
        policy: RetryPolicy,
        operation: impl Fn(u32) -> Result<u32, Failure>,
    ) -> (Vec<Duration>, Result<u32, RetryError<Failure>>) {
        let (context, clock) = Context::manual(1);
        let calls = Cell::new(0);
        let draining = Draining::never();
        let retrying = retry(&context, &policy, &draining, || {
            calls.set(calls.get() + 1);
            std::future::ready(operation(calls.get()))
        });
        let mut retrying = std::pin::pin!(retrying);
        let mut pauses = Vec::new();
        loop {
            tokio::select! {
                biased;
                result = &mut retrying => return (pauses, result),
                () = clock.wait_for_sleepers(1) => pauses.push(clock.advance_to_next().unwrap()),
            }
        }
    }

    #[tokio::test]
    async fn pauses_double_up_to_the_maximum_until_it_succeeds() {
        let (pauses, result) =
            pauses(
                policy(None),
                |call| {
                    if call < 7 { Err(Failure(FailureClass::NotSent)) } else { Ok(call) }
                },
            )
            .await;
        assert_eq!(pauses, [1, 2, 4, 8, 8, 8].map(Duration::from_secs));
        assert_eq!(result.unwrap(), 7);
    }

    #[tokio::test]
    async fn what_cannot_be_cured_is_not_repeated() {
        for class in
            [FailureClass::Rejected, FailureClass::Halt, FailureClass::Conflict, FailureClass::Internal]
        {
            let (pauses, result) = pauses(policy(None), |_| Err(Failure(class.clone()))).await;
            assert!(pauses.is_empty());
            let error = result.unwrap_err();
            assert!(matches!(error, RetryError::Permanent(_)), "{error:?}");
            assert_eq!(error.class(), class);
        }
    }

    #[tokio::test]
    async fn it_gives_up_with_the_last_error() {
        let (pauses, result) =
            pauses(policy(Some(10 * SECOND)), |_| Err(Failure(FailureClass::Ambiguous))).await;
        assert_eq!(pauses, [1, 2, 4].map(Duration::from_secs), "1+2+4+8 would be more than ten seconds");
        assert!(matches!(result, Err(RetryError::GaveUp { attempts: 4, .. })), "{result:?}");
    }

    #[tokio::test]
    async fn a_rate_limit_is_waited_for_in_full_and_costs_no_patience() {
        let throttled = Failure(FailureClass::Throttled { retry_after: Some(9 * SECOND) });
        let (pauses, result) = pauses(policy(Some(10 * SECOND)), |call| match call {
            1..=5 => Err(throttled.clone()),
            6 => Err(Failure(FailureClass::NotSent)),
            _ => Ok(call),
        })
        .await;
        assert_eq!(result.unwrap(), 7);
        for pause in &pauses[..5] {
            assert!((9 * SECOND..=10 * SECOND).contains(pause), "{pause:?}");
        }
        assert_eq!(pauses[5], SECOND, "throttling must not lengthen the pauses after other failures");
    }

    #[tokio::test]
    async fn a_wait_beyond_all_patience_is_handed_back() {
        let hour = FailureClass::Throttled { retry_after: Some(3_600 * SECOND) };
        let (pauses, result) = pauses(policy(Some(10 * SECOND)), |_| Err(Failure(hour.clone()))).await;
        assert!(pauses.is_empty());
        assert_eq!(result.unwrap_err().into_last(), Some(Failure(hour)));
    }

    #[tokio::test]
    async fn a_shutdown_ends_the_pause_and_force_ends_the_call() {
        let (context, clock) = Context::manual(1);
        let shutdown = Shutdown::new(context.clone(), SECOND);
        let draining = shutdown.draining();
        let policy = policy(None);
        let paused =
            retry(&context, &policy, &draining, || async { Err::<(), _>(Failure(FailureClass::NotSent)) });
        let begin = async {
            clock.wait_for_sleepers(1).await;
            shutdown.begin(Reason::Signal);
        };
        let (result, ()) = tokio::join!(paused, begin);
        let error = result.unwrap_err();
        assert!(matches!(error, RetryError::Draining(Some(_))), "{error:?}");
        assert_eq!(error.class(), FailureClass::Death, "cut work is not held against the record");

        // Begun is not forced: a call in flight is still finished.
        let result = retry(&context, &policy, &draining, || async { Ok::<_, Failure>(5) }).await;
        assert_eq!(result.unwrap(), 5);
        let calling = retry(&context, &policy, &draining, std::future::pending::<Result<(), Failure>>);
        let force = async { shutdown.force() };
        let (result, ()) = tokio::join!(calling, force);
        assert!(matches!(result, Err(RetryError::Draining(None))));
    }

    #[test]
    fn jitter_stays_in_its_band_and_spreads() {
        let policy = RetryPolicy::new(SECOND, SECOND, 1.0, 0.5, None).unwrap();
        let delays: Vec<_> = policy.delays(SeededRandom::from_seed(1)).take(1_000).collect();
        assert!(delays.iter().all(|delay| (SECOND / 2..=SECOND * 3 / 2).contains(delay)));
        assert!(delays.iter().any(|delay| *delay < SECOND * 6 / 10));
        assert!(delays.iter().any(|delay| *delay > SECOND * 14 / 10));
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |first, max, multiplier, jitter| {
            RetryPolicy::new(first, max, multiplier, jitter, None).unwrap_err().to_string()
        };
        assert!(refused(Duration::ZERO, SECOND, 2.0, 0.0).contains("retry.first"));
        assert!(refused(2 * SECOND, SECOND, 2.0, 0.0).contains("retry.max"));
        for multiplier in [0.5, f64::NAN, f64::INFINITY] {
            assert!(refused(SECOND, SECOND, multiplier, 0.0).contains("retry.multiplier"));
        }
        for jitter in [-0.1, 1.1, f64::NAN] {
            assert!(refused(SECOND, SECOND, 2.0, jitter).contains("retry.jitter"));
        }
    }

    #[test]
    fn presets_pass_their_own_check_at_any_scale() {
        for preset in [RetryPolicy::http_call(), RetryPolicy::connection()] {
            for scale in [0.0, 0.001, 1.0, 60.0] {
                let p = preset.scaled(scale);
                RetryPolicy::new(p.first, p.max, p.multiplier, p.jitter, p.give_up_after).unwrap();
            }
        }
    }
}
