//! Compares the whole ledger with Kayako by origin key, outside of a run, and repairs what can be repaired.
//!
//! Constraints: a page of rows and one look-up are in memory at a time; nothing is created; removed are only cases that are too many,
//! and into the trash, from which a person can take them back; what no look-up can tell is said to be unknown, never repaired. What is
//! repaired is judged by the row once more, because a run may have gone on since the look-up.

use std::collections::BTreeMap;

use blobs::Blobs;
use bytes::Bytes;
use kayako::Client;
use ledger::Ledger;
use model::invariant::{Verdict, judge};
use model::journal::{Entry, What};
use model::row::{Arrival, Row, State};
use model::timing::Timing;
use model::{Classify, KayakoId, Kind, MigrationId, Origin, RecordKey};
use runtime::Context;

use crate::difference::{Action, Difference, Discrepancy, Reconciled};
use crate::error::{During, Error};
use crate::foreign::Known;
use crate::metrics::Metrics;
use crate::surplus::Surplus;
use crate::target::{Seen, by_origin_key};

/// Rows read at a time; several look-ups each.
const PAGE: usize = 1_000;
/// Records asked about in one call of the client, which cuts them to what the account takes.
const LOOKUP: usize = 200;

/// What a comparison works with.
pub struct Reconciliation {
    /// Whose rows.
    pub migration: MigrationId,
    /// First part of every origin key.
    pub origin: Origin,
    /// The rows.
    pub ledger: Ledger,
    /// The journal.
    pub blobs: Blobs,
    /// Kayako.
    pub client: Client,
    /// Waiting times.
    pub timing: Timing,
    /// Time.
    pub context: Context,
    /// What is counted.
    pub metrics: Metrics,
}

/// What a comparison does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Put right what can be.
    pub repair: bool,
    /// List every object of the account, too, to find those that the ledger does not know.
    pub foreign: bool,
}

impl Reconciliation {
    /// Compares every settled record; `each` is told every difference, and how far it is.
    ///
    /// # Errors
    /// Kayako or a store does not answer, `each` fails. What was repaired until then stays and is in the journal.
    pub async fn run(
        &self,
        scope: Scope,
        mut each: impl FnMut(&Reconciled, Option<&Difference>) -> Result<(), std::io::Error>,
    ) -> Result<Reconciled, Error> {
        let mut result = Reconciled::default();
        let mut known = Known::default();
        let mut from = None;
        loop {
            let (page, next) = self.ledger.scan(from.as_ref(), PAGE).await.during("read the rows")?;
            let mut by_kind: BTreeMap<Kind, Vec<(RecordKey, Row)>> = BTreeMap::new();
            for (key, row) in page {
                let origin_key = self.origin.key(&key, row.generation);
                if self.origin.read(origin_key.as_str()).is_some_and(|written| written.is_hashed) {
                    known.hashed.insert(origin_key.as_str().to_owned());
                }
                if is_compared(&row) {
                    by_kind.entry(key.kind).or_default().push((key, row));
                }
            }
            for (kind, rows) in by_kind {
                for chunk in rows.chunks(LOOKUP) {
                    result.compared += chunk.len() as u64;
                    let created =
                        |row: &Row| row.state.is_migrated() && row.arrival == Some(Arrival::Created);
                    let own = chunk.iter().filter(|(_, row)| created(row)).count() as u64;
                    let own = known.own.entry(kind).and_modify(|known| *known += own).or_insert(own);
                    for mut difference in self.compare(kind, chunk).await? {
                        // Not seen, so no list needs to show it.
                        if difference.kayako_id.is_some() && difference.discrepancy != Discrepancy::Surplus {
                            *own = own.saturating_sub(1);
                        }
                        if scope.repair {
                            difference.repaired = self.repair(&difference).await?;
                        }
                        *result.differences.entry(difference.discrepancy).or_default() += 1;
                        result.repaired += u64::from(difference.repaired);
                        each(&result, Some(&difference)).map_err(Error::Told)?;
                    }
                }
                each(&result, None).map_err(Error::Told)?;
            }
            from = next;
            if from.is_none() {
                break;
            }
        }
        if scope.foreign {
            self.foreign(&known, &mut result, &mut each).await?;
        }
        Ok(result)
    }

    /// A read that is repeated for a while: a comparison of a large account makes thousands of them.
    pub(crate) async fn read<T>(
        &self,
        what: &'static str,
        mut call: impl AsyncFnMut() -> Result<T, kayako::Error>,
    ) -> Result<T, Error> {
        let mut attempts = 0;
        loop {
            match call().await {
                Err(error) if error.class().is_retryable_read() && attempts + 1 < self.timing.attempts => {
                    tracing::debug!(error = %error, "a read failed; reading again");
                    self.context.clock.sleep(self.timing.pause(attempts)).await;
                    attempts += 1;
                }
                result => return result.during(what),
            }
        }
    }

    async fn compare(&self, kind: Kind, rows: &[(RecordKey, Row)]) -> Result<Vec<Difference>, Error> {
        let mut found = self.look(kind, rows.iter()).await?;
        if found.iter().any(|difference| difference.discrepancy == Discrepancy::Missing) {
            // What was written a moment ago may not be seen yet.
            self.context.clock.sleep(self.timing.visibility).await;
            let (missing, others): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|difference| difference.discrepancy == Discrepancy::Missing);
            let is_missing = |key: &RecordKey| {
                missing.iter().any(|difference| difference.source_id.as_deref() == Some(key.id.as_str()))
            };
            found = self.look(kind, rows.iter().filter(|(key, _)| is_missing(key))).await?;
            found.extend(others);
        }
        Ok(found)
    }

    async fn look(
        &self,
        kind: Kind,
        rows: impl Iterator<Item = &(RecordKey, Row)>,
    ) -> Result<Vec<Difference>, Error> {
        let rows: Vec<(&RecordKey, &Row, String)> = rows
            .map(|(key, row)| (key, row, self.origin.key(key, row.generation).as_str().to_owned()))
            .collect();
        let keys: Vec<&str> = rows.iter().map(|(_, _, origin_key)| origin_key.as_str()).collect();
        let mut found =
            self.read("look objects up", async || by_origin_key(&self.client, kind, &keys).await).await?;
        let mut differences = Vec::new();
        for (key, row, origin_key) in rows {
            let objects: Option<Vec<KayakoId>> = match found.remove(&origin_key) {
                Some(Seen::Found(objects)) => Some(objects.into_iter().map(|object| object.id).collect()),
                Some(Seen::Absent) => Some(Vec::new()),
                Some(Seen::Unknown) | None => None,
            };
            let (discrepancy, others) = match objects {
                None => (Discrepancy::Unknown, Vec::new()),
                Some(objects) => match judge(row, &objects) {
                    Verdict::Fine => continue,
                    Verdict::Surplus(others) => (Discrepancy::Surplus, others),
                    Verdict::Strange(others) => (Discrepancy::Strange, others),
                    Verdict::Missing => (Discrepancy::Missing, Vec::new()),
                    Verdict::Stray(objects) => (Discrepancy::Stray, objects),
                },
            };
            differences.push(Difference {
                kind,
                source_id: Some(key.id.as_str().to_owned()),
                origin_key,
                discrepancy,
                kayako_id: row.kayako_id,
                others,
                action: discrepancy.action(kind),
                repaired: false,
            });
        }
        Ok(differences)
    }

    /// Puts one difference right, if that is possible. False also if the record has gone on since it was looked for.
    async fn repair(&self, difference: &Difference) -> Result<bool, Error> {
        let (Some(id), Some(source_id)) = (difference.kayako_id, difference.source_id.as_deref()) else {
            return Ok(false);
        };
        let key = RecordKey::new(difference.kind, source_id);
        let Some(row) = self.ledger.row(&key).await.during("read a row")? else { return Ok(false) };
        if row.kayako_id != Some(id) || !row.state.is_migrated() {
            return Ok(false);
        }
        let judged = [(key.clone(), id)];
        let answers = match difference.action {
            Action::None => return Ok(false),
            Action::Trash => {
                let surplus = Surplus {
                    migration: &self.migration,
                    client: &self.client,
                    blobs: &self.blobs,
                    context: &self.context,
                    trashed: &self.metrics.surplus,
                };
                if !surplus.remove(row.run, &key, &difference.others).await? {
                    return Ok(false);
                }
                self.ledger.recounted(&judged).await.during("note what was counted")?
            }
            Action::WriteAgain => {
                let now = self.context.clock.now();
                let entry = Entry { at: now, run: row.run, key, what: What::Requeued };
                let lines = vec![Bytes::from(entry.encode())];
                self.blobs.append(self.migration.as_str(), now, lines).await.during("write the journal")?;
                self.ledger.requeue(&judged).await.during("queue a record again")?
            }
        };
        Ok(answers.iter().all(Result::is_ok))
    }
}

/// Records that should have an object, and those that did not arrive although a write of them may have taken effect. Work in hand is
/// the run's own.
pub(crate) fn is_compared(row: &Row) -> bool {
    row.state.is_migrated() || (matches!(row.state, State::Failed | State::Skipped) && row.doubted)
}
