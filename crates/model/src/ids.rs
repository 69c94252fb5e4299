//! Identifiers as types, so that a run number cannot be passed where a Kayako id is meant.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A name was not usable as an identifier.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "\"{value}\" is not a usable {what}: use 1 to {max} characters of a-z, 0-9 and -, beginning with a letter or digit"
)]
pub struct InvalidName {
    what: &'static str,
    value: String,
    max: usize,
}

/// One source account into one Kayako account. It is part of queue names, ledger keys and paths, hence the
/// small alphabet: 1 to 40 characters of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z0-9][a-z0-9-]{0,39}$"))]
pub struct MigrationId(String);

impl MigrationId {
    /// Checks and wraps a name.
    pub fn new(value: impl Into<String>) -> Result<Self, InvalidName> {
        const MAX: usize = 40;
        let value = value.into();
        let good = (1..=MAX).contains(&value.len())
            && !value.starts_with('-')
            && value.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if good { Ok(Self(value)) } else { Err(InvalidName { what: "migration name", value, max: MAX }) }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MigrationId {
    type Error = InvalidName;
    fn try_from(value: String) -> Result<Self, InvalidName> {
        Self::new(value)
    }
}

impl From<MigrationId> for String {
    fn from(id: MigrationId) -> Self {
        id.0
    }
}

impl fmt::Display for MigrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An entity's id at the source, as the source writes it. Opaque bytes to us: ids above 2^53 must survive,
/// so it is never turned into a floating-point number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SourceId(String);

impl SourceId {
    /// The stand-in for people who no longer exist at the source: one customer, created once, who owns what
    /// they left behind. No source uses this word as an id.
    pub const PLACEHOLDER: &'static str = "placeholder";

    /// Wraps an id as the source writes it.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The stand-in for people who no longer exist at the source.
    pub fn placeholder() -> Self {
        Self(Self::PLACEHOLDER.to_owned())
    }

    /// Whether this is the stand-in.
    pub fn is_placeholder(&self) -> bool {
        self.0 == Self::PLACEHOLDER
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<u64> for SourceId {
    fn from(id: u64) -> Self {
        Self(id.to_string())
    }
}

impl From<&str> for SourceId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number! {
    /// A numeric id of a Kayako object.
    KayakoId(u64)
}
number! {
    /// A run of a migration, counted from 1. Small, because every row carries the run it was last selected by.
    RunNo(u32)
}
number! {
    /// The growing number that makes a late worker's claim void.
    Fence(u64)
}
number! {
    /// Grows when the ledger may have lost writes. The first epoch is 1.
    Epoch(u32)
}
number! {
    /// Which deliberate copy of a record this is. `legacy_id` can never be changed in Kayako, so a replacement
    /// needs an origin key of its own. The first generation is 0 and has no suffix.
    Generation(u8)
}
number! {
    /// A bulk job at Kayako.
    JobId(u64)
}
number! {
    /// Milliseconds since 1970-01-01 UTC, by the clock of the store that hands it out.
    UnixMillis(i64)
}

impl UnixMillis {
    /// This instant moved by a duration (saturating).
    #[must_use]
    pub fn plus(self, by: std::time::Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Time from `self` to `later`, zero if `later` is not later.
    pub fn until(self, later: Self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn migration_names_are_checked() {
        assert!(MigrationId::new("acme-2").is_ok());
        for bad in ["", "-acme", "Acme", "a b", "a/b", &"x".repeat(41)] {
            assert!(MigrationId::new(bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn instants_saturate_instead_of_wrapping() {
        let late = UnixMillis(i64::MAX - 1);
        assert_eq!(late.plus(std::time::Duration::from_secs(10)), UnixMillis(i64::MAX));
        assert_eq!(late.until(UnixMillis(0)), std::time::Duration::ZERO);
    }
}
