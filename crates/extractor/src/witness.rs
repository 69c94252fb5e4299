//! Tells one record that cannot be read from a source that cannot be read.
//!
//! Constraint: an outage of any length fails no record, and one broken record stops no run. So a record is given up only after
//! several tries, and only while the source still answers for another record of its kind. So is one file, because a record that arrives
//! without its files is not what it was.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use model::listing::Listed;
use model::{Kind, RecordKey};
use sources::{Error, Source};

/// Tries of a whole page before one of its records is suspected. Each is itself some minutes of retries, so that a fault that passes
/// within a quarter of an hour fails nothing.
const TRIES: u8 = 3;
/// The same for a file while no other has been read, so that nothing tells it from a host of files that is away: an hour or so.
const TRIES_OF_THE_FIRST: u8 = 24;
/// Suspects remembered; above it the memory starts anew, which costs tries only.
const REMEMBERED: usize = 10_000;

/// What has been readable in this process.
#[derive(Default)]
pub(crate) struct Witness {
    /// One record of each kind that was read whole.
    records: Mutex<HashMap<Kind, Listed>>,
    tries: Mutex<HashMap<RecordKey, u8>>,
    /// The address of a file that was read.
    file: Mutex<Option<String>>,
    file_tries: Mutex<HashMap<String, u8>>,
}

impl Witness {
    /// A record was read whole.
    pub(crate) fn read(&self, one: &Listed) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.entry(one.key.kind).or_insert_with(|| one.clone());
    }

    /// The file at this address was read.
    pub(crate) fn read_a_file(&self, url: &str) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.get_or_insert_with(|| url.to_owned());
    }

    /// Whether a refused file says something about itself: others were given to these credentials.
    pub(crate) fn has_read_a_file(&self) -> bool {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Whether a failure to read the file at `url`, after all tries of a call, is the file's own.
    pub(crate) async fn blames_file(&self, source: &dyn Source, url: &str) -> bool {
        let tries = count(&self.file_tries, url.to_owned());
        let another = self.file.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let blamed = match another.filter(|known| known != url) {
            Some(known) => tries >= TRIES && source.download(&known).await.is_ok(),
            None => tries >= TRIES_OF_THE_FIRST,
        };
        if blamed {
            self.file_tries.lock().unwrap_or_else(PoisonError::into_inner).remove(url);
        }
        blamed
    }

    /// Whether a failure to read `one` is the record's own.
    pub(crate) async fn blames(&self, source: &dyn Source, one: &RecordKey, error: &Error) -> bool {
        let tries = match error {
            Error::ServerFault { .. } | Error::UnreadableAnswer { .. } | Error::NoAnswer { .. } => TRIES,
            // A refusal does not pass by itself.
            Error::Forbidden { .. } => 1,
            _ => return false,
        };
        if count(&self.tries, one.clone()) < tries {
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

    fn another(&self, one: &RecordKey) -> Option<Listed> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.get(&one.kind).filter(|known| known.key != *one).cloned()
    }
}

/// Counts a try of a suspect; how many there have been.
fn count<K: Eq + Hash>(tries: &Mutex<HashMap<K, u8>>, suspect: K) -> u8 {
    let mut tries = tries.lock().unwrap_or_else(PoisonError::into_inner);
    if tries.len() > REMEMBERED {
        tries.clear();
    }
    let count = tries.entry(suspect).or_default();
    *count = count.saturating_add(1);
    *count
}
