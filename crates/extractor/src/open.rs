//! Begins a kind: finds its shards or draws the sample. May be repeated: what exists already is left as it is.

use std::collections::BTreeSet;

use model::envelope::ExtractTask;
use model::facts::{self, Checkpoint, Phase};
use model::listing::Listed;
use model::run::{Run, RunMode};
use model::{Kind, SourceId};
use runtime::retry;
use sources::Fetched;

use crate::crash_points;
use crate::desk::{Desk, Errand};
use crate::error::{During, Error};

/// Ids per fetch task.
const IDS_PER_TASK: usize = 100;
/// Rounds of drawing, so that a narrow selection still fills its sample without reading the whole account.
const SAMPLE_ROUNDS: u64 = 8;

impl Desk {
    /// Opens a kind of a run.
    pub(crate) async fn open(&self, errand: &Errand, kind: Kind) -> Result<(), Error> {
        let Some((_, run)) =
            self.ledger.document::<Run>(&facts::run(errand.run)).await.during("read the run")?
        else {
            return Err(Error::Task { problem: format!("run {} is not in the ledger", errand.run) });
        };
        let estimate = retry(&self.context, &self.retry, &self.draining, || self.source.estimate(kind)).await;
        let estimate = match estimate {
            Ok(estimate) => estimate,
            Err(error) => {
                // An estimate is shown beside the exact figures; without it nothing is missing.
                tracing::info!(kind = kind.name(), error = %error, "the source does not say how many there are");
                None
            }
        };
        let shards = match run.mode {
            RunMode::Full => self.open_shards(errand, kind).await?,
            RunMode::Demo if kind == Kind::Case => {
                self.open_sample(errand).await?;
                0
            }
            // In a demo everything else comes because a case needs it.
            RunMode::Demo => 0,
        };
        self.context.crash.reached_with(crash_points::OPENED, [kind]).await?;
        let name = facts::phase(errand.run, kind);
        let phase = Phase { shards, estimate };
        // A conflict means that another extractor opened it; both found the same.
        self.ledger.put_document(&name, None, &phase).await.during("store the phase")?.ok();
        Ok(())
    }

    async fn open_shards(&self, errand: &Errand, kind: Kind) -> Result<u32, Error> {
        let shards = retry(&self.context, &self.retry, &self.draining, || self.source.shards(kind)).await;
        let shards = shards.map_err(|error| failed(error, "the shards of a listing"))?;
        let mut count = 0;
        for shard in shards {
            count += 1;
            let name = facts::shard(errand.run, kind, &shard.name);
            let checkpoint = Checkpoint {
                shard: serde_json::to_value(&shard).map_err(model::envelope::EnvelopeError::from)?,
                cursor: None,
                done: false,
                pages: 0,
                touched_at: self.ledger.now().await.during("read the time")?,
            };
            self.ledger.put_document(&name, None, &checkpoint).await.during("store a checkpoint")?.ok();
            self.publish_task(errand, ExtractTask::List { kind, shard: shard.name }).await?;
        }
        Ok(count)
    }

    /// Draws the demo's cases, or takes those the plan names, stores them in the run and lets them be fetched.
    async fn open_sample(&self, errand: &Errand) -> Result<(), Error> {
        let name = facts::run(errand.run);
        let sample = loop {
            let Some((version, mut run)) = self.ledger.document::<Run>(&name).await.during("read the run")?
            else {
                return Err(Error::Task { problem: format!("run {} is not in the ledger", errand.run) });
            };
            if !run.sample.is_empty() {
                break run.sample;
            }
            let demo = &errand.plan.plan.selection.demo;
            let seed = run.seed.unwrap_or_default();
            run.sample = if demo.ids.is_empty() { self.draw(errand, seed).await? } else { demo.ids.clone() };
            if self.ledger.put_document(&name, Some(version), &run).await.during("store the sample")?.is_ok()
            {
                break run.sample;
            }
        };
        for ids in sample.chunks(IDS_PER_TASK) {
            let ids = ids.iter().map(|id| SourceId::new(id.clone())).collect();
            self.publish_task(errand, ExtractTask::Fetch { kind: Kind::Case, ids, lost: false }).await?;
        }
        Ok(())
    }

    /// Random cases that the plan selects. Each round draws what is still missing, with a seed of its own.
    async fn draw(&self, errand: &Errand, seed: u64) -> Result<Vec<String>, Error> {
        let plan = &errand.plan;
        let wanted = usize::try_from(plan.plan.selection.demo.size).unwrap_or(usize::MAX);
        let mut drawn = Vec::new();
        let mut seen = BTreeSet::new();
        for round in 0..SAMPLE_ROUNDS {
            let missing = wanted.saturating_sub(drawn.len());
            if missing == 0 {
                break;
            }
            let ids = retry(&self.context, &self.retry, &self.draining, || {
                self.source.sample(missing, seed.wrapping_add(round), &seen)
            })
            .await
            .map_err(|error| failed(error, "a sample"))?;
            if ids.is_empty() {
                break;
            }
            let found =
                retry(&self.context, &self.retry, &self.draining, || self.source.fetch(Kind::Case, &ids))
                    .await
                    .map_err(|error| failed(error, "a sample"))?;
            seen.extend(ids);
            let selected = found.into_iter().filter_map(|found| match found {
                Fetched::Found(listed) if selects(errand, &listed) => Some(listed.key.id.as_str().to_owned()),
                _ => None,
            });
            drawn.extend(selected.take(missing));
        }
        Ok(drawn)
    }
}

fn selects(errand: &Errand, listed: &Listed) -> bool {
    !listed.facts.deleted && model::selection::judge(&errand.plan.criteria, &listed.facts).is_none()
}

/// A source's failure after all tries.
pub(crate) fn failed(error: runtime::RetryError<sources::Error>, what: &'static str) -> Error {
    error.into_last().map_or(Error::Draining, |source| Error::Source { what, source })
}
