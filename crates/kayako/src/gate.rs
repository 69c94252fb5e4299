//! The caller's hooks around every call: the account's rate budget, its circuit, and its log-ins.
//!
//! The client itself has no budget: replicas share one, so it must live outside. The client promises to ask
//! before each call it sends (also before a repeat) and to tell how each one ended, even when it is cancelled.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::Error;

/// Which budget a call draws on. Kayako limits "some actions of some resources" per minute without naming them;
/// these are the groups that behave alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RateClass {
    /// Look-ups, lists, filters, job polls.
    Read,
    /// Single creates and updates.
    Write,
    /// Bulk inserts.
    Bulk,
    /// Uploads.
    Files,
    /// Log-ins.
    Login,
}

impl RateClass {
    /// All classes.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Bulk, Self::Files, Self::Login];

    /// The class's stable name: metric label and key of its budget.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Bulk => "bulk",
            Self::Files => "files",
            Self::Login => "login",
        }
    }
}

/// How a call ended, as far as budgets and circuits are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// The account gave a readable answer, be it a refusal.
    Answered,
    /// 429 that is a rate limit.
    Throttled {
        /// How long the account told us to wait.
        retry_after: Option<Duration>,
    },
    /// No connection: DNS, TCP, TLS.
    Unreachable,
    /// Sent, then a timeout, a reset or an answer nobody can read.
    Lost,
    /// 5xx.
    ServerError,
    /// Nothing was sent, or the caller gave up waiting: says nothing about the account.
    Abandoned,
}

impl CallOutcome {
    /// Whether this is evidence that the account as a whole is down (a circuit counts such calls in a row).
    pub const fn suggests_down(self) -> bool {
        matches!(self, Self::Unreachable | Self::Lost | Self::ServerError)
    }
}

/// How a log-in ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginResult {
    /// A session was given.
    Accepted,
    /// The credentials were refused, the account is locked, or a person is needed (one-time or expired password).
    /// No further log-in may be tried until an operator acts.
    Refused,
    /// No verdict (unreachable, throttled, unreadable): may be tried again.
    Undecided,
}

/// The caller's hooks. One gate serves one account.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Waits until a call of this class may be sent. An error is handed to the caller of the client as it is
    /// (build it with [`Error::gate`]).
    async fn before(&self, class: RateClass) -> Result<(), Error>;

    /// Told exactly once per successful [`Gate::before`]. Must return at once (it also runs while a cancelled
    /// call is dropped): what must reach a store is handed to a task.
    fn after(&self, class: RateClass, outcome: CallOutcome, elapsed: Duration);

    /// Whether the account as a whole does not answer at the moment. What fails then says nothing about what was asked.
    fn is_away(&self) -> bool {
        false
    }

    /// Waits for the account's single-flight right to log in, or refuses because the last log-in was bad and
    /// no operator has acted since.
    async fn login_permit(&self) -> Result<(), Error>;

    /// Told exactly once per successful [`Gate::login_permit`].
    async fn login_result(&self, result: LoginResult);
}

/// No limits at all: for tests and for one-off reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenGate;

#[async_trait]
impl Gate for OpenGate {
    async fn before(&self, _class: RateClass) -> Result<(), Error> {
        Ok(())
    }

    fn after(&self, _class: RateClass, _outcome: CallOutcome, _elapsed: Duration) {}

    async fn login_permit(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn login_result(&self, _result: LoginResult) {}
}
