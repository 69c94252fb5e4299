//! Looks at the state of a migration and repairs it; keeps runs, reports and histories.
//!
//! Constraints: the data path never passes through here; with the coordinator away, records keep flowing. All work is
//! reconcilers: no input, run on a timer, look at the whole state, idempotent, a bounded page per turn. Operator
//! commands change facts ([`Commands`]); a reconciler does the rest. Several coordinators may run; one leads.

mod commands;
mod error;
mod explain;
mod follow;
mod links;
mod metrics;
mod reconcile;
mod report;
mod service;
mod status;

pub use commands::Commands;
pub use error::Error;
pub use explain::{History, history};
pub use follow::follow;
pub use links::Links;
pub use metrics::Metrics;
pub use report::{ReportRow, write as write_reports};
pub use service::{Coordinator, Settings};
pub use status::{PhaseStatus, Status};

/// Where a test or a drill may let a coordinator die.
pub mod crash_points {
    use runtime::CrashPoint;

    /// Leadership taken, nothing done.
    pub const LEADING: CrashPoint = CrashPoint::new("coordinator.leading");
    /// A kind's task published, not noted in the run.
    pub const OPENING: CrashPoint = CrashPoint::new("coordinator.opening").per_kind().repeatable();
    /// Lost work published again.
    pub const RECOVERED: CrashPoint = CrashPoint::new("coordinator.recovered").per_kind().repeatable();
    /// The tasks of shards that stood still published again.
    pub const RESTARTED: CrashPoint = CrashPoint::new("coordinator.restarted").per_kind().repeatable();
    /// Records that were in doubt given to the loaders to be counted, which is not remembered.
    pub const RECOUNTING: CrashPoint = CrashPoint::new("coordinator.recounting").repeatable();
    /// The final table stored, the run not finished.
    pub const FINISHING: CrashPoint = CrashPoint::new("coordinator.finishing").repeatable();

    /// All of them.
    pub const ALL: &[CrashPoint] = &[LEADING, OPENING, RECOVERED, RESTARTED, RECOUNTING, FINISHING];
}
