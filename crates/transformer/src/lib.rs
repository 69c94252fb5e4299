//! Translates canonical records into load commands.
//!
//! Constraints: translating is a pure function of record and plan ([`translate()`]), so that the demo predicts the full run; the
//! service around it keeps nothing of its own, so that any number of transformers may run and die. A message is
//! acknowledged only after its command is stored in the next queue, or after its row is settled and its history is
//! written: whatever is lost in between is done again with the same result.
//!
//! Where a new field of a record goes: into the file of its kind below `translate/`.

mod error;
mod incoming;
mod metrics;
mod service;
mod shift;
mod translate;

pub use error::Error;
pub use metrics::Metrics;
pub use service::{Parts, Settings, Transformer};
pub use translate::{Translation, translate};

/// Where a test or a drill may let a transformer die: after each effect.
pub mod crash_points {
    use runtime::CrashPoint;

    /// Messages taken, nothing done.
    pub const TAKEN: CrashPoint = CrashPoint::new("transformer.taken").per_kind();
    /// History written, rows not settled.
    pub const JOURNALLED: CrashPoint = CrashPoint::new("transformer.journalled").per_kind().repeatable();
    /// Rows settled, commands not published.
    pub const SETTLED: CrashPoint = CrashPoint::new("transformer.settled").per_kind().repeatable();
    /// Commands published, messages not acknowledged.
    pub const PUBLISHED: CrashPoint = CrashPoint::new("transformer.published").per_kind().repeatable();

    /// All of them.
    pub const ALL: &[CrashPoint] = &[TAKEN, JOURNALLED, SETTLED, PUBLISHED];
}
