//! The table of a run, and the proof that it is true.

use std::collections::BTreeMap;

use model::row::{Delta, Tally};
use model::run::{KindCounts, RunCounts};
use model::{Kind, RecordKey, RunNo};

use crate::error::Error;
use crate::ledger::Ledger;

/// Rows per page of a recount: large enough that the round trips do not matter, small enough to hold nobody up.
const PAGE: usize = 1000;

/// How often a recount is repeated when rows changed under it.
const TRIES: u32 = 3;

/// A counter that is not what the rows add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drift {
    /// Of which kind.
    pub kind: Kind,
    /// Which counter.
    pub tally: Tally,
    /// What the counter says.
    pub counted: i64,
    /// What the rows add up to.
    pub found: i64,
}

/// The result of a recount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recount {
    /// Counters that are wrong. Must be empty if `exact`.
    pub drift: Vec<Drift>,
    /// Whether no row changed while they were read. If not, `drift` says nothing.
    pub exact: bool,
    /// Rows of the run.
    pub rows: u64,
}

impl Ledger {
    /// The counts of a run, all read at one moment.
    pub async fn counts(&self, run: RunNo) -> Result<RunCounts, Error> {
        let (_, counters) = self.store.counters(run).await?;
        let mut kinds: Vec<(Kind, KindCounts)> =
            Kind::ALL.into_iter().map(|kind| (kind, KindCounts::default())).collect();
        for counter in counters {
            if let Some((_, counts)) = kinds.iter_mut().find(|(kind, _)| *kind == counter.kind) {
                counts.set(counter.tally, counter.by);
            }
        }
        Ok(RunCounts { kinds })
    }

    /// Migrated records of a run that were once in doubt and whose objects were not counted since, at most `limit`. Reads every row: ask
    /// only if [`KindCounts::doubted`] says that there are some.
    pub async fn doubted(&self, run: RunNo, limit: usize) -> Result<Vec<RecordKey>, Error> {
        let mut found = Vec::new();
        let mut from = None;
        loop {
            let (rows, next) = self.scan(from.as_ref(), PAGE).await?;
            let doubted =
                rows.into_iter().filter(|(_, row)| row.run == run && row.doubted && row.state.is_migrated());
            found.extend(doubted.map(|(key, _)| key).take(limit - found.len()));
            match next {
                Some(next) if found.len() < limit => from = Some(next),
                _ => return Ok(found),
            }
        }
    }

    /// Adds all rows of a run up and compares with its counters. Exact for the newest run: rows that a later run selected again
    /// are counted there, and the earlier table is history. What a run itself wrote, adopted and merged cannot be told from rows and is not compared.
    pub async fn recount(&self, run: RunNo) -> Result<Recount, Error> {
        let mut result = Recount { drift: Vec::new(), exact: false, rows: 0 };
        for _ in 0..TRIES {
            let (before, counters) = self.store.counters(run).await?;
            let mut found: BTreeMap<(Kind, Tally), i64> = BTreeMap::new();
            let mut rows = 0;
            let mut cursor = None;
            loop {
                let (page, next) = self.scan(cursor.as_ref(), PAGE).await?;
                for (key, row) in page.iter().filter(|(_, row)| row.run == run) {
                    rows += 1;
                    for (tally, amount) in row.standing() {
                        *found.entry((key.kind, tally)).or_default() += amount;
                    }
                }
                if next.is_none() {
                    break;
                }
                cursor = next;
            }
            let (after, _) = self.store.counters(run).await?;
            result = Recount { drift: drift(&counters, &found), exact: before == after, rows };
            if result.exact {
                break;
            }
        }
        Ok(result)
    }
}

fn drift(counters: &[Delta], found: &BTreeMap<(Kind, Tally), i64>) -> Vec<Drift> {
    let historical = [Tally::WrittenNow, Tally::Adopted, Tally::Merged];
    let mut drift = Vec::new();
    for kind in Kind::ALL {
        for tally in Tally::ALL.into_iter().filter(|tally| !historical.contains(tally)) {
            let counted = counters.iter().find(|c| c.kind == kind && c.tally == tally).map_or(0, |c| c.by);
            let found = found.get(&(kind, tally)).copied().unwrap_or(0);
            if counted != found {
                drift.push(Drift { kind, tally, counted, found });
            }
        }
    }
    drift
}
