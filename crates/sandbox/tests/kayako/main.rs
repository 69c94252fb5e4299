//! The Kayako account as a client meets it: over real HTTP, with a clock that moves only when a test moves it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bulk;
mod command;
mod control;
mod conversations;
mod desk;
mod faults;
mod files;
mod people;
mod protocol;
mod whole;
