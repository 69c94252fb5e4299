//! The one failure classification that every crate's errors map to.
//!
//! A failure is classed by *evidence* (what is known to have happened), never by guess, because the reaction
//! to "nothing was sent" and to "sent, answer lost" must differ: the second one may have taken effect.
//! The reaction to each class lives in the loader (`send.rs`) and the extractor (`service.rs`).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the evidence says about a failed call, and therefore what may be done next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum FailureClass {
    /// The other side as a whole does not answer (decided over several calls by a circuit, never by one call).
    /// Work waits; nothing counts as an attempt.
    TargetDown,
    /// The request certainly never left us (DNS, connect, TLS, pool). Retrying cannot double anything.
    NotSent,
    /// Refused by a rate limit; the server did nothing. Not an attempt.
    Throttled {
        /// How long the server told us to wait, if it did.
        retry_after: Option<Duration>,
    },
    /// Bytes were sent and then no readable answer came: the effect may or may not have happened.
    /// A create must be probed before it is repeated; a read or an absolute update is simply retried.
    Ambiguous,
    /// The server says that the object (or its natural key) exists already. Look it up; not an attempt.
    Conflict,
    /// The server understood and refused this record: it fails with a reason and the run goes on.
    Rejected,
    /// A parent is not committed yet. Parked, not an attempt.
    Waiting,
    /// No further call can succeed until a person acts (credentials, rights, licence, lock). The run pauses;
    /// no record is failed.
    Halt,
    /// A process was stopped in the middle. Nothing is held against the record.
    Death,
    /// Our own defect or a store that is broken: logged, counted, surfaced; never silently swallowed.
    Internal,
}

impl FailureClass {
    /// Whether a try that ended this way uses up one of the record's attempts (`Timing::attempts`).
    pub fn counts_as_attempt(&self) -> bool {
        matches!(self, Self::NotSent | Self::Ambiguous | Self::Internal)
    }

    /// Whether an identical *read* or absolute update may be tried again after a pause.
    pub fn is_retryable_read(&self) -> bool {
        matches!(self, Self::TargetDown | Self::NotSent | Self::Throttled { .. } | Self::Ambiguous)
    }

    /// The class's stable name: metric label, report column, log field.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TargetDown => "target_down",
            Self::NotSent => "not_sent",
            Self::Throttled { .. } => "throttled",
            Self::Ambiguous => "ambiguous",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Waiting => "waiting",
            Self::Halt => "halt",
            Self::Death => "death",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Implemented by each crate's error enum.
pub trait Classify {
    /// The class of this failure.
    fn class(&self) -> FailureClass;
}
