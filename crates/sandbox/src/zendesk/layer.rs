//! What was changed in the account since it was generated.
//!
//! Constraint: export times of changes never repeat and only grow, so that a cursor needs nothing but the time, and
//! two changes within one second are not lost between two pages.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use crate::seed::Timeline;

/// Changed and added records of one family over its generated ones, by index.
pub(super) struct Layer<T> {
    timeline: Timeline,
    records: HashMap<u64, T>,
    /// Export time -> index, for changed and added records.
    order: BTreeMap<i64, u64>,
    stamps: HashMap<u64, i64>,
    purged: HashSet<u64>,
    added: u64,
    last: i64,
}

/// Where an export goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// With the generated record at this position.
    Position(u64),
    /// With the first change after this export time.
    After(i64),
}

impl<T> Layer<T> {
    pub(super) fn new(timeline: Timeline) -> Self {
        Self {
            last: timeline.end(),
            timeline,
            records: HashMap::new(),
            order: BTreeMap::new(),
            stamps: HashMap::new(),
            purged: HashSet::new(),
            added: 0,
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
        self.forget_stamp(index);
        self.records.remove(&index);
        self.purged.insert(index);
    }

    fn forget_stamp(&mut self, index: u64) {
        if let Some(stamp) = self.stamps.remove(&index) {
            self.order.remove(&stamp);
        }
    }

    /// The export time of the next change.
    pub(super) fn stamp(&mut self, now: i64) -> i64 {
        self.last = now.max(self.last + 1);
        self.last
    }

    /// Stores a change with the time that [`Self::stamp`] gave.
    pub(super) fn put(&mut self, index: u64, stamp: i64, record: T) {
        self.forget_stamp(index);
        self.added = self.added.max((index + 1).saturating_sub(self.timeline.len()));
        self.records.insert(index, record);
        self.order.insert(stamp, index);
        self.stamps.insert(index, stamp);
    }

    /// The place of the first record whose export time is not before `start`.
    pub(super) fn since(&self, start: i64) -> From {
        match self.timeline.first_since(start) {
            position if position < self.timeline.len() => From::Position(position),
            _ => From::After(start - 1),
        }
    }

    /// The place after a record that was exported with this time.
    pub(super) fn after(&self, stamp: i64, index: u64) -> From {
        if stamp <= self.timeline.end() && index < self.timeline.len() {
            From::Position(self.timeline.position_of(index) + 1)
        } else {
            From::After(stamp)
        }
    }

    /// Whether a record still stands where a cursor saw it.
    pub(super) fn stands(&self, stamp: i64, index: u64) -> bool {
        !self.is_purged(index)
            && self.stamps.get(&index).map_or_else(
                || index < self.timeline.len() && stamp <= self.timeline.end(),
                |&current| current == stamp,
            )
    }

    /// Up to `limit` records (export time, index) not later than `until`, and whether these are the last ones.
    pub(super) fn export(&self, from: From, limit: usize, until: i64) -> (Vec<(i64, u64)>, bool) {
        let (first, after) = match from {
            From::Position(position) => (position, i64::MIN),
            From::After(stamp) => (self.timeline.len(), stamp),
        };
        let generated = (first..self.timeline.len()).map(|position| {
            let index = self.timeline.index_at(position);
            (self.timeline.generated(position), index)
        });
        let unchanged =
            generated.filter(|(_, index)| !self.stamps.contains_key(index) && !self.is_purged(*index));
        let changed = self
            .order
            .range((Bound::Excluded(after), Bound::Unbounded))
            .map(|(&stamp, &index)| (stamp, index));
        let mut rows: Vec<_> =
            unchanged.chain(changed).take_while(|(stamp, _)| *stamp <= until).take(limit + 1).collect();
        let end = rows.len() <= limit;
        rows.truncate(limit);
        (rows, end)
    }
}
