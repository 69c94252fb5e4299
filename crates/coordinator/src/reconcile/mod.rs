//! One turn: every reconciler looks at the whole state once.

mod finish;
mod lost;
mod phases;
mod shards;
mod tasks;

use model::Kind;
use model::plan::Plan;
use model::row::Tally;
use model::run::{Run, RunCounts, RunStatus};
use queue::{QueueName, Stage};

use crate::error::{During, Error};
use crate::service::Coordinator;
use crate::status::{PhaseStatus, phases};

/// What a turn looks at.
pub(crate) struct World {
    pub(crate) run: Run,
    pub(crate) counts: RunCounts,
    pub(crate) phases: Vec<PhaseStatus>,
}

impl Coordinator {
    /// One turn.
    pub(crate) async fn turn(&mut self) -> Result<(), Error> {
        let Some(run) = self.commands.current().await? else { return Ok(()) };
        let migration = self.settings.migration.as_str().to_owned();
        if run.status == RunStatus::Cancelled {
            if self.memory.cleaned != Some(run.number) {
                self.broker.delete(&migration).await.during("delete the queues of a cancelled run")?;
                self.memory.cleaned = Some(run.number);
            }
            return Ok(());
        }
        // Every turn: a queue that somebody deleted under running services comes back by itself, and so do those of a cancelled run. To
        // declare what is there already changes nothing and takes a few frames.
        self.broker.declare(&migration).await.during("declare the queues")?;
        self.memory.declared_for = Some(run.number);
        let world = self.look(run).await?;
        self.show(&world).await;
        if world.run.status != RunStatus::Running {
            return Ok(());
        }
        let first = !self.first_turn_done;
        let lost = self.recover(&world, first).await;
        self.counted("lost", &lost);
        let shards = self.chain(&world, first).await;
        self.counted("shards", &shards);
        let phases = self.open_phases(&world).await;
        self.counted("phases", &phases);
        let finish = self.finish(&world).await;
        self.counted("finish", &finish);
        lost.and(shards).and(phases).and(finish)?;
        self.first_turn_done = true;
        Ok(())
    }

    /// The kinds that a run moves. Its plan never changes, and reading it anew several times a second is what an idle coordinator
    /// would do most.
    async fn kinds(&mut self, run: &Run) -> Result<Vec<Kind>, Error> {
        if let Some((hash, kinds)) = &self.memory.kinds
            && *hash == run.plan_hash
        {
            return Ok(kinds.clone());
        }
        let Some(stored) = self.commands.plan_of(run).await? else { return Ok(Kind::ALL.to_vec()) };
        let mut kinds =
            Plan::parse(&stored.yaml).map_or_else(|_| Kind::ALL.to_vec(), |plan| plan.selection.kinds);
        kinds.sort_unstable();
        kinds.dedup();
        self.memory.kinds = Some((run.plan_hash.clone(), kinds.clone()));
        Ok(kinds)
    }

    async fn look(&mut self, run: Run) -> Result<World, Error> {
        let kinds = self.kinds(&run).await?;
        let counts = self.commands.counts_of(&run).await?;
        let phases = phases(&self.ledger, &run, &kinds).await?;
        Ok(World { run, counts, phases })
    }

    async fn show(&self, world: &World) {
        for (kind, counts) in &world.counts.kinds {
            let shown = [
                ("available", counts.available),
                (Tally::Migrated.name(), counts.migrated),
                (Tally::Failed.name(), counts.failed),
                (Tally::Skipped.name(), counts.skipped),
                (Tally::Pending.name(), counts.pending),
                (Tally::Filtered.name(), counts.filtered),
                (Tally::InDoubt.name(), counts.in_doubt),
                (Tally::Waiting.name(), counts.waiting),
                (Tally::Updating.name(), counts.updating),
                (Tally::WrittenNow.name(), counts.written_now),
                (Tally::Doubted.name(), counts.doubted),
            ];
            for (tally, amount) in shown {
                let amount = i64::try_from(amount).unwrap_or(i64::MAX);
                self.metrics.records.with_label_values(&[kind.name(), tally]).set(amount);
            }
        }
        for status in RunStatus::NAMES {
            self.metrics
                .status
                .with_label_values(&[status])
                .set(i64::from(world.run.status.name() == status));
        }
        if let Ok(dead) = self.broker.dead_letters(self.settings.migration.as_str()).await {
            self.metrics.dead_letters.set(i64::try_from(dead).unwrap_or(i64::MAX));
        }
        for stage in Stage::ALL {
            let queue = QueueName::new(self.settings.migration.as_str(), stage);
            if let Ok(depth) = self.broker.depth(&queue).await {
                let ready = i64::try_from(depth.ready).unwrap_or(i64::MAX);
                self.metrics.queued.with_label_values(&[stage.name()]).set(ready);
            }
        }
    }

    /// Between two turns: opens the kinds whose turn has come and ends what is over, so that short phases do not wait for the timer.
    pub(crate) async fn pulse(&mut self) -> Result<(), Error> {
        let Some(run) = self.commands.current().await? else { return Ok(()) };
        if run.status != RunStatus::Running || self.memory.declared_for != Some(run.number) {
            return Ok(());
        }
        let world = self.look(run).await?;
        self.open_phases(&world).await?;
        self.finish(&world).await
    }

    fn counted(&self, reconciler: &str, result: &Result<(), Error>) {
        let result = if result.is_ok() { "done" } else { "ended_early" };
        self.metrics.turns.with_label_values(&[reconciler, result]).inc();
    }
}
