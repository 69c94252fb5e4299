//! Reads the pages of a shard.

use futures::FutureExt as _;
use futures::future::OptionFuture;
use futures::stream::{FuturesOrdered, StreamExt as _};
use model::facts::{self, Checkpoint};
use model::{Kind, UnixMillis, envelope::ExtractTask};
use runtime::retry;
use sources::{Cursor, Next, Page, Shard};

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

/// Pages whose records are carried at the same time, so that the slowest record of a page holds up no other. A crash repeats
/// the reading of this many pages, never the writing.
const PAGES_ABREAST: usize = 3;

/// What the reading of a shard meets.
enum Step {
    Page(Page, Reading),
    /// The shard has ended, or the task has had its time.
    Enough,
    WindowFull,
}

/// How far the reading of a shard has come within its task.
struct Reading {
    cursor: Option<Cursor>,
    pages: usize,
    over: bool,
}

impl Desk {
    /// Reads pages from the shard's checkpoint on and moves the checkpoint behind each.
    ///
    /// Constraint: a task ends well before the broker's consumer timeout (30 min by default), else the broker takes its
    /// message away; the next one goes on from the checkpoint.
    pub(crate) async fn list(&self, errand: &Errand, kind: Kind, name: &str) -> Result<Listed, Error> {
        let document = facts::shard(errand.run, kind, name);
        let Some((mut version, mut checkpoint)) =
            self.ledger.document::<Checkpoint>(&document).await.during("read a checkpoint")?
        else {
            return Err(Error::Task {
                problem: format!("shard {name} of run {} has no checkpoint", errand.run),
            });
        };
        if checkpoint.done {
            return Ok(Listed::Done);
        }
        let shard: Shard =
            serde_json::from_value(checkpoint.shard.clone()).map_err(model::envelope::EnvelopeError::from)?;
        let until = self.context.clock.now().plus(self.timing.lease);
        let start = Reading { cursor: checkpoint.cursor.clone().map(Cursor::new), pages: 0, over: false };
        let mut listing = Some(self.step(errand, &shard, until, start).boxed());
        let mut abreast = FuturesOrdered::new();
        let mut ending = Listed::Done;
        loop {
            let room = abreast.len() < PAGES_ABREAST;
            tokio::select! {
                biased;
                Some(step) = OptionFuture::from(listing.as_mut()), if room => {
                    listing = None;
                    match step? {
                        Step::Page(page, reading) => {
                            abreast.push_back(self.carry_page(errand, page).boxed());
                            listing = Some(self.step(errand, &shard, until, reading).boxed());
                        }
                        Step::Enough => {}
                        Step::WindowFull => ending = Listed::WindowFull,
                    }
                }
                Some(next) = abreast.next() => {
                    let next = next?;
                    self.context.crash.reached_with(crash_points::CARRIED, [kind]).await?;
                    checkpoint.cursor = Some(next.cursor().as_str().to_owned());
                    checkpoint.done = matches!(next, Next::End(_));
                    checkpoint.pages += 1;
                    checkpoint.touched_at = self.ledger.now().await.during("read the time")?;
                    let store = || async {
                        let stored = self.ledger.put_document(&document, Some(version), &checkpoint).await;
                        stored.during("move a checkpoint")
                    };
                    let stored = self.context.crash.step(crash_points::CHECKPOINTED, [kind], store).await?;
                    match stored {
                        Ok(moved) => version = moved,
                        // Somebody else read the same page and moved on: their task goes on, this one ends here.
                        Err(_) => return Ok(Listed::Done),
                    }
                }
                else => break,
            }
        }
        let goes_on = ending == Listed::Done && !checkpoint.done;
        let chain = || async {
            if goes_on {
                self.publish_task(errand, ExtractTask::List { kind, shard: name.to_owned() }).await?;
            }
            Ok::<(), Error>(())
        };
        self.context.crash.step(crash_points::CHAINED, [kind], chain).await?;
        Ok(ending)
    }

    /// The next page, unless the shard has ended, the window is full, or the task has had its time.
    async fn step(
        &self,
        errand: &Errand,
        shard: &Shard,
        until: UnixMillis,
        reading: Reading,
    ) -> Result<Step, Error> {
        let Reading { cursor, pages, over } = reading;
        let enough = pages > 0 && (self.draining.is_begun() || self.context.clock.now() >= until);
        if over || enough {
            return Ok(Step::Enough);
        }
        if self.window_full(errand).await? {
            return Ok(Step::WindowFull);
        }
        let read = || async {
            let page = || self.source.list(shard, cursor.as_ref());
            let page = retry(&self.context, &self.retry, &self.draining, page).await;
            page.map_err(|error| failed(error, "a listing page"))
        };
        let page = self.context.crash.step(crash_points::LISTED, [shard.kind], read).await?;
        self.metrics.pages.with_label_values(&[shard.kind.name()]).inc();
        let over = matches!(page.next, Next::End(_));
        let cursor = Some(page.next.cursor().clone());
        Ok(Step::Page(page, Reading { cursor, pages: pages + 1, over }))
    }

    /// Carries a page's records. Where the shard goes on.
    async fn carry_page(&self, errand: &Errand, page: Page) -> Result<Next, Error> {
        self.carry(errand, page.records, Cause::Listing).await?;
        Ok(page.next)
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
