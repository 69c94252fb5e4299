//! Opens kinds one after the other, so that most parents are there before their children. Only speed depends on it.

use model::Kind;
use model::envelope::ExtractTask;
use model::facts;
use model::run::{Run, RunMode};

use super::World;
use crate::crash_points;
use crate::error::{During, Error};
use crate::service::Coordinator;

/// A kind is opened although so many records of the one before it are still on their way: two full batches, which are written
/// while the first pages of the next kind are read. Children that overtake their parents wait for them.
const TAIL: u64 = 400;

impl Coordinator {
    /// Opens every kind whose turn has come.
    pub(crate) async fn open_phases(&mut self, world: &World) -> Result<(), Error> {
        let now = self.ledger.now().await.during("read the time")?;
        for phase in &world.phases {
            if !phase.opened {
                let asked = self.memory.opened_at.get(&phase.kind).copied();
                let noted = world.run.opened.contains(&phase.kind);
                // Asked already: its extractor works on it, unless it takes so long that the task must be lost. Noted by an
                // earlier leader (or an earlier life of this process): its message may be gone.
                let patience = self.settings.timing.lost_after;
                let again = !noted || asked.is_none_or(|at| at.until(now) > patience);
                if again {
                    self.open(&world.run, phase.kind).await?;
                    self.memory.opened_at.insert(phase.kind, now);
                }
            }
            let demo = world.run.mode == RunMode::Demo;
            let counts = world.counts.of(phase.kind);
            let moving = counts.pending.saturating_sub(counts.waiting + counts.in_doubt);
            let nearly_done = phase.opened && phase.shards_done >= phase.shards && moving <= TAIL;
            if !nearly_done && !demo {
                break;
            }
        }
        Ok(())
    }

    async fn open(&self, run: &Run, kind: Kind) -> Result<(), Error> {
        let publish = || self.publish(run, vec![ExtractTask::Open { kind }]);
        self.context.crash.step(crash_points::OPENING, [kind], publish).await?;
        let name = facts::run(run.number);
        while let Some((version, mut found)) =
            self.ledger.document::<Run>(&name).await.during("read the run")?
        {
            if found.opened.contains(&kind) {
                break;
            }
            found.opened.push(kind);
            if self
                .ledger
                .put_document(&name, Some(version), &found)
                .await
                .during("note an opened kind")?
                .is_ok()
            {
                break;
            }
        }
        tracing::info!(kind = kind.name(), "kind opened");
        Ok(())
    }
}
