//! The account's gate: one rate budget per class shared by all replicas through the ledger, one circuit, adaptive
//! concurrency per process, and log-ins that are single-flight for the whole account.
//!
//! Constraints: no call is sent while the account asked for a pause; one bad log-in blocks every replica until an operator
//! acts (`resume` removes the block); nothing here waits with a record's intent already stored, because the client asks the gate first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kayako::{CallOutcome, Error, Gate, LoginResult, RateClass};
use ledger::{Ledger, LockToken};
use model::FailureClass;
use model::facts::{LOGIN_BLOCK, LoginBlock, Side};
use model::timing::Timing;
use runtime::circuit::{Admission, Circuit, CircuitSettings, CircuitState};
use runtime::concurrency::{CallOutcome as Latency, ConcurrencySettings};
use runtime::limiter::{Limiter, Permit};
use runtime::{Context, UnixMillis};

use crate::watch;

/// Lock of the account's log-in.
const LOGIN: &str = "login";
/// Calls asked for at a time: one round trip to the ledger for as many as a loader sends in some 200 ms at 5,000 a
/// minute. What is not used within [`SLICE`] is let go.
const SLICE_CALLS: u32 = 16;
const SLICE: Duration = Duration::from_millis(200);
/// Pause after a 429 that names none (the shortest value seen in samples, API 3).
const UNNAMED_PAUSE: Duration = Duration::from_secs(59);

/// How the account may be used.
#[derive(Debug, Clone)]
pub struct GateSettings {
    /// Calls a minute that the account allows per class, if known.
    pub requests_per_minute: Option<u32>,
    /// Share of it that is left to the people who work in the desk, 0 to 1.
    pub reserve: f64,
    /// Most calls this process has in flight per class.
    pub max_in_flight: usize,
    /// Waiting times.
    pub timing: Timing,
    /// Unique name of this process.
    pub owner: String,
}

/// A gate over the ledger. Cheap to clone.
#[derive(Clone)]
pub struct AccountGate {
    shared: Arc<Shared>,
}

struct Shared {
    ledger: Ledger,
    context: Context,
    settings: GateSettings,
    limiters: HashMap<RateClass, Limiter>,
    probe_interval: Duration,
    state: Mutex<State>,
    login: tokio::sync::Mutex<Option<LockToken>>,
}

struct State {
    circuit: Circuit,
    slices: HashMap<RateClass, (u32, UnixMillis)>,
    stopped: HashMap<RateClass, UnixMillis>,
    permits: HashMap<RateClass, Vec<Permit>>,
}

impl AccountGate {
    /// A gate for one account.
    pub fn new(ledger: Ledger, context: Context, settings: GateSettings) -> Result<Self, runtime::Error> {
        let mut limiters = HashMap::new();
        for class in RateClass::ALL {
            let concurrency =
                ConcurrencySettings { max: settings.max_in_flight.max(1), ..ConcurrencySettings::default() };
            limiters.insert(class, Limiter::new(concurrency, Arc::clone(&context.clock))?);
        }
        let circuit = CircuitSettings::default();
        // One probe a minute, on the protocol's one time scale: the ladder's second step is that minute.
        let probe_interval = settings.timing.ladder.get(1).copied().unwrap_or(circuit.probe_interval);
        let circuit = CircuitSettings { probe_interval, ..circuit };
        let state = State {
            circuit: Circuit::new(circuit),
            slices: HashMap::new(),
            stopped: HashMap::new(),
            permits: HashMap::new(),
        };
        let shared = Shared {
            ledger,
            context,
            settings,
            limiters,
            probe_interval,
            state: Mutex::new(state),
            login: tokio::sync::Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the budget of a class may give a minute, the reserve taken off.
    fn limit(&self) -> Option<u32> {
        let settings = &self.shared.settings;
        settings.requests_per_minute.map(|limit| {
            let share = f64::from(limit) * (1.0 - settings.reserve.clamp(0.0, 0.95));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at most the limit itself, at least 1"
            )]
            let share = share.max(1.0) as u32;
            share
        })
    }

    /// Waits for a place in the budget.
    async fn budget(&self, class: RateClass) -> Result<(), Error> {
        let clock = &self.shared.context.clock;
        loop {
            let now = clock.now();
            let stopped = {
                let mut state = self.state();
                let stopped = state.stopped.get(&class).copied().filter(|until| *until > now);
                if stopped.is_none()
                    && let Some((left, until)) = state.slices.get_mut(&class)
                    && *left > 0
                    && *until > now
                {
                    *left -= 1;
                    return Ok(());
                }
                stopped
            };
            if let Some(until) = stopped {
                clock.sleep(now.until(until)).await;
                continue;
            }
            // Log-ins are few and must not wait behind a slice of their own.
            let n = if class == RateClass::Login { 1 } else { SLICE_CALLS };
            let grant = self
                .shared
                .ledger
                .take(class.name(), n, self.limit())
                .await
                .map_err(|error| Error::gate(FailureClass::NotSent, error))?;
            if grant.granted == 0 {
                clock.sleep(grant.wait).await;
                continue;
            }
            let mut state = self.state();
            let slice = state.slices.entry(class).or_insert((0, now));
            *slice = (grant.granted - 1, now.plus(SLICE));
            return Ok(());
        }
    }

    /// Lets `status` show that Kayako is away, or is back.
    fn tell(&self, away: bool) {
        let gate = self.clone();
        tokio::spawn(async move {
            let ledger = &gate.shared.ledger;
            let told = if away {
                // Until the probe after next, should this process be gone by then.
                let lasting = gate.shared.probe_interval * 2;
                ledger
                    .tell_trouble(
                        Side::Target,
                        "several calls in a row failed; one a minute is tried",
                        lasting,
                    )
                    .await
            } else {
                ledger.end_trouble(Side::Target).await
            };
            if let Err(error) = told {
                tracing::warn!(error = %error, "the account's state could not be told");
            }
        });
    }

    async fn put_blocked(&self) -> Result<(), ledger::Error> {
        let ledger = &self.shared.ledger;
        loop {
            let expected =
                ledger.document::<Option<LoginBlock>>(LOGIN_BLOCK).await?.map(|(version, _)| version);
            let blocked = Some(LoginBlock { since: ledger.now().await? });
            if ledger.put_document(LOGIN_BLOCK, expected, &blocked).await?.is_ok() {
                return Ok(());
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Held {
    #[error("Kayako does not answer; the circuit is open for {0:?}")]
    CircuitOpen(Duration),
    #[error("the last log-in was refused; correct the credentials and resume the run")]
    LoginBlocked,
}

#[async_trait]
impl Gate for AccountGate {
    async fn before(&self, class: RateClass) -> Result<(), Error> {
        let _waiting = watch::waiting();
        let now = self.shared.context.clock.now();
        let admission = self.state().circuit.admit(now);
        if let Admission::Wait { until } = admission {
            return Err(Error::gate(FailureClass::TargetDown, Held::CircuitOpen(now.until(until))));
        }
        let permit = match self.shared.limiters.get(&class) {
            Some(limiter) => Some(limiter.acquire().await),
            None => None,
        };
        if class == RateClass::Login {
            // Logging in is a GET, and an account may count it as any other read; whether it does is not documented.
            self.budget(RateClass::Read).await?;
        }
        self.budget(class).await?;
        if let Some(permit) = permit {
            self.state().permits.entry(class).or_default().push(permit);
        }
        Ok(())
    }

    fn after(&self, class: RateClass, outcome: CallOutcome, _elapsed: Duration) {
        watch::touch();
        let now = self.shared.context.clock.now();
        let permit = {
            let mut state = self.state();
            match outcome {
                CallOutcome::Answered | CallOutcome::Throttled { .. }
                    if state.circuit.succeeded().is_some() =>
                {
                    tracing::info!("Kayako answers again");
                    self.tell(false);
                }
                outcome if outcome.suggests_down() && state.circuit.failed(now).is_some() => {
                    tracing::warn!("Kayako does not answer; pausing all calls, one probe a minute");
                    self.tell(true);
                }
                _ => {}
            }
            if let CallOutcome::Throttled { retry_after } = outcome {
                let pause = retry_after.unwrap_or(UNNAMED_PAUSE);
                // Up to a tenth more, so that replicas do not come back in one breath.
                let pause = pause.mul_f64(1.0 + 0.1 * self.shared.context.random.unit());
                let until = now.plus(pause);
                let known = state.stopped.entry(class).or_insert(until);
                *known = (*known).max(until);
                state.slices.remove(&class);
                let gate = self.clone();
                tokio::spawn(async move {
                    let ledger = &gate.shared.ledger;
                    let stopped = async {
                        let until = ledger.now().await?.plus(pause);
                        ledger.throttle(class.name(), until).await
                    };
                    if let Err(error) = stopped.await {
                        tracing::warn!(error = %error, "the pause could not be shared with other loaders");
                    }
                });
            }
            state.permits.get_mut(&class).and_then(Vec::pop)
        };
        if let Some(permit) = permit {
            permit.finish(match outcome {
                CallOutcome::Answered => Latency::Answered,
                CallOutcome::Throttled { .. } => Latency::PushedBack,
                _ => Latency::Failed,
            });
        }
    }

    fn is_away(&self) -> bool {
        !matches!(self.state().circuit.state(), CircuitState::Closed { .. })
    }

    async fn login_permit(&self) -> Result<(), Error> {
        let lost = |error: ledger::Error| Error::gate(FailureClass::NotSent, error);
        // Longer than a log-in can take, else a second loader would try the same bad password meanwhile. A loader that dies in the middle
        // keeps the others waiting for this long.
        let timing = &self.shared.settings.timing;
        let ttl = timing.request_timeout + timing.leadership;
        loop {
            let blocked =
                self.shared.ledger.document::<Option<LoginBlock>>(LOGIN_BLOCK).await.map_err(lost)?;
            if blocked.is_some_and(|(_, blocked)| blocked.is_some()) {
                return Err(Error::gate(FailureClass::Halt, Held::LoginBlocked));
            }
            if let Some(token) =
                self.shared.ledger.try_lock(LOGIN, &self.shared.settings.owner, ttl).await.map_err(lost)?
            {
                *self.shared.login.lock().await = Some(token);
                return Ok(());
            }
            self.shared.context.clock.sleep(self.shared.settings.timing.job_poll).await;
        }
    }

    async fn login_result(&self, result: LoginResult) {
        if result == LoginResult::Refused
            && let Err(error) = self.put_blocked().await
        {
            tracing::error!(error = %error, "a refused log-in could not be recorded for the other loaders");
        }
        if let Some(token) = self.shared.login.lock().await.take()
            && let Err(error) = self.shared.ledger.unlock(&token).await
        {
            tracing::debug!(error = %error, "the log-in's lock ends by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ledger::OpenOptions;
    use model::{Classify as _, MigrationId};
    use runtime::CrashPoints;

    use super::*;

    async fn ledger(directory: &tempfile::TempDir) -> Ledger {
        let url = format!("sqlite:{}", directory.path().join("ledger.db").display());
        let migration = MigrationId::new("acme").unwrap();
        Ledger::open(&url, &migration, OpenOptions::create(10)).await.unwrap()
    }

    fn gate(ledger: &Ledger, owner: &str) -> AccountGate {
        let settings = GateSettings {
            requests_per_minute: Some(600),
            reserve: 0.1,
            max_in_flight: 8,
            timing: Timing::scaled(0.01),
            owner: owner.to_owned(),
        };
        AccountGate::new(ledger.clone(), Context::system(CrashPoints::default()), settings).unwrap()
    }

    /// An account sees one log-in at a time, and after a refused one none, until an operator has acted.
    #[tokio::test]
    async fn a_refused_log_in_blocks_every_replica_until_somebody_acts() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = ledger(&directory).await;
        let (first, second) = (gate(&ledger, "first"), gate(&ledger, "second"));
        first.login_permit().await.unwrap();
        let waiting = tokio::spawn({
            let second = second.clone();
            async move { second.login_permit().await.map_err(|error| error.class()) }
        });
        first.login_result(LoginResult::Refused).await;
        assert_eq!(
            waiting.await.unwrap(),
            Err(FailureClass::Halt),
            "it waited, and did not try the same password"
        );
        assert_eq!(first.login_permit().await.unwrap_err().class(), FailureClass::Halt);
        let (version, _) = ledger.document::<Option<LoginBlock>>(LOGIN_BLOCK).await.unwrap().unwrap();
        ledger.put_document(LOGIN_BLOCK, Some(version), &None::<LoginBlock>).await.unwrap().unwrap();
        second.login_permit().await.unwrap();
        second.login_result(LoginResult::Accepted).await;
        first.login_permit().await.unwrap();
    }

    /// Five failures in a row are an account that is away, also while the one call a minute is let through.
    #[tokio::test]
    async fn an_account_is_away_until_a_call_is_answered() {
        let directory = tempfile::tempdir().unwrap();
        let gate = gate(&ledger(&directory).await, "first");
        for failure in 1..=5 {
            assert!(!gate.is_away(), "after {} failures", failure - 1);
            gate.before(RateClass::Read).await.unwrap();
            gate.after(RateClass::Read, CallOutcome::ServerError, Duration::ZERO);
        }
        assert!(gate.is_away());
        // The next is let through after a minute (0.6 s here), and decides.
        while gate.before(RateClass::Read).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert!(gate.is_away());
        gate.after(RateClass::Read, CallOutcome::Answered, Duration::ZERO);
        assert!(!gate.is_away());
    }

    /// What one replica hears, all keep to.
    #[tokio::test]
    async fn a_pause_that_one_replica_was_given_stops_the_class_for_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = ledger(&directory).await;
        let (first, second) = (gate(&ledger, "first"), gate(&ledger, "second"));
        first.before(RateClass::Bulk).await.unwrap();
        let pause = Duration::from_mins(10);
        first.after(RateClass::Bulk, CallOutcome::Throttled { retry_after: Some(pause) }, Duration::ZERO);
        // Told to the ledger by a task of its own.
        let stopped = async {
            loop {
                let budget = ledger.budget(RateClass::Bulk.name()).await.unwrap().unwrap();
                if budget.stopped_until > ledger.now().await.unwrap() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), stopped).await.unwrap();
        let held = tokio::time::timeout(Duration::from_millis(50), second.before(RateClass::Bulk)).await;
        assert!(held.is_err(), "the other replica called during the pause");
        second.before(RateClass::Files).await.unwrap();
    }
}
