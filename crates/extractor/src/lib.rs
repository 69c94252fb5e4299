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

    /// Page read, nothing registered.
    pub const LISTED: CrashPoint = CrashPoint::new("extractor.listed");
    /// Registered, nothing published.
    pub const REGISTERED: CrashPoint = CrashPoint::new("extractor.registered");
    /// Published, not noted in the ledger.
    pub const PUBLISHED: CrashPoint = CrashPoint::new("extractor.published");
    /// Everything of the page published, checkpoint not moved.
    pub const CARRIED: CrashPoint = CrashPoint::new("extractor.carried");
    /// Checkpoint moved, next task not published.
    pub const CHECKPOINTED: CrashPoint = CrashPoint::new("extractor.checkpointed");
    /// Next task published, not acked.
    pub const CHAINED: CrashPoint = CrashPoint::new("extractor.chained");

    /// All of them.
    pub const ALL: &[CrashPoint] = &[LISTED, REGISTERED, PUBLISHED, CARRIED, CHECKPOINTED, CHAINED];
}
