//! Why the ledger could not answer. A refused transition is not an error: see [`model::transition::Refusal`].

use std::io::ErrorKind;

use model::{Classify, FailureClass};

/// Why the ledger could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address names no ledger we know.
    #[error("\"{scheme}\" is not a ledger: use redis://host/db, rediss://host/db or sqlite:/path/file.db")]
    Address {
        /// The part before the colon; the rest may hold a password.
        scheme: String,
    },
    /// Attached to a ledger that does not exist.
    #[error(
        "the ledger of migration \"{migration}\" is empty: start a run first, or check the ledger's address and database number"
    )]
    Empty {
        /// Which migration.
        migration: String,
    },
    /// The file belongs to another migration.
    #[error("the ledger file holds migration \"{found}\", not \"{wanted}\"")]
    OtherMigration {
        /// In the file.
        found: String,
        /// Asked for.
        wanted: String,
    },
    /// Another process works with the file.
    #[error(
        "another process is running this migration (it holds {lock}); stop it, or wait until it has ended"
    )]
    InUse {
        /// The lock file.
        lock: String,
    },
    /// The store may forget truth.
    #[error("this store must not be used as a ledger: {why}")]
    Unsafe {
        /// Which setting, and what to set.
        why: String,
    },
    /// Written by a newer version.
    #[error("{what} has version {found}, this program knows {known}: upgrade it")]
    UnknownVersion {
        /// Row, schema ...
        what: &'static str,
        /// In the store.
        found: u32,
        /// The newest we know.
        known: u32,
    },
    /// A stored value cannot be read.
    #[error("{what} in the ledger is damaged")]
    Damaged {
        /// Which value.
        what: &'static str,
    },
    /// A document is not the JSON its reader expects.
    #[error("document \"{name}\" cannot be read or written")]
    Document {
        /// Its name.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Other workers changed the same rows again and again.
    #[error("the same rows were changed by others {rounds} times in a row")]
    Contended {
        /// How often it was tried.
        rounds: u32,
    },
    /// Redis did not answer.
    #[error("the ledger in redis did not answer")]
    Redis(#[from] redis::RedisError),
    /// SQLite refused.
    #[error("the ledger file could not be used")]
    Sqlite(#[from] rusqlite::Error),
    /// The file or its lock could not be opened.
    #[error("the ledger file could not be opened")]
    File(#[from] std::io::Error),
    /// The step may or may not have been done. Only a simulation's ledger says so ([`crate::Interruption`]); Redis says
    /// [`Error::Redis`].
    #[error("the ledger's answer was lost")]
    AnswerLost,
    /// The process is shutting down.
    #[error("the ledger was closed")]
    Closed,
}

impl Error {
    /// Whether there is no room left for the ledger's file.
    pub fn is_storage_full(&self) -> bool {
        match self {
            // The second: the index of the write-ahead log, a file of its own, could not be made longer.
            Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => {
                failure.code == rusqlite::ErrorCode::DiskFull
                    || failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
            }
            Self::File(error) => matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded),
            _ => false,
        }
    }

    /// Whether the answer was lost, so that the step may or may not have happened.
    pub(crate) fn is_unsure(&self) -> bool {
        match self {
            Self::AnswerLost => true,
            Self::Redis(error) => is_lost_answer(error),
            _ => false,
        }
    }
}

fn is_lost_answer(error: &redis::RedisError) -> bool {
    error.is_io_error() || error.is_timeout() || error.is_connection_dropped()
}

impl Classify for Error {
    fn class(&self) -> FailureClass {
        match self {
            Self::Address { .. }
            | Self::Empty { .. }
            | Self::OtherMigration { .. }
            | Self::InUse { .. }
            | Self::Unsafe { .. }
            | Self::UnknownVersion { .. }
            | Self::File(_) => FailureClass::Halt,
            Self::Redis(error) if error.is_connection_refusal() => FailureClass::NotSent,
            // Every operation may be repeated: rows are compared before they are swapped.
            Self::Redis(error) if is_lost_answer(error) => FailureClass::Ambiguous,
            Self::AnswerLost => FailureClass::Ambiguous,
            Self::Closed => FailureClass::Death,
            Self::Damaged { .. }
            | Self::Document { .. }
            | Self::Contended { .. }
            | Self::Redis(_)
            | Self::Sqlite(_) => FailureClass::Internal,
        }
    }
}
