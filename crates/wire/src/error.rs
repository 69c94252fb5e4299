//! How an exchange fails, by what the failure proves.

use std::sync::Arc;

/// What a failed exchange proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection was opened: nothing was sent.
    #[error("no connection could be opened")]
    NotConnected,
    /// The request could not be put together: nothing was sent.
    #[error("the request could not be built")]
    NotBuilt,
    /// Sent, and no answer in time.
    #[error("no answer came in time")]
    Timeout,
    /// Sent, and the answer broke off or could not be decompressed.
    #[error("the answer broke off")]
    Body,
    /// Sent, and the connection broke.
    #[error("the connection broke")]
    Broken,
}

/// A failed exchange.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{trouble}")]
pub struct Error {
    /// What it proves.
    pub trouble: Trouble,
    /// The library's own error, without its address.
    #[source]
    pub source: Option<Arc<reqwest::Error>>,
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, source: None }
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        // `is_connect` is asked first: a connect timeout is both, and nothing was sent.
        let trouble = if error.is_connect() {
            Trouble::NotConnected
        } else if error.is_builder() {
            Trouble::NotBuilt
        } else if error.is_timeout() {
            Trouble::Timeout
        } else if error.is_body() || error.is_decode() {
            Trouble::Body
        } else {
            Trouble::Broken
        };
        Self { trouble, source: Some(Arc::new(error)) }
    }
}
