//! Ends a run whose every record is settled, after counting once more.

use model::facts;
use model::run::{Run, RunStatus};

use super::World;
use crate::crash_points;
use crate::error::{During, Error};
use crate::service::Coordinator;

/// Counts asked for at a time: looking for them reads every row.
const RECOUNTS: usize = 10_000;

impl Coordinator {
    /// Finishes the run if nothing is left to do.
    pub(crate) async fn finish(&mut self, world: &World) -> Result<(), Error> {
        let read = world.phases.iter().all(|phase| phase.opened && phase.shards_done >= phase.shards);
        if !read || world.counts.outstanding() > 0 {
            return Ok(());
        }
        // The sample is drawn after the turn's look at the run: look again now that its phase is open.
        let Some(run) = self.commands.run(world.run.number).await? else { return Ok(()) };
        if !self.sample_registered(&run).await? {
            return Ok(());
        }
        // Facts and counts were read one after the other: look at the counts again now that all is read.
        let counts = self.ledger.counts(world.run.number).await.during("read the counts")?;
        if counts.outstanding() > 0 {
            return Ok(());
        }
        if counts.doubted() > 0 {
            return self.recount_doubted(&run, counts.doubted()).await;
        }
        let now = self.ledger.now().await.during("read the time")?;
        let recount = self.ledger.recount(world.run.number).await.during("recount")?;
        self.memory.last_recount = Some(now);
        if recount.exact {
            self.metrics.drift.set(i64::try_from(recount.drift.len()).unwrap_or(i64::MAX));
            for drift in &recount.drift {
                tracing::error!(
                    kind = drift.kind.name(),
                    tally = drift.tally.name(),
                    counted = drift.counted,
                    found = drift.found,
                    "a counter does not agree with the rows"
                );
            }
        }
        let table = facts::table(world.run.number);
        let known = self
            .ledger
            .document::<model::run::RunCounts>(&table)
            .await
            .during("read the table")?
            .map(|(version, _)| version);
        let store =
            || async { self.ledger.put_document(&table, known, &counts).await.during("store the table") };
        // A conflict means that another leader stored the same table.
        self.context.crash.step(crash_points::FINISHING, [], store).await?.ok();
        let name = facts::run(world.run.number);
        while let Some((version, mut run)) =
            self.ledger.document::<Run>(&name).await.during("read the run")?
        {
            if run.status != RunStatus::Running {
                break;
            }
            run.status = RunStatus::Finished;
            run.ended_at = Some(now);
            if self.ledger.put_document(&name, Some(version), &run).await.during("finish the run")?.is_ok() {
                tracing::info!(run = run.number.0, "the run is finished");
                break;
            }
        }
        Ok(())
    }

    /// Has the objects of records that were once in doubt counted. The run ends when all of them are.
    async fn recount_doubted(&mut self, run: &Run, doubted: u64) -> Result<(), Error> {
        let now = self.ledger.now().await.during("read the time")?;
        let patience = self.settings.timing.lost_after;
        // Asked, and neither all counted nor so long ago that the messages must be lost.
        if let Some((number, at, left)) = self.memory.recounted
            && number == run.number
            && doubted > left
            && at.until(now) <= patience
        {
            return Ok(());
        }
        let keys = self.ledger.doubted(run.number, RECOUNTS).await.during("look for doubted records")?;
        let left = doubted.saturating_sub(keys.len() as u64);
        tracing::info!(records = keys.len(), left, "records that were once in doubt are counted in Kayako");
        let publish = || self.publish_recounts(run, keys.clone());
        self.context.crash.step(crash_points::RECOUNTING, [], publish).await?;
        self.memory.recounted = Some((run.number, now, left));
        Ok(())
    }

    /// A demo has no shards: its cases are named in the run, and each must have been registered.
    async fn sample_registered(&self, run: &Run) -> Result<bool, Error> {
        let keys: Vec<_> =
            run.sample.iter().map(|id| model::RecordKey::new(model::Kind::Case, id.as_str())).collect();
        let rows = self.ledger.rows(&keys).await.during("look for the sample")?;
        Ok(rows.iter().all(|row| row.is_some_and(|row| row.run == run.number)))
    }
}
