//! Typed client of the Kayako REST API v1 (the hosted product, not Kayako Classic).
//!
//! Constraints:
//! - It knows nothing about migrations: no rows, no queues, no plans. It answers "what did the account say, and
//!   what does that prove?"; the reaction belongs to the caller.
//! - It never repeats a call on its own, with one exception: after a dead session it logs in once and repeats the
//!   call if nothing can have happened yet (or if repeating is harmless).
//! - An account sees at most one bad login; afterwards the client refuses to log in until told that an operator
//!   acted ([`Client::allow_login_again`]).
//! - No error, log line or `Debug` output holds credentials, session ids, or text of an answer's body.
//! - A short page of a look-up is never taken for absence ([`Lookup::Unknown`]).
//!
//! Start at [`Client`]; calls live in [`resources`], one file per resource.

pub mod client;
pub mod code;
pub mod config;
pub mod error;
pub mod gate;
pub mod ids;
pub mod listing;
pub mod lookup;
pub mod resources;
pub mod slot;
pub mod vocabulary;

mod answer;
mod call;
mod paging;
mod session;
mod transport;
mod verdict;
mod wire;

pub use call::{Call, Verb};
pub use client::Client;
pub use code::ErrorCode;
pub use config::{ClientConfig, Credentials, Timeouts};
pub use error::{Error, ErrorItem, LostCause, NotSentCause, Refusal, UnreadableCause};
pub use gate::{CallOutcome, Gate, LoginResult, OpenGate, RateClass};
pub use ids::*;
pub use listing::{Listed, Listing};
pub use lookup::{Finding, LegacyCollection, Lookup, LookupBatch};
pub use resources::*;
pub use session::SessionGeneration;
pub use slot::Slot;
pub use vocabulary::*;
