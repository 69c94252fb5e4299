//! Natural keys: e-mail addresses, titles, names and domains by which two records turn out to be one person, team or
//! company. One record owns a key; the others merge into it. The text itself is never stored, but its hash can be
//! guessed: see [`NaturalKey::new`].

use std::fmt;

use model::{Kind, RecordKey};

use crate::error::Error;
use crate::ledger::{Ledger, STEP};

/// A natural key as the ledger knows it: the kind, and 16 bytes in the place of the address. They show no address, but
/// whoever has the hash's key can try addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NaturalKey {
    /// What it identifies.
    pub kind: Kind,
    /// Keyed hash of the normalized value.
    pub hash: [u8; 16],
}

impl NaturalKey {
    /// From a value as it is compared (an address in lower case, a domain). `secret` keys the hash, so that two migrations
    /// have different hashes of one address. Against guessing it protects only as far as it is secret; the loader
    /// derives it from the migration's name, which is none.
    pub fn new(secret: &[u8; 32], kind: Kind, value: &str) -> Self {
        let mut hash = [0; 16];
        let full = blake3::keyed_hash(secret, value.as_bytes());
        hash.copy_from_slice(&full.as_bytes()[..16]);
        Self { kind, hash }
    }
}

impl fmt::Debug for NaturalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Eight hexadecimal digits tell keys apart in a log.
        let [a, b, c, d, ..] = self.hash;
        write!(f, "{}~{a:02x}{b:02x}{c:02x}{d:02x}", self.kind)
    }
}

impl Ledger {
    /// Makes each record the owner of its key unless the key has one; answers the owner of each.
    pub async fn claim_natural(&self, claims: &[(NaturalKey, RecordKey)]) -> Result<Vec<RecordKey>, Error> {
        let mut owners = Vec::with_capacity(claims.len());
        for step in claims.chunks(STEP) {
            owners.extend(self.store.claim_natural(step).await?);
        }
        Ok(owners)
    }
}
