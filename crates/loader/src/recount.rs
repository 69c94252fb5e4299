//! Counts the objects of records that were once in doubt, before their run ends.
//!
//! Constraints: Kayako does not promise that an origin key is unique, and a request may take effect after every probe; so what was ever
//! in doubt is looked at once more when nothing is on its way. Nothing is created here. Only the object that the ledger knows stays; a record
//! whose object is gone goes back into the run, which must not end by counting what is not there.

use std::collections::HashMap;

use model::invariant::{Verdict, judge};
use model::journal::What;
use model::row::Row;
use model::{KayakoId, Kind, RecordKey};

use crate::desk::{Desk, Hands};
use crate::error::{During, Error};
use crate::target::{Object, Seen, by_origin_key};
use crate::work::Incoming;

/// Header that counts look-ups which found nothing.
const MISSED: &str = "x-missed";
/// An object that was committed and is seen by no look-up so often, a visibility delay apart, is gone: somebody removed it.
const MISSES: u32 = 3;

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
        hands.set_clock(tokio::time::Instant::now(), self.ledger.now().await.during("read the time")?);
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
        self.judged(hands, asked, &mut found).await
    }

    async fn judged(
        &self,
        hands: &Hands,
        asked: Vec<(Incoming, Row, String)>,
        found: &mut HashMap<String, Seen>,
    ) -> Result<(), Error> {
        let (mut history, mut counted, mut gone) = (Vec::new(), Vec::new(), Vec::new());
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
                    self.surplus().remove(one.run, key, &others).await?;
                }
                Verdict::Strange(others) | Verdict::Stray(others) => {
                    tracing::error!(record = %key, "an object of this record is not the one that the ledger knows; look at both");
                    history.push(self.entry(one.run, key, What::Doubled { others }));
                }
                Verdict::Missing => {
                    let misses = misses(&one) + 1;
                    if misses < MISSES {
                        let mut one = one;
                        one.message.headers.insert(MISSED.to_owned(), misses.to_string());
                        self.delay(hands, one, self.timing.visibility).await?;
                        continue;
                    }
                    tracing::warn!(record = %key, "the record's object is not in Kayako any more; it is written again");
                    history.push(self.entry(one.run, key, What::Requeued));
                    gone.push((one, row));
                    continue;
                }
            }
            let found = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            history.push(self.entry(one.run, key, What::Recounted { found, arrival: row.arrival }));
            counted.push((one, row));
        }
        self.journal(&history).await?;
        self.ledger.recounted(&with_objects(&counted)).await.during("note what was counted")?;
        self.write_again(&gone).await?;
        for (one, _) in counted.into_iter().chain(gone) {
            self.done(hands, one.ticket).await?;
        }
        Ok(())
    }

    /// Records whose objects are gone belong to this run again and are read from the source. A crash before they are asked for leaves rows
    /// that no message carries, which the coordinator finds.
    async fn write_again(&self, gone: &[(Incoming, Row)]) -> Result<(), Error> {
        let answers = self.ledger.requeue(&with_objects(gone)).await.during("queue records again")?;
        // Refused: somebody has done it already, or the record has been written anew since it was looked for.
        let ours: Vec<&Incoming> =
            gone.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|((one, _), _)| one).collect();
        let Some(first) = ours.first() else { return Ok(()) };
        let (run, plan) = (first.run, first.plan.clone());
        let keys = ours.into_iter().map(|one| one.load.key.clone()).collect();
        self.fetch(keys, true, run, &plan).await
    }
}

/// The records with the objects they were counted for.
fn with_objects(counted: &[(Incoming, Row)]) -> Vec<(RecordKey, KayakoId)> {
    counted.iter().filter_map(|(one, row)| Some((one.load.key.clone(), row.kayako_id?))).collect()
}

fn misses(one: &Incoming) -> u32 {
    one.message.headers.get(MISSED).and_then(|count| count.parse().ok()).unwrap_or(0)
}
