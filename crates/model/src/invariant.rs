//! What must be true of a record's row and the objects of its origin key, as one pure function.
//!
//! Constraints: whoever counts objects asks it: the count before a run ends, the comparison of a whole migration, and the model checker
//! (`tests/protocol`) in every world it reaches. It looks at one record, and only at active objects that carry its origin key in the row's
//! generation: an object in the trash is not the record.

use crate::ids::KayakoId;
use crate::row::{Arrival, Row};

/// What the objects of a record's origin key mean.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// As the ledger has it.
    Fine,
    /// The record's own object, and others. While work is outstanding and no object is known, the oldest counts as its own.
    Surplus(Vec<KayakoId>),
    /// Of a migrated record: others only.
    Strange(Vec<KayakoId>),
    /// Of a migrated record: none, where there should be one.
    Missing,
    /// Of a record that did not arrive: objects that the ledger does not know.
    Stray(Vec<KayakoId>),
}

/// Judges the active objects of a record's origin key, oldest first.
pub fn judge(row: &Row, objects: &[KayakoId]) -> Verdict {
    // An adopted or merged record's object carries another key or none.
    let known = row.kayako_id.filter(|_| row.arrival == Some(Arrival::Created));
    let expected = if row.state.is_settled() { known } else { known.or(objects.first().copied()) };
    let others: Vec<KayakoId> = objects.iter().copied().filter(|id| Some(*id) != expected).collect();
    let is_there = expected.is_some_and(|id| objects.contains(&id));
    let migrated = row.state.is_migrated();
    match others.is_empty() {
        // Of outstanding work, what the row knows may not be seen yet.
        true if migrated && expected.is_some() && !is_there => Verdict::Missing,
        true => Verdict::Fine,
        false if is_there || !row.state.is_settled() => Verdict::Surplus(others),
        false if migrated => Verdict::Strange(others),
        false => Verdict::Stray(others),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Generation, RunNo};
    use crate::row::State;

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
            doubted: true,
            flight: None,
        }
    }

    fn ids(ids: &[u64]) -> Vec<KayakoId> {
        ids.iter().copied().map(KayakoId).collect()
    }

    #[test]
    fn the_object_that_the_ledger_knows_stays_and_nothing_else() {
        let judged = |objects: &[u64]| judge(&row(State::Committed, Some(7)), &ids(objects));
        assert_eq!(judged(&[7]), Verdict::Fine);
        assert_eq!(judged(&[3, 7, 9]), Verdict::Surplus(ids(&[3, 9])));
        assert_eq!(judged(&[]), Verdict::Missing);
        // Which of them is the record nobody can tell: none is removed.
        assert_eq!(judged(&[3]), Verdict::Strange(ids(&[3])));
    }

    #[test]
    fn what_was_adopted_or_merged_has_no_object_under_its_own_key() {
        for arrival in [Arrival::Adopted, Arrival::Merged] {
            let row = Row { arrival: Some(arrival), ..row(State::Committed, Some(7)) };
            assert_eq!(judge(&row, &[]), Verdict::Fine);
            assert_eq!(judge(&row, &ids(&[8])), Verdict::Strange(ids(&[8])));
        }
    }

    #[test]
    fn what_did_not_arrive_left_nothing_that_its_row_does_not_know() {
        for state in [State::Failed, State::Skipped] {
            assert_eq!(judge(&row(state, None), &[]), Verdict::Fine);
            assert_eq!(judge(&row(state, None), &ids(&[7])), Verdict::Stray(ids(&[7])));
            assert_eq!(judge(&row(state, Some(7)), &ids(&[7])), Verdict::Fine);
        }
    }

    #[test]
    fn outstanding_work_has_one_object_or_none() {
        for state in [State::Intended, State::InDoubt, State::Queued] {
            assert_eq!(judge(&row(state, None), &[]), Verdict::Fine);
            assert_eq!(judge(&row(state, None), &ids(&[7])), Verdict::Fine);
            assert_eq!(judge(&row(state, None), &ids(&[7, 9])), Verdict::Surplus(ids(&[9])));
        }
        let created = row(State::Created, Some(9));
        assert_eq!(judge(&created, &[]), Verdict::Fine, "not seen yet");
        assert_eq!(judge(&created, &ids(&[7, 9])), Verdict::Surplus(ids(&[7])));
        assert_eq!(
            judge(&created, &ids(&[7])),
            Verdict::Surplus(ids(&[7])),
            "there are two, and one is seen"
        );
    }
}
