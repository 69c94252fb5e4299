//! Origin keys: the marker every object we create carries in Kayako's `legacy_id`.
//!
//! Constraints: only `[A-Za-z0-9._~@:-]` (look-ups send them as CSV, so a comma would split one), at most 64
//! characters (the real limit is unknown; 64 is assumed), and never changed afterwards, because Kayako accepts
//! `legacy_id` on creation only (docs/kayako-api.md, 6). The same record must always get the same key: a probe after a
//! crash depends on it.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::ids::Generation;
use crate::kind::{Kind, RecordKey};

/// Longest origin key we send [assumed].
pub const MAX_LENGTH: usize = 64;
/// How an id begins that was hashed.
const HASHED: &str = "h.";
/// The rest of a key must keep room: 24 characters name any account we have seen.
const MAX_ORIGIN: usize = 24;

/// `<source>-<account>`: the part of an origin key that names where records come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// From the help desk's name and its account (for a host name its first label is enough).
    pub fn new(source: &str, account: &str) -> Self {
        let mut text = encode(source);
        text.push('-');
        text.push_str(&encode(account));
        if text.len() > MAX_ORIGIN {
            let digest = blake3::hash(text.as_bytes()).to_hex();
            text.truncate(MAX_ORIGIN - 9);
            text = format!("{text}.{}", &digest[..8]);
        }
        Self(text)
    }

    /// The key of a record in its given generation.
    pub fn key(&self, record: &RecordKey, generation: Generation) -> OriginKey {
        let suffix = if generation.0 == 0 { String::new() } else { format!("@{}", generation.0) };
        let head = format!("{}:{}:", self.0, record.kind);
        let id = encode(record.id.as_str());
        if head.len() + id.len() + suffix.len() <= MAX_LENGTH {
            return OriginKey(format!("{head}{id}{suffix}"));
        }
        // Ids too long for the field are hashed into the room that is left: at least 20 hexadecimal digits
        // (80 bits), so that two records of one account never share a key.
        let digest = blake3::hash(record.id.as_str().as_bytes()).to_hex();
        let room = MAX_LENGTH - head.len() - suffix.len() - 2;
        OriginKey(format!("{head}{HASHED}{}{suffix}", &digest[..room.min(40)]))
    }

    /// What a key says, if it has this origin's form. Whoever wrote it: another ledger of the same source account, say.
    pub fn read(&self, key: &str) -> Option<Written> {
        let rest = key.strip_prefix(self.0.as_str())?.strip_prefix(':')?;
        let (kind, rest) = rest.split_once(':').unwrap_or((rest, ""));
        let (id, generation) = match rest.rsplit_once('@') {
            Some((id, generation)) => (id, generation.parse().ok()),
            None => (rest, Some(0)),
        };
        let record = Kind::ALL
            .into_iter()
            .find(|known| known.name() == kind)
            .zip(decode(id))
            .map(|(kind, id)| RecordKey::new(kind, id.as_str()));
        Some(Written { record, generation: generation.map(Generation), is_hashed: id.starts_with(HASHED) })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an origin key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The record, unless no record can be so called.
    pub record: Option<RecordKey>,
    /// Its generation, unless it is none.
    pub generation: Option<Generation>,
    /// The id may be the hash of one that is too long for a key; `record` is then none that anybody knows.
    pub is_hashed: bool,
}

/// The value of `legacy_id` of one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OriginKey(String);

impl OriginKey {
    /// The text sent to Kayako.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OriginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Percent-encodes everything outside `[A-Za-z0-9._-]`; `~`, `@` and `:` separate the parts of a key and are
/// therefore encoded inside a part. The escape is written with `~` instead of `%`, which is not in the alphabet.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "~{byte:02X}");
        }
    }
    out
}

/// Inverse of [`encode`]; `None` for what it never writes.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'~' => {
                let digits = [rest.next()?, rest.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_well_and_stay_in_the_alphabet() {
        let origin = Origin::new("zendesk", "acme");
        let key = origin.key(&RecordKey::new(Kind::Case, "101"), Generation(0));
        assert_eq!(key.as_str(), "zendesk-acme:case:101");
        assert_eq!(
            origin.key(&RecordKey::new(Kind::Case, "101"), Generation(2)).as_str(),
            "zendesk-acme:case:101@2"
        );
        let odd = origin.key(&RecordKey::new(Kind::User, "a,b/ü@x"), Generation(0));
        assert_eq!(odd.as_str(), "zendesk-acme:user:a~2Cb~2F~C3~BC~40x");
    }

    #[test]
    fn a_key_that_was_written_can_be_read_and_no_other() {
        let origin = Origin::new("zendesk", "acme");
        for (kind, id) in [(Kind::Case, "101"), (Kind::User, "a,b/ü@x"), (Kind::Team, "~2@7:")] {
            for generation in [Generation(0), Generation(255)] {
                let record = RecordKey::new(kind, id);
                let read = origin.read(origin.key(&record, generation).as_str());
                let written =
                    Written { record: Some(record), generation: Some(generation), is_hashed: false };
                assert_eq!(read, Some(written));
            }
        }
        let long = RecordKey::new(Kind::User, "x".repeat(100).as_str());
        assert!(origin.read(origin.key(&long, Generation(3)).as_str()).is_some_and(|read| read.is_hashed));
        for other in ["zendesk-acme2:case:101", "zendesk-acm:case:101", "zendesk-acme", "", "YAK-923-46434"] {
            assert_eq!(origin.read(other), None, "{other}");
        }
        // Ours by its form, although no record of ours is so called.
        for odd in ["zendesk-acme:", "zendesk-acme:case:", "zendesk-acme:thing:1", "zendesk-acme:case:1~ZZ"] {
            assert_eq!(origin.read(odd).map(|read| read.record), Some(None), "{odd}");
        }
    }

    #[test]
    fn long_ids_are_hashed_into_the_limit_and_stay_distinct() {
        let origin = Origin::new("zendesk", &"very-long-account-name".repeat(4));
        let one = origin.key(&RecordKey::new(Kind::Organization, "x".repeat(200).as_str()), Generation(255));
        let two = origin.key(&RecordKey::new(Kind::Organization, "x".repeat(201).as_str()), Generation(255));
        assert!(one.as_str().len() <= MAX_LENGTH, "{} characters", one.as_str().len());
        assert!(one.as_str().ends_with("@255"), "the generation was cut off: {one}");
        assert_ne!(one, two);
    }
}
