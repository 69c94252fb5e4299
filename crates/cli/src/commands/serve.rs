//! `serve`: one service of a migration whose state is shared.
//!
//! Constraints: it waits for what is not there yet (ledger, run, broker) instead of ending, because an orchestrator would only
//! restart it; it never works with another plan than the current run's, so it is built anew when a run comes with another plan; it
//! resolves only the secrets of its own role.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use coordinator::Commands;
use ledger::Ledger;
use model::facts::StoredPlan;
use model::plan::Plan;
use model::{Classify, FailureClass, MigrationId};
use queue::{Address, Broker};
use runtime::{
    Condition, Context, Draining, Metrics, OperatorPort, Readiness, RetryPolicy, Shutdown, operator_routes,
};

use crate::accounts::Wires;
use crate::assemble::{Role, Station, rabbit_broker};
use crate::commands::run::{GRACE, owner, refuse_strangers};
use crate::exit::Exit;
use crate::failure::{Code, Failure};
use crate::places::{Places, migration_name};
use crate::shell::{Shell, timing};

/// Runs one service of a migration over RabbitMQ and Redis
///
/// Start as many as you like of each: `extractor` reads the source, `transformer` translates, `loader` writes to Kayako, `coordinator`
/// looks after the run (two: one leads, one stands by). They wait until `kayako-migrate run --queue .. --ledger ..` starts a run,
/// may be killed at any moment, and finish what is in hand on SIGTERM. The operator port serves /healthz, /readyz and /metrics.
///
/// Example:
///   kayako-migrate serve loader --migration acme --queue amqp://rabbit --ledger redis://redis/0 --blobs s3://bucket/acme
///
/// An extractor needs the source's secrets in its environment, a loader Kayako's, the others none.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ServeArguments {
    /// Which service
    #[arg(value_name = "SERVICE")]
    role: Role,
    /// Name of the migration
    #[arg(long, value_name = "NAME", env = "KAYAKO_MIGRATE_MIGRATION")]
    migration: String,
    /// RabbitMQ, amqp[s]://user:password@host:port/vhost
    #[arg(long, value_name = "URL", env = "KAYAKO_MIGRATE_QUEUE", hide_env_values = true)]
    queue: String,
    /// Redis, redis[s]://user:password@host:port/db
    #[arg(long, value_name = "URL", env = "KAYAKO_MIGRATE_LEDGER", hide_env_values = true)]
    ledger: String,
    /// Place for attachments and histories that all services see, a directory or s3://bucket/prefix
    #[arg(long, value_name = "PLACE", env = "KAYAKO_MIGRATE_BLOBS")]
    blobs: String,
    /// Address of the operator port; port 0 takes a free one, which is logged
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", env = "KAYAKO_MIGRATE_HTTP")]
    http: SocketAddr,
}

impl ServeArguments {
    /// `service.name` of logs and traces.
    pub(crate) fn service_name(&self) -> &'static str {
        match self.role {
            Role::Extractor => "kayako-migrate-extractor",
            Role::Transformer => "kayako-migrate-transformer",
            Role::Loader => "kayako-migrate-loader",
            Role::Coordinator => "kayako-migrate-coordinator",
        }
    }
}

/// What `/readyz` names when it is missing.
struct Needs {
    ledger: Condition,
    run: Condition,
    queue: Condition,
}

/// A service that waits or works.
struct Server<'a> {
    shell: &'a Shell,
    role: Role,
    places: Places,
    address: Address,
    context: Context,
    metrics: Metrics,
    draining: Draining,
    needs: Needs,
}

/// Runs it.
pub(crate) async fn run(arguments: &ServeArguments, shell: &Shell) -> Result<Exit, Failure> {
    let migration: MigrationId = migration_name(&arguments.migration)?;
    let context = shell.context()?;
    let shutdown = Shutdown::new(context.clone(), GRACE);
    shutdown.listen_to_signals()?;
    let draining = shutdown.draining();
    let readiness = Readiness::new(draining.clone());
    let metrics = Metrics::new()?;
    let needs = Needs {
        ledger: readiness.condition("ledger"),
        run: readiness.condition("run"),
        queue: readiness.condition("queue"),
    };
    let server = Server {
        shell,
        role: arguments.role,
        places: Places::shared(migration, arguments.ledger.clone(), arguments.blobs.clone()),
        address: arguments.queue.parse()?,
        context: context.clone(),
        metrics: metrics.clone(),
        draining,
        needs,
    };
    let port = OperatorPort::open(&context, arguments.http, operator_routes(readiness, metrics)).await?;
    let served = server.serve().await;
    port.stop().await;
    served.map(|()| Exit::Ok)
}

impl Server<'_> {
    async fn serve(&self) -> Result<(), Failure> {
        let Some(ledger) = self.attach().await? else { return Ok(()) };
        let commands = Commands::new(ledger.clone());
        while !self.draining.is_begun() {
            let Some((stored, plan)) = self.plan(&commands).await? else { break };
            refuse_strangers(&plan)?;
            let scale = self.shell.scale(&plan)?;
            let Some(broker) = self.broker(scale).await? else { break };
            let station = Station {
                timing: timing(&plan, scale)?,
                plan,
                scale,
                owner: owner(&self.context),
                ledger: ledger.clone(),
                blobs: self.places.open_blobs(self.shell)?,
                broker: Arc::clone(&broker),
                context: self.context.clone(),
                metrics: self.metrics.clone(),
                variables: self.shell.variables.clone(),
                source: None,
                wires: Wires::network(),
            };
            let worked = self.work(station, &commands, &stored).await;
            broker.close().await;
            worked?;
        }
        Ok(())
    }

    /// Works until the process is told to stop or a run comes with another plan.
    async fn work(&self, station: Station, commands: &Commands, stored: &StoredPlan) -> Result<(), Failure> {
        let (broker, every) = (Arc::clone(&station.broker), station.timing.reconcile);
        let service = Shutdown::new(self.context.clone(), GRACE);
        station.start(&[self.role], &service).await?;
        tracing::info!("the service is at work");
        let stopped = service.draining();
        loop {
            self.needs.queue.set(broker.is_connected());
            let pause = self.context.clock.sleep(every);
            if self.draining.unless_begun(stopped.unless_begun(pause)).await.flatten().is_none() {
                break;
            }
            match current_plan(commands).await {
                Ok(now) => {
                    self.needs.ledger.met();
                    if now.is_some_and(|now| now != *stored) {
                        tracing::info!("a run came with another plan; the service is built anew");
                        break;
                    }
                }
                Err(error) => {
                    self.needs.ledger.missing();
                    tracing::warn!(error = runtime::error::chain(&error), "the current run cannot be read");
                }
            }
        }
        service.begin(runtime::shutdown::Reason::Finished);
        let completion = tokio::select! {
            completion = service.complete() => completion,
            () = self.draining.forced() => {
                service.force();
                service.complete().await
            }
        };
        match completion.failures.into_iter().next() {
            Some(failure) => Err(Failure::new(Code::Internal, "the service failed").because(failure)),
            None => Ok(()),
        }
    }

    /// Waits for the ledger; `None` if the process is told to stop first.
    async fn attach(&self) -> Result<Option<Ledger>, Failure> {
        let mut pauses = RetryPolicy::connection().delays(self.context.random.fork("attach"));
        loop {
            match self.places.attach_ledger().await {
                Ok(ledger) => {
                    self.needs.ledger.met();
                    return Ok(Some(ledger));
                }
                Err(ledger::Error::Empty { .. }) => {
                    tracing::info!("the migration does not exist yet; waiting for its first run");
                }
                // A person must change something; trying again would hide that.
                Err(error) if error.class() == FailureClass::Halt => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(
                        error = runtime::error::chain(&error),
                        "the ledger does not answer; trying again"
                    );
                }
            }
            if !self.pause(&mut pauses).await {
                return Ok(None);
            }
        }
    }

    /// Waits for a run and answers its plan; `None` if the process is told to stop first.
    async fn plan(&self, commands: &Commands) -> Result<Option<(StoredPlan, Plan)>, Failure> {
        let mut pauses = RetryPolicy::connection().delays(self.context.random.fork("plan"));
        loop {
            match current_plan(commands).await {
                Ok(Some(stored)) => {
                    let plan = Plan::parse(&stored.yaml).map_err(|problems| {
                        Failure::plan("the plan of the current run cannot be read", problems)
                    })?;
                    self.needs.run.met();
                    return Ok(Some((stored, plan)));
                }
                Ok(None) => tracing::debug!("there is no run yet"),
                Err(error) => {
                    tracing::warn!(
                        error = runtime::error::chain(&error),
                        "the current run cannot be read; trying again"
                    );
                }
            }
            if !self.pause(&mut pauses).await {
                return Ok(None);
            }
        }
    }

    /// Waits for the broker; `None` if the process is told to stop first.
    async fn broker(&self, scale: f64) -> Result<Option<Arc<dyn Broker>>, Failure> {
        let mut pauses = RetryPolicy::connection().delays(self.context.random.fork("broker"));
        loop {
            match rabbit_broker(self.address.clone(), scale).await {
                Ok(broker) => return Ok(Some(broker)),
                Err(failure) if failure.code != Code::QueueUnreachable => return Err(failure),
                Err(failure) => {
                    tracing::warn!(
                        error = runtime::error::chain(&failure),
                        "the broker does not answer; trying again"
                    );
                }
            }
            if !self.pause(&mut pauses).await {
                return Ok(None);
            }
        }
    }

    async fn pause(&self, pauses: &mut impl Iterator<Item = std::time::Duration>) -> bool {
        let pause = pauses.next().unwrap_or(GRACE);
        self.draining.unless_begun(self.context.clock.sleep(pause)).await.is_some()
    }
}

async fn current_plan(commands: &Commands) -> Result<Option<StoredPlan>, coordinator::Error> {
    match commands.current().await? {
        Some(run) => commands.plan_of(&run).await,
        None => Ok(None),
    }
}
