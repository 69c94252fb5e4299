//! The vocabulary of a migration: ids, canonical records, the plan, messages, states, failure classes, reasons.
//!
//! Constraints: no I/O, no clock, no randomness, no async. Everything here is a value or a pure function, so that
//! the same code runs in production, in the simulation and in the model checker. All other crates depend on this
//! one; it depends on none of them.

pub mod failure;

pub use failure::{Classify, FailureClass};
