//! The journal: details about records that the ledger's small rows have no room for.
//!
//! Constraints: append-only, kept in `blobs`, never needed to decide whether to write (that is the ledger's), but needed to explain, to report
//! and to rebuild a lost ledger (adopted rows are journalled before they are committed). No credentials, no
//! customer text: field names, error codes, counts and ids only.

use serde::{Deserialize, Serialize};

use crate::ids::{KayakoId, RunNo, UnixMillis};
use crate::kind::RecordKey;
use crate::reason::Reason;
use crate::row::Arrival;

/// One line of a record's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When, by the writer's clock.
    pub at: UnixMillis,
    /// In which run.
    pub run: RunNo,
    /// The record.
    pub key: RecordKey,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

impl Entry {
    /// The line as it is stored.
    pub fn encode(&self) -> Vec<u8> {
        // Constraint: every type in an entry has text keys and no non-finite numbers, so encoding cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a stored line; `None` for one written by a later version with an event this one does not know.
    pub fn decode(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

/// What happened to a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// Read from the source.
    Extracted {
        /// Posts of a case.
        #[serde(default)]
        posts: u32,
        /// Files staged.
        #[serde(default)]
        attachments: u32,
        /// Files the source no longer has, with the reason.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        missing: Vec<String>,
    },
    /// Something was carried differently from how the source has it.
    Noted {
        /// What, in words that contain no customer text.
        detail: String,
    },
    /// A request with this record was sent.
    Sent {
        /// The bulk job, once known.
        #[serde(default)]
        job: Option<u64>,
        /// Records in the same request.
        batch: u32,
    },
    /// A try ended without success.
    Tried {
        /// Failure class.
        class: String,
        /// Error code and field.
        detail: String,
    },
    /// The outcome of a request is not known.
    InDoubt {
        /// Why.
        detail: String,
    },
    /// A probe looked for the record in Kayako.
    Probed {
        /// How many objects carry its origin key.
        found: u32,
    },
    /// The object exists.
    Present {
        /// Its id.
        id: KayakoId,
        /// How it came to be there.
        arrival: Arrival,
    },
    /// The objects of a record that was once in doubt were counted.
    Recounted {
        /// How many carry its origin key.
        found: u32,
        /// How it came to be there: an adopted or merged record has no object under its own key.
        #[serde(default)]
        arrival: Option<Arrival>,
    },
    /// Its object was in Kayako no more, and it is to be written again.
    Requeued,
    /// Surplus objects of the same origin key go to the trash. Written before they do, so that nothing is removed without a record.
    Deduplicated {
        /// Their ids.
        trashed: Vec<KayakoId>,
    },
    /// Other objects carry its origin key, and Kayako has no way to remove them that could be taken back.
    Doubled {
        /// Their ids.
        others: Vec<KayakoId>,
    },
    /// Every step is done and read back.
    Committed {
        /// The object.
        id: KayakoId,
        /// How it came to be there.
        arrival: Arrival,
    },
    /// A newer version was left unwritten by the plan's `on_changed: keep`.
    Kept,
    /// Left out.
    Skipped {
        /// Why.
        reason: Reason,
        /// Which value.
        detail: String,
    },
    /// Did not arrive.
    Failed {
        /// Why.
        reason: Reason,
        /// Which value or error.
        detail: String,
    },
}
