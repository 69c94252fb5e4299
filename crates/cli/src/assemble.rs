//! Builds the services of a process from a plan and its places: all of them for one process, one of them for `serve`.
//!
//! Constraint: everything that can fail (secrets, settings) fails before the first task starts, so that there is never half a
//! process.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;

use blobs::Blobs;
use coordinator::Coordinator;
use extractor::{Extractor, LedgerPace};
use ledger::Ledger;
use loader::{AccountGate, GateSettings, Loader};
use model::Origin;
use model::plan::Plan;
use model::timing::Timing;
use queue::{Address, Broker, InProcess, Ladder, RabbitConfig, RabbitMq};
use runtime::{Context, Draining, Metrics, Shutdown, Valve, Variables};
use sources::Source;
use transformer::Transformer;

use crate::accounts::{self, Tokens, Wires};
use crate::failure::Failure;
use crate::survey;

/// Tasks an extractor does side by side, all within `limits.extract_in_flight` records. One of them reads a shard; three are left
/// for parents that cases ask for, which must never queue behind a listing.
const EXTRACT_TASKS: usize = 4;
/// Batches a loader works on at once: enough that one is always being sent while others are polled or finished.
const LOAD_BATCHES: usize = 4;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Reads the source.
    Extractor,
    /// Translates records into load commands.
    Transformer,
    /// Writes to Kayako.
    Loader,
    /// Looks at the whole and repairs it.
    Coordinator,
}

impl Role {
    /// All of them: one process.
    pub const ALL: [Self; 4] = [Self::Coordinator, Self::Extractor, Self::Transformer, Self::Loader];
}

/// What the services of one process share.
pub struct Station {
    /// The plan, names resolved.
    pub plan: Plan,
    /// Its waiting times.
    pub timing: Timing,
    /// Their scale.
    pub scale: f64,
    /// Unique name of this process.
    pub owner: String,
    /// State.
    pub ledger: Ledger,
    /// Attachments and histories.
    pub blobs: Blobs,
    /// Work.
    pub broker: Arc<dyn Broker>,
    /// Time, randomness, crash points.
    pub context: Context,
    /// Metrics.
    pub metrics: Metrics,
    /// The environment, for secrets.
    pub variables: Variables,
    /// The source account if it is open already, with what was learned of its limits. Absent: opened by who needs it.
    pub source: Option<Arc<dyn Source>>,
    /// The ways to the two accounts.
    pub wires: Wires,
}

type Task = Pin<Box<dyn Future<Output = Result<(), Box<dyn StdError + Send + Sync>>> + Send>>;

fn task<E: StdError + Send + Sync + 'static>(
    work: impl Future<Output = Result<(), E>> + Send + 'static,
) -> Task {
    Box::pin(async move { work.await.map_err(Into::into) })
}

/// The queue inside the process.
pub fn in_process_broker(scale: f64) -> Result<Arc<dyn Broker>, Failure> {
    Ok(Arc::new(InProcess::new(Ladder::default().scaled(scale)?)))
}

/// RabbitMQ.
pub async fn rabbit_broker(address: Address, scale: f64) -> Result<Arc<dyn Broker>, Failure> {
    let mut config = RabbitConfig::new(address);
    config.ladder = Ladder::default().scaled(scale)?;
    Ok(Arc::new(RabbitMq::connect(config).await?))
}

impl Station {
    /// Builds the services and starts them as tasks of `shutdown`.
    ///
    /// # Errors
    /// A missing secret, an unusable setting, a broker that is away: nothing has been started then.
    pub async fn start(self, roles: &[Role], shutdown: &Shutdown) -> Result<(), Failure> {
        let valve = Valve::new(false);
        let draining = shutdown.draining();
        let mut tasks = Vec::new();
        for role in roles {
            tasks.push(match role {
                Role::Extractor => ("extractor", self.extractor(&valve, draining.clone())?),
                Role::Transformer => ("transformer", self.transformer(&valve, draining.clone())?),
                Role::Loader => ("loader", self.loader(&valve, draining.clone())?),
                Role::Coordinator => ("coordinator", self.coordinator(draining.clone())?),
            });
        }
        // The coordinator declares them as well; whoever comes first must not find them missing.
        self.broker.declare(self.plan.name.as_str()).await?;
        let (ledger, context, timing) = (self.ledger.clone(), self.context.clone(), self.timing.clone());
        tasks.push((
            "follow",
            Box::pin(async move {
                coordinator::follow(ledger, valve, context, timing, draining).await;
                Ok(())
            }),
        ));
        for (name, work) in tasks {
            shutdown.spawn(name, work);
        }
        Ok(())
    }

    /// The plan with the source's ids in place of names, as a run needs it.
    ///
    /// # Errors
    /// The source does not answer, or does not have what the plan names.
    pub async fn resolved(&self) -> Result<Plan, Failure> {
        if !survey::uses_names(&self.plan) {
            return Ok(self.plan.clone());
        }
        let source = self.source()?;
        survey::resolve(&self.plan, source.as_ref(), &source.catalogue().await?).await
    }

    /// The source account, within the budget shared by all processes.
    pub(crate) fn source(&self) -> Result<Arc<dyn Source>, Failure> {
        if let Some(source) = &self.source {
            return Ok(Arc::clone(source));
        }
        let model::plan::Source::Zendesk(zendesk) = &self.plan.source;
        let configured = zendesk.requests_per_minute.map(std::num::NonZeroU32::get);
        let pace = LedgerPace::new(self.ledger.clone(), self.context.clone(), configured, zendesk.share);
        let tokens = Tokens::Shared { ledger: &self.ledger, context: &self.context, owner: &self.owner };
        accounts::source(&self.plan, &self.variables, Arc::new(pace), &tokens, &self.wires)
    }

    fn extractor(&self, valve: &Valve, draining: Draining) -> Result<Task, Failure> {
        let settings = extractor::Settings {
            migration: self.plan.name.clone(),
            tasks_in_flight: EXTRACT_TASKS,
            timing: self.timing.clone(),
            scale: self.scale,
        };
        let extractor = Extractor::new(
            settings,
            self.source()?,
            self.ledger.clone(),
            self.blobs.clone(),
            Arc::clone(&self.broker),
            self.context.fork("extractor"),
            extractor::Metrics::register(&self.metrics)?,
            valve.clone(),
        );
        Ok(task(extractor.run(draining)))
    }

    fn transformer(&self, valve: &Valve, draining: Draining) -> Result<Task, Failure> {
        let messages = self.plan.limits.transform_in_flight;
        let settings = transformer::Settings::new(self.plan.name.clone(), messages, self.timing.clone());
        let parts = transformer::Parts {
            ledger: self.ledger.clone(),
            blobs: self.blobs.clone(),
            broker: Arc::clone(&self.broker),
            context: self.context.fork("transformer"),
            metrics: transformer::Metrics::register(&self.metrics)?,
            valve: valve.clone(),
        };
        Ok(task(Transformer::new(settings, parts).run(draining)))
    }

    fn loader(&self, valve: &Valve, draining: Draining) -> Result<Task, Failure> {
        let (limits, target) = (&self.plan.limits, &self.plan.target);
        let context = self.context.fork("loader");
        let gate = account_gate(&self.plan, &self.ledger, &context, &self.timing, self.owner.clone())?;
        let client =
            accounts::target(&self.plan, &self.variables, &self.timing, Arc::new(gate), &self.wires)?;
        let bounded = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let settings = loader::Settings {
            migration: self.plan.name.clone(),
            origin: origin(&self.plan)?,
            batch_records: bounded(target.batch.records.into()),
            batch_bytes: bounded(target.batch.bytes),
            messages: limits.load_messages,
            bytes: bounded(limits.load_bytes),
            batches_in_flight: LOAD_BATCHES.min(limits.load_in_flight),
            steps_in_flight: limits.load_in_flight.div_ceil(LOAD_BATCHES),
            timing: self.timing.clone(),
        };
        let loader = Loader::new(
            settings,
            client,
            self.ledger.clone(),
            self.blobs.clone(),
            Arc::clone(&self.broker),
            context,
            loader::Metrics::register(&self.metrics)?,
            valve.clone(),
        );
        Ok(task(loader.run(draining)))
    }

    fn coordinator(&self, draining: Draining) -> Result<Task, Failure> {
        let settings = coordinator::Settings {
            migration: self.plan.name.clone(),
            owner: self.owner.clone(),
            timing: self.timing.clone(),
        };
        let coordinator = Coordinator::new(
            settings,
            self.ledger.clone(),
            Arc::clone(&self.broker),
            self.context.fork("coordinator"),
            coordinator::Metrics::register(&self.metrics)?,
        );
        Ok(task(coordinator.run(draining)))
    }
}

/// The gate before Kayako: whoever calls the account shares its budget, its circuit and its log-ins.
pub(crate) fn account_gate(
    plan: &Plan,
    ledger: &Ledger,
    context: &Context,
    timing: &Timing,
    owner: String,
) -> Result<AccountGate, Failure> {
    let settings = GateSettings {
        requests_per_minute: plan.target.requests_per_minute.map(std::num::NonZeroU32::get),
        reserve: plan.target.reserve,
        max_in_flight: plan.limits.load_in_flight,
        timing: timing.clone(),
        owner,
    };
    Ok(AccountGate::new(ledger.clone(), context.clone(), settings)?)
}

/// The first part of every origin key. Asked of the source module, which alone knows how its accounts are named, without any of
/// the source's credentials, which a loader does not have.
pub(crate) fn origin(plan: &Plan) -> Result<Origin, Failure> {
    Ok(sources::zendesk::origin(plan.source.url().as_url())?)
}
