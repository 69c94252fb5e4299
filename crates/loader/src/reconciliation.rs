//! Compares the whole ledger with Kayako by origin key, outside of a run, and repairs what can be repaired.
//!
//! Constraints: a page of rows and one look-up are in memory at a time; nothing is created; removed are only cases that are too many,
//! and into the trash, from which a person can take them back; what no look-up can tell is said to be unknown, never repaired.

use std::collections::BTreeMap;

use blobs::Blobs;
use bytes::Bytes;
use kayako::{CaseId, Client};
use ledger::Ledger;
use model::invariant::{Verdict, judge};
use model::journal::{Entry, What};
use model::row::{Row, State};
use model::timing::Timing;
use model::{KayakoId, Kind, MigrationId, Origin, RecordKey};
use runtime::Context;
use serde::Serialize;

use crate::error::{During, Error};
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
}

/// How a record and its objects disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Discrepancy {
    /// Its object, and others under the same key. Repaired for cases: the others go to the trash.
    Surplus,
    /// No object, where there should be one. Repaired: the next full run writes it again.
    Missing,
    /// Not the object that the ledger knows, but another under its key.
    Strange,
    /// Of a record that did not arrive: objects that the ledger does not know.
    Stray,
    /// Kayako's answers did not tell.
    Unknown,
}

/// One record that disagrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its kind.
    pub kind: Kind,
    /// Its id at the source.
    pub source_id: String,
    /// The key by which its objects were looked up.
    pub origin_key: String,
    /// How.
    pub discrepancy: Discrepancy,
    /// The object that the ledger knows.
    pub kayako_id: Option<KayakoId>,
    /// The other objects.
    pub others: Vec<KayakoId>,
    /// It was put right.
    pub repaired: bool,
}

/// What a comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Records looked up.
    pub compared: u64,
    /// Records that disagree, by how.
    pub differences: BTreeMap<Discrepancy, u64>,
    /// Of these, put right now.
    pub repaired: u64,
}

impl Reconciled {
    /// Whether something is left for a person.
    pub fn is_clean(&self) -> bool {
        self.differences.values().sum::<u64>() == self.repaired
    }
}

impl Reconciliation {
    /// Compares every settled record; `each` is told every difference. With `repair`, puts right what can be.
    ///
    /// # Errors
    /// Kayako or a store does not answer, `each` fails. What was repaired until then stays and is in the journal.
    pub async fn run(
        &self,
        repair: bool,
        mut each: impl FnMut(&Reconciled, Option<&Difference>) -> Result<(), std::io::Error>,
    ) -> Result<Reconciled, Error> {
        let mut result = Reconciled::default();
        let mut from = None;
        loop {
            let (page, next) = self.ledger.scan(from.as_ref(), PAGE).await.during("read the rows")?;
            let mut by_kind: BTreeMap<Kind, Vec<(RecordKey, Row)>> = BTreeMap::new();
            for (key, row) in page.into_iter().filter(|(_, row)| is_compared(row)) {
                by_kind.entry(key.kind).or_default().push((key, row));
            }
            for (kind, rows) in by_kind {
                for chunk in rows.chunks(LOOKUP) {
                    result.compared += chunk.len() as u64;
                    for mut difference in self.compare(kind, chunk).await? {
                        if repair {
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
                return Ok(result);
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
            let again = rows
                .iter()
                .filter(|(key, _)| missing.iter().any(|difference| difference.source_id == key.id.as_str()));
            found = self.look(kind, again).await?;
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
        let mut found = by_origin_key(&self.client, kind, &keys).await.during("look objects up")?;
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
                source_id: key.id.as_str().to_owned(),
                origin_key,
                discrepancy,
                kayako_id: row.kayako_id,
                others,
                repaired: false,
            });
        }
        Ok(differences)
    }

    /// Puts one difference right, if that is possible.
    async fn repair(&self, difference: &Difference) -> Result<bool, Error> {
        let key = RecordKey::new(difference.kind, difference.source_id.as_str());
        let what = match (difference.discrepancy, difference.kind) {
            (Discrepancy::Surplus, Kind::Case) => {
                for id in &difference.others {
                    self.client.trash_case(CaseId::from(id.0)).await.during("trash a surplus case")?;
                }
                What::Deduplicated { trashed: difference.others.clone() }
            }
            (Discrepancy::Missing, _) => What::Requeued,
            _ => return Ok(false),
        };
        let Some(row) = self.ledger.row(&key).await.during("read a row")? else { return Ok(false) };
        let now = self.context.clock.now();
        let entry = Entry { at: now, run: row.run, key: key.clone(), what };
        let lines = vec![Bytes::from(entry.encode())];
        self.blobs.append(self.migration.as_str(), now, lines).await.during("write the journal")?;
        let keys = [key];
        let answers = match difference.discrepancy {
            Discrepancy::Missing => self.ledger.requeue(&keys).await.during("queue a record again")?,
            _ => self.ledger.recounted(&keys).await.during("note what was counted")?,
        };
        Ok(answers.iter().all(Result::is_ok))
    }
}

/// Records that should have an object, and those that did not arrive although a write of them may have taken effect. Work in hand is
/// the run's own.
fn is_compared(row: &Row) -> bool {
    row.state.is_migrated() || (matches!(row.state, State::Failed | State::Skipped) && row.doubted)
}
