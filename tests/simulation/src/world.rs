//! Lets a scenario happen, and judges: everything arrived once and whole, nobody was written to, a further run creates nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use blobs::Blobs;
use cli::assemble::{Role, in_process_broker};
use coordinator::Commands;
use ledger::{Ledger, OpenOptions, Steps};
use model::plan::Plan;
use model::run::{RunMode, RunStatus};
use model::{Kind, RecordKey};
use queue::{QueueName, Stage};
use runtime::{Context, CrashPoints, SeededRandom, Valve};
use sandbox::faults::Schedule;
use system_tests::accounts::Accounts;
use system_tests::oracle::{self, Expectation};
use system_tests::plan_file;
use system_tests::rules::Rules;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::VirtualClock;
use crate::process::{Order, Site, live, variables};
use crate::scenario::{Event, Fleet, Hazards, SERVICES, Scenario};
use crate::trace::Trace;
use crate::weather::Weather;

/// The migration's name.
const NAME: &str = "simulation";
/// From the end of the storm to the end of the run, at most. The longest single wait is a job that hangs (30 min) or the ladder's last
/// step (an hour).
const PATIENCE: Duration = Duration::from_hours(12);
/// Between two looks at the run.
const LOOK: Duration = Duration::from_secs(1);
/// From a halt to the operator's `resume`.
const ATTENTION: Duration = Duration::from_mins(3);
/// Differences that are shown.
const SHOWN: usize = 12;

/// How a seed ended.
#[derive(Debug)]
pub struct Outcome {
    /// What was wrong; none if all was well.
    pub wrong: Option<String>,
    /// Fingerprint of everything that happened.
    pub fingerprint: String,
    /// Events noted.
    pub events: u64,
    /// Simulated time.
    pub elapsed: Duration,
    /// The last events before the end.
    pub last: Vec<String>,
}

/// Plays a seed. `print` shows every event.
///
/// # Errors
/// The simulation itself cannot be set up.
pub fn play(seed: u64, print: bool) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let trace = Trace::new(VirtualClock::start(), print);
        let wrong = World::open(Scenario::of(seed), &trace).await?.play().await.err();
        Ok(Outcome {
            wrong: wrong.map(|error| format!("{error:#}")),
            fingerprint: trace.fingerprint(),
            events: trace.events(),
            elapsed: trace.elapsed(),
            last: trace.last(),
        })
    })
}

/// A scenario with everything it needs.
struct World {
    scenario: Scenario,
    accounts: Accounts,
    rules: Rules,
    site: Site,
    hazards: watch::Sender<Hazards>,
    /// The operator's own way into the ledger, in fine weather.
    ledger: Ledger,
    commands: Commands,
    _directory: TempDir,
}

/// The processes of one run.
struct Fleeting {
    orders: Vec<mpsc::UnboundedSender<Order>>,
    over: Valve,
    lives: Vec<JoinHandle<Result<()>>>,
}

impl World {
    async fn open(scenario: Scenario, trace: &Trace) -> Result<Self> {
        let clock = VirtualClock::start();
        let accounts = Accounts::without_ports(scenario.accounts()).await?;
        let rules = Rules::default();
        let yaml = plan_file::write(NAME, &accounts, &rules, "");
        let plan = Plan::parse(&yaml).map_err(|problems| anyhow::anyhow!("the plan: {problems}"))?;
        // Memory where there is such a place: no simulated process waits for a disk, but who runs thousands of seeds does.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
        let broker = match scenario.fleet {
            Fleet::Alone => None,
            Fleet::TwoOfEach => Some(in_process_broker(1.0)?),
        };
        let (hazards, seen) = watch::channel(Hazards::default());
        let random = SeededRandom::from_seed(scenario.seed);
        let site = Site {
            clock: clock.clone(),
            random: random.fork("processes"),
            trace: trace.clone(),
            hazards: seen,
            variables: variables(&accounts)?,
            ledger: directory.path().join("ledger.db"),
            blobs: Blobs::open("memory:", Vec::new())?,
            broker,
            kayako: accounts.sandbox.kayako_server.clone(),
            zendesk: accounts.sandbox.zendesk_server.clone(),
            plan: plan.clone(),
        };
        let (_, fine) = watch::channel(Hazards::default());
        let weather = Weather::new("operator", random.fork("operator"), trace.clone(), fine);
        let options = OpenOptions {
            clock: clock.reading(),
            steps: Steps::Inline(Arc::new(weather.clone())),
            ..OpenOptions::create(1_000)
        };
        let ledger = Ledger::open(&site.ledger_url(), &plan.name, options).await?;
        let commands = Commands::new(ledger.clone());
        let context = Context { clock: Arc::new(clock), random, crash: CrashPoints::off() };
        let plan = site.station(context, &weather).await?.resolved().await?;
        let site = Site { plan, ..site };
        Ok(Self { scenario, accounts, rules, site, hazards, ledger, commands, _directory: directory })
    }

    async fn play(&self) -> Result<()> {
        self.begin_storm();
        self.run(true).await?;
        self.arrived().await?;
        self.accounts.sandbox.kayako_server.reset_counts();
        self.run(false).await.context("a further run")?;
        self.arrived().await.context("after a further run")?;
        let creating = self.accounts.creating_calls();
        ensure!(
            creating == 0,
            "a further run made {creating} creating calls: {:?}",
            self.accounts.sandbox.kayako_server.counts().calls
        );
        ensure!(self.accounts.sandbox.zendesk.writes().is_empty(), "the source was written to");
        Ok(())
    }

    fn begin_storm(&self) {
        let Scenario { hazards, kayako, zendesk, .. } = &self.scenario;
        self.hazards.send_replace(*hazards);
        self.accounts.sandbox.kayako_server.set_faults(kayako.clone());
        self.accounts.sandbox.zendesk_server.set_faults(zendesk.clone());
    }

    fn end_storm(&self) {
        self.site.trace.note(format_args!("the storm is over"));
        self.hazards.send_replace(Hazards::default());
        self.accounts.sandbox.kayako_server.set_faults(Schedule::default());
        self.accounts.sandbox.zendesk_server.set_faults(Schedule::default());
        self.accounts.sandbox.kayako.set_outage(false);
    }

    /// One run from its start to its end; `stormy`: with all that the scenario holds.
    async fn run(&self, stormy: bool) -> Result<()> {
        self.commands.start(&self.site.plan, RunMode::Full, None).await?;
        let Fleeting { orders, over, lives } = self.start();
        let began = Instant::now();
        let happening = async {
            if stormy {
                for (at, event) in &self.scenario.events {
                    sleep_until(began + *at).await;
                    self.happens(*event, &orders).await?;
                }
                sleep_until(began + self.scenario.storm).await;
                self.end_storm();
            }
            anyhow::Ok(())
        };
        let watching = async {
            loop {
                sleep(LOOK).await;
                match self.commands.current().await?.context("a run")?.status {
                    RunStatus::Finished => return Ok(()),
                    RunStatus::Running => {}
                    // A person looks after it: what asks for one by mistake, or for a while, is gone by then.
                    RunStatus::Halted { message } => {
                        self.site.trace.note(format_args!("halted: {message}"));
                        sleep(ATTENTION).await;
                        self.commands.resume().await?;
                    }
                    other => bail!("the run is {}: {other:?}", other.name()),
                }
                if began.elapsed() > self.scenario.storm + PATIENCE {
                    let status = self.commands.status(None).await?;
                    bail!("the run does not end: {status:?}");
                }
            }
        };
        // A run that ends before the storm is over has weathered it.
        let (mut happening, mut watching) = (std::pin::pin!(happening), std::pin::pin!(watching));
        let ended = tokio::select! {
            biased;
            ended = &mut watching => ended,
            happened = &mut happening => match happened {
                Ok(()) => watching.await,
                Err(error) => Err(error),
            },
        };
        self.end_storm();
        over.set(true);
        for life in lives {
            life.await??;
        }
        ended
    }

    fn start(&self) -> Fleeting {
        let over = Valve::new(false);
        let (mut orders, mut lives) = (Vec::new(), Vec::new());
        let mut start = |name: String, roles: Vec<Role>| {
            let (sender, receiver) = mpsc::unbounded_channel();
            orders.push(sender);
            lives.push(tokio::spawn(live(self.site.clone(), name, roles, receiver, over.clone())));
        };
        match self.scenario.fleet {
            Fleet::Alone => start("process".to_owned(), Role::ALL.to_vec()),
            Fleet::TwoOfEach => {
                for (service, role) in SERVICES.iter().zip(Role::ALL) {
                    for number in ["a", "b"] {
                        start(format!("{service}-{number}"), vec![role]);
                    }
                }
            }
        }
        Fleeting { orders, over, lives }
    }

    async fn happens(&self, event: Event, orders: &[mpsc::UnboundedSender<Order>]) -> Result<()> {
        let order = |who: usize, order| {
            // A process that has ended for good cannot be told anything; then the run is over.
            let _ = orders[who].send(order);
        };
        self.site.trace.note(format_args!("{event:?}"));
        match event {
            Event::Kill(who, pause) => order(who, Order::Kill(pause)),
            Event::Restart(who, pause) => order(who, Order::Restart(pause)),
            Event::Freeze(who, pause) => order(who, Order::Freeze(pause)),
            Event::Arm(who, point, mode, nth) => order(who, Order::Arm(point, mode, nth)),
            Event::NewEpoch => {
                self.ledger.start_epoch().await?;
            }
            Event::KayakoAway(pause) => {
                let kayako = self.accounts.sandbox.kayako.clone();
                kayako.set_outage(true);
                tokio::spawn(async move {
                    sleep(pause).await;
                    kayako.set_outage(false);
                });
            }
            Event::Purge => {
                if let Some(broker) = &self.site.broker {
                    for stage in Stage::ALL {
                        // There may be no queues because they were deleted a moment ago.
                        let _ = broker.purge(&QueueName::new(NAME, stage)).await;
                    }
                }
            }
            Event::DeleteQueues => {
                if let Some(broker) = &self.site.broker {
                    broker.delete(NAME).await?;
                }
            }
        }
        Ok(())
    }

    async fn arrived(&self) -> Result<()> {
        // What was created a moment ago may be hidden from lists, and so from the export.
        sleep(Duration::from_mins(1)).await;
        let now = self.accounts.kayako.holding().await?;
        let sample = BTreeSet::new();
        let expected = Expectation {
            company: &self.accounts.company,
            rules: &self.rules,
            fields: &self.accounts.fields,
            before: &self.accounts.before,
            zendesk_url: &self.accounts.sandbox.zendesk_url,
            kayako_email: &self.accounts.kayako_email,
            sample: &sample,
            killed: true,
        };
        let differences = oracle::compare(&expected, &now);
        let shown: Vec<String> = differences.iter().take(SHOWN).map(ToString::to_string).collect();
        if shown.is_empty() {
            return Ok(());
        }
        bail!(
            "{} differences:\n  {}\nhistory of the first:\n  {}",
            differences.len(),
            shown.join("\n  "),
            self.history(&shown[0]).await?
        )
    }

    /// The history of the record that a difference begins with ("user 17: ..").
    async fn history(&self, difference: &str) -> Result<String> {
        let mut words = difference.split([' ', ':', ',']);
        let (kind, id) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let Some(kind) = Kind::ALL.into_iter().find(|known| known.name() == kind) else {
            return Ok("of no record".to_owned());
        };
        let key = RecordKey::new(kind, id);
        let history =
            coordinator::history(&self.ledger, &self.site.blobs, &self.site.plan.name, &key).await?;
        let Some(history) = history else { return Ok("the ledger does not know it".to_owned()) };
        let entries = history.entries.iter().map(|entry| {
            let at = crate::clock::BEGIN.until(entry.at).as_secs_f64();
            format!("{at:>12.3} {:?}", entry.what)
        });
        Ok(entries.chain([format!("{:?}", history.row)]).collect::<Vec<_>>().join("\n  "))
    }
}
