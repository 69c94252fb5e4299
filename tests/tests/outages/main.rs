//! Servers that fail under a migration of separate services, two of each: RabbitMQ, Redis, the network, the services themselves.
//!
//! Constraints: every scenario has servers of its own, because it breaks them; after each the oracle compares source, ledger and Kayako,
//! and a further full run creates nothing.
//!
//! `OUTAGES_TICKETS` makes the accounts larger than the few dozen tickets that fit between two commits (`5000` is a proof worth its name).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ground;
mod network;
mod queues;
mod redis;
mod services;
