//! Writes load commands into Kayako, exactly once.
//!
//! Constraints (the row's state machine is `model::transition`, drawn in docs/states.md):
//! - Nothing is sent without a stored intent, and the intent is stored immediately before sending, after all waiting.
//! - A record in doubt is never sent again before a completed probe; a record is committed only when every step is
//!   done and Kayako's object was read back.
//! - A loader never holds a record that has to wait: it parks the message in the delay ladder and acks.
//! - Order for every ending: journal, ledger, delayed copy, ack. A crash between any two leaves the row telling the truth and a
//!   message to find it.
//!
//! Reading order: [`service`] takes messages, [`batch`] is the life of one batch, and each step of it is a file:
//! [`claim`], [`probe`], [`adopt`], [`send`], [`finish`], [`settle`].

mod additions;
mod adopt;
mod ask;
mod batch;
mod catalogue;
mod claim;
mod desk;
mod difference;
mod error;
mod fields;
mod finish;
mod foreign;
mod gate;
mod gather;
mod items;
mod metrics;
mod outcome;
mod probe;
mod reconciliation;
mod recount;
mod send;
mod service;
mod settle;
mod surplus;
mod target;
mod upload;
mod watch;
mod witness;
mod work;

pub use catalogue::Catalogue;
pub use difference::{Action, Difference, Discrepancy, Reconciled};
pub use error::Error;
pub use gate::{AccountGate, GateSettings};
pub use metrics::Metrics;
pub use reconciliation::{Reconciliation, Scope};
pub use service::{Loader, Settings};

use runtime::CrashPoint;

/// Where a test or a drill may let a loader die: before and after each effect. What follows is in docs/ARCHITECTURE.md.
pub mod crash_points {
    use super::CrashPoint;

    /// Messages claimed, nothing sent.
    pub const CLAIMED: CrashPoint = CrashPoint::new("loader.claimed").per_kind();
    /// Records in doubt looked for, the finding not stored.
    pub const PROBED: CrashPoint = CrashPoint::new("loader.probed").per_kind().repeatable();
    /// Natural keys claimed in the ledger, nothing looked up.
    pub const NAMED: CrashPoint = CrashPoint::new("loader.named").per_kind().repeatable();
    /// Files uploaded, no intent yet.
    pub const UPLOADED: CrashPoint = CrashPoint::new("loader.uploaded").per_kind().repeatable();
    /// Intent stored, nothing sent.
    pub const INTENDED: CrashPoint = CrashPoint::new("loader.intended").per_kind().repeatable();
    /// Request answered, the job's id not stored.
    pub const SENT: CrashPoint = CrashPoint::new("loader.sent").per_kind();
    /// Job's id stored.
    pub const ACCEPTED: CrashPoint = CrashPoint::new("loader.accepted").per_kind().repeatable();
    /// Job ended, created ids not stored.
    pub const MAPPED: CrashPoint = CrashPoint::new("loader.mapped").per_kind().repeatable();
    /// Created ids stored, steps remaining.
    pub const CREATED: CrashPoint = CrashPoint::new("loader.created").per_kind();
    /// All steps done, not committed.
    pub const FINISHED: CrashPoint = CrashPoint::new("loader.finished").per_kind().repeatable();
    /// How records end is in the journal, not in the ledger.
    pub const JOURNALLED: CrashPoint = CrashPoint::new("loader.journalled").per_kind().repeatable();
    /// How records end is in the ledger; their messages are neither put off nor acked.
    pub const SETTLED: CrashPoint = CrashPoint::new("loader.settled").per_kind().repeatable();
    /// The copy of a message waits, the message is not acked.
    pub const PARKED: CrashPoint = CrashPoint::new("loader.parked").per_kind().repeatable();
    /// Committed and acked, the batch not over.
    pub const COMMITTED: CrashPoint = CrashPoint::new("loader.committed").per_kind();

    /// All of them.
    pub const ALL: &[CrashPoint] = &[
        CLAIMED, PROBED, NAMED, UPLOADED, INTENDED, SENT, ACCEPTED, MAPPED, CREATED, FINISHED, JOURNALLED,
        SETTLED, PARKED, COMMITTED,
    ];
}
