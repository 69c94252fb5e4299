//! Gathers messages into batches of one kind. Pure: it is told the time a message came by its caller's timer.
//!
//! Constraint: a batch is at most 200 records (Kayako's limit for a bulk insert, API 4.2) and at most the given number of bytes; a
//! record that is bigger than that alone is a batch of its own.

use std::collections::BTreeMap;

use model::Kind;

/// What is being gathered, one open batch per kind.
#[derive(Debug)]
pub(crate) struct Gatherer<T> {
    records: usize,
    bytes: usize,
    open: BTreeMap<Kind, (Vec<T>, usize)>,
}

impl<T> Gatherer<T> {
    pub(crate) fn new(records: usize, bytes: usize) -> Self {
        Self { records: records.clamp(1, kayako::MAX_BULK_ITEMS), bytes, open: BTreeMap::new() }
    }

    /// Adds one; returns the batches that are full now.
    pub(crate) fn add(&mut self, kind: Kind, item: T, size: usize) -> Vec<(Kind, Vec<T>)> {
        let mut full = Vec::new();
        let (items, bytes) = self.open.entry(kind).or_default();
        if !items.is_empty() && *bytes + size > self.bytes {
            full.push((kind, std::mem::take(items)));
            *bytes = 0;
        }
        items.push(item);
        *bytes += size;
        if items.len() >= self.records || *bytes >= self.bytes {
            full.push((kind, std::mem::take(items)));
            *bytes = 0;
        }
        full
    }

    /// Everything gathered so far, in the order in which kinds are written.
    pub(crate) fn flush(&mut self) -> Vec<(Kind, Vec<T>)> {
        std::mem::take(&mut self.open)
            .into_iter()
            .filter(|(_, (items, _))| !items.is_empty())
            .map(|(kind, (items, _))| (kind, items))
            .collect()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.values().all(|(items, _)| items.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_close_by_count_and_by_size_and_never_mix_kinds() {
        let mut gatherer = Gatherer::new(3, 100);
        assert!(gatherer.add(Kind::User, 1, 10).is_empty());
        assert!(gatherer.add(Kind::Case, 2, 10).is_empty());
        assert!(gatherer.add(Kind::User, 3, 10).is_empty());
        assert_eq!(gatherer.add(Kind::User, 4, 10), [(Kind::User, vec![1, 3, 4])]);
        assert_eq!(
            gatherer.add(Kind::Case, 5, 95),
            [(Kind::Case, vec![2])],
            "it would have been too big with this one"
        );
        assert_eq!(gatherer.add(Kind::Case, 6, 500), [(Kind::Case, vec![5]), (Kind::Case, vec![6])]);
        assert!(gatherer.is_empty());
        gatherer.add(Kind::Case, 7, 1);
        assert_eq!(gatherer.flush(), [(Kind::Case, vec![7])]);
        assert!(gatherer.flush().is_empty());
    }

    #[test]
    fn a_batch_never_exceeds_what_kayako_takes() {
        let mut gatherer = Gatherer::new(5_000, usize::MAX);
        let full = (0..250).flat_map(|n| gatherer.add(Kind::Team, n, 1)).collect::<Vec<_>>();
        assert_eq!(full.len(), 1);
        assert_eq!(full[0].1.len(), 200);
    }
}
