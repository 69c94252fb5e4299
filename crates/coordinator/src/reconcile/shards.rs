//! Finds shards that stand still because the message of their next page was lost.

use model::envelope::ExtractTask;
use model::facts::{self, Checkpoint};

use super::World;
use crate::crash_points;
use crate::error::{During, Error};
use crate::service::Coordinator;

impl Coordinator {
    /// Publishes the task of every unfinished shard that has not moved for long. On the first turn over a queue that does not
    /// survive its process, every unfinished shard has lost its message.
    pub(crate) async fn chain(&mut self, world: &World, first: bool) -> Result<(), Error> {
        let now = self.ledger.now().await.during("read the time")?;
        let all = first && !self.broker.is_durable();
        let patience = self.settings.timing.lost_after;
        let (mut tasks, mut kinds) = (Vec::new(), Vec::new());
        for phase in world.phases.iter().filter(|phase| phase.shards_done < phase.shards) {
            let prefix = facts::shards(world.run.number, phase.kind);
            let shards = self.ledger.documents::<Checkpoint>(&prefix).await.during("read checkpoints")?;
            for (name, _, checkpoint) in shards.into_iter().filter(|(_, _, checkpoint)| !checkpoint.done) {
                let asked = self.memory.chained_at.get(&name).copied().unwrap_or(checkpoint.touched_at);
                let still = checkpoint.touched_at.max(asked).until(now) > patience;
                // A page that waits for the credit window stands still, too; a second task for it reads nothing twice (the
                // checkpoint is compared), so being wrong here costs one call.
                if all || still {
                    self.memory.chained_at.insert(name.clone(), now);
                    let shard = name.strip_prefix(&prefix).unwrap_or(&name).to_owned();
                    tasks.push(ExtractTask::List { kind: phase.kind, shard });
                    kinds.push(phase.kind);
                }
            }
        }
        if tasks.is_empty() {
            return Ok(());
        }
        tracing::info!(shards = tasks.len(), "reading goes on from the checkpoints");
        let publish = || self.publish(&world.run, tasks.clone());
        self.context.crash.step(crash_points::RESTARTED, kinds, publish).await
    }
}
