//! What went wrong with a read, by evidence.
//!
//! Constraints: texts name the endpoint's template (never an id, a query or a body) and, where a person must act, what
//! to do. No variant keeps credentials or customer text; transport errors are kept without their address, because
//! download addresses carry tokens.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use model::{Classify, FailureClass, RecordKey};
use wire::Trouble;

/// How an answer got lost after the request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LostCause {
    /// No answer in time.
    #[error("no answer came in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection broke")]
    Reset,
    /// The answer broke off.
    #[error("the answer broke off")]
    Body,
}

/// Every way a read can fail.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings contradict themselves.
    #[error("the source cannot be set up: {problem}")]
    Settings {
        /// What is wrong.
        problem: &'static str,
    },
    /// DNS, TCP or TLS.
    #[error(
        "{endpoint} was not sent: no connection to the source could be opened; check the address and the network"
    )]
    NotSent {
        /// Template of the address.
        endpoint: &'static str,
        /// The transport's own error.
        #[source]
        source: Option<Arc<reqwest::Error>>,
    },
    /// Sent, and then nothing.
    #[error("{endpoint} was sent, but {cause}")]
    NoAnswer {
        /// Template of the address.
        endpoint: &'static str,
        /// How.
        cause: LostCause,
        /// The transport's own error.
        #[source]
        source: Option<Arc<reqwest::Error>>,
    },
    /// 408, 409 or 5xx: passes by itself.
    #[error("{endpoint} answered HTTP {status}: the source is in trouble at the moment")]
    ServerFault {
        /// Template of the address.
        endpoint: &'static str,
        /// HTTP status.
        status: u16,
    },
    /// Something that is not what the endpoint answers.
    #[error("{endpoint} answered HTTP {status} with something unreadable: {problem}")]
    UnreadableAnswer {
        /// Template of the address.
        endpoint: &'static str,
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// 429.
    #[error("{endpoint} was refused by a rate limit of the source")]
    Throttled {
        /// Template of the address.
        endpoint: &'static str,
        /// How long to stay away, as the source says.
        retry_after: Option<Duration>,
    },
    /// The credentials do not open the account.
    #[error("{endpoint} refused the credentials: {advice}")]
    Credentials {
        /// Template of the address.
        endpoint: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The credentials open the account, but not this part of it.
    #[error("{endpoint} answered HTTP {status}: the credentials may not read this; {advice}")]
    Forbidden {
        /// Template of the address.
        endpoint: &'static str,
        /// HTTP status.
        status: u16,
        /// What to do.
        advice: &'static str,
    },
    /// There is no such account at the address.
    #[error("{endpoint} answered HTTP {status}: there is no account at this address; {advice}")]
    NoAccount {
        /// Template of the address.
        endpoint: &'static str,
        /// HTTP status.
        status: u16,
        /// What to do.
        advice: &'static str,
    },
    /// A listing or another call that concerns the whole account was refused for good.
    #[error("{endpoint} answered HTTP {status}: the source refuses to list this; {advice}")]
    ListingRefused {
        /// Template of the address.
        endpoint: &'static str,
        /// HTTP status.
        status: u16,
        /// What to do.
        advice: &'static str,
    },
    /// A call that concerns one record was refused for good.
    #[error("{endpoint} answered HTTP {status}: the source refuses to show this record")]
    Refused {
        /// Template of the address.
        endpoint: &'static str,
        /// HTTP status.
        status: u16,
    },
    /// The conversation could not be read as a whole: the number of comments kept differing from the source's count.
    #[error("{key} was read with {found} comments, but the source counts {expected}; it is read again later")]
    Incomplete {
        /// The record.
        key: RecordKey,
        /// As the source counts.
        expected: u64,
        /// As read.
        found: u64,
    },
    /// A record lacks something without which it cannot be understood.
    #[error("{key} has no readable {property} at the source")]
    UnusableRecord {
        /// The record.
        key: RecordKey,
        /// What is missing.
        property: &'static str,
    },
    /// A file turned out larger than the limit while it was read.
    #[error("the file is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// An address that must not be called: no https, or a host inside our own network.
    #[error("an attachment's address is not acceptable: {problem}")]
    Address {
        /// Why.
        problem: &'static str,
    },
    /// A cursor or shard that this source did not make.
    #[error("the checkpoint does not belong to this listing; start the listing again")]
    ForeignCursor,
    /// The caller's own hook (budget, token store) failed.
    #[error("held back before it was sent")]
    Hook {
        /// The class the hook gave.
        class: FailureClass,
        /// The hook's reason.
        #[source]
        source: Arc<dyn StdError + Send + Sync>,
    },
}

impl Error {
    /// For implementers of [`crate::Pace`] and [`crate::TokenKeeper`]: a call that must not be sent, with its class and reason.
    pub fn hook(class: FailureClass, reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Hook { class, source: Arc::from(reason.into()) }
    }

    /// Whether an extractor that sees this should simply stop for now (rate limit) rather than count a failure.
    pub fn is_throttled(&self) -> bool {
        matches!(self, Self::Throttled { .. })
    }

    /// Sorts a transport error by what it proves.
    pub(crate) fn transport(endpoint: &'static str, error: impl Into<wire::Error>) -> Self {
        let wire::Error { trouble, source } = error.into();
        let cause = match trouble {
            Trouble::NotConnected | Trouble::NotBuilt => return Self::NotSent { endpoint, source },
            Trouble::Timeout => LostCause::Timeout,
            Trouble::Body => LostCause::Body,
            Trouble::Broken => LostCause::Reset,
        };
        Self::NoAnswer { endpoint, cause, source }
    }
}

impl Classify for Error {
    fn class(&self) -> FailureClass {
        match self {
            Self::Settings { .. }
            | Self::Credentials { .. }
            | Self::Forbidden { .. }
            | Self::NoAccount { .. }
            | Self::ListingRefused { .. } => FailureClass::Halt,
            Self::NotSent { .. } => FailureClass::NotSent,
            Self::NoAnswer { .. }
            | Self::ServerFault { .. }
            | Self::UnreadableAnswer { .. }
            | Self::Incomplete { .. } => FailureClass::Ambiguous,
            Self::Throttled { retry_after, .. } => FailureClass::Throttled { retry_after: *retry_after },
            Self::Refused { .. }
            | Self::UnusableRecord { .. }
            | Self::TooLarge { .. }
            | Self::Address { .. } => FailureClass::Rejected,
            Self::ForeignCursor => FailureClass::Internal,
            Self::Hook { class, .. } => class.clone(),
        }
    }
}
