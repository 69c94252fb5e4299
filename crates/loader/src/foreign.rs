//! Finds objects under keys of this migration's form that its ledger does not know: of a lost ledger, another machine's run, a deleted row,
//! or an earlier generation that came back.
//!
//! Constraints: no look-up by origin key can find them, so every object of the account is listed, a page in memory at a time. A row is read
//! after the page that shows its object, and is there before the object is, so that what a run is writing is never taken for foreign.
//! Nothing is removed: they may be somebody's. A list that does not even show the objects that were just looked up proves nothing.

use std::collections::{BTreeMap, HashSet};

use kayako::{LegacyCollection, Listed};
use model::invariant::{Verdict, judge};
use model::origin::Written;
use model::row::{Arrival, Row};
use model::{KayakoId, Kind, RecordKey};

use crate::difference::{Difference, Discrepancy, Reconciled};
use crate::error::{During, Error};
use crate::reconciliation::{Reconciliation, is_compared};

/// Objects remembered as told, because a list that moves shows some of them twice. Beyond that many, one may be told twice.
const REMEMBERED: usize = 100_000;

/// What the ledger has shown.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Objects that were created by this migration and that a look-up has found.
    pub(crate) own: BTreeMap<Kind, u64>,
    /// Keys that do not say whose they are, because the id is too long. No source of today has such ids.
    pub(crate) hashed: HashSet<String>,
}

/// What an object's key means.
enum Standing {
    /// The record's own.
    Own,
    /// Told, or to be told, by whoever looks at the record.
    Elsewhere,
    Differs(Discrepancy),
}

impl Reconciliation {
    /// Looks at the origin keys of all objects of the account.
    pub(crate) async fn foreign(
        &self,
        known: &Known,
        result: &mut Reconciled,
        each: &mut impl FnMut(&Reconciled, Option<&Difference>) -> Result<(), std::io::Error>,
    ) -> Result<(), Error> {
        for kind in Kind::ALL {
            let mut listing = self.client.listing(collection(kind));
            let (mut seen, mut told) = (0, HashSet::new());
            while let Some(page) = self.read("list objects", async || listing.page().await).await? {
                *result.listed.get_or_insert_default() += page.len() as u64;
                let (own, differences) = self.judged(kind, page, known).await?;
                seen += own;
                for difference in differences {
                    let id = difference.others.first().copied();
                    if id.is_some_and(|id| told.contains(&id)) {
                        continue;
                    }
                    told.extend(id.filter(|_| told.len() < REMEMBERED));
                    *result.differences.entry(difference.discrepancy).or_default() += 1;
                    each(result, Some(&difference)).map_err(Error::Told)?;
                }
                each(result, None).map_err(Error::Told)?;
            }
            let own = known.own.get(&kind).copied().unwrap_or(0);
            if !listing.is_complete() || seen < own {
                tracing::warn!(kind = kind.name(), own, seen, "the account did not list all its objects");
                result.unsettled.push(kind);
            }
        }
        Ok(())
    }

    /// How many objects of a page are records' own, and which are not as they should be.
    async fn judged(
        &self,
        kind: Kind,
        page: Vec<Listed>,
        known: &Known,
    ) -> Result<(u64, Vec<Difference>), Error> {
        let ours: Vec<(KayakoId, String, Written)> = page
            .into_iter()
            .filter(|object| object.is_active)
            .filter_map(|object| {
                let key = object.legacy_id?;
                let written = self.origin.read(&key)?;
                Some((KayakoId(object.id), key, written))
            })
            .collect();
        let keys: Vec<RecordKey> = ours.iter().filter_map(|(_, _, written)| written.record.clone()).collect();
        let mut rows = self.ledger.rows(&keys).await.during("read the rows of listed objects")?.into_iter();
        let (mut own, mut differences) = (0, Vec::new());
        for (id, origin_key, written) in ours {
            let row = written.record.as_ref().and_then(|_| rows.next().flatten());
            let discrepancy = match standing(kind, id, &written, row.as_ref()) {
                Standing::Own => {
                    own += 1;
                    continue;
                }
                Standing::Elsewhere => continue,
                Standing::Differs(_) if written.is_hashed && known.hashed.contains(&origin_key) => continue,
                Standing::Differs(discrepancy) => discrepancy,
            };
            differences.push(Difference {
                kind,
                source_id: written.record.map(|record| record.id.as_str().to_owned()),
                origin_key,
                discrepancy,
                kayako_id: None,
                others: vec![id],
                action: discrepancy.action(kind),
                repaired: false,
            });
        }
        Ok((own, differences))
    }
}

fn standing(kind: Kind, id: KayakoId, written: &Written, row: Option<&Row>) -> Standing {
    let named = written.record.as_ref().is_some_and(|record| record.kind == kind);
    let Some(row) = row.filter(|row| named && written.generation == Some(row.generation)) else {
        return Standing::Differs(Discrepancy::Foreign);
    };
    if row.kayako_id == Some(id) && row.arrival == Some(Arrival::Created) && row.state.is_migrated() {
        return Standing::Own;
    }
    // The look-up by key tells of these.
    if is_compared(row) {
        return Standing::Elsewhere;
    }
    match judge(row, &[id]) {
        Verdict::Stray(_) => Standing::Differs(Discrepancy::Stray),
        _ => Standing::Elsewhere,
    }
}

const fn collection(kind: Kind) -> LegacyCollection {
    match kind {
        Kind::Team => LegacyCollection::Teams,
        Kind::Organization => LegacyCollection::Organizations,
        Kind::User => LegacyCollection::Users,
        Kind::Case => LegacyCollection::Cases,
    }
}

#[cfg(test)]
mod tests {
    use model::row::State;
    use model::{Generation, Origin, Reason, RunNo};

    use super::*;

    fn row(state: State, generation: u8, id: Option<u64>) -> Row {
        Row {
            state,
            run: RunNo(1),
            generation: Generation(generation),
            fingerprint: 1,
            command_hash: 1,
            kayako_id: id.map(KayakoId),
            arrival: id.map(|_| Arrival::Created),
            reason: (state == State::Failed).then_some(Reason::RetriesExhausted),
            updating: false,
            doubted: false,
            flight: None,
        }
    }

    /// What object 7 under this key is, given the row of the record that the key names.
    fn of(key: &str, row: Option<Row>) -> Option<Discrepancy> {
        let written = Origin::new("zendesk", "acme").read(key);
        match written.map(|written| standing(Kind::Case, KayakoId(7), &written, row.as_ref())) {
            Some(Standing::Differs(discrepancy)) => Some(discrepancy),
            Some(Standing::Own | Standing::Elsewhere) | None => None,
        }
    }

    #[test]
    fn foreign_is_what_no_row_of_this_generation_speaks_of() {
        let committed = |generation, id| Some(row(State::Committed, generation, Some(id)));
        assert_eq!(of("zendesk-acme:case:1", committed(0, 7)), None);
        assert_eq!(of("zendesk-acme:case:1", None), Some(Discrepancy::Foreign), "no row");
        assert_eq!(of("zendesk-acme:case:1", committed(1, 9)), Some(Discrepancy::Foreign), "an earlier one");
        assert_eq!(of("zendesk-acme:case:1@1", committed(1, 7)), None);
        assert_eq!(of("zendesk-acme:case:1@x", committed(0, 7)), Some(Discrepancy::Foreign), "no generation");
        assert_eq!(of("zendesk-acme:user:1", committed(0, 7)), Some(Discrepancy::Foreign), "another kind");
        assert_eq!(of("zendesk-other:case:1", None), None, "another migration's");
        assert_eq!(of("zendesk-acme:case:1", committed(0, 9)), None, "the look-up by key tells it");
    }

    #[test]
    fn what_a_run_is_writing_is_not_foreign_and_what_failed_without_an_object_has_none() {
        for state in [State::Queued, State::Intended, State::InDoubt, State::Created] {
            assert_eq!(of("zendesk-acme:case:1", Some(row(state, 0, None))), None, "{}", state.name());
        }
        let failed = |id| Some(row(State::Failed, 0, id));
        assert_eq!(of("zendesk-acme:case:1", failed(None)), Some(Discrepancy::Stray));
        assert_eq!(of("zendesk-acme:case:1", failed(Some(7))), None, "it failed after that");
    }
}
