//! One HTTP exchange with an account: over the network, or with a service in the same process.
//!
//! Constraints:
//! - What a failed exchange proves is decided here, once: whether anything can have been sent is what "may this create be repeated"
//!   rests on.
//! - [`InProcess`] must fail like [`Network`]; both pass one suite (`tests/conformance.rs`). With it a simulation has no sockets, and so no
//!   order of events that it did not choose itself.
//! - No address is kept in an error: queries hold customers' addresses, download addresses hold tokens.

mod error;
mod in_process;
mod network;

use std::fmt;

use async_trait::async_trait;
use reqwest::{Request, Response};

pub use error::{Error, Trouble};
pub use in_process::{Exchange, InProcess};
pub use network::Network;

/// A way to an account.
#[async_trait]
pub trait Wire: fmt::Debug + Send + Sync {
    /// Sends a request and returns the head of its answer; the body is read from it. The request's own timeout counts.
    ///
    /// # Errors
    /// No answer came; [`Error::trouble`] tells what that proves.
    async fn exchange(&self, request: Request) -> Result<Response, Error>;
}
