//! Facts: small documents in the ledger by which commands, coordinator and services agree. Names and shapes only.
//!
//! Constraints: changed by compare-and-set; an operator's command changes a fact, a reconciler does the rest. Nothing here
//! grows with the number of records (shards are counted in dozens, runs in hundreds).

use serde::{Deserialize, Serialize};

use crate::ids::{RunNo, UnixMillis};
use crate::kind::Kind;

/// Name of the document that says which run is worked on ([`Current`]).
pub const CURRENT: &str = "current";
/// Name of the document that says that Kayako refused the last log-in ([`LoginBlock`], or null). While it is there no
/// loader logs in: an account sees at most one bad log-in per operator action.
pub const LOGIN_BLOCK: &str = "login/blocked";
/// Name of the document that says which two accounts the migration connects ([`Accounts`]).
pub const ACCOUNTS: &str = "accounts";
/// Prefix of all runs.
pub const RUNS: &str = "run/";

/// Name of the document that says that an account does not answer ([`Trouble`]).
pub fn trouble(side: Side) -> String {
    format!("trouble/{}", side.name())
}

/// Name of a run's document ([`crate::run::Run`]). Padded, so that names sort by number.
pub fn run(number: RunNo) -> String {
    format!("{RUNS}{:06}", number.0)
}

/// Name of a plan's document ([`StoredPlan`]).
pub fn plan(hash: &str) -> String {
    format!("plan/{hash}")
}

/// Prefix of the phases of a run.
pub fn phases(run: RunNo) -> String {
    format!("phase/{:06}/", run.0)
}

/// Name of the document that says that a kind's shards are known ([`Phase`]).
pub fn phase(run: RunNo, kind: Kind) -> String {
    format!("{}{kind}", phases(run))
}

/// Prefix of the checkpoints of one kind in a run.
pub fn shards(run: RunNo, kind: Kind) -> String {
    format!("shard/{:06}/{kind}/", run.0)
}

/// Name of a shard's checkpoint ([`Checkpoint`]).
pub fn shard(run: RunNo, kind: Kind, name: &str) -> String {
    format!("{}{name}", shards(run, kind))
}

/// Name of the final table of a run ([`crate::run::RunCounts`]): history, whatever later runs count.
pub fn table(run: RunNo) -> String {
    format!("table/{:06}", run.0)
}

/// Name of the document that says what the last comparison of a run with Kayako came to ([`Reconciliation`]).
pub fn reconciliation(run: RunNo) -> String {
    format!("reconciliation/{:06}", run.0)
}

/// What a comparison of the ledger with Kayako came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// When it ended.
    pub at: UnixMillis,
    /// Whether what can be put right was put right.
    pub repair: bool,
    /// Records whose objects were counted.
    pub compared: u64,
    /// Objects of the account whose origin keys were looked at; `None` if that was left out.
    pub listed: Option<u64>,
    /// Differences by stable name.
    pub differences: std::collections::BTreeMap<String, u64>,
    /// Of these, put right.
    pub repaired: u64,
    /// Kinds whose objects could not all be listed.
    pub unsettled: Vec<Kind>,
    /// Where each difference is listed, on the machine that compared.
    pub file: String,
}

/// The accounts that a ledger's rows speak of. With another target, every row would claim that a record is there which is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// Address of the source account.
    pub source: String,
    /// Address of the Kayako account.
    pub target: String,
}

/// One of the two accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The help desk that is read.
    Source,
    /// Kayako.
    Target,
}

impl Side {
    /// Stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
}

/// An account does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When it was met first.
    pub since: UnixMillis,
    /// It is told again until then if it lasts.
    pub until: UnixMillis,
    /// What was met, without customer text.
    pub message: String,
}

/// The run that is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Its number.
    pub run: RunNo,
}

/// Kayako refused the last log-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginBlock {
    /// When.
    pub since: UnixMillis,
}

/// A plan as the operator wrote it. It names secrets, it never holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPlan {
    /// The YAML text.
    pub yaml: String,
}

/// The shards of a kind are known and their tasks published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// How many shards there are; 0 where records come from a sample only.
    pub shards: u32,
    /// The source's own count: an estimate, shown apart.
    #[serde(default)]
    pub estimate: Option<u64>,
}

/// How far a shard has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The source module's own description of the shard.
    pub shard: serde_json::Value,
    /// Where the next page begins; `None` before the first.
    pub cursor: Option<String>,
    /// The whole shard was read; `cursor` is then the high-water mark for a delta.
    pub done: bool,
    /// Pages read.
    pub pages: u64,
    /// When it last moved: a reconciler publishes the task of a shard that stands still again.
    pub touched_at: UnixMillis,
}
