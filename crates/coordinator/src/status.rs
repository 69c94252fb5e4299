//! What a migration is doing, in one answer.

use ledger::Ledger;
use model::Kind;
use model::facts::{self, Checkpoint, Phase, Side};
use model::run::{Run, RunCounts, RunStatus};
use queue::{Broker, QueueName, Stage};
use serde::Serialize;

use crate::commands::Commands;
use crate::error::{During, Error};

/// Budget names whose pause is worth telling.
const BUDGETS: [&str; 11] = [
    "read",
    "write",
    "bulk",
    "files",
    "login",
    "source-zendesk-account",
    "source-zendesk-incremental-exports",
    "source-zendesk-incremental-exports-cursor",
    "source-zendesk-tickets-index",
    "source-zendesk-ticket-fields",
    "source-zendesk-attachments",
];

/// How far one kind has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhaseStatus {
    /// Which kind.
    pub kind: Kind,
    /// Its reading has begun.
    pub opened: bool,
    /// Slices of its listing.
    pub shards: u32,
    /// Slices read to the end.
    pub shards_done: u32,
    /// The source's own count, an estimate.
    pub estimate: Option<u64>,
}

/// Everything a person wants to see of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The run.
    pub run: Run,
    /// The four columns and what is beside them, at one moment.
    pub counts: RunCounts,
    /// Reading, per kind.
    pub phases: Vec<PhaseStatus>,
    /// What it waits for, in sentences; empty if for nothing.
    pub waiting_for: Vec<String>,
    /// Messages waiting per stage, where the queue can tell.
    pub queues: Vec<(String, u64)>,
    /// What the last comparison with Kayako came to.
    pub reconciliation: Option<facts::Reconciliation>,
}

/// Reading of every kind of a run.
pub(crate) async fn phases(ledger: &Ledger, run: &Run, kinds: &[Kind]) -> Result<Vec<PhaseStatus>, Error> {
    let mut found = Vec::with_capacity(kinds.len());
    for kind in kinds.iter().copied() {
        let phase = ledger.document::<Phase>(&facts::phase(run.number, kind)).await.during("read a phase")?;
        let shards = ledger
            .documents::<Checkpoint>(&facts::shards(run.number, kind))
            .await
            .during("read checkpoints")?;
        let shards_done = shards.iter().filter(|(_, _, checkpoint)| checkpoint.done).count();
        found.push(PhaseStatus {
            kind,
            opened: phase.is_some(),
            shards: phase.as_ref().map_or(0, |(_, phase)| phase.shards),
            shards_done: u32::try_from(shards_done).unwrap_or(u32::MAX),
            estimate: phase.and_then(|(_, phase)| phase.estimate),
        });
    }
    Ok(found)
}

impl Commands {
    /// The status of the current run; `None` if there is none yet.
    pub async fn status(&self, broker: Option<(&dyn Broker, &str)>) -> Result<Option<Status>, Error> {
        let Some(run) = self.current().await? else { return Ok(None) };
        let kinds = match self.plan_of(&run).await? {
            Some(stored) => model::plan::Plan::parse(&stored.yaml)
                .map_or_else(|_| Kind::ALL.to_vec(), |plan| plan.selection.kinds),
            None => Kind::ALL.to_vec(),
        };
        let counts = self.counts_of(&run).await?;
        let phases = phases(&self.ledger, &run, &kinds).await?;
        let waiting_for = self.waiting_for(&run, &counts).await?;
        let mut queues = Vec::new();
        if let Some((broker, migration)) = broker {
            for stage in Stage::ALL {
                if let Ok(depth) = broker.depth(&QueueName::new(migration, stage)).await {
                    queues.push((stage.name().to_owned(), depth.ready));
                }
            }
        }
        let reconciliation = self.reconciliation(run.number).await?;
        Ok(Some(Status { run, counts, phases, waiting_for, queues, reconciliation }))
    }

    /// The counts of a run: the stored table of a finished one, else as they are now.
    pub async fn counts_of(&self, run: &Run) -> Result<RunCounts, Error> {
        if run.status == RunStatus::Finished
            && let Some((_, table)) =
                self.ledger.document(&facts::table(run.number)).await.during("read the table")?
        {
            return Ok(table);
        }
        self.ledger.counts(run.number).await.during("read the counts")
    }

    async fn waiting_for(&self, run: &Run, counts: &RunCounts) -> Result<Vec<String>, Error> {
        let mut reasons = Vec::new();
        match &run.status {
            RunStatus::Halted { message } => reasons.push(format!("a person: {message}")),
            RunStatus::Paused => reasons.push("a person: the run is paused; resume it".to_owned()),
            _ => {}
        }
        let now = self.ledger.now().await.during("read the time")?;
        for (side, name) in [(Side::Target, "Kayako"), (Side::Source, "the source")] {
            if let Some(trouble) = self.ledger.trouble(side).await.during("read an account's trouble")? {
                let minutes = trouble.since.until(now).as_secs() / 60;
                reasons
                    .push(format!("{name} to answer again ({}; for {minutes} min so far)", trouble.message));
            }
        }
        for name in BUDGETS {
            if let Some(budget) = self.ledger.budget(name).await.during("read a budget")?
                && budget.stopped_until > now
            {
                let side = name.strip_prefix("source-").map_or("Kayako", |_| "the source");
                let seconds = now.until(budget.stopped_until).as_secs() + 1;
                reasons.push(format!("{side}'s rate limit ({name}): {seconds} s"));
            }
        }
        let (in_doubt, waiting) =
            counts.kinds.iter().fold((0, 0), |(d, w), (_, c)| (d + c.in_doubt, w + c.waiting));
        if in_doubt > 0 {
            reasons.push(format!("the outcome of {in_doubt} writes that may have happened: they are probed after the quiet period"));
        }
        let doubted = counts.doubted();
        if doubted > 0 && counts.outstanding() == 0 && run.status == RunStatus::Running {
            reasons.push(format!("the count of {doubted} records in Kayako that were once in doubt"));
        }
        if waiting > 0 {
            reasons.push(format!("{waiting} records that wait for a parent, a retry or a rate limit"));
        }
        Ok(reasons)
    }
}
