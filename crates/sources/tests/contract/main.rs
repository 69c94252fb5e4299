//! What every source must do (`battery`), run against each help desk, and what is particular to each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod battery;
mod paces;
mod stub;
mod truth;
mod zendesk;
