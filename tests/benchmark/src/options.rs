//! What can be measured.

use clap::{Parser, ValueEnum};
use sandbox::seed::Size;

/// Runs one seeded help desk through a bare HTTP loop, one process, and four processes over RabbitMQ and Redis, against fresh
/// sandbox accounts, and prints records per second, calls, processor time, memory, and the ratios to the bare loop.
///
/// Build it with --release; docs/benchmarks.md says how to read the figures.
#[derive(Debug, Clone, Parser)]
#[command(name = "benchmark", version)]
pub(crate) struct Options {
    /// Tickets of the account (about five comments each); people and organizations grow along
    #[arg(long, default_value_t = 3_000, value_name = "NUMBER")]
    pub(crate) tickets: u64,
    /// Customers of the account [default: 2 for every 5 tickets]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) users: Option<u64>,
    /// Organizations of the account [default: 1 for every 12 tickets]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) organizations: Option<u64>,
    /// Seed of everything that is generated
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
    /// Milliseconds that every call to either account takes at least
    #[arg(long, value_delimiter = ',', default_values_t = [0, 20, 100], value_name = "MS,..")]
    pub(crate) latency: Vec<u64>,
    /// What is measured
    #[arg(long, value_delimiter = ',', default_values_t = [Mode::Raw, Mode::One, Mode::Four], value_name = "MODE,..")]
    pub(crate) modes: Vec<Mode>,
    /// RabbitMQ [default: a private one is started]
    #[arg(long, value_name = "URL")]
    pub(crate) queue: Option<String>,
    /// Redis, used by nobody else [default: a private one is started]
    #[arg(long, value_name = "URL")]
    pub(crate) ledger: Option<String>,
    /// Length of the protocol's waiting times relative to the real ones
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub(crate) scale: f64,
    /// Batches that the bare loop has in flight
    #[arg(long, default_value_t = 4, value_name = "NUMBER")]
    pub(crate) batches: usize,
    /// Uploads and single steps that the bare loop has in flight per batch
    #[arg(long, default_value_t = 16, value_name = "NUMBER")]
    pub(crate) steps: usize,
    /// Also: four loaders against one, 16 calls in flight each, at 100 ms (of Kayako only)
    #[arg(long)]
    pub(crate) loaders: bool,
    /// Also: how much reading and writing overlap, at 100 ms
    #[arg(long)]
    pub(crate) overlap: bool,
    /// Instead: bytes and transitions per second of a ledger alone that is filled with so many records, in Redis and in SQLite
    #[arg(long, value_name = "RECORDS")]
    pub(crate) rows: Option<u64>,
    /// Also: peak memory at these numbers of records, in one process and in four
    #[arg(long, value_delimiter = ',', num_args = 0.., default_missing_values = ["10000", "100000"], value_name = "RECORDS,..")]
    pub(crate) growth: Vec<u64>,
}

/// A way to move the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The bare loop: no queue, no ledger, nothing survives a crash
    Raw,
    /// `kayako-migrate run --full`
    One,
    /// `kayako-migrate serve ..`, one of each service
    Four,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::One => "one",
            Self::Four => "four",
        })
    }
}

impl Options {
    /// The account's size.
    pub(crate) fn size(&self) -> Size {
        let size = Size::tickets(self.tickets);
        Size {
            end_users: self.users.unwrap_or(size.end_users),
            organizations: self.organizations.unwrap_or(size.organizations),
            ..size
        }
    }
}
