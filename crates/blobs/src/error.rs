//! The crate's one error enum.

use std::error::Error as StdError;
use std::io::ErrorKind;

use model::{Classify, FailureClass};

/// What can go wrong with blobs and journals.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configured location names no store.
    #[error("blob location is not usable: {0}")]
    Location(String),
    /// A reference whose hash is not 64 lower-case hexadecimal digits. Checked because it becomes part of a path.
    #[error("blob reference is malformed")]
    Reference,
    /// A scope or holder that cannot be a path.
    #[error("name of a journal scope or blob holder is not usable: {0}")]
    Name(&'static str),
    /// There is no such blob (any more): read the record again from its source.
    #[error("blob {hash} does not exist")]
    NotFound {
        /// The hash asked for.
        hash: String,
    },
    /// What is stored is not what was asked for: delete it and read the record again from its source.
    #[error("blob {hash} is damaged: its stored bytes have another hash or length")]
    Damaged {
        /// The hash asked for.
        hash: String,
    },
    /// The stream was longer than the caller allows.
    #[error("content is larger than {limit} bytes")]
    TooLarge {
        /// The caller's limit.
        limit: u64,
    },
    /// The stream that was to be stored broke off.
    #[error("the content to be stored could not be read")]
    Content(#[source] Box<dyn StdError + Send + Sync>),
    /// A journal entry with a line break or of excessive length; entries are one line of JSON each.
    #[error("journal entry is not one line of at most {} bytes", crate::journal::ENTRY_LIMIT)]
    Entry,
    /// The store failed.
    #[error("the blob store failed")]
    Store(#[from] object_store::Error),
    /// The directory cannot be created or examined.
    #[error("the blob directory cannot be used")]
    Directory(#[from] std::io::Error),
}

impl Error {
    /// Whether the store is full, or has no more room for this user, as far as it says so.
    pub fn is_storage_full(&self) -> bool {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = cause {
            if error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|io| matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
            {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl Classify for Error {
    fn class(&self) -> FailureClass {
        match self {
            Self::Location(_)
            | Self::Directory(_)
            | Self::Store(
                object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. }
                | object_store::Error::UnknownConfigurationKey { .. },
            ) => FailureClass::Halt,
            // A person has to make room; trying again fills the logs and nothing else.
            Self::Store(_) if self.is_storage_full() => FailureClass::Halt,
            // Objects are immutable and written whole: repeating is always safe.
            Self::Store(_) | Self::Content(_) => FailureClass::Ambiguous,
            Self::TooLarge { .. } => FailureClass::Rejected,
            Self::Reference | Self::Name(_) | Self::NotFound { .. } | Self::Damaged { .. } | Self::Entry => {
                FailureClass::Internal
            }
        }
    }
}
