//! One process of the product: started, killed, stopped, frozen, and started again as an orchestrator would.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use blobs::Blobs;
use cli::accounts::Wires;
use cli::assemble::{Role, Station, in_process_broker};
use ledger::{Ledger, OpenOptions, Steps};
use model::plan::Plan;
use model::timing::Timing;
use queue::Broker;
use runtime::crash::Mode;
use runtime::shutdown::Reason;
use runtime::{Context, CrashPoint, CrashPoints, Metrics, SeededRandom, Shutdown, Valve, Variables};
use sandbox::server::Server;
use tokio::sync::{mpsc, watch};

use crate::broker::StormyBroker;
use crate::clock::VirtualClock;
use crate::scenario::Hazards;
use crate::trace::Trace;
use crate::weather::Weather;
use crate::wires;

/// From a request to stop until everything is let go, as in the product.
const GRACE: Duration = Duration::from_secs(25);
/// An orchestrator starts a process again after this.
const STARTED_AGAIN: Duration = Duration::from_secs(2);
/// A process that hangs at a crash point is killed after this, by whoever looks after it.
const HANGS: Duration = Duration::from_mins(4);

/// What happens to a process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    /// It dies at once; started again after the pause.
    Kill(Duration),
    /// It is told to stop; started again after the pause.
    Restart(Duration),
    /// It stands still for so long.
    Freeze(Duration),
    /// It meets a crash point.
    Arm(CrashPoint, Mode, u64),
}

/// What all processes share: the places that outlive them.
#[derive(Clone)]
pub struct Site {
    /// Time.
    pub clock: VirtualClock,
    /// Randomness of everything.
    pub random: SeededRandom,
    /// What happened.
    pub trace: Trace,
    /// The weather's hazards at the moment.
    pub hazards: watch::Receiver<Hazards>,
    /// The plan.
    pub plan: Plan,
    /// Its secrets.
    pub variables: Variables,
    /// The ledger's file.
    pub ledger: PathBuf,
    /// Attachments and histories.
    pub blobs: Blobs,
    /// The broker that outlives processes; none: each process has its own.
    pub broker: Option<Arc<dyn Broker>>,
    /// Kayako.
    pub kayako: Server,
    /// The source.
    pub zendesk: Server,
}

impl Site {
    /// The ledger behind a process's weather.
    ///
    /// # Errors
    /// The file cannot be opened, or the weather does not let it.
    pub async fn ledger(&self, weather: &Weather) -> Result<Ledger> {
        let options = OpenOptions {
            clock: self.clock.reading(),
            steps: Steps::Inline(Arc::new(weather.clone())),
            ..OpenOptions::beside()
        };
        Ok(Ledger::open(&self.ledger_url(), &self.plan.name, options).await?)
    }

    /// The ledger's address.
    pub fn ledger_url(&self) -> String {
        format!("sqlite:{}", self.ledger.display())
    }

    /// What a process is built from.
    ///
    /// # Errors
    /// The ledger cannot be opened in this weather.
    pub async fn station(&self, context: Context, weather: &Weather) -> Result<Station> {
        let (broker, durable) = match &self.broker {
            Some(broker) => (Arc::clone(broker), true),
            None => (in_process_broker(1.0)?, false),
        };
        let wires = Wires {
            source: Some(Arc::new(wires::to("zendesk", &self.zendesk, weather.clone()))),
            target: Some(Arc::new(wires::to("kayako", &self.kayako, weather.clone()))),
        };
        Ok(Station {
            plan: self.plan.clone(),
            timing: Timing::scaled(1.0),
            scale: 1.0,
            owner: weather.name().to_owned(),
            ledger: self.ledger(weather).await?,
            blobs: self.blobs.clone(),
            broker: Arc::new(StormyBroker::new(broker, durable, weather.clone())),
            context,
            metrics: Metrics::new()?,
            variables: self.variables.clone(),
            source: None,
            wires,
        })
    }
}

/// How one life of a process ended.
enum End {
    /// It is to be started again after this.
    Again(Duration),
    /// The simulation is over.
    Over,
}

/// Lives, dies and is started again until `over` opens.
///
/// # Errors
/// The product cannot be assembled, which no weather may cause.
pub async fn live(
    site: Site,
    name: String,
    roles: Vec<Role>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    over: Valve,
) -> Result<()> {
    for number in 1.. {
        let name = format!("{name}.{number}");
        let random = site.random.fork(&name);
        let weather = Weather::new(&name, random.fork("weather"), site.trace.clone(), site.hazards.clone());
        let context = Context { clock: Arc::new(site.clock.clone()), random, crash: CrashPoints::off() };
        let shutdown = Shutdown::new(context.clone(), GRACE);
        weather.note(format_args!("starts"));
        let started = async {
            let station = site.station(context.clone(), &weather).await?;
            anyhow::Ok(station.start(&roles, &shutdown).await?)
        };
        let end = match started.await {
            Ok(()) => one_life(&context, &weather, &shutdown, &mut orders, &over).await,
            Err(error) => {
                weather.note(format_args!("cannot start: {error:#}"));
                shutdown.abort();
                if over.is_open() { End::Over } else { End::Again(STARTED_AGAIN) }
            }
        };
        // Whatever is left of it is gone before the next one starts.
        let _ = shutdown.complete().await;
        weather.note(format_args!("is gone"));
        match end {
            End::Over => return Ok(()),
            End::Again(pause) => tokio::time::sleep(pause).await,
        }
    }
    Ok(())
}

async fn one_life(
    context: &Context,
    weather: &Weather,
    shutdown: &Shutdown,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    over: &Valve,
) -> End {
    let draining = shutdown.draining();
    let mut hangs_from = None::<tokio::time::Instant>;
    loop {
        let killed = async {
            match hangs_from {
                Some(from) => tokio::time::sleep_until(from + HANGS).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = over.opened() => {
                shutdown.begin(Reason::Finished);
                return End::Over;
            }
            () = draining.begun() => {
                weather.note(format_args!("ends by itself"));
                shutdown.abort();
                return End::Again(STARTED_AGAIN);
            }
            () = killed => {
                weather.note(format_args!("is killed after it may hang"));
                shutdown.abort();
                return End::Again(STARTED_AGAIN);
            }
            Some(order) = orders.recv() => {
                weather.note(format_args!("{order:?}"));
                match order {
                    Order::Kill(pause) => {
                        shutdown.abort();
                        return End::Again(pause);
                    }
                    Order::Restart(pause) => {
                        shutdown.begin(Reason::Signal);
                        return End::Again(pause);
                    }
                    Order::Freeze(pause) => {
                        weather.freeze(true);
                        let weather = weather.clone();
                        tokio::spawn(async move {
                            tokio::time::sleep(pause).await;
                            weather.freeze(false);
                            weather.note(format_args!("goes on"));
                        });
                    }
                    Order::Arm(point, mode, nth) => {
                        context.crash.arm(point, mode, nth);
                        if mode == Mode::Hang {
                            hangs_from = Some(tokio::time::Instant::now());
                        }
                    }
                }
            }
        }
    }
}

/// Secrets by the names that the plan uses.
///
/// # Errors
/// The accounts have none.
pub fn variables(accounts: &system_tests::accounts::Accounts) -> Result<Variables> {
    let secrets = [
        (system_tests::plan_file::ZENDESK_SECRET, accounts.zendesk_token.as_str()),
        (system_tests::plan_file::KAYAKO_SECRET, accounts.kayako_password.as_str()),
    ];
    secrets
        .iter()
        .all(|(_, secret)| !secret.is_empty())
        .then_some(())
        .context("the accounts have secrets")?;
    Ok(Variables::from_iter(secrets))
}
