//! Rows by id and ids by legacy id: every look-up in constant time, whatever the account holds.

use std::collections::HashMap;

/// Rows with ids counted from 1, never reused.
#[derive(Debug, Clone)]
pub(crate) struct Table<T> {
    rows: Vec<Option<T>>,
    live: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), live: 0 }
    }
}

fn place(id: u64) -> Option<usize> {
    usize::try_from(id).ok()?.checked_sub(1)
}

impl<T> Table<T> {
    /// The id that the next insert will give.
    pub(crate) fn next_id(&self) -> u64 {
        self.rows.len() as u64 + 1
    }

    pub(crate) fn insert(&mut self, row: T) -> u64 {
        self.rows.push(Some(row));
        self.live += 1;
        self.rows.len() as u64
    }

    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        self.rows.get(place(id)?)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        self.rows.get_mut(place(id)?)?.as_mut()
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let row = self.rows.get_mut(place(id)?)?.take();
        self.live -= usize::from(row.is_some());
        row
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &T)> {
        self.rows.iter().enumerate().filter_map(|(place, row)| Some((place as u64 + 1, row.as_ref()?)))
    }
}

/// Ids by legacy id. Several objects may carry one legacy id: Kayako does not promise otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct LegacyIndex(HashMap<Box<str>, Vec<u64>>);

impl LegacyIndex {
    pub(crate) fn add(&mut self, legacy_id: &str, id: u64) {
        if let Some(ids) = self.0.get_mut(legacy_id) {
            ids.push(id);
        } else {
            self.0.insert(legacy_id.into(), vec![id]);
        }
    }

    pub(crate) fn remove(&mut self, legacy_id: &str, id: u64) {
        if let Some(ids) = self.0.get_mut(legacy_id) {
            ids.retain(|known| *known != id);
        }
    }

    pub(crate) fn get(&self, legacy_id: &str) -> &[u64] {
        self.0.get(legacy_id).map_or(&[], Vec::as_slice)
    }
}
