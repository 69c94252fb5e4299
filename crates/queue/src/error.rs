//! What can go wrong with a queue, and what the evidence says about it.
//!
//! Constraint: no variant carries a password, a header or a body. The broker's own words (names of queues, reply
//! codes) are chained as the source.

use model::{Classify, FailureClass};

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a queue.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The broker's address cannot be read. The address itself is not repeated: it may hold a password.
    #[error("the broker's address is not usable: {problem}")]
    InvalidAddress {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A setting makes no sense.
    #[error("the queue's settings are not usable: {problem}")]
    InvalidConfig {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A migration or stage name cannot be a queue name.
    #[error("not usable as a queue name: {problem}")]
    InvalidName {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The message cannot be carried by a broker; nothing was sent.
    #[error("not usable as a message: {problem}")]
    InvalidMessage {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The broker refuses the credentials, the virtual host or a right.
    #[error("the broker refuses access")]
    AccessRefused(#[source] lapin::Error),
    /// There is no connection to the broker; nothing was sent.
    #[error("not connected to the broker")]
    NotConnected(#[source] Option<lapin::Error>),
    /// The broker accepts no publishes now (memory or disk alarm); nothing was sent.
    #[error("the broker blocks publishes because it runs out of memory or disk")]
    Blocked,
    /// The broker has no such queue: the message was not stored.
    #[error("the message was not stored because there is no queue {queue}")]
    Unroutable {
        /// The queue meant, by its name on the broker.
        queue: String,
    },
    /// The broker declined to store the message (a full queue or a queue without quorum): back-pressure.
    #[error("the broker declined to store the message in {queue}")]
    Declined {
        /// The queue meant, by its name on the broker.
        queue: String,
    },
    /// The message was sent and no answer came: it may be stored or not.
    #[error("the broker did not confirm the message for {queue}; it may be stored")]
    Unconfirmed {
        /// The queue meant, by its name on the broker.
        queue: String,
        /// What ended the wait; none if it was the time limit or a connection lost without a word.
        #[source]
        source: Option<lapin::Error>,
    },
    /// The acknowledgement did not reach the broker: the message will be delivered again.
    #[error("the delivery is not acknowledged; the broker will deliver it again")]
    NotAcked(#[source] Option<lapin::Error>),
    /// The queue to consume or to look at does not exist.
    #[error("there is no queue {queue}")]
    QueueMissing {
        /// The queue's name on the broker.
        queue: String,
    },
    /// A queue or exchange exists already with other arguments.
    #[error("the broker has a queue or exchange of this name with other arguments")]
    Conflict(#[source] lapin::Error),
    /// An administrative call was sent and its answer did not come or was an error. All of them may be repeated.
    #[error("the broker did not answer properly to {operation}")]
    Operation {
        /// The call.
        operation: &'static str,
        /// The broker's words; none if the time limit passed or the connection was lost.
        #[source]
        source: Option<lapin::Error>,
    },
    /// The broker handle was closed by this process.
    #[error("the broker handle is closed")]
    Closed,
}

impl Error {
    /// Whether the very same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::NotConnected(_)
                | Self::Blocked
                | Self::Declined { .. }
                | Self::Unconfirmed { .. }
                | Self::NotAcked(_)
                | Self::Operation { .. }
        )
    }
}

impl Classify for Error {
    fn class(&self) -> FailureClass {
        match self {
            Self::NotConnected(_) | Self::Blocked => FailureClass::NotSent,
            Self::Declined { .. } => FailureClass::Throttled { retry_after: None },
            Self::Unconfirmed { .. } | Self::Operation { .. } => FailureClass::Ambiguous,
            // The broker delivers again, as after the death of a consumer: nothing is held against the record.
            Self::NotAcked(_) | Self::Closed => FailureClass::Death,
            Self::InvalidAddress { .. }
            | Self::InvalidConfig { .. }
            | Self::AccessRefused(_)
            | Self::Conflict(_) => FailureClass::Halt,
            Self::InvalidMessage { .. } => FailureClass::Rejected,
            Self::InvalidName { .. } | Self::Unroutable { .. } | Self::QueueMissing { .. } => {
                FailureClass::Internal
            }
        }
    }
}
