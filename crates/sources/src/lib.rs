//! The [`Source`] seam: how any help desk is read, and one module per help desk that reads it.
//!
//! Constraints: a source is only read; there is no writing call to a source anywhere in this crate (each module keeps
//! all its HTTP in one file that can only GET, and ask for tokens). Nothing here retries on its own account or keeps
//! progress: the caller holds the cursor, the attempts and the clock. No secret and no customer text reaches an
//! error, a log or a `Debug` output.

mod catalogue;
mod error;
mod local_pace;
mod pace;
mod source;
mod tokens;
pub mod zendesk;

pub use catalogue::{Agent, Brand, Catalogue, FieldDefinition, FieldKind, FieldOption, Form, Group, Status};
pub use error::{Error, LostCause};
pub use local_pace::{LocalPace, PaceSettings};
pub use pace::{Bucket, Pace, RateHeaders, Scope};
pub use source::{
    Absence, Account, Completed, Cursor, Download, Fetched, Next, Page, Shard, Source, Transfer,
};
pub use tokens::{InProcessKeeper, RefreshGuard, TokenKeeper, Tokens, UnreadableTokens};
