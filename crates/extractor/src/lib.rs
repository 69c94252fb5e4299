//! Reads a source page by page, registers its records and publishes those that have to be moved.
//!
//! Constraints:
//! - Nothing here holds a whole listing: a few pages, and the details of `limits.extract_in_flight` records, at a time.
//! - Order of a page: register, read details, stage bytes, publish (confirmed and routed), note the publication, move
//!   the checkpoint. When a task has had its time: publish the shard's next task, ack. A crash between any two reads
//!   pages again, which publishes only what no message carries.
//! - Above the credit window no page is read. Fetches by id (parents, samples, lost work) bypass it, else a window full
//!   of waiting children would never see its parents.
//! - The source is only read.
//!
//! Reading order: [`service`] takes tasks; [`open`], [`list`] and [`fetch`] are the three tasks; [`carry`] takes records from a
//! listing into the queue; [`stage`] fetches files.

mod carry;
mod desk;
mod error;
mod fetch;
mod list;
mod metrics;
mod open;
mod pace;
mod service;
mod stage;
mod tokens;
mod witness;

pub use error::Error;
pub use metrics::Metrics;
pub use pace::LedgerPace;
pub use service::{Extractor, Settings};
pub use tokens::LedgerKeeper;

/// Where a test or a drill may let an extractor die.
pub mod crash_points {
    use runtime::CrashPoint;

    /// Checkpoints stored and their tasks published, the phase not stored.
    pub const OPENED: CrashPoint = CrashPoint::new("extractor.opened").per_kind();
    /// Page read, nothing registered.
    pub const LISTED: CrashPoint = CrashPoint::new("extractor.listed").per_kind().repeatable();
    /// Registered, nothing published.
    pub const REGISTERED: CrashPoint = CrashPoint::new("extractor.registered").per_kind().repeatable();
    /// A record's files staged, the record not published.
    pub const STAGED: CrashPoint = CrashPoint::new("extractor.staged").per_kind();
    /// Published, not noted in the ledger.
    pub const PUBLISHED: CrashPoint = CrashPoint::new("extractor.published").per_kind().repeatable();
    /// Noted in the ledger that they are published.
    pub const NOTED: CrashPoint = CrashPoint::new("extractor.noted").per_kind().repeatable();
    /// Everything of the page published, checkpoint not moved.
    pub const CARRIED: CrashPoint = CrashPoint::new("extractor.carried").per_kind();
    /// Checkpoint moved, next task not published.
    pub const CHECKPOINTED: CrashPoint = CrashPoint::new("extractor.checkpointed").per_kind().repeatable();
    /// Next task published, not acked.
    pub const CHAINED: CrashPoint = CrashPoint::new("extractor.chained").per_kind().repeatable();

    /// All of them.
    pub const ALL: &[CrashPoint] =
        &[OPENED, LISTED, REGISTERED, STAGED, PUBLISHED, NOTED, CARRIED, CHECKPOINTED, CHAINED];
}
