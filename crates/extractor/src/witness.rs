//! Tells one record that cannot be read from a source that cannot be read.
//!
//! Constraint: an outage of any length fails no record, and one broken record stops no run. So a record is given up only after
//! several tries, and only while the source still answers for another record of its kind.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use model::listing::Listed;
use model::{Kind, RecordKey};
use sources::{Error, Source};

/// Tries of a whole page before one of its records is suspected. Each is itself some minutes of retries, so that a fault that passes
/// within a quarter of an hour fails nothing.
const TRIES: u8 = 3;
/// Suspects remembered; above it the memory starts anew, which costs tries only.
const REMEMBERED: usize = 10_000;

/// What has been readable in this process.
#[derive(Default)]
pub(crate) struct Witness {
    /// One record of each kind that was read whole.
    records: Mutex<HashMap<Kind, Listed>>,
    tries: Mutex<HashMap<RecordKey, u8>>,
    a_file: AtomicBool,
}

impl Witness {
    /// A record was read whole.
    pub(crate) fn read(&self, one: &Listed) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.entry(one.key.kind).or_insert_with(|| one.clone());
    }

    /// A file was read.
    pub(crate) fn read_a_file(&self) {
        self.a_file.store(true, Ordering::Relaxed);
    }

    /// Whether a refused file says something about itself: others were given to these credentials.
    pub(crate) fn has_read_a_file(&self) -> bool {
        self.a_file.load(Ordering::Relaxed)
    }

    /// Whether a failure to read `one` is the record's own.
    pub(crate) async fn blames(&self, source: &dyn Source, one: &RecordKey, error: &Error) -> bool {
        let tries = match error {
            Error::ServerFault { .. } | Error::UnreadableAnswer { .. } | Error::NoAnswer { .. } => TRIES,
            // A refusal does not pass by itself.
            Error::Forbidden { .. } => 1,
            _ => return false,
        };
        if self.count(one) < tries {
            return false;
        }
        let other = self.another(one);
        let Some(other) = other else { return false };
        let answers = source.complete(other).await.is_ok();
        if answers {
            self.tries.lock().unwrap_or_else(PoisonError::into_inner).remove(one);
        }
        answers
    }

    fn count(&self, one: &RecordKey) -> u8 {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() > REMEMBERED {
            tries.clear();
        }
        let count = tries.entry(one.clone()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    fn another(&self, one: &RecordKey) -> Option<Listed> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.get(&one.kind).filter(|known| known.key != *one).cloned()
    }
}
