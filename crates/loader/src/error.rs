//! What can stop a batch as a whole. What happens to single records is an ending, not an error.

use model::{Classify, FailureClass};

/// Why a batch, or the loader, could not go on.
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
    /// The journal or a staged file.
    #[error("the blob store did not take the step \"{step}\"")]
    Blobs {
        /// Which.
        step: &'static str,
        /// Why.
        #[source]
        source: blobs::Error,
    },
    /// Kayako, outside the writing of a record (reading the account's statuses, fields, roles).
    #[error("the Kayako account could not be read ({what})")]
    Kayako {
        /// What was read.
        what: &'static str,
        /// Why.
        #[source]
        source: kayako::Error,
    },
    /// The account lacks something without which nothing can be written.
    #[error("{problem}")]
    Account {
        /// What, and what to do.
        problem: String,
    },
    /// The run's plan is not in the ledger, or not readable.
    #[error("the plan {hash} of this run cannot be used: {problem}")]
    Plan {
        /// Which.
        hash: String,
        /// Why.
        problem: String,
    },
    /// A batch did nothing any more.
    #[error("the batch stood still and was given up")]
    StoodStill,
    /// A drill or a test let the process die here.
    #[error("stopped by a crash point")]
    Crash(#[from] runtime::Crash),
    /// Whoever is told of differences could not take one.
    #[error("a difference could not be noted")]
    Told(#[source] std::io::Error),
    /// Metrics or settings.
    #[error("the loader cannot be set up")]
    Runtime(#[from] runtime::Error),
}

impl Classify for Error {
    fn class(&self) -> FailureClass {
        match self {
            Self::Ledger { source, .. } => source.class(),
            Self::Queue { source, .. } => source.class(),
            Self::Blobs { source, .. } => source.class(),
            Self::Kayako { source, .. } => source.class(),
            Self::Account { .. } | Self::Plan { .. } => FailureClass::Halt,
            Self::Crash(crash) => crash.class(),
            Self::Runtime(_) | Self::Told(_) | Self::StoodStill => FailureClass::Internal,
        }
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

impl<T> During<T> for Result<T, kayako::Error> {
    fn during(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Kayako { what, source })
    }
}
