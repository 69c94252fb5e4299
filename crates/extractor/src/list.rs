//! Reads one page of a shard.

use model::facts::{self, Checkpoint};
use model::{Kind, envelope::ExtractTask};
use runtime::retry;
use sources::{Cursor, Next, Shard};

use crate::carry::Cause;
use crate::crash_points;
use crate::desk::{Desk, Errand};
use crate::error::{During, Error};
use crate::open::failed;

/// How a page task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Read, or nothing left to read.
    Done,
    /// The credit window is full: later.
    WindowFull,
}

impl Desk {
    /// Reads the page at the shard's checkpoint and moves the checkpoint behind it.
    pub(crate) async fn list(&self, errand: &Errand, kind: Kind, name: &str) -> Result<Listed, Error> {
        let document = facts::shard(errand.run, kind, name);
        let Some((version, checkpoint)) =
            self.ledger.document::<Checkpoint>(&document).await.during("read a checkpoint")?
        else {
            return Err(Error::Task {
                problem: format!("shard {name} of run {} has no checkpoint", errand.run),
            });
        };
        if checkpoint.done {
            return Ok(Listed::Done);
        }
        if self.window_full(errand).await? {
            return Ok(Listed::WindowFull);
        }
        let shard: Shard =
            serde_json::from_value(checkpoint.shard.clone()).map_err(model::envelope::EnvelopeError::from)?;
        let cursor = checkpoint.cursor.clone().map(Cursor::new);
        let page =
            retry(&self.context, &self.retry, &self.draining, || self.source.list(&shard, cursor.as_ref()))
                .await
                .map_err(|error| failed(error, "a listing page"))?;
        self.metrics.pages.with_label_values(&[kind.name()]).inc();
        self.context.crash.reached(crash_points::LISTED).await?;
        self.carry(errand, page.records, Cause::Listing).await?;
        self.context.crash.reached(crash_points::CARRIED).await?;
        let done = matches!(page.next, Next::End(_));
        let moved = Checkpoint {
            cursor: Some(page.next.cursor().as_str().to_owned()),
            done,
            pages: checkpoint.pages + 1,
            touched_at: self.ledger.now().await.during("read the time")?,
            ..checkpoint
        };
        let stored =
            self.ledger.put_document(&document, Some(version), &moved).await.during("move a checkpoint")?;
        self.context.crash.reached(crash_points::CHECKPOINTED).await?;
        // Somebody else read the same page and moved on: their task goes on, this one ends here.
        if stored.is_ok() && !done {
            self.publish_task(errand, ExtractTask::List { kind, shard: name.to_owned() }).await?;
        }
        self.context.crash.reached(crash_points::CHAINED).await?;
        Ok(Listed::Done)
    }

    /// Backpressure: too many records on their way, or too many staged bytes.
    async fn window_full(&self, errand: &Errand) -> Result<bool, Error> {
        let limits = &errand.plan.plan.limits;
        let counts = self.ledger.counts(errand.run).await.during("read the credit window")?;
        let staged_kib: u64 = counts.kinds.iter().map(|(_, counts)| counts.staged_kib).sum();
        let full = counts.outstanding() >= limits.outstanding
            || staged_kib.saturating_mul(1024) >= limits.staged_bytes;
        if full {
            self.metrics.window_full.inc();
        }
        Ok(full)
    }
}
