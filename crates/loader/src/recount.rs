//! Counts the objects of records that were once in doubt, before their run ends.
//!
//! Constraints: Kayako does not promise that an origin key is unique, and a request may take effect after every probe; so what was ever
//! in doubt is looked at once more when nothing is on its way. Nothing is created here. Only the object that the ledger knows stays, and
//! only what Kayako can take back (cases, into the trash) is removed.

use std::collections::HashMap;

use kayako::CaseId;
use model::journal::What;
use model::row::{Arrival, Row};
use model::{KayakoId, Kind, RecordKey};

use crate::desk::{Desk, Hands};
use crate::error::{During, Error};
use crate::target::{Object, Seen, by_origin_key};
use crate::work::Incoming;

/// Header that counts look-ups which found nothing.
const MISSED: &str = "x-missed";
/// An object that was committed and is seen by no look-up so often, a visibility delay apart, is gone: somebody removed it.
const MISSES: u32 = 3;

/// What the objects of a record's origin key mean.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As the ledger has it.
    Fine,
    /// The record's own object, and others.
    Surplus(Vec<KayakoId>),
    /// Others only.
    Strange(Vec<KayakoId>),
    /// None, where there should be one.
    Missing,
}

/// Judges the active objects of a migrated record's origin key.
pub(crate) fn judge(row: &Row, objects: &[KayakoId]) -> Verdict {
    // An adopted or merged record's object carries another key or none.
    let expected = row.kayako_id.filter(|_| row.arrival == Some(Arrival::Created));
    let others: Vec<KayakoId> = objects.iter().copied().filter(|id| Some(*id) != expected).collect();
    match (expected.is_some_and(|id| objects.contains(&id)), others.is_empty()) {
        (true, true) => Verdict::Fine,
        (true, false) => Verdict::Surplus(others),
        (false, true) if expected.is_none() => Verdict::Fine,
        (false, true) => Verdict::Missing,
        (false, false) => Verdict::Strange(others),
    }
}

impl Desk {
    /// Counts the objects of these records and settles their messages.
    pub(crate) async fn recount(
        &self,
        hands: &Hands,
        kind: Kind,
        incoming: Vec<Incoming>,
    ) -> Result<(), Error> {
        let keys: Vec<RecordKey> = incoming.iter().map(|one| one.load.key.clone()).collect();
        let rows = self.ledger.rows(&keys).await.during("read rows to count")?;
        hands.set_clock(std::time::Instant::now(), self.ledger.now().await.during("read the time")?);
        let mut asked: Vec<(Incoming, Row, String)> = Vec::new();
        for (one, row) in incoming.into_iter().zip(rows) {
            match row.filter(|row| row.doubted && row.state.is_migrated()) {
                Some(row) => {
                    let origin_key = self.origin.key(&one.load.key, row.generation).as_str().to_owned();
                    asked.push((one, row, origin_key));
                }
                // Counted already, or taken up again by a later run.
                None => self.done(hands, one.ticket).await?,
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let origin_keys: Vec<&str> = asked.iter().map(|(_, _, key)| key.as_str()).collect();
        let mut found = match by_origin_key(&self.client, kind, &origin_keys).await {
            Ok(found) => found,
            Err(error) => {
                for (one, _, _) in asked {
                    self.delay(hands, one, self.timing.visibility).await?;
                }
                return self.halted_by(&error).await;
            }
        };
        self.judged(hands, kind, asked, &mut found).await
    }

    async fn judged(
        &self,
        hands: &Hands,
        kind: Kind,
        asked: Vec<(Incoming, Row, String)>,
        found: &mut HashMap<String, Seen>,
    ) -> Result<(), Error> {
        let (mut history, mut counted) = (Vec::new(), Vec::new());
        for (one, row, origin_key) in asked {
            let objects: Vec<Object> = match found.remove(&origin_key) {
                Some(Seen::Found(objects)) => objects,
                Some(Seen::Absent) => Vec::new(),
                Some(Seen::Unknown) | None => {
                    self.delay(hands, one, self.timing.visibility).await?;
                    continue;
                }
            };
            let key = &one.load.key;
            let ids: Vec<KayakoId> = objects.iter().map(|object| object.id).collect();
            match judge(&row, &ids) {
                Verdict::Fine => {}
                Verdict::Surplus(others) => {
                    self.remove(kind, key, &others).await?;
                    if kind == Kind::Case {
                        history.push(self.entry(one.run, key, What::Deduplicated { trashed: others }));
                    }
                }
                Verdict::Strange(_) => {
                    tracing::error!(record = %key, "an object of this record is not the one that the ledger knows; look at both");
                }
                Verdict::Missing => {
                    let misses = misses(&one) + 1;
                    if misses < MISSES {
                        let mut one = one;
                        one.message.headers.insert(MISSED.to_owned(), misses.to_string());
                        self.delay(hands, one, self.timing.visibility).await?;
                        continue;
                    }
                    tracing::error!(record = %key, "the record's object is not in Kayako any more");
                }
            }
            let amount = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            history.push(self.entry(one.run, key, What::Recounted { found: amount }));
            counted.push((key.clone(), one.ticket));
        }
        self.journal(&history).await?;
        let (keys, tickets): (Vec<RecordKey>, Vec<usize>) = counted.into_iter().unzip();
        self.ledger.recounted(&keys).await.during("note what was counted")?;
        for ticket in tickets {
            self.done(hands, ticket).await?;
        }
        Ok(())
    }

    /// Puts surplus cases into the trash; of other kinds a person has to remove them.
    pub(crate) async fn remove(
        &self,
        kind: Kind,
        key: &RecordKey,
        surplus: &[KayakoId],
    ) -> Result<(), Error> {
        tracing::warn!(record = %key, surplus = surplus.len(), "one record has several objects in Kayako; keeping the one that the ledger knows");
        if kind == Kind::Case {
            for id in surplus {
                self.client.trash_case(CaseId::from(id.0)).await.during("trash a surplus case")?;
            }
            self.metrics.surplus.inc_by(surplus.len() as u64);
        }
        Ok(())
    }
}

fn misses(one: &Incoming) -> u32 {
    one.message.headers.get(MISSED).and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use model::row::{Row, State};
    use model::{Generation, RunNo};

    use super::*;

    fn migrated(arrival: Arrival) -> Row {
        Row {
            state: State::Committed,
            run: RunNo(1),
            generation: Generation(0),
            fingerprint: 1,
            command_hash: 1,
            kayako_id: Some(KayakoId(7)),
            arrival: Some(arrival),
            reason: None,
            updating: false,
            doubted: true,
            flight: None,
        }
    }

    #[test]
    fn the_object_that_the_ledger_knows_stays_and_nothing_else() {
        let row = migrated(Arrival::Created);
        let judged = |ids: &[u64]| judge(&row, &ids.iter().copied().map(KayakoId).collect::<Vec<_>>());
        assert_eq!(judged(&[7]), Verdict::Fine);
        // Also where another one is older.
        assert_eq!(judged(&[3, 7, 9]), Verdict::Surplus(vec![KayakoId(3), KayakoId(9)]));
        assert_eq!(judged(&[]), Verdict::Missing);
        // Which of them is the record nobody can tell: none is removed.
        assert_eq!(judged(&[3]), Verdict::Strange(vec![KayakoId(3)]));
    }

    #[test]
    fn what_was_adopted_or_merged_has_no_object_under_its_own_key() {
        for arrival in [Arrival::Adopted, Arrival::Merged] {
            let row = migrated(arrival);
            assert_eq!(judge(&row, &[]), Verdict::Fine);
            assert_eq!(judge(&row, &[KayakoId(8)]), Verdict::Strange(vec![KayakoId(8)]));
        }
    }
}
