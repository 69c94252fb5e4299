//! Messages between the services: one per record, JSON, versioned.
//!
//! Constraints: at most 256 KiB in a queue (bigger payloads travel as a blob reference); a reader accepts its own version and the one before, so that
//! services can be upgraded during a run; fields are only ever added, with a default. Trace context and origin key are
//! headers, so that a broker's tools and a dead letter can be read without opening the body.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::command::LoadCommand;
use crate::ids::{RunNo, SourceId};
use crate::kind::{Kind, RecordKey};
use crate::record::{BlobRef, Record};

/// The version written.
pub const VERSION: u32 = 1;
/// The oldest version read.
pub const OLDEST_VERSION: u32 = 1;
/// Longest body that is put into a queue as it is; a longer one travels by reference (docs/adr/0007-json-envelopes.md).
pub const MAX_INLINE_BYTES: usize = 256 * 1024;

/// Header with the record's key.
pub const HEADER_KEY: &str = "km-record";
/// Header with the schema version.
pub const HEADER_VERSION: &str = "km-version";
/// Header that says that the body is a [`BlobRef`] to the real one.
pub const HEADER_STAGED: &str = "km-staged";

/// What every message says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// Schema version.
    pub v: u32,
    /// The run that counts the record.
    pub run: RunNo,
    /// Hash of the plan the run executes.
    pub plan: String,
    /// The content.
    pub body: T,
}

impl<T> Envelope<T> {
    /// Wraps a body at the current version.
    pub fn new(run: RunNo, plan: impl Into<String>, body: T) -> Self {
        Self { v: VERSION, run, plan: plan.into(), body }
    }
}

/// A task for an extractor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum ExtractTask {
    /// Begin a kind: find its shards (or draw the sample), store their checkpoints, publish their tasks.
    Open {
        /// The kind.
        kind: Kind,
    },
    /// Read the next page of a shard from its checkpoint on, then publish the task for the page after it.
    List {
        /// The kind listed.
        kind: Kind,
        /// Name of the shard; its position is its checkpoint in the ledger.
        shard: String,
    },
    /// Read records by id: parents that no listing showed, the cases of a demo, lost work.
    Fetch {
        /// Their kind.
        kind: Kind,
        /// Their ids, at most 100 (Zendesk's `show_many` limit).
        ids: Vec<SourceId>,
        /// Publish them even if the ledger says that a message carries them already: that message is lost.
        #[serde(default)]
        lost: bool,
    },
}

/// A record on its way to the transformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intake {
    /// The record.
    pub record: Record,
}

/// A load command on its way to the loader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The record it was made from.
    pub key: RecordKey,
    /// What to write.
    pub command: LoadCommand,
}

/// A message body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON, or not of this shape.
    #[error("the message is not a readable envelope")]
    Unreadable(#[from] serde_json::Error),
    /// From a build we do not understand.
    #[error(
        "the message has schema version {found}; this build reads {OLDEST_VERSION} to {VERSION}: upgrade this service"
    )]
    Version {
        /// Its version.
        found: u32,
    },
}

/// Encodes an envelope.
pub fn encode<T: Serialize>(envelope: &Envelope<T>) -> Result<Vec<u8>, EnvelopeError> {
    Ok(serde_json::to_vec(envelope)?)
}

/// Decodes an envelope, the version first: a body of an unknown version is never half understood.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<Envelope<T>, EnvelopeError> {
    #[derive(Deserialize)]
    struct Head {
        v: u32,
    }
    let head: Head = serde_json::from_slice(bytes)?;
    if !(OLDEST_VERSION..=VERSION).contains(&head.v) {
        return Err(EnvelopeError::Version { found: head.v });
    }
    Ok(serde_json::from_slice(bytes)?)
}

/// Reference to a body that was too big for the queue.
pub type StagedBody = BlobRef;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_version_from_the_future_is_named_and_not_guessed_at() {
        let task = ExtractTask::Fetch { kind: Kind::User, ids: vec![SourceId::from(7)], lost: false };
        let bytes = encode(&Envelope::new(RunNo(1), "abc", task.clone())).unwrap();
        assert_eq!(decode::<ExtractTask>(&bytes).unwrap().body, task);
        let newer = String::from_utf8(bytes).unwrap().replace("\"v\":1", "\"v\":9");
        let error = decode::<ExtractTask>(newer.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("version 9"), "{error}");
    }
}
