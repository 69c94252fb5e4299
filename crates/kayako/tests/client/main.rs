//! The client against a scripted responder (what an answer proves) and against the sandbox (whole protocols).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod account;
mod classification;
mod listings;
mod lookups;
mod recorder;
mod responder;
mod sessions;
