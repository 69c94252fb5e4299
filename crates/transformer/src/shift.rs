//! The work on one batch of messages, from reading to acknowledging.
//!
//! Constraint: always in this order: journal, ledger, next queue, ack. A crash between any two repeats the batch, and
//! each step may run twice: the journal may hold a line twice, a settled row stays settled, and a loader
//! takes a command that comes again for what it is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use blobs::Blobs;
use bytes::Bytes;
use ledger::Ledger;
use model::command::{LoadCommand, NothingCommand};
use model::facts;
use model::journal::{Entry, What};
use model::plan::Plan;
use model::transition::{Event, Refusal};
use model::{Kind, Reason, RecordKey, RunNo};
use queue::{Delivery, Message, Publisher, QueueName, Stage};
use runtime::Crash;

use crate::crash_points;
use crate::error::{During, Error};
use crate::incoming::{Head, Unread, has_staged, kinds_of, load_message, read};
use crate::metrics::Metrics;
use crate::service::Settings;
use crate::translate::{Translation, translate};

/// The transformer's tools, shared by all batches.
pub(crate) struct Bench {
    pub(crate) settings: Settings,
    pub(crate) ledger: Ledger,
    pub(crate) blobs: Blobs,
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) context: runtime::Context,
    pub(crate) metrics: Metrics,
    plans: tokio::sync::Mutex<HashMap<String, Arc<Plan>>>,
}

/// A row that ends here.
struct Settled {
    delivery: Delivery,
    head: Head,
    failed: bool,
    reason: Reason,
    staged: bool,
}

impl Settled {
    fn event(&self) -> Event {
        let reason = self.reason;
        if self.failed { Event::Fail { fence: None, reason } } else { Event::Skip { fence: None, reason } }
    }
}

/// What a batch comes to.
#[derive(Default)]
struct Outcome {
    commands: Vec<(Delivery, Message)>,
    settled: Vec<Settled>,
    history: Vec<Entry>,
    /// Messages whose turn comes later.
    later: Vec<Delivery>,
    /// Messages of a cancelled run.
    outdated: Vec<Delivery>,
    current: Option<RunNo>,
}

impl Bench {
    pub(crate) fn new(
        settings: Settings,
        ledger: Ledger,
        blobs: Blobs,
        publisher: Arc<dyn Publisher>,
        context: runtime::Context,
        metrics: Metrics,
    ) -> Self {
        Self { settings, ledger, blobs, publisher, context, metrics, plans: tokio::sync::Mutex::default() }
    }

    pub(crate) fn queue(&self, stage: Stage) -> QueueName {
        QueueName::new(self.settings.migration.as_str(), stage)
    }

    /// Works on a batch. Only a crash point is an error (the broker then gives the messages again); messages of a batch that cannot go on come again later.
    pub(crate) async fn shift(&self, deliveries: Vec<Delivery>) -> Result<(), Error> {
        let kinds = kinds_of(&deliveries);
        self.context.crash.reached_with(crash_points::TAKEN, kinds.iter().copied()).await?;
        let mut outcome = Outcome { current: self.current_run().await, ..Outcome::default() };
        for delivery in deliveries {
            self.sort(delivery, &mut outcome).await?;
        }
        let Outcome { mut commands, settled, history, mut later, outdated, .. } = outcome;
        let mut done = outdated;
        let record = || self.record(&kinds, &history, &settled);
        match self.context.crash.step(crash_points::SETTLED, kinds.iter().copied(), record).await {
            Ok(touched) => {
                for row in settled {
                    if touched.contains(&row.head.key) {
                        self.leave_to_loader(row, &mut commands, &mut later).await;
                        continue;
                    }
                    if row.staged {
                        self.release(&row.head.key).await;
                    }
                    done.push(row.delivery);
                }
            }
            Err(error @ Error::Crash(Crash::Died(_))) => return Err(error),
            Err(error) => {
                tracing::warn!(
                    error = error.chain(),
                    "a batch's history or endings were not stored; its messages come again"
                );
                later.extend(settled.into_iter().map(|row| row.delivery));
                // Nor do commands go on without their history: what was left out of a record would never be told.
                later.extend(commands.drain(..).map(|(delivery, _)| delivery));
            }
        }
        let (deliveries, messages): (Vec<Delivery>, Vec<Message>) = commands.into_iter().unzip();
        let publish = || async {
            Ok::<_, Error>(self.publisher.publish(&self.queue(Stage::Load), messages.clone()).await)
        };
        let kinds = kinds.iter().copied();
        let answers = self.context.crash.step(crash_points::PUBLISHED, kinds, publish).await?;
        for (delivery, answer) in deliveries.into_iter().zip(answers) {
            match answer {
                Ok(()) => done.push(delivery),
                Err(error) => {
                    let id = &delivery.message().id;
                    tracing::warn!(message = %id, error = %error, "a command was not stored; its message comes again");
                    later.push(delivery);
                }
            }
        }
        for answer in queue::ack_all(done).await {
            if let Err(error) = answer {
                tracing::debug!(error = %error, "an ack was not taken; the message comes again");
            }
        }
        self.come_again(later).await;
        Ok(())
    }

    /// Which run counts; unknown while the ledger is away, which the batch's later steps meet and report.
    async fn current_run(&self) -> Option<RunNo> {
        self.ledger.current_run().await.ok().flatten()
    }

    /// Reads and translates one message.
    async fn sort(&self, delivery: Delivery, outcome: &mut Outcome) -> Result<(), Error> {
        let envelope = match read(delivery.message(), &self.blobs).await {
            Ok(envelope) => envelope,
            Err(Unread::Unreadable(problem)) => {
                self.bury(delivery, &problem, outcome).await;
                return Ok(());
            }
            Err(Unread::Later(error)) => {
                tracing::warn!(error = error.chain(), "a message could not be read now; it comes again");
                outcome.later.push(delivery);
                return Ok(());
            }
        };
        if outcome.current.is_some_and(|current| envelope.run < current) {
            outcome.outdated.push(delivery);
            return Ok(());
        }
        let plan = match self.plan(&envelope.plan).await {
            Ok(plan) => plan,
            Err(error) => {
                tracing::error!(error = error.chain(), "a record waits for its plan");
                outcome.later.push(delivery);
                return Ok(());
            }
        };
        let record = envelope.body.record;
        let staged = has_staged(delivery.message(), &record);
        let head = Head { run: envelope.run, plan: envelope.plan, key: record.key() };
        let name = match translate(record, &plan) {
            Translation::Load { command, notes } => {
                if !notes.is_empty() {
                    outcome.history.push(self.entry(&head, What::Noted { detail: notes.join("; ") }));
                }
                let migration = &self.settings.migration;
                match load_message(delivery.message(), &head, command, migration, &self.blobs).await {
                    Ok(message) => outcome.commands.push((delivery, message)),
                    Err(error) => {
                        tracing::warn!(record = %head.key, error = error.chain(), "a command could not be staged");
                        outcome.later.push(delivery);
                    }
                }
                "load"
            }
            Translation::Skip { reason, detail } => {
                self.settle(delivery, &head, staged, false, reason, detail, outcome);
                "skipped"
            }
            Translation::Fail { reason, detail } => {
                self.settle(delivery, &head, staged, true, reason, detail, outcome);
                "failed"
            }
        };
        self.metrics.records.with_label_values(&[head.key.kind.name(), name]).inc();
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one ending, told to journal and ledger")]
    fn settle(
        &self,
        delivery: Delivery,
        head: &Head,
        staged: bool,
        failed: bool,
        reason: Reason,
        detail: String,
        outcome: &mut Outcome,
    ) {
        let what = if failed { What::Failed { reason, detail } } else { What::Skipped { reason, detail } };
        outcome.history.push(self.entry(head, what));
        outcome.settled.push(Settled { delivery, head: head.clone(), failed, reason, staged });
    }

    fn entry(&self, head: &Head, what: What) -> Entry {
        Entry { at: self.context.clock.now(), run: head.run, key: head.key.clone(), what }
    }

    /// Writes history, then settles rows. Answers those that a loader had in its hands (their first message was lost): something
    /// of them may be in Kayako, and only a loader can find that out and settle them.
    async fn record(
        &self,
        kinds: &[Kind],
        history: &[Entry],
        settled: &[Settled],
    ) -> Result<HashSet<RecordKey>, Error> {
        let write = || async {
            if history.is_empty() {
                return Ok::<(), Error>(());
            }
            let lines = history.iter().map(|entry| Bytes::from(entry.encode())).collect();
            let scope = self.settings.migration.as_str();
            self.blobs.append(scope, self.context.clock.now(), lines).await.during("write the journal")
        };
        self.context.crash.step(crash_points::JOURNALLED, kinds.iter().copied(), write).await?;
        if settled.is_empty() {
            return Ok(HashSet::new());
        }
        let events: Vec<(RecordKey, Event)> =
            settled.iter().map(|row| (row.head.key.clone(), row.event())).collect();
        let answers = self.ledger.apply(&events).await.during("settle records")?;
        let (mut kept, mut touched) = (Vec::new(), HashSet::new());
        for ((key, _), answer) in events.into_iter().zip(answers) {
            match answer {
                // In Kayako already, and the newer version is not written: what is there stays and is no longer "updating".
                Err(Refusal::Settled) => kept.push(key),
                Err(Refusal::Illegal) => drop(touched.insert(key)),
                _ => {}
            }
        }
        if !kept.is_empty() {
            // Rows that are settled otherwise (a message that comes twice) refuse this, and rightly so.
            self.ledger.kept(&kept).await.during("keep records")?;
        }
        Ok(touched)
    }

    async fn leave_to_loader(
        &self,
        row: Settled,
        commands: &mut Vec<(Delivery, Message)>,
        later: &mut Vec<Delivery>,
    ) {
        let command = LoadCommand::Nothing(NothingCommand { failed: row.failed, reason: row.reason });
        let migration = &self.settings.migration;
        match load_message(row.delivery.message(), &row.head, command, migration, &self.blobs).await {
            Ok(message) => commands.push((row.delivery, message)),
            Err(error) => {
                tracing::warn!(record = %row.head.key, error = error.chain(), "a command could not be staged");
                later.push(row.delivery);
            }
        }
    }

    /// Nobody needs a settled record's staged files any more. Best effort: what stays is swept with the migration.
    async fn release(&self, key: &RecordKey) {
        let released = match self.blobs.within(&key.staging(&self.settings.migration)) {
            Ok(staged) => staged.release().await,
            Err(error) => Err(error),
        };
        if let Err(error) = released {
            tracing::warn!(record = %key, error = %error, "staged files could not be released");
        }
    }

    /// Keeps a message that can never be read for a person.
    async fn bury(&self, delivery: Delivery, problem: &str, outcome: &mut Outcome) {
        self.metrics.unreadable.inc();
        let message = delivery.message();
        tracing::error!(message = %message.id, problem, "a message cannot be read; it is kept as a dead letter");
        match self.publisher.dead_letter(&self.queue(Stage::Intake), message.clone(), problem).await {
            Ok(()) => {
                if let Err(error) = delivery.ack().await {
                    tracing::debug!(error = %error, "an ack was not taken; the message comes again");
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, "a dead letter was not stored; the message comes again");
                outcome.later.push(delivery);
            }
        }
    }

    /// Lets messages wait in the delay ladder. One that cannot even be put there is let go: the broker delivers it again.
    async fn come_again(&self, later: Vec<Delivery>) {
        let wait = self.settings.timing.pause(0);
        for delivery in later {
            let copy = delivery.message().clone();
            match self.publisher.delay(&self.queue(Stage::Intake), copy, wait).await {
                Ok(()) => {
                    if let Err(error) = delivery.ack().await {
                        tracing::debug!(error = %error, "an ack was not taken; the message comes again");
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %error, "a message could not wait in the delay ladder");
                    // Not at once: the broker gives it back as soon as it is let go.
                    self.context.clock.sleep(self.settings.timing.job_poll).await;
                }
            }
        }
    }

    /// The plan of a run, read once.
    async fn plan(&self, hash: &str) -> Result<Arc<Plan>, Error> {
        let mut plans = self.plans.lock().await;
        if let Some(plan) = plans.get(hash) {
            return Ok(Arc::clone(plan));
        }
        let stored: Option<(_, facts::StoredPlan)> =
            self.ledger.document(&facts::plan(hash)).await.during("read the plan")?;
        let broken = |problem: String| Error::Plan { hash: hash.to_owned(), problem };
        let (_, stored) = stored.ok_or_else(|| broken("it is not in the ledger".to_owned()))?;
        let plan = Plan::parse(&stored.yaml).map_err(|problems| broken(problems.to_string()))?;
        let plan = Arc::new(plan);
        plans.insert(hash.to_owned(), Arc::clone(&plan));
        Ok(plan)
    }
}
