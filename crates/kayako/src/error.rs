//! What went wrong with a call, and what that proves.
//!
//! Constraints: variants follow the *evidence* (was anything sent? did the account refuse before the effect?),
//! because that decides whether a create may be repeated. No variant keeps text of a body, a query or a
//! credential; codes and field names are filtered to harmless characters when they are read.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{Classify, FailureClass};

use crate::call::Call;
use crate::code::ErrorCode;
use crate::gate::CallOutcome;

/// Why a request never left us, or was certainly refused before any effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSentCause {
    /// DNS, TCP or TLS.
    #[error("no connection to the account could be opened")]
    Connect,
    /// All connections were busy for the whole pool timeout.
    #[error("no connection became free in time")]
    Pool,
    /// The caller's deadline passed before the request could be sent.
    #[error("the deadline had passed")]
    Deadline,
    /// The session had expired (refused before the effect) and so had the one that replaced it.
    #[error("the session ended twice during one call")]
    SessionExpired,
    /// The files named in the body belong to a session that is gone: upload them again.
    #[error("the uploaded files belong to a session that has ended")]
    FilesVoid,
    /// The request could not be put together.
    #[error("the request could not be built")]
    Build,
}

/// How an answer got lost after the request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LostCause {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection broke")]
    Reset,
    /// The answer broke off or could not be decompressed.
    #[error("the answer broke off")]
    Body,
}

/// Why an answer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableCause {
    /// A page for people, from a proxy or a maintenance server.
    #[error(
        "a web page (HTML) came instead of JSON: something between us and Kayako answered, or the address is not a Kayako account's"
    )]
    Html,
    /// The answer points elsewhere.
    #[error("a redirect came instead of an answer: check the account's address")]
    Redirect,
    /// Not JSON.
    #[error("the answer is not JSON")]
    NotJson,
    /// JSON that ends too early.
    #[error("the answer ends in the middle")]
    Truncated,
    /// JSON of another shape than documented.
    #[error("the answer does not have the documented shape")]
    Shape,
    /// Longer than the configured limit.
    #[error("the answer is longer than the configured limit")]
    TooLong,
    /// A list whose pages do not add up to its own count.
    #[error("the pages of the list do not add up to its count")]
    Incomplete,
}

/// One entry of the account's `errors` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorItem {
    /// What.
    pub code: ErrorCode,
    /// The request field concerned, such as `email`.
    pub parameter: Option<String>,
    /// Its exact path in arrays and objects, such as `users/0/role_id`.
    pub pointer: Option<String>,
}

impl fmt::Display for ErrorItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        match self.pointer.as_deref().or(self.parameter.as_deref()) {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

/// A readable refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was called.
    pub call: Call,
    /// The HTTP status.
    pub status: u16,
    /// Everything the account complained about, in its order.
    pub items: Vec<ErrorItem>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered HTTP {}", self.call, self.status)?;
        for (i, item) in self.items.iter().enumerate() {
            write!(f, "{} {item}", if i == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}

/// Every way a call can fail.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client's own settings.
    #[error("the Kayako client cannot be set up: {problem}")]
    Config {
        /// What is wrong with them.
        problem: &'static str,
    },
    /// The caller asked for something that cannot be put into a call.
    #[error("{call} cannot be made: {problem}")]
    Argument {
        /// What was called.
        call: Call,
        /// What is wrong.
        problem: &'static str,
    },
    /// Certainly without effect.
    #[error("{call} was not sent: {cause}")]
    NotSent {
        /// What was called.
        call: Call,
        /// Why.
        cause: NotSentCause,
        /// The transport's own error.
        #[source]
        source: Option<Arc<reqwest::Error>>,
    },
    /// Sent, and then nothing.
    #[error("{call} was sent, but {cause}")]
    NoAnswer {
        /// What was called.
        call: Call,
        /// How.
        cause: LostCause,
        /// The transport's own error.
        #[source]
        source: Option<Arc<reqwest::Error>>,
    },
    /// Sent, and then something that proves nothing.
    #[error("{call} answered HTTP {status}: {cause}")]
    Unreadable {
        /// What was called.
        call: Call,
        /// The HTTP status.
        status: u16,
        /// Why.
        cause: UnreadableCause,
    },
    /// 5xx, 408, or the account's own exception.
    #[error("the account failed: {0}")]
    ServerFault(Box<Refusal>),
    /// 454: the session could not be loaded. Whether the call had an effect is unknown.
    #[error("the session was lost: {0}")]
    SessionLost(Box<Refusal>),
    /// A rate limit.
    #[error("too many calls: {0}")]
    Throttled(Box<Refusal>),
    /// Too many bad log-ins: nobody may try again until the lock is gone.
    #[error(
        "the account has locked log-ins after bad passwords; wait until the lock ends, check the credentials, then resume: {0}"
    )]
    LoginLocked(Box<Refusal>),
    /// The credentials do not open the account.
    #[error("the account refuses the credentials: {0}")]
    LoginRefused(Box<Refusal>),
    /// A person must act at the log-in: one-time password, expired password.
    #[error("the log-in needs a person (second factor or expired password): {0}")]
    LoginNeedsPerson(Box<Refusal>),
    /// The role is too small.
    #[error("the account's role is not allowed to do this: {0}")]
    Forbidden(Box<Refusal>),
    /// The licence or a limit of the plan that concerns more than one record.
    #[error("the account's licence does not allow this: {0}")]
    Licence(Box<Refusal>),
    /// The account cannot be used this way at all (https, portal, version).
    #[error("the account's API cannot be used at this address: {0}")]
    Unusable(Box<Refusal>),
    /// It exists already.
    #[error("it exists already: {0}")]
    Conflict(Box<Refusal>),
    /// This one record was understood and refused.
    #[error("refused: {0}")]
    Rejected(Box<Refusal>),
    /// The caller's gate said no.
    #[error("held back before it was sent")]
    Gate {
        /// The class the gate gave.
        class: FailureClass,
        /// The gate's reason.
        #[source]
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// Our own defect.
    #[error("internal: {0}")]
    Internal(&'static str),
}

impl Error {
    /// For implementers of [`crate::Gate`]: a call that must not be sent, with its class and reason.
    pub fn gate(class: FailureClass, reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Gate { class, source: Arc::from(reason.into()) }
    }

    /// The account's readable refusal, if that is what failed the call.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::ServerFault(refusal)
            | Self::SessionLost(refusal)
            | Self::Throttled(refusal)
            | Self::LoginLocked(refusal)
            | Self::LoginRefused(refusal)
            | Self::LoginNeedsPerson(refusal)
            | Self::Forbidden(refusal)
            | Self::Licence(refusal)
            | Self::Unusable(refusal)
            | Self::Conflict(refusal)
            | Self::Rejected(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// What was called.
    pub fn call(&self) -> Option<Call> {
        match self {
            Self::Argument { call, .. }
            | Self::NotSent { call, .. }
            | Self::NoAnswer { call, .. }
            | Self::Unreadable { call, .. } => Some(*call),
            _ => self.refusal().map(|refusal| refusal.call),
        }
    }

    /// The HTTP status, if an answer came.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unreadable { status, .. } => Some(*status),
            _ => self.refusal().map(|refusal| refusal.status),
        }
    }

    /// The account's complaints.
    pub fn items(&self) -> &[ErrorItem] {
        self.refusal().map_or(&[], |refusal| &refusal.items)
    }

    /// How long the account told us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal().and_then(|refusal| refusal.retry_after)
    }

    /// Whether the object named by the path, or one named in the body, is not there.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404) && matches!(self, Self::Rejected(_))
    }

    /// Whether the record, batch or file was too large (413, or a limit of the plan).
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::Rejected(_)) && matches!(self.status(), Some(402 | 413))
    }

    /// Whether the files named in the body must be uploaded again before the call can be made.
    pub fn files_are_void(&self) -> bool {
        matches!(self, Self::NotSent { cause: NotSentCause::FilesVoid, .. })
    }

    pub(crate) fn not_sent(call: Call, cause: NotSentCause) -> Self {
        Self::NotSent { call, cause, source: None }
    }

    pub(crate) fn unreadable(call: Call, status: u16, cause: UnreadableCause) -> Self {
        Self::Unreadable { call, status, cause }
    }

    /// What budgets and circuits learn from this failure.
    pub(crate) fn outcome(&self) -> CallOutcome {
        match self {
            Self::NotSent { cause: NotSentCause::Connect, .. } => CallOutcome::Unreachable,
            Self::ServerFault(_) => CallOutcome::ServerError,
            Self::Throttled(refusal) => CallOutcome::Throttled { retry_after: refusal.retry_after },
            Self::Unreadable { status, .. } if *status >= 500 => CallOutcome::ServerError,
            // Our own limit or a listing that moved: the account did answer.
            Self::Unreadable { cause: UnreadableCause::TooLong | UnreadableCause::Incomplete, .. } => {
                CallOutcome::Answered
            }
            Self::NoAnswer { .. } | Self::Unreadable { .. } => CallOutcome::Lost,
            error if error.refusal().is_some() => CallOutcome::Answered,
            _ => CallOutcome::Abandoned,
        }
    }
}

impl Classify for Error {
    fn class(&self) -> FailureClass {
        match self {
            Self::Config { .. }
            | Self::LoginLocked(_)
            | Self::LoginRefused(_)
            | Self::LoginNeedsPerson(_)
            | Self::Forbidden(_)
            | Self::Licence(_)
            | Self::Unusable(_) => FailureClass::Halt,
            Self::NotSent { .. } => FailureClass::NotSent,
            Self::NoAnswer { .. } | Self::Unreadable { .. } | Self::ServerFault(_) | Self::SessionLost(_) => {
                FailureClass::Ambiguous
            }
            Self::Throttled(refusal) => FailureClass::Throttled { retry_after: refusal.retry_after },
            Self::Conflict(_) => FailureClass::Conflict,
            Self::Rejected(_) => FailureClass::Rejected,
            Self::Gate { class, .. } => class.clone(),
            Self::Argument { .. } | Self::Internal(_) => FailureClass::Internal,
        }
    }
}
