//! What a source listing tells about a record before its details are fetched.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::SourceId;
use crate::kind::RecordKey;
use crate::record::FieldValues;

/// The properties that a plan may select by. Everything here must be in the listing itself, so that a filtered record costs
/// no further call.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Creation time.
    pub created_at: Option<Timestamp>,
    /// Tags.
    pub tags: Vec<String>,
    /// Team.
    pub team: Option<SourceId>,
    /// Organization.
    pub organization: Option<SourceId>,
    /// Assignee.
    pub assignee: Option<SourceId>,
    /// Custom fields.
    pub fields: FieldValues,
    /// The source lists it as deleted: its details cannot be read any more.
    pub deleted: bool,
}

/// One listed record.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Kind and id.
    pub key: RecordKey,
    /// Hash of what the source says about its version (change stamps): equal means unchanged.
    pub version: u64,
    /// What a plan may select by.
    pub facts: Facts,
    /// The source's own object, for the source module only.
    pub raw: serde_json::Value,
}

/// Hash of any bytes as a version or fingerprint. BLAKE3, first 8 bytes: stable across builds and machines, unlike the standard hasher.
pub fn version_of(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}
