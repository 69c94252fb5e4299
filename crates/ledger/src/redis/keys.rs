//! Names of the keys of one migration.
//!
//! All share one hash tag, so that Cluster puts them into one slot and a script may touch several. The number after a name is the
//! version of what the key holds; another format gets another number, so that old and new processes never read each other's bytes.

use model::{Kind, MigrationId, RecordKey, SourceId};

/// Hash: format, migration, buckets, identity of the server, epoch, its beginning, last fence.
const META: &str = "meta1";
/// Hash: one counter per run, kind and tally, and the number of swaps.
const COUNTS: &str = "counts1";
/// Sorted set: records on which work is outstanding, by the time at which somebody should look. Bounded by the credit window.
const DUE: &str = "due1";
/// Hash: ids too long to be fields, by their hash.
const LONG: &str = "long1";
/// Hash: documents as "version body", by name.
const DOCUMENTS: &str = "documents1";
/// Hash: locks as "fence until owner", by name.
const LOCKS: &str = "locks1";
/// Hash: encrypted secrets, by name.
const SEALED: &str = "sealed1";
/// Hashes, one per kind and bucket: packed rows, by id.
const ROWS: &str = "rows1";
/// Hashes, one per bucket: owners of natural keys, by keyed hash.
const NATURAL: &str = "natural1";

/// Fields per bucket aimed at. Up to 256 a script call takes 12 to 15 us, with 1,024 it takes 46 [measured]; Redis 7 keeps up to 512 in
/// the compact encoding, which leaves room for an estimate that was too small.
const FIELDS_PER_BUCKET: u64 = 160;
/// Fewest buckets: room for 500,000 records of a kind in the compact encoding even if nothing was known. Empty ones cost nothing.
const MIN_BUCKETS: u64 = 1024;
const MAX_BUCKETS: u64 = 1 << 20;

/// Longest id used as a field as it is; fields and values over 64 bytes would turn their whole bucket into the big encoding.
const MAX_FIELD: usize = 40;

/// Begins the field of a hashed id. An id that begins with it is hashed too.
const HASHED: u8 = b'#';

/// How many buckets a migration of that size gets, for good.
pub(super) fn buckets(expected_records: u64) -> u64 {
    (expected_records / FIELDS_PER_BUCKET).clamp(MIN_BUCKETS, MAX_BUCKETS)
}

/// Names of one migration's keys.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    base: String,
    buckets: u64,
}

impl Keys {
    pub(super) fn new(prefix: &str, migration: &MigrationId, buckets: u64) -> Self {
        Self { base: format!("{{{prefix}:{migration}}}:"), buckets }
    }

    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.base)
    }

    pub(super) fn meta(&self) -> String {
        self.named(META)
    }

    pub(super) fn counts(&self) -> String {
        self.named(COUNTS)
    }

    pub(super) fn due(&self) -> String {
        self.named(DUE)
    }

    pub(super) fn long(&self) -> String {
        self.named(LONG)
    }

    pub(super) fn documents(&self) -> String {
        self.named(DOCUMENTS)
    }

    pub(super) fn locks(&self) -> String {
        self.named(LOCKS)
    }

    pub(super) fn sealed(&self) -> String {
        self.named(SEALED)
    }

    pub(super) fn buckets(&self) -> u64 {
        self.buckets
    }

    pub(super) fn rows(&self, kind: Kind, bucket: u64) -> String {
        format!("{}{ROWS}:{}:{bucket}", self.base, char::from(kind.code()))
    }

    /// The bucket a record's row is in.
    pub(super) fn row(&self, key: &RecordKey) -> String {
        self.rows(key.kind, self.bucket(key.id.as_str().as_bytes()))
    }

    pub(super) fn natural(&self, bucket: u64) -> String {
        format!("{}{NATURAL}:{bucket}", self.base)
    }

    /// The bucket of a keyed hash.
    pub(super) fn natural_of(&self, hash: &[u8; 16]) -> String {
        self.natural(self.bucket(hash))
    }

    fn bucket(&self, bytes: &[u8]) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(bytes).as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h]) % self.buckets
    }

    /// Every key there may be.
    pub(super) fn all(&self) -> impl Iterator<Item = String> + '_ {
        let single = [META, COUNTS, DUE, LONG, DOCUMENTS, LOCKS, SEALED].map(|name| self.named(name));
        let bucketed = (0..self.buckets).flat_map(|bucket| {
            Kind::ALL.map(|kind| self.rows(kind, bucket)).into_iter().chain([self.natural(bucket)])
        });
        single.into_iter().chain(bucketed)
    }
}

/// The field of an id: the id itself (Redis stores a small decimal number in a few bytes), or 16 bytes of its BLAKE3 hash, and
/// whether the full id has to be kept beside.
pub(super) fn field(id: &SourceId) -> (Vec<u8>, bool) {
    let bytes = id.as_str().as_bytes();
    if (1..=MAX_FIELD).contains(&bytes.len()) && !bytes.starts_with(&[HASHED]) {
        return (bytes.to_vec(), false);
    }
    let mut field = Vec::with_capacity(17);
    field.push(HASHED);
    field.extend_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    (field, true)
}

/// Whether a field is a hashed id.
pub(super) fn is_hashed(field: &[u8]) -> bool {
    field.starts_with(&[HASHED])
}

/// A record as one member of a set: its kind's byte and its field.
pub(super) fn member(key: &RecordKey) -> Vec<u8> {
    let (field, _) = field(&key.id);
    let mut member = Vec::with_capacity(field.len() + 1);
    member.push(key.kind.code());
    member.extend_from_slice(&field);
    member
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_of_a_migration_share_one_hash_tag_and_are_distinct() {
        let keys = Keys::new("km", &MigrationId::new("acme").unwrap(), 3);
        let all: Vec<String> = keys.all().collect();
        assert_eq!(all.len(), 7 + 3 * (Kind::ALL.len() + 1));
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.iter().all(|key| key.starts_with("{km:acme}:")), "{all:?}");
        assert!(all.contains(&keys.row(&RecordKey::new(Kind::Case, "12"))));
    }

    #[test]
    fn ids_stay_as_they_are_up_to_forty_bytes_and_never_collide_with_hashed_ones() {
        let of = |id: &str| field(&SourceId::from(id));
        assert_eq!(of("9007199254740993"), (b"9007199254740993".to_vec(), false));
        assert!(!of(&"x".repeat(40)).1);
        for id in ["", "#12", &"x".repeat(41)] {
            let (field, long) = of(id);
            assert!(long && is_hashed(&field) && field.len() == 17, "{id}");
        }
        assert_ne!(of(&"x".repeat(41)).0, of(&"x".repeat(42)).0);
    }

    #[test]
    fn buckets_hold_about_the_fields_that_were_measured() {
        assert_eq!(buckets(0), 1024);
        assert_eq!(buckets(10_000_000), 62_500);
        assert_eq!(buckets(u64::MAX), MAX_BUCKETS);
    }
}
