//! The caller's hook on every request: rate budgets.
//!
//! Constraints: a source's limits are per account, not per process, so a caller with several processes puts a shared
//! budget behind [`Pace`]. Every request takes from each of its buckets before it is sent, and reports what the answer
//! said about them. The limits a source prints in its headers outrank the numbers it documents.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Error;

/// A rate limit of a source account.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// Stable name: key of a shared budget and metric label. Two buckets with one name are the same bucket.
    pub name: &'static str,
    /// Requests a minute as documented, until an answer's header says otherwise.
    pub per_minute: u32,
    /// Who else works from the limit.
    pub scope: Scope,
}

/// Who uses a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The account's general limit, which people and other programs use too: a share of it is ours, or the number that the plan names.
    Account,
    /// A limit of its own for a kind of call that people and other programs make too: a share of it is ours.
    Shared,
    /// A limit of its own for a kind of call that nobody else makes: all of it is ours.
    Ours,
}

impl PartialEq for Bucket {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Bucket {}

impl Hash for Bucket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// What one answer said about one bucket. An answer that said nothing is not reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateHeaders {
    /// Requests a minute.
    pub limit: Option<u32>,
    /// How many are left until the window ends.
    pub remaining: Option<u32>,
    /// When the window ends, from now.
    pub resets_in: Option<Duration>,
    /// The answer was a 429 for which this bucket is to blame.
    pub throttled: bool,
    /// How long the 429 told us to stay away; without it, a minute is assumed.
    pub retry_after: Option<Duration>,
}

/// Grants requests.
#[async_trait]
pub trait Pace: Send + Sync {
    /// Waits until one request may be taken from the bucket. An error (the run was paused, the process is draining)
    /// ends the call with that error and nothing is sent.
    async fn acquire(&self, bucket: Bucket) -> Result<(), Error>;

    /// Learns from an answer. Must not block.
    fn observe(&self, bucket: Bucket, limits: RateHeaders);
}
