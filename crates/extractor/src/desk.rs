//! What the tasks share.

use std::collections::HashMap;
use std::sync::Arc;

use blobs::Blobs;
use bytes::Bytes;
use ledger::Ledger;
use model::envelope::{
    Envelope, ExtractTask, HEADER_KEY, HEADER_STAGED, HEADER_VERSION, MAX_INLINE_BYTES, VERSION, encode,
};
use model::facts;
use model::journal::{Entry, What};
use model::plan::Plan;
use model::run::{Run, RunStatus};
use model::selection::Criteria;
use model::timing::Timing;
use model::{MigrationId, RecordKey, RunNo};
use queue::{Message, Publisher, QueueName, Stage};
use runtime::{Context, Draining, RetryPolicy, propagation};
use serde::Serialize;
use sources::Source;
use tokio::sync::Semaphore;

use crate::error::{During, Error};
use crate::metrics::Metrics;
use crate::witness::Witness;

/// The extractor's tools.
pub(crate) struct Desk {
    pub(crate) migration: MigrationId,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) ledger: Ledger,
    pub(crate) blobs: Blobs,
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) timing: Timing,
    pub(crate) retry: RetryPolicy,
    pub(crate) context: Context,
    pub(crate) metrics: Metrics,
    pub(crate) draining: Draining,
    pub(crate) witness: Witness,
    pub(crate) plans: tokio::sync::Mutex<HashMap<String, Arc<PlanView>>>,
}

/// A plan, prepared for judging records.
pub(crate) struct PlanView {
    pub(crate) plan: Plan,
    pub(crate) hash: String,
    pub(crate) criteria: Criteria,
    /// One for each record that may be read at the same time, shared by all tasks.
    pub(crate) turns: Semaphore,
}

/// Which run a task belongs to.
#[derive(Clone)]
pub(crate) struct Errand {
    pub(crate) run: RunNo,
    pub(crate) plan: Arc<PlanView>,
}

impl Desk {
    pub(crate) fn queue(&self, stage: Stage) -> QueueName {
        QueueName::new(self.migration.as_str(), stage)
    }

    pub(crate) async fn errand(&self, run: RunNo, hash: &str) -> Result<Errand, Error> {
        let mut plans = self.plans.lock().await;
        if let Some(plan) = plans.get(hash) {
            return Ok(Errand { run, plan: Arc::clone(plan) });
        }
        let broken = |problem: String| Error::Plan { hash: hash.to_owned(), problem };
        let stored: Option<(_, facts::StoredPlan)> =
            self.ledger.document(&facts::plan(hash)).await.during("read the plan")?;
        let (_, stored) = stored.ok_or_else(|| broken("it is not in the ledger".to_owned()))?;
        let plan = Plan::parse(&stored.yaml).map_err(|problems| broken(problems.to_string()))?;
        let criteria = Criteria::of(&plan.selection);
        let turns = Semaphore::new(plan.limits.extract_in_flight.max(1));
        let plan = Arc::new(PlanView { plan, hash: hash.to_owned(), criteria, turns });
        plans.insert(hash.to_owned(), Arc::clone(&plan));
        Ok(Errand { run, plan })
    }

    /// Publishes a task for the extractors themselves.
    pub(crate) async fn publish_task(&self, errand: &Errand, task: ExtractTask) -> Result<(), Error> {
        let body = encode(&Envelope::new(errand.run, &errand.plan.hash, task))?;
        let mut message = Message::new(self.context.random.uuid().to_string(), body)
            .with_header(HEADER_VERSION, VERSION.to_string());
        propagation::inject(&mut message.headers);
        for result in self.publisher.publish(&self.queue(Stage::Extract), vec![message]).await {
            result.during("publish a task")?;
        }
        Ok(())
    }

    /// The message about a record; a body too long for the queue goes through the staging area.
    pub(crate) async fn message(
        &self,
        errand: &Errand,
        key: &RecordKey,
        content: &impl Serialize,
    ) -> Result<Message, Error> {
        let body = encode(&Envelope::new(errand.run, &errand.plan.hash, content))?;
        let id = self.context.random.uuid().to_string();
        let mut message = if body.len() <= MAX_INLINE_BYTES {
            Message::new(id, body)
        } else {
            let holder = key.staging(&self.migration);
            let staged = self.blobs.within(&holder).during("stage a long record")?;
            let reference = staged.put(Bytes::from(body)).await.during("stage a long record")?;
            let reference = serde_json::to_vec(&reference).map_err(model::envelope::EnvelopeError::from)?;
            Message::new(id, reference).with_header(HEADER_STAGED, holder)
        };
        message.headers.insert(HEADER_KEY.to_owned(), key.to_string());
        message.headers.insert(HEADER_VERSION.to_owned(), VERSION.to_string());
        propagation::inject(&mut message.headers);
        Ok(message)
    }

    pub(crate) fn entry(&self, run: RunNo, key: &RecordKey, what: What) -> Entry {
        Entry { at: self.context.clock.now(), run, key: key.clone(), what }
    }

    pub(crate) async fn journal(&self, entries: &[Entry]) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let lines = entries.iter().map(|entry| Bytes::from(entry.encode())).collect();
        let now = self.context.clock.now();
        self.blobs.append(self.migration.as_str(), now, lines).await.during("write the journal")
    }

    /// Stops the run for all replicas: no further call can succeed until a person acts.
    pub(crate) async fn halt(&self, run: RunNo, message: String) -> Result<(), Error> {
        let name = facts::run(run);
        while let Some((version, mut found)) =
            self.ledger.document::<Run>(&name).await.during("read the run")?
        {
            if found.status != RunStatus::Running {
                break;
            }
            tracing::error!(run = run.0, reason = message, "the run is halted");
            found.status = RunStatus::Halted { message: message.clone() };
            if self.ledger.put_document(&name, Some(version), &found).await.during("halt the run")?.is_ok() {
                break;
            }
        }
        Ok(())
    }
}
