//! What was changed in the account since it was generated.
//!
//! Constraint: changes are numbered. Several of them share a second, as on the real service; a cursor that held only
//! the second would lose those that come after the page was read, so the cursor holds the number as well.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use crate::seed::Timeline;

/// Changed and added records of one family over its generated ones, by index.
pub(super) struct Layer<T> {
    timeline: Timeline,
    records: HashMap<u64, T>,
    /// Change number -> export time and index. Only the latest change of a record counts.
    order: BTreeMap<u64, (i64, u64)>,
    numbers: HashMap<u64, u64>,
    purged: HashSet<u64>,
    added: u64,
    last_number: u64,
    last_stamp: i64,
}

/// A record in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// Export time in unix seconds.
    pub(super) stamp: i64,
    /// Number of the change; 0 for a record as it was generated.
    pub(super) number: u64,
    /// The record.
    pub(super) index: u64,
}

/// Where an export goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// With the generated record at this position.
    Position(u64),
    /// With the first change after this number.
    After(u64),
}

impl<T> Layer<T> {
    pub(super) fn new(timeline: Timeline) -> Self {
        Self {
            timeline,
            records: HashMap::new(),
            order: BTreeMap::new(),
            numbers: HashMap::new(),
            purged: HashSet::new(),
            added: 0,
            last_number: 0,
            // A change comes after everything that was generated.
            last_stamp: timeline.end() + 1,
        }
    }

    /// Generated and added records; indexes are below this.
    pub(super) fn len(&self) -> u64 {
        self.timeline.len() + self.added
    }

    pub(super) fn get(&self, index: u64) -> Option<&T> {
        self.records.get(&index)
    }

    pub(super) fn is_purged(&self, index: u64) -> bool {
        self.purged.contains(&index)
    }

    pub(super) fn changed(&self) -> impl Iterator<Item = (u64, &T)> {
        self.records.iter().map(|(&index, record)| (index, record))
    }

    pub(super) fn purged(&self) -> impl Iterator<Item = u64> {
        self.purged.iter().copied()
    }

    /// Deletes a record without a trace.
    pub(super) fn purge(&mut self, index: u64) {
        self.forget_number(index);
        self.records.remove(&index);
        self.purged.insert(index);
    }

    fn forget_number(&mut self, index: u64) {
        if let Some(number) = self.numbers.remove(&index) {
            self.order.remove(&number);
        }
    }

    /// The export time of a change that is made now; never falls.
    pub(super) fn stamp(&mut self, now: i64) -> i64 {
        self.last_stamp = now.max(self.last_stamp);
        self.last_stamp
    }

    /// Stores a change with the time that [`Self::stamp`] gave.
    pub(super) fn put(&mut self, index: u64, stamp: i64, record: T) {
        self.forget_number(index);
        self.added = self.added.max((index + 1).saturating_sub(self.timeline.len()));
        self.last_number += 1;
        self.records.insert(index, record);
        self.order.insert(self.last_number, (stamp, index));
        self.numbers.insert(index, self.last_number);
    }

    /// The place of the first record whose export time is not before `start`.
    pub(super) fn since(&self, start: i64) -> From {
        let position = self.timeline.first_since(start);
        if position < self.timeline.len() {
            return From::Position(position);
        }
        let first = self.order.iter().find(|(_, (stamp, _))| *stamp >= start);
        From::After(first.map_or(self.last_number, |(number, _)| number - 1))
    }

    /// The place after a record.
    pub(super) fn after(&self, row: Row) -> From {
        if row.number > 0 {
            From::After(row.number)
        } else if row.index < self.timeline.len() {
            From::Position(self.timeline.position_of(row.index) + 1)
        } else {
            From::After(0)
        }
    }

    /// Whether a record still stands where it was seen.
    pub(super) fn stands(&self, row: Row) -> bool {
        !self.is_purged(row.index) && self.numbers.get(&row.index).copied().unwrap_or(0) == row.number
    }

    /// Up to `limit` records not later than `until`, and whether these are the last ones.
    pub(super) fn export(&self, from: From, limit: usize, until: i64) -> (Vec<Row>, bool) {
        let (first, after) = match from {
            From::Position(position) => (position, 0),
            From::After(number) => (self.timeline.len(), number),
        };
        let unchanged = (first..self.timeline.len())
            .map(|position| Row {
                stamp: self.timeline.generated(position),
                number: 0,
                index: self.timeline.index_at(position),
            })
            .filter(|&row| self.stands(row));
        let changed = self
            .order
            .range((Bound::Excluded(after), Bound::Unbounded))
            .map(|(&number, &(stamp, index))| Row { stamp, number, index });
        let mut rows: Vec<Row> =
            unchanged.chain(changed).take_while(|row| row.stamp <= until).take(limit + 1).collect();
        let end = rows.len() <= limit;
        rows.truncate(limit);
        (rows, end)
    }
}
