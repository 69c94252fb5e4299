//! `run`: a demo or everything; in this process, or by services elsewhere.
//!
//! Constraints: an account is looked at before a run is started, so that a wrong password is this command's failure and not a
//! run's halt; until the account can be proven silent (a later capability), only targets on this machine are written to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use blobs::Blobs;
use clap::Args;
use coordinator::{Commands, Status};
use kayako::OpenGate;
use ledger::Ledger;
use model::plan::Plan;
use model::run::{Run, RunMode};
use queue::Address;
use runtime::{Context, Metrics, Shutdown, Variables};
use sources::Source;

use crate::accounts::Wires;
use crate::assemble::{Role, Station, in_process_broker};
use crate::commands::report;
use crate::exit::Exit;
use crate::failure::{Code, Failure};
use crate::following::{self, Ending};
use crate::output::progress::Progress;
use crate::output::{document, table};
use crate::places::{PlaceArguments, Places};
use crate::shell::{Shell, timing};
use crate::{accounts, survey};

/// From the first signal until everything is let go. Orchestrators kill after 30 s.
pub(crate) const GRACE: Duration = Duration::from_secs(25);
/// Longest pause between two looks at the run: what a person still feels as live.
const LOOK: Duration = Duration::from_millis(500);

/// Moves a sample or everything, and goes on where an interrupted run stopped
///
/// In this process by default: nothing else has to run. Ctrl-C finishes what is in hand and stops; the same command goes on, also
/// after a crash. With --queue and --ledger it only starts the run, which services started with `serve` carry out, and watches it.
///
/// Examples:
///   kayako-migrate run --demo
///   kayako-migrate run --demo --seed 7
///   kayako-migrate run --full --plan acme.yaml
///   kayako-migrate run --full --queue amqp://.. --ledger redis://.. --blobs s3://bucket/acme --detach
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RunArguments {
    /// Moves a random sample of cases and what they need
    #[arg(long, required_unless_present = "full", conflicts_with = "full")]
    demo: bool,
    /// Moves everything the plan selects
    #[arg(long)]
    full: bool,
    /// Seed of the demo's draw, to repeat it [default: the plan's, else a new one, recorded with the run]
    #[arg(long, value_name = "NUMBER", conflicts_with = "full")]
    seed: Option<u64>,
    #[command(flatten)]
    places: PlaceArguments,
    /// RabbitMQ that the services work through; this process then only starts and watches the run
    #[arg(long, value_name = "URL", env = "KAYAKO_MIGRATE_QUEUE", hide_env_values = true)]
    queue: Option<String>,
    /// Starts the run and returns at once (with --queue)
    #[arg(long, requires = "queue")]
    detach: bool,
}

/// A run to be carried out in this process.
pub(crate) struct Order<'a> {
    /// Names resolved.
    pub(crate) plan: Plan,
    pub(crate) mode: RunMode,
    pub(crate) seed: Option<u64>,
    pub(crate) scale: f64,
    pub(crate) ledger: Ledger,
    pub(crate) blobs: Blobs,
    pub(crate) variables: &'a Variables,
    /// The source account if it is open already.
    pub(crate) source: Option<Arc<dyn Source>>,
}

/// Runs it.
pub(crate) async fn run(arguments: &RunArguments, shell: &Shell) -> Result<Exit, Failure> {
    let plan = arguments.places.read_plan()?;
    refuse_strangers(&plan)?;
    let scale = shell.scale(&plan)?;
    timing(&plan, scale)?;
    let places = arguments.places.of(&plan);
    let services_elsewhere = shared(arguments, &places)?;
    let ledger = places.create_ledger().await?;
    let blobs = places.open_blobs(shell)?;
    let (plan, source) = looked_at(shell, plan, scale, &ledger, services_elsewhere).await?;
    let mode = if arguments.full { RunMode::Full } else { RunMode::Demo };
    let order = Order {
        plan,
        mode,
        seed: arguments.seed,
        scale,
        ledger: ledger.clone(),
        blobs: blobs.clone(),
        variables: &shell.variables,
        source,
    };
    if services_elsewhere && arguments.detach {
        let run = begin(&order).await?;
        shell.output.say(format!("Run {} ({}) is {}", run.number, run.mode.name(), run.status.name()));
        shell.output.document(&document::run(&run));
        return Ok(Exit::Ok);
    }
    let progress = Progress::new(shell.output);
    let ending = if services_elsewhere {
        watch(shell, &order, &progress).await
    } else {
        in_one_process(shell, &order, &progress).await
    };
    progress.clear();
    conclude(shell, &places, &ledger, &blobs, &ending?).await
}

/// Only accounts on this machine are written to before the canary exists.
pub(crate) fn refuse_strangers(plan: &Plan) -> Result<(), Failure> {
    if plan.target.url.is_loopback() {
        return Ok(());
    }
    Err(Failure::new(
        Code::TargetNotLoopback,
        format!(
            "{} is not on this machine, and nothing is written to an account that is not proven silent: that it sends no \
             mail to customers during an import is tested by a canary, which this version does not have yet",
            plan.target.url
        ),
    ))
}

/// Whether other processes do the work; refuses half a set of shared places.
fn shared(arguments: &RunArguments, places: &Places) -> Result<bool, Failure> {
    let Some(queue) = &arguments.queue else {
        if places.is_embedded() {
            return Ok(false);
        }
        return Err(Failure::new(
            Code::Usage,
            "a ledger shared by several processes needs a queue that they share",
        )
        .advice_for_sharing());
    };
    queue.parse::<Address>()?;
    if places.is_embedded() || arguments.places.blobs.is_none() {
        return Err(Failure::new(
            Code::Usage,
            "services in other processes need a queue, a ledger and a place for blobs that they share",
        )
        .advice_for_sharing());
    }
    Ok(true)
}

impl Failure {
    fn advice_for_sharing(self) -> Self {
        self.advise("give --queue amqp://.., --ledger redis://.. and --blobs together, or none of them for one process")
    }
}

/// Looks at both accounts before anything is started and puts ids in place of names.
async fn looked_at(
    shell: &Shell,
    plan: Plan,
    scale: f64,
    ledger: &Ledger,
    services_elsewhere: bool,
) -> Result<(Plan, Option<Arc<dyn Source>>), Failure> {
    let names = survey::uses_names(&plan);
    if services_elsewhere && !names {
        // The services have the credentials, this process need not.
        return Ok((plan, None));
    }
    let source = open_source(shell, &plan, scale, ledger)?;
    source.check().await?;
    if !services_elsewhere {
        let client = accounts::target(
            &plan,
            &shell.variables,
            &timing(&plan, scale)?,
            Arc::new(OpenGate),
            &Wires::network(),
        )?;
        client.check_session().await?;
    }
    if !names {
        return Ok((plan, Some(source)));
    }
    let catalogue = source.catalogue().await?;
    let plan = survey::resolve(&plan, source.as_ref(), &catalogue).await?;
    Ok((plan, Some(source)))
}

/// The source account, once per process: what is learned of its limits is kept as long as it is open.
pub(crate) fn open_source(
    shell: &Shell,
    plan: &Plan,
    scale: f64,
    ledger: &Ledger,
) -> Result<Arc<dyn Source>, Failure> {
    station(plan, scale, ledger, shell.context()?, &shell.variables)?.source()
}

/// Unique among all processes of a migration, also among those of other machines.
pub(crate) fn owner(context: &Context) -> String {
    context.random.uuid().to_string()
}

fn station(
    plan: &Plan,
    scale: f64,
    ledger: &Ledger,
    context: Context,
    variables: &Variables,
) -> Result<Station, Failure> {
    Ok(Station {
        timing: timing(plan, scale)?,
        plan: plan.clone(),
        scale,
        owner: owner(&context),
        ledger: ledger.clone(),
        blobs: Blobs::open("memory:", Vec::new())?,
        broker: in_process_broker(scale)?,
        context,
        metrics: Metrics::new()?,
        variables: variables.clone(),
        source: None,
        wires: Wires::network(),
    })
}

/// Starts the run, or goes on with it.
async fn begin(order: &Order<'_>) -> Result<Run, Failure> {
    let seed = match order.mode {
        RunMode::Demo => order.seed.or(order.plan.selection.demo.seed).or_else(|| Some(new_seed())),
        RunMode::Full => None,
    };
    let commands = Commands::new(order.ledger.clone());
    let run = commands.start(&order.plan, order.mode, seed).await?;
    // Whoever starts a run has seen to the credentials: a refused log-in of an earlier run must not stop it.
    match commands.resume().await {
        Err(coordinator::Error::Over { .. }) => Ok(run),
        resumed => Ok(resumed?),
    }
}

/// A seed that is short enough to be typed.
fn new_seed() -> u64 {
    runtime::SeededRandom::from_entropy().below(1_000_000)
}

/// Carries a run out with all services in this process.
pub(crate) async fn in_one_process(
    shell: &Shell,
    order: &Order<'_>,
    progress: &Progress,
) -> Result<Ending, Failure> {
    let context = shell.context()?;
    let shutdown = Shutdown::new(context.clone(), GRACE);
    shutdown.listen_to_signals()?;
    let station = Station {
        blobs: order.blobs.clone(),
        source: order.source.clone(),
        ..station(&order.plan, order.scale, &order.ledger, context.clone(), order.variables)?
    };
    let (broker, every) = (Arc::clone(&station.broker), station.timing.reconcile.min(LOOK));
    begin(order).await?;
    station.start(&Role::ALL, &shutdown).await?;
    let commands = Commands::new(order.ledger.clone());
    let draining = shutdown.draining();
    let show = |status: &Status, pace| progress.show(status, pace);
    let ending = following::until_over(&commands, &order.ledger, &context, &draining, every, show).await;
    shutdown.begin(runtime::shutdown::Reason::Finished);
    let completion = shutdown.complete().await;
    broker.close().await;
    match completion.failures.into_iter().next() {
        // What a person has to do says more than what broke because of it.
        Some(_) if ending.as_ref().is_err_and(|failure| failure.code == Code::StorageFull) => ending,
        Some(failure) => {
            Err(Failure::new(Code::Internal, "a part of this process failed; the same command goes on")
                .because(failure))
        }
        None => ending,
    }
}

/// Starts a run for services elsewhere and watches it.
async fn watch(shell: &Shell, order: &Order<'_>, progress: &Progress) -> Result<Ending, Failure> {
    let context = shell.context()?;
    let shutdown = Shutdown::new(context.clone(), GRACE);
    shutdown.listen_to_signals()?;
    begin(order).await?;
    let commands = Commands::new(order.ledger.clone());
    let show = |status: &Status, pace| progress.show(status, pace);
    following::until_over(&commands, &order.ledger, &context, &shutdown.draining(), LOOK, show).await
}

/// Shows how it ended and writes the reports of a finished run.
async fn conclude(
    shell: &Shell,
    places: &Places,
    ledger: &Ledger,
    blobs: &Blobs,
    ending: &Ending,
) -> Result<Exit, Failure> {
    let status = ending.status();
    let run = &status.run;
    let mut reports: Vec<PathBuf> = Vec::new();
    shell.output.say(table::counts(shell.output, &status.counts));
    match ending {
        Ending::Finished(_) => {
            let directory = report::directory(places, run.number);
            reports = report::write(ledger, blobs, &places.migration, run, &directory).await?;
            shell.output.say(format!(
                "Run {} ({}) is finished. Reports: {}",
                run.number,
                run.mode.name(),
                directory.display()
            ));
        }
        Ending::Stopped(_) => shell.output.say(format!(
            "Stopped; run {} ({}) is not over. The same command goes on where it was.",
            run.number,
            run.mode.name()
        )),
        Ending::Halted(..) | Ending::Cancelled(_) => {}
    }
    let exit = ending.verdict()?;
    if exit == Exit::RecordsFailed {
        shell.output.say("Some records failed: the reports name them, `kayako-migrate explain <source id>` tells their history.");
    }
    shell.output.document(&document::ended(status, &reports));
    Ok(exit)
}
