//! The whole product, end to end and under fire: real processes between two sample accounts, judged by the oracle.
//!
//! RabbitMQ and Redis come from the environment: start the suites with `tests/run`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod economy;
mod existing;
mod faults;
mod four_processes;
mod kills;
mod one_process;
mod operators;
mod oracle;
mod outcomes;
mod reconciliation;
mod secrecy;
mod shutdown;
mod traces;
