//! The kinds of record, and the key of one record inside a migration.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{MigrationId, SourceId};

/// What a record is. Written in this order ("phases") for speed; correctness never depends on the order,
/// because a claim demands the ids of all parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A team of agents (Zendesk: group).
    Team,
    /// A company customers belong to.
    Organization,
    /// A person: customer or staff.
    User,
    /// A ticket with everything in it.
    Case,
}

impl Kind {
    /// All kinds in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::Team, Self::Organization, Self::User, Self::Case];

    /// Stable name: origin keys, metric labels, report files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Organization => "organization",
            Self::User => "user",
            Self::Case => "case",
        }
    }

    /// The plural people read.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Team => "teams",
            Self::Organization => "organizations",
            Self::User => "users",
            Self::Case => "cases",
        }
    }

    /// One byte for packed storage; never reassign a value.
    pub const fn code(self) -> u8 {
        match self {
            Self::Team => b't',
            Self::Organization => b'o',
            Self::User => b'u',
            Self::Case => b'c',
        }
    }

    /// Inverse of [`Self::code`].
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is not the name of a kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a kind; use team, organization, user or case")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text || kind.plural() == text)
            .ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// One record of a migration: kind and id at the source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordKey {
    /// What it is.
    pub kind: Kind,
    /// Its id at the source.
    pub id: SourceId,
}

impl RecordKey {
    /// Builds a key.
    pub fn new(kind: Kind, id: impl Into<SourceId>) -> Self {
        Self { kind, id: id.into() }
    }

    /// Under which name the record's staged bytes lie in `blobs`: each record has copies of its own, so that they can
    /// be deleted when it is committed.
    pub fn staging(&self, migration: &MigrationId) -> String {
        format!("{migration}/{}/{}", self.kind, self.id)
    }

    /// The stand-in customer for people who no longer exist at the source.
    pub fn placeholder_user() -> Self {
        Self { kind: Kind::User, id: SourceId::placeholder() }
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}
