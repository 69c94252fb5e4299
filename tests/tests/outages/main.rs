//! What fails under a migration of separate services, two of each: RabbitMQ, Redis, the network to them and to the accounts, the accounts
//! themselves, disks, the services.
//!
//! Constraints: every scenario has servers of its own, because it breaks them; after each the oracle compares source, ledger and Kayako,
//! and a further full run creates nothing.
//!
//! `OUTAGES_TICKETS` makes the accounts larger than the few dozen tickets that fit between two commits (`5000` is a proof worth its name).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod disks;
mod ground;
mod hostile;
mod jobs;
mod network;
mod queues;
mod redis;
mod remote;
mod services;
