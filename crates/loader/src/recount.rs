//! Counts the objects of records that were once in doubt, before their run ends.
//!
//! Constraints: Kayako does not promise that an origin key is unique, and a request may take effect after every probe; so what was ever
//! in doubt is looked at once more when nothing is on its way. Nothing is created here. Only the object that the ledger knows stays, and
//! only what Kayako can take back (cases, into the trash) is removed.

use std::collections::HashMap;

use kayako::CaseId;
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
                Verdict::Strange(_) | Verdict::Stray(_) => {
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
