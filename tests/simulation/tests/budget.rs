//! One budget for all loaders: this load against these limits, and what may come of it.
//!
//! Real gates, real clients and a real ledger against the sandbox account, in simulated time: an hour takes seconds, and a figure that is out
//! of its range is out of it on every machine.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use kayako::{Client, ClientConfig, Credentials};
use ledger::{Ledger, OpenOptions, Steps};
use loader::{AccountGate, GateSettings};
use model::MigrationId;
use model::timing::Timing;
use runtime::{Clock as _, Context, CrashPoints, SeededRandom};
use sandbox::clock::ClockConfig;
use sandbox::faults::Schedule;
use sandbox::kayako::{Account, Config, Switches};
use sandbox::server::Server;
use simulation::clock::{BEGIN, VirtualClock};
use simulation::scenario::Hazards;
use simulation::trace::Trace;
use simulation::weather::Weather;
use system_tests::wires::answered;
use tokio::time::{Instant, sleep};
use wire::{Exchange, InProcess, Wire};

const MINUTE: Duration = Duration::from_mins(1);
/// Calls that each loader has under way whenever it is allowed to: more than any budget here.
const CALLERS: usize = 3;
/// What an account allows per minute: few, so that hours take seconds.
const ALLOWED: u32 = 120;

/// What is sent at the account, and what the account and the plan say about it.
#[derive(Debug, Clone, Copy)]
struct Load {
    loaders: usize,
    /// What the plan says.
    configured: Option<u32>,
    /// For so long what comes of it is not looked at: an unknown limit is learned.
    learning: Duration,
    /// For so long it is.
    looked_at: Duration,
    /// Afterwards the account allows half, and the same begins anew.
    halved: bool,
}

/// One call as it went over the wire.
#[derive(Debug, Clone, Copy)]
struct Call {
    sent: Duration,
    answered: Duration,
    status: u16,
    retry_after: Option<Duration>,
    login: bool,
}

/// An account, its loaders' clients, and a record of all calls.
struct Scene {
    clock: VirtualClock,
    account: Account,
    clients: Vec<Client>,
    calls: Arc<Mutex<Vec<Call>>>,
    _directory: tempfile::TempDir,
}

impl Scene {
    async fn open(loaders: usize, configured: Option<u32>, switches: Switches) -> Self {
        let clock = VirtualClock::start();
        let start = jiff::Timestamp::from_millisecond(BEGIN.0).ok();
        let config = Config { clock: ClockConfig { start, stopped: false }, switches, ..Config::default() };
        let account = Account::new(&config).unwrap();
        let server = Server::without_port(account.router(), Schedule::default());
        let random = SeededRandom::from_seed(1);
        let directory = tempfile::tempdir().unwrap();
        let (calls, mut clients) = (Arc::default(), Vec::new());
        for number in 0..loaders {
            let trace = Trace::new(clock.clone(), false);
            let (_, fine) = tokio::sync::watch::channel(Hazards::default());
            let name = format!("loader-{number}");
            let weather = Weather::new(&name, random.fork(&name), trace, fine);
            let options = OpenOptions {
                clock: clock.reading(),
                steps: Steps::Inline(Arc::new(weather)),
                ..if number == 0 { OpenOptions::create(10) } else { OpenOptions::beside() }
            };
            let url = format!("sqlite:{}", directory.path().join("ledger.db").display());
            let ledger = Ledger::open(&url, &MigrationId::new("acme").unwrap(), options).await.unwrap();
            let context = Context {
                clock: Arc::new(clock.clone()),
                random: random.fork(&format!("{name} gate")),
                crash: CrashPoints::off(),
            };
            let settings = GateSettings {
                requests_per_minute: configured,
                reserve: 0.0,
                max_in_flight: 64,
                timing: Timing::scaled(1.0),
                owner: name,
            };
            let gate = AccountGate::new(ledger, context, settings).unwrap();
            let credentials = Credentials::Password {
                email: config.email.clone(),
                password: config.password.clone().into(),
            };
            let mut client = ClientConfig::new("http://127.0.0.1:1".parse().unwrap(), credentials);
            client.wire = Some(recorded(&server, &clock, &random, &calls));
            clients.push(Client::new(client, Arc::new(gate)).unwrap());
        }
        Self { clock, account, clients, calls, _directory: directory }
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// All callers of all loaders call for `time`.
    async fn driven(&self, time: Duration) {
        let until = Instant::now() + time;
        let callers = self.clients.iter().flat_map(|client| std::iter::repeat_n(client.clone(), CALLERS));
        let calling = callers.map(|client| async move {
            while Instant::now() < until {
                // A refusal is the gate's business: the next call waits as long as it must.
                if client.me().await.is_err() {
                    sleep(Duration::from_millis(10)).await;
                }
            }
        });
        let _ = tokio::time::timeout_at(until, futures::future::join_all(calling)).await;
    }
}

/// A way to the account that takes 40 to 60 ms and notes every call.
fn recorded(
    server: &Server,
    clock: &VirtualClock,
    random: &SeededRandom,
    calls: &Arc<Mutex<Vec<Call>>>,
) -> Arc<dyn Wire> {
    let (server, clock, random, calls) = (server.clone(), clock.clone(), random.clone(), Arc::clone(calls));
    Arc::new(InProcess::new(move |request| {
        let (server, clock, random, calls) =
            (server.clone(), clock.clone(), random.clone(), Arc::clone(&calls));
        async move {
            let login = request.url().path().ends_with("/session");
            let sent = clock.uptime();
            sleep(Duration::from_millis(20) + random.duration_up_to(Duration::from_millis(10))).await;
            let exchange = answered(&server, request).await;
            sleep(Duration::from_millis(20) + random.duration_up_to(Duration::from_millis(10))).await;
            if let Exchange::Answered(answer) = &exchange {
                let told =
                    answer.headers().get("retry-after").and_then(|told| told.to_str().ok()?.parse().ok());
                let retry_after = told.map(Duration::from_secs);
                let call = Call {
                    sent,
                    answered: clock.uptime(),
                    status: answer.status().as_u16(),
                    retry_after,
                    login,
                };
                calls.lock().unwrap().push(call);
            }
            exchange
        }
        .boxed()
    }))
}

/// What came of a load, learning left out.
#[derive(Debug)]
struct Outcome {
    /// Accepted calls as a share of what was allowed while no pause was in force.
    share: f64,
    /// Throttled answers per 1,000 accepted ones.
    throttled: f64,
    /// 429s of calls that were sent while the pause of an earlier one was known to their loader.
    inside_a_pause: usize,
}

async fn come_of(load: Load) -> Vec<Outcome> {
    let limits: &[u32] = if load.halved { &[ALLOWED, ALLOWED / 2] } else { &[ALLOWED] };
    let friendly = Switches::friendly();
    let scene = Scene::open(load.loaders, load.configured, friendly.clone()).await;
    let mut outcomes = Vec::new();
    for &allowed in limits {
        scene.account.set_switches(Switches { reads_per_minute: allowed, ..friendly.clone() });
        let from = scene.clock.uptime() + load.learning;
        scene.driven(load.learning + load.looked_at).await;
        outcomes.push(outcome(&scene.calls(), from, scene.clock.uptime(), allowed));
    }
    println!("{load:?}: {outcomes:?}");
    outcomes
}

fn outcome(calls: &[Call], from: Duration, to: Duration, allowed: u32) -> Outcome {
    let within = |at: Duration| at >= from && at < to;
    let refused: Vec<&Call> = calls.iter().filter(|call| call.status == 429).collect();
    let pauses: Vec<(Duration, Duration)> = refused
        .iter()
        .map(|call| (call.answered, call.answered + call.retry_after.unwrap_or(MINUTE)))
        .collect();
    let accepted =
        calls.iter().filter(|call| within(call.answered) && call.status == 200 && !call.login).count();
    let throttled = refused.iter().filter(|call| within(call.answered)).count();
    // Overlapping pauses are one.
    let (mut stopped, mut end) = (Duration::ZERO, from);
    for (begin, until) in &pauses {
        let (begin, until) = ((*begin).clamp(end, to), (*until).clamp(end, to));
        stopped += until.saturating_sub(begin);
        end = end.max(until);
    }
    // Another loader hears of a pause with its next slice of the budget.
    let heard = Duration::from_millis(400);
    let inside =
        |call: &&&Call| pauses.iter().any(|(begin, until)| call.sent > *begin + heard && call.sent < *until);
    let minutes = to.saturating_sub(from).saturating_sub(stopped).as_secs_f64() / 60.0;
    let count = |number: usize| f64::from(u32::try_from(number).unwrap());
    Outcome {
        share: count(accepted) / (f64::from(allowed) * minutes),
        throttled: count(throttled) * 1000.0 / count(accepted.max(1)),
        inside_a_pause: refused.iter().filter(inside).count(),
    }
}

fn simulated<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}

const LOADS: [(usize, &str); 2] = [(1, "one loader"), (3, "three loaders")];

#[test]
fn a_configured_limit_is_used_up_and_nobody_is_ever_throttled() {
    for (loaders, name) in LOADS {
        let (learning, looked_at) = (MINUTE, MINUTE * 30);
        let load = Load { loaders, configured: Some(ALLOWED), learning, looked_at, halved: false };
        for outcome in simulated(come_of(load)) {
            assert!((0.99..=1.0).contains(&outcome.share), "{name}: {outcome:?}");
            assert!(outcome.throttled == 0.0, "{name}: {outcome:?}");
        }
    }
}

#[test]
fn an_unknown_limit_is_learned_used_and_kept_to_also_when_it_is_halved() {
    for (loaders, name) in LOADS {
        // The first test above what was learned comes after an hour.
        let (learning, looked_at) = (MINUTE * 70, MINUTE * 60);
        for outcome in
            simulated(come_of(Load { loaders, configured: None, learning, looked_at, halved: true }))
        {
            assert!((0.95..=1.0).contains(&outcome.share), "{name}: {outcome:?}");
            assert!(outcome.throttled <= 2.0, "{name}: {outcome:?}");
            assert_eq!(outcome.inside_a_pause, 0, "{name}: {outcome:?}");
        }
    }
}

#[test]
fn a_configured_limit_that_is_halved_is_learned_instead() {
    for (loaders, name) in LOADS {
        let (learning, looked_at) = (MINUTE * 5, MINUTE * 30);
        let load = Load { loaders, configured: Some(ALLOWED), learning, looked_at, halved: true };
        let outcomes = simulated(come_of(load));
        let [before, after] = outcomes.as_slice() else { panic!("two halves: {outcomes:?}") };
        assert!(before.share >= 0.99 && before.throttled == 0.0, "{name}: {before:?}");
        assert!((0.95..=1.0).contains(&after.share), "{name}: {after:?}");
        assert!(after.throttled <= 2.0, "{name}: {after:?}");
        assert_eq!(after.inside_a_pause, 0, "{name}: {after:?}");
    }
}

#[test]
fn a_locked_log_in_stops_every_loader_at_once() {
    simulated(async {
        let scene = Scene::open(3, None, Switches::friendly()).await;
        scene.account.lock_logins();
        scene.driven(MINUTE * 30).await;
        let calls = scene.calls();
        assert_eq!(calls.len(), 1, "one log-in was tried, and nothing else: {calls:?}");
        assert!(calls[0].login && calls[0].status == 429, "{calls:?}");
    });
}
