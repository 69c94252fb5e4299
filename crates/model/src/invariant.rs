//! What must be true of a record's row and its objects in Kayako, as one pure function.
//!
//! Constraints: the model checker (`tests/protocol`) asks it about every world it reaches; what counts objects in a real account has to
//! ask the same function. It looks at one record, and only at objects that carry its origin key in the row's generation and are
//! active: an object in the trash is not the record.

use crate::ids::KayakoId;
use crate::row::{Arrival, Row, State};

/// An active object that carries a record's origin key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sighting {
    /// Its id.
    pub id: KayakoId,
    /// Whether every step of the record is done to it.
    pub is_whole: bool,
}

/// What a row and the objects of its origin key say together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Agreement {
    /// Nothing to do.
    Fine,
    /// More than one object.
    Surplus {
        /// The one the row names, else the oldest.
        keep: KayakoId,
        /// The others, oldest first.
        surplus: Vec<KayakoId>,
    },
    /// The row says migrated, and the object we created is not there.
    Missing,
    /// The row says migrated, and steps are missing.
    Half {
        /// The object.
        id: KayakoId,
    },
    /// The row says that the record did not arrive, and an object is there that the row does not name.
    Unexplained {
        /// The object.
        id: KayakoId,
    },
}

impl Agreement {
    /// Compares a row with the active objects of its origin key.
    ///
    /// While work is outstanding one object or none is right, whatever the row says. A row that failed after its object was created
    /// names it, so that what is there is known.
    pub fn of(row: &Row, active: &[Sighting]) -> Self {
        let oldest = active.iter().min_by_key(|sighting| sighting.id);
        if active.len() > 1 {
            let named = active.iter().find(|sighting| row.kayako_id == Some(sighting.id));
            let Some(keep) = named.or(oldest).map(|sighting| sighting.id) else { return Self::Fine };
            let mut surplus: Vec<KayakoId> =
                active.iter().map(|sighting| sighting.id).filter(|id| *id != keep).collect();
            surplus.sort_unstable();
            return Self::Surplus { keep, surplus };
        }
        match row.state {
            // Adopted objects carry no origin key of ours, merged ones another record's.
            State::Committed | State::Verified if row.arrival == Some(Arrival::Created) => match oldest {
                None => Self::Missing,
                Some(sighting) if !sighting.is_whole => Self::Half { id: sighting.id },
                Some(_) => Self::Fine,
            },
            State::Failed | State::Skipped | State::Filtered => match oldest {
                Some(sighting) if row.kayako_id != Some(sighting.id) => Self::Unexplained { id: sighting.id },
                _ => Self::Fine,
            },
            _ => Self::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Generation, RunNo};

    fn row(state: State, id: Option<u64>) -> Row {
        Row {
            state,
            run: RunNo(1),
            generation: Generation(0),
            fingerprint: 1,
            command_hash: 1,
            kayako_id: id.map(KayakoId),
            arrival: id.map(|_| Arrival::Created),
            reason: None,
            updating: false,
            doubted: false,
            flight: None,
        }
    }

    fn seen(ids: &[u64]) -> Vec<Sighting> {
        ids.iter().map(|&id| Sighting { id: KayakoId(id), is_whole: true }).collect()
    }

    #[test]
    fn one_whole_object_per_migrated_record_and_none_otherwise() {
        let committed = row(State::Committed, Some(7));
        assert_eq!(Agreement::of(&committed, &seen(&[7])), Agreement::Fine);
        assert_eq!(Agreement::of(&committed, &[]), Agreement::Missing);
        let half = [Sighting { id: KayakoId(7), is_whole: false }];
        assert_eq!(Agreement::of(&committed, &half), Agreement::Half { id: KayakoId(7) });
        let adopted = Row { arrival: Some(Arrival::Adopted), ..committed };
        assert_eq!(Agreement::of(&adopted, &[]), Agreement::Fine);
        assert_eq!(Agreement::of(&row(State::Skipped, None), &[]), Agreement::Fine);
    }

    #[test]
    fn several_objects_are_a_surplus_of_all_but_the_named_or_the_oldest() {
        let surplus = |keep, surplus: &[u64]| Agreement::Surplus {
            keep: KayakoId(keep),
            surplus: surplus.iter().map(|&id| KayakoId(id)).collect(),
        };
        assert_eq!(Agreement::of(&row(State::Committed, Some(7)), &seen(&[9, 5, 7])), surplus(7, &[5, 9]));
        assert_eq!(Agreement::of(&row(State::InDoubt, None), &seen(&[9, 5])), surplus(5, &[9]));
        assert_eq!(Agreement::of(&row(State::Skipped, None), &seen(&[9, 5])), surplus(5, &[9]));
    }

    #[test]
    fn what_did_not_arrive_leaves_nothing_that_its_row_does_not_name() {
        let failed = row(State::Failed, None);
        assert_eq!(Agreement::of(&failed, &seen(&[7])), Agreement::Unexplained { id: KayakoId(7) });
        assert_eq!(Agreement::of(&row(State::Failed, Some(7)), &seen(&[7])), Agreement::Fine);
        // Outstanding work may have an object already, also one that is not whole yet.
        for state in [State::Intended, State::InDoubt, State::Created] {
            let half = [Sighting { id: KayakoId(7), is_whole: false }];
            assert_eq!(Agreement::of(&row(state, None), &half), Agreement::Fine);
            assert_eq!(Agreement::of(&row(state, None), &[]), Agreement::Fine);
        }
    }
}
