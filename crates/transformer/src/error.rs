//! What can stop a batch as a whole. What happens to single records is a translation, not an error.

use model::{Classify, FailureClass};

/// Why a batch, or the transformer, could not go on.
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
    /// The journal or a staged body.
    #[error("the blob store did not take the step \"{step}\"")]
    Blobs {
        /// Which.
        step: &'static str,
        /// Why.
        #[source]
        source: blobs::Error,
    },
    /// The run's plan is not in the ledger, or not readable.
    #[error("the plan {hash} of this run cannot be used: {problem}")]
    Plan {
        /// Which.
        hash: String,
        /// Why.
        problem: String,
    },
    /// A command could not be written as JSON: a defect.
    #[error("a command could not be encoded")]
    Encode(#[from] model::envelope::EnvelopeError),
    /// A drill or a test let the process die here.
    #[error("stopped by a crash point")]
    Crash(#[from] runtime::Crash),
    /// Metrics.
    #[error("the transformer cannot be set up")]
    Runtime(#[from] runtime::Error),
}

impl Classify for Error {
    fn class(&self) -> FailureClass {
        match self {
            Self::Ledger { source, .. } => source.class(),
            Self::Queue { source, .. } => source.class(),
            Self::Blobs { source, .. } => source.class(),
            Self::Plan { .. } => FailureClass::Halt,
            Self::Crash(crash) => crash.class(),
            Self::Encode(_) | Self::Runtime(_) => FailureClass::Internal,
        }
    }
}

impl Error {
    /// The error with all its causes on one line, for logs.
    pub(crate) fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

/// Names the step that a store's error belongs to.
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

impl<T> During<T> for Result<T, blobs::Error> {
    fn during(self, step: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Blobs { step, source })
    }
}
