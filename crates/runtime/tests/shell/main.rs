//! The process shell against the real operating system: sockets, signals, collectors.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod operator_port;
mod signals;
mod telemetry;
