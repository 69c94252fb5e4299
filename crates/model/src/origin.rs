//! Origin keys: the marker every object we create carries in Kayako's `legacy_id`.
//!
//! Constraints: only `[A-Za-z0-9._~@:-]` (look-ups send them as CSV, so a comma would split one), at most 64
//! characters (the real limit is unknown; 64 is assumed), and never changed afterwards, because Kayako accepts
//! `legacy_id` on creation only (docs/kayako-api.md, 6). The same record must always get the same key: a probe after a
//! crash depends on it.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::ids::Generation;
use crate::kind::RecordKey;

/// Longest origin key we send [assumed].
pub const MAX_LENGTH: usize = 64;
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
        OriginKey(format!("{head}h.{}{suffix}", &digest[..room.min(40)]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

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
    fn long_ids_are_hashed_into_the_limit_and_stay_distinct() {
        let origin = Origin::new("zendesk", &"very-long-account-name".repeat(4));
        let one = origin.key(&RecordKey::new(Kind::Organization, "x".repeat(200).as_str()), Generation(255));
        let two = origin.key(&RecordKey::new(Kind::Organization, "x".repeat(201).as_str()), Generation(255));
        assert!(one.as_str().len() <= MAX_LENGTH, "{} characters", one.as_str().len());
        assert!(one.as_str().ends_with("@255"), "the generation was cut off: {one}");
        assert_ne!(one, two);
    }
}
