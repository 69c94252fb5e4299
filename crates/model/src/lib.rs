//! The vocabulary of a migration: ids, canonical records, the plan, messages, states, failure classes, reasons.
//!
//! Constraints: no I/O, no clock, no randomness, no async. Everything here is a value or a pure function, so that
//! the same code runs in production, in the simulation and in the model checker. All other crates depend on this
//! one; it depends on none of them.

pub mod command;
pub mod envelope;
pub mod event;
pub mod facts;
pub mod failure;
pub mod ids;
pub mod invariant;
pub mod journal;
pub mod kind;
pub mod legal;
pub mod listing;
pub mod origin;
pub mod plan;
pub mod reason;
pub mod record;
pub mod row;
pub mod run;
pub mod selection;
pub mod timing;
pub mod transition;

pub use failure::{Classify, FailureClass};
pub use ids::{Epoch, Fence, Generation, JobId, KayakoId, MigrationId, RunNo, SourceId, UnixMillis};
pub use kind::{Kind, RecordKey};
pub use origin::{Origin, OriginKey};
pub use reason::Reason;
