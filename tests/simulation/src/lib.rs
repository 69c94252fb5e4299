//! All services in one process with seeded time, scheduling and faults; a failing seed replays exactly.
//!
//! Constraints:
//! - One thread, one runtime whose time is paused: it moves only when every task waits. No socket, no blocking thread, no clock and no
//!   randomness but the seed's; otherwise a seed would not replay, which `tests/replay.rs` would see.
//! - The services are the product's own, assembled by the product. Around them only what they meet is simulated: the ways to both
//!   sandbox accounts, the broker's confirms, the ledger's answers, and the lives of processes.
//! - Waiting times are the real ones: a run of half an hour takes seconds.
//! - Faults end at some moment of the simulated time. From then on the run must come to its end by itself.
//!
//! Reading order: [`scenario`] is what a seed stands for; [`world`] lets it happen and judges; [`process`] is one process of the product with
//! its [`weather`]: what it meets in the ledger, the queue and the network; [`trace`] is what happened, for comparing and for reading.

pub mod broker;
pub mod clock;
pub mod process;
pub mod scenario;
pub mod trace;
pub mod weather;
pub mod wires;
pub mod world;
