//! What can go wrong with commands and reconcilers.

use model::envelope::EnvelopeError;
use model::{Classify, FailureClass};

/// Why a command or a turn could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ledger.
    #[error("the ledger did not take the step \"{step}\"")]
    Ledger {
        /// Which.
        step: &'static str,
        /// Why.
        #[source]
        source: ledger::Error,
    },
    /// The queue.
    #[error("the queue did not take the step \"{step}\"")]
    Queue {
        /// Which.
        step: &'static str,
        /// Why.
        #[source]
        source: queue::Error,
    },
    /// The journal.
    #[error("the journal could not be read")]
    Journal(#[from] blobs::Error),
    /// A task could not be encoded.
    #[error("a task could not be written")]
    Envelope(#[from] EnvelopeError),
    /// A report file.
    #[error("the report {file} could not be written")]
    Report {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another run is not over.
    #[error("run {number} ({mode}) is {status}: resume it or cancel it before starting another")]
    Unfinished {
        /// Its number.
        number: u32,
        /// Its mode.
        mode: &'static str,
        /// Its status.
        status: &'static str,
    },
    /// The ledger knows this migration with another account.
    #[error("this migration's {side} is {known}; the plan names {given}")]
    OtherAccount {
        /// `source` or `target`.
        side: &'static str,
        /// The account that the ledger's rows speak of.
        known: String,
        /// The account in the plan.
        given: String,
    },
    /// There is nothing to act on.
    #[error("this migration has no run yet: start one with `run --demo`")]
    NoRun,
    /// The run is over.
    #[error("run {number} is {status}; it cannot be changed any more")]
    Over {
        /// Its number.
        number: u32,
        /// Its status.
        status: &'static str,
    },
    /// A drill or a test let the process die here.
    #[error("stopped by a crash point")]
    Crash(#[from] runtime::Crash),
    /// Metrics.
    #[error("the coordinator cannot be set up")]
    Runtime(#[from] runtime::Error),
}

impl Classify for Error {
    fn class(&self) -> FailureClass {
        match self {
            Self::Ledger { source, .. } => source.class(),
            Self::Queue { source, .. } => source.class(),
            Self::Journal(source) => source.class(),
            Self::Unfinished { .. } | Self::OtherAccount { .. } | Self::NoRun | Self::Over { .. } => {
                FailureClass::Rejected
            }
            Self::Crash(crash) => crash.class(),
            Self::Envelope(_) | Self::Report { .. } | Self::Runtime(_) => FailureClass::Internal,
        }
    }
}

/// Names the step that an error belongs to.
pub(crate) trait During<T> {
    /// Wraps the error.
    fn during(self, step: &'static str) -> Result<T, Error>;
}

impl<T> During<T> for Result<T, ledger::Error> {
    fn during(self, step: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Ledger { step, source })
    }
}

impl<T> During<T> for Result<T, queue::Error> {
    fn during(self, step: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Queue { step, source })
    }
}
