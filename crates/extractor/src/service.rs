//! The extractor as a service: takes tasks, does several side by side, pauses and drains.

use std::sync::Arc;

use blobs::Blobs;
use ledger::Ledger;
use model::envelope::{ExtractTask, decode};
use model::facts::Side;
use model::timing::Timing;
use model::{Classify, FailureClass, MigrationId};
use queue::{Broker, Consumer, Delivery, Message, Stage};
use runtime::{Context, Crash, Draining, RetryPolicy, Valve, propagation};
use sources::Source;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::desk::Desk;
use crate::error::{During, Error};
use crate::list::Listed;
use crate::metrics::Metrics;
use crate::witness::Witness;

/// How an extractor works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The migration.
    pub migration: MigrationId,
    /// Tasks done at the same time. Each completes several records at once (`limits.extract_in_flight`).
    pub tasks_in_flight: usize,
    /// Waiting times.
    pub timing: Timing,
    /// Time scale of retries towards the source.
    pub scale: f64,
}

/// Reads the source of one migration.
pub struct Extractor {
    settings: Settings,
    source: Arc<dyn Source>,
    ledger: Ledger,
    blobs: Blobs,
    broker: Arc<dyn Broker>,
    context: Context,
    metrics: Metrics,
    valve: Valve,
}

/// What becomes of a task's message.
enum Ending {
    Done,
    Later(std::time::Duration),
    Dead(String),
    /// Left to the broker: the process ends.
    Left,
}

impl Extractor {
    /// An extractor over its parts. `valve` is open while the run wants work.
    #[expect(clippy::too_many_arguments, reason = "the parts of a service, each named")]
    pub fn new(
        settings: Settings,
        source: Arc<dyn Source>,
        ledger: Ledger,
        blobs: Blobs,
        broker: Arc<dyn Broker>,
        context: Context,
        metrics: Metrics,
        valve: Valve,
    ) -> Self {
        Self { settings, source, ledger, blobs, broker, context, metrics, valve }
    }

    /// Works until the shutdown begins, then finishes what is in hand.
    pub async fn run(self, draining: Draining) -> Result<(), Error> {
        let desk = Arc::new(Desk {
            migration: self.settings.migration.clone(),
            source: Arc::clone(&self.source),
            ledger: self.ledger.clone(),
            blobs: self.blobs.clone(),
            publisher: self.broker.publisher(),
            timing: self.settings.timing.clone(),
            retry: RetryPolicy::http_call().scaled(self.settings.scale),
            context: self.context.clone(),
            metrics: self.metrics.clone(),
            draining: draining.clone(),
            witness: Witness::default(),
            plans: tokio::sync::Mutex::default(),
        });
        while !draining.is_begun() {
            if draining.unless_begun(self.valve.opened()).await.is_none() {
                break;
            }
            let prefetch = u16::try_from(self.settings.tasks_in_flight).unwrap_or(u16::MAX).max(1);
            match self.broker.consume(&desk.queue(Stage::Extract), prefetch).await {
                Ok(consumer) => self.consume(&desk, consumer, &draining).await?,
                Err(error) => {
                    tracing::warn!(error = %error, "the queue cannot be consumed; trying again");
                    self.context.clock.sleep(self.settings.timing.reconcile).await;
                }
            }
        }
        Ok(())
    }

    async fn consume(
        &self,
        desk: &Arc<Desk>,
        mut consumer: Box<dyn Consumer>,
        draining: &Draining,
    ) -> Result<(), Error> {
        let mut tasks: JoinSet<Result<(), Error>> = JoinSet::new();
        let mut result = loop {
            let full = tasks.len() >= self.settings.tasks_in_flight.max(1);
            tokio::select! {
                biased;
                () = draining.begun() => break Ok(()),
                () = self.valve.closed() => break Ok(()),
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    if let Err(error) = flatten(ended) { break Err(error) }
                }
                delivery = consumer.next(), if !full => match delivery {
                    None => break Ok(()),
                    Some(Err(error)) => {
                        tracing::warn!(error = %error, "the queue's deliveries were interrupted");
                        break Ok(());
                    }
                    Some(Ok(delivery)) => {
                        let desk = Arc::clone(desk);
                        let span = tracing::info_span!("extract task");
                        span.in_scope(|| propagation::link_from(&delivery.message().headers));
                        tasks.spawn(async move { desk.task(delivery).await }.instrument(span));
                    }
                }
            }
        };
        consumer.cancel().await;
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = flatten(ended) {
                result = result.and(Err(error));
            }
        }
        result
    }
}

/// Only a death at a crash point ends the extractor; everything else was dealt with by the task.
fn flatten(ended: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<(), Error> {
    match ended {
        Ok(Err(Error::Crash(crash @ Crash::Died(_)))) => Err(Error::Crash(crash)),
        Ok(Err(error)) => {
            tracing::error!(error = %error, "a task's message could not be settled; the broker gives it again");
            Ok(())
        }
        Ok(Ok(())) => Ok(()),
        Err(error) => {
            tracing::error!(error = %error, "a task panicked; the broker gives its message again");
            Ok(())
        }
    }
}

impl Desk {
    async fn task(&self, delivery: Delivery) -> Result<(), Error> {
        let message = delivery.message().clone();
        match self.attempt(&message).await? {
            Ending::Left => return Ok(()),
            Ending::Done => {}
            Ending::Later(wait) => {
                self.publisher
                    .delay(&self.queue(Stage::Extract), message, wait)
                    .await
                    .during("park a task")?;
            }
            Ending::Dead(problem) => {
                tracing::error!(message = %message.id, problem, "a task cannot be done; it is kept as a dead letter");
                self.publisher
                    .dead_letter(&self.queue(Stage::Extract), message, &problem)
                    .await
                    .during("dead-letter a task")?;
            }
        }
        delivery.ack().await.during("ack a task")
    }

    async fn attempt(&self, message: &Message) -> Result<Ending, Error> {
        let envelope = match decode::<ExtractTask>(&message.body) {
            Ok(envelope) => envelope,
            Err(error) => return Ok(Ending::Dead(error.to_string())),
        };
        let done = async {
            let current = self.ledger.current_run().await.during("read the current run")?;
            if current.is_some_and(|current| envelope.run < current) {
                // Left over from a cancelled run.
                return Ok(Listed::Done);
            }
            let errand = self.errand(envelope.run, &envelope.plan).await?;
            match &envelope.body {
                ExtractTask::Open { kind } => self.open(&errand, *kind).await.map(|()| Listed::Done),
                ExtractTask::List { kind, shard } => self.list(&errand, *kind, shard).await,
                ExtractTask::Fetch { kind, ids, lost } => {
                    self.fetch(&errand, *kind, ids, *lost).await.map(|()| Listed::Done)
                }
            }
        };
        let error = match done.await {
            Ok(Listed::Done) => return Ok(Ending::Done),
            Ok(Listed::WindowFull) => return Ok(Ending::Later(self.timing.job_poll)),
            Err(error) => error,
        };
        let class = error.class();
        self.metrics.retried.with_label_values(&[class.name()]).inc();
        match class {
            FailureClass::Death => match error {
                Error::Crash(crash) => Err(Error::Crash(crash)),
                _ => Ok(Ending::Left),
            },
            FailureClass::Rejected => Ok(Ending::Dead(chain(&error))),
            FailureClass::Halt => {
                // Where the ledger cannot take that either (one full disk for both), the task comes again all the same: let go
                // unsettled it would come again at once, and fill the log until there is room.
                if let Err(unheard) = self.halt(envelope.run, chain(&error)).await {
                    let (error, unheard) = (chain(&error), chain(&unheard));
                    tracing::error!(
                        error,
                        unheard,
                        "the run ought to be halted, and the ledger does not take it"
                    );
                }
                Ok(Ending::Later(self.timing.reconcile))
            }
            FailureClass::Throttled { retry_after } => {
                Ok(Ending::Later(retry_after.unwrap_or(self.timing.visibility)))
            }
            _ => {
                tracing::warn!(
                    error = chain(&error),
                    class = class.name(),
                    "a task could not be done; it comes again"
                );
                let pause = self.timing.pause(0);
                if let Error::Source { source, .. } = &error {
                    // Told until the task has been tried again, which may take as long as its retries.
                    let lasting = pause * 2 + self.timing.quiet;
                    let told = self.ledger.tell_trouble(Side::Source, &source.to_string(), lasting).await;
                    told.during("tell the source's trouble")?;
                }
                Ok(Ending::Later(pause))
            }
        }
    }
}

/// An error with its causes on one line.
fn chain(error: &Error) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
