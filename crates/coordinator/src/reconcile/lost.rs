//! Finds records that no message carries any more, and has them read again from the source.
//!
//! Constraint: being wrong is harmless (a second message of a record finds its row and does nothing twice), being silent
//! is not. So the test is simple: work is outstanding on the row, and nobody has touched it for long.

use std::collections::BTreeMap;
use std::time::Duration;

use model::envelope::ExtractTask;
use model::row::Row;
use model::{Epoch, Kind, RecordKey, RunNo, SourceId, UnixMillis};

use super::World;
use crate::crash_points;
use crate::error::{During, Error};
use crate::service::Coordinator;

/// Rows looked at per turn: what one turn can publish without falling behind its timer.
const PAGE: usize = 2_000;
/// Ids per task.
const IDS_PER_TASK: usize = 100;
/// Keys remembered; above it the memory starts anew, which costs repetitions only.
const REMEMBERED: usize = 100_000;

impl Coordinator {
    /// Publishes fetch tasks for lost records. On the first turn over a queue that does not survive its process, every
    /// outstanding record has lost its message.
    pub(crate) async fn recover(&mut self, world: &World, first: bool) -> Result<(), Error> {
        let now = self.ledger.now().await.during("read the time")?;
        let patience = self.settings.timing.lost_after;
        let all = first && !self.broker.is_durable();
        let before = if all { UnixMillis(i64::MAX) } else { back(now, patience) };
        let limit = if all { usize::MAX } else { PAGE };
        let due = self.ledger.due(before, limit.min(10_000_000)).await.during("look for lost records")?;
        let mut lost: BTreeMap<Kind, Vec<SourceId>> = BTreeMap::new();
        if self.memory.recovered.len() > REMEMBERED {
            self.memory.recovered.clear();
        }
        let keys: Vec<RecordKey> = due.into_iter().map(|(key, _)| key).collect();
        let epoch = self.ledger.epoch().await.during("read the epoch")?;
        let rows = self.ledger.rows(&keys).await.during("read lost records")?;
        for (key, row) in keys.into_iter().zip(rows) {
            if row.is_none_or(|row| left_over(&row, world.run.number, epoch)) {
                continue;
            }
            let lately = self.memory.recovered.get(&key).is_some_and(|at| at.until(now) < patience);
            if lately && !all {
                continue;
            }
            self.memory.recovered.insert(key.clone(), now);
            lost.entry(key.kind).or_default().push(key.id);
        }
        let count: usize = lost.values().map(Vec::len).sum();
        if count == 0 {
            return Ok(());
        }
        tracing::info!(records = count, "records that no message carries are read again");
        let kinds: Vec<Kind> = lost.keys().copied().collect();
        let tasks: Vec<ExtractTask> = lost
            .into_iter()
            .flat_map(|(kind, ids)| {
                ids.chunks(IDS_PER_TASK)
                    .map(|ids| ExtractTask::Fetch { kind, ids: ids.to_vec(), lost: true })
                    .collect::<Vec<_>>()
            })
            .collect();
        let publish = || self.publish(&world.run, tasks.clone());
        self.context.crash.step(crash_points::RECOVERED, kinds, publish).await?;
        self.metrics.recovered.inc_by(count as u64);
        Ok(())
    }
}

/// Whether a row belongs to a cancelled run and nothing of it can be in Kayako: the next listing decides anew whether it is wanted.
/// What may have been sent is finished whatever is wanted now, else half a record would stay.
fn left_over(row: &Row, run: RunNo, epoch: Epoch) -> bool {
    row.run != run && row.was_never_sent(epoch)
}

fn back(now: UnixMillis, by: Duration) -> UnixMillis {
    UnixMillis(now.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}
