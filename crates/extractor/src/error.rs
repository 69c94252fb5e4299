//! What can stop a task. A record that cannot be read is settled with a reason instead.

use model::envelope::EnvelopeError;
use model::{Classify, FailureClass};

/// Why a task could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source.
    #[error("the source could not be read ({what})")]
    Source {
        /// What was read.
        what: &'static str,
        /// Why.
        #[source]
        source: sources::Error,
    },
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
    /// Staging or the journal.
    #[error("the blob store did not take the step \"{step}\"")]
    Blobs {
        /// Which.
        step: &'static str,
        /// Why.
        #[source]
        source: blobs::Error,
    },
    /// A message.
    #[error("a task cannot be read")]
    Envelope(#[from] EnvelopeError),
    /// The run's plan is not in the ledger, or not readable.
    #[error("the plan {hash} of this run cannot be used: {problem}")]
    Plan {
        /// Which.
        hash: String,
        /// Why.
        problem: String,
    },
    /// The task names something that is not there.
    #[error("the task cannot be done: {problem}")]
    Task {
        /// What is missing.
        problem: String,
    },
    /// A drill or a test let the process die here.
    #[error("stopped by a crash point")]
    Crash(#[from] runtime::Crash),
    /// The shutdown ended it in the middle; the task comes again.
    #[error("interrupted by the shutdown")]
    Draining,
    /// Metrics.
    #[error("the extractor cannot be set up")]
    Runtime(#[from] runtime::Error),
}

impl Classify for Error {
    fn class(&self) -> FailureClass {
        match self {
            Self::Source { source, .. } => source.class(),
            Self::Ledger { source, .. } => source.class(),
            Self::Queue { source, .. } => source.class(),
            Self::Blobs { source, .. } => source.class(),
            Self::Plan { .. } => FailureClass::Halt,
            Self::Envelope(_) | Self::Task { .. } => FailureClass::Rejected,
            Self::Crash(crash) => crash.class(),
            Self::Draining => FailureClass::Death,
            Self::Runtime(_) => FailureClass::Internal,
        }
    }
}

/// Names the step that an error belongs to.
pub(crate) trait During<T> {
    /// Wraps the error.
    fn during(self, step: &'static str) -> Result<T, Error>;
}

impl<T> During<T> for Result<T, sources::Error> {
    fn during(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Source { what, source })
    }
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

impl<T> During<T> for Result<T, blobs::Error> {
    fn during(self, step: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Blobs { step, source })
    }
}
