//! The ledger of a migration: what is true about every record, whatever process dies. In Redis or in one SQLite file.
//!
//! Constraints:
//! - A row changes only by [`model::transition::next`], swapped in if the row is still what was read; its counter changes and
//!   its place in the due index are part of the same atomic step. That is what makes the sums true at every moment.
//! - Time is the store's, never a worker's: leases of workers with wrong clocks would overlap.
//! - Every step that reads or swaps rows compares the store's identity with the stored one. A difference means that writes may
//!   be lost: the epoch grows and every older claim is void.
//! - Nothing that is truth expires by itself. No secret in clear, no address and no customer text is ever stored here.
//! - The two stores know nothing about states: they sit behind one small seam and pass one conformance suite.

mod budget;
mod claim;
mod counts;
mod documents;
mod error;
mod ledger;
mod locks;
mod natural;
mod options;
mod rate;
mod redis;
mod register;
mod rows;
mod sqlite;
mod store;
mod trouble;

pub use budget::{Budget, Grant};
pub use claim::{Claim, ClaimBatch, ClaimRequest, ParentState};
pub use counts::{Drift, Recount};
pub use documents::{Conflict, Version};
pub use error::Error;
pub use ledger::Ledger;
pub use locks::LockToken;
pub use natural::NaturalKey;
pub use options::{Access, Clock, Interruption, OpenOptions, Opening, Steps};
pub use register::{Outcome, Registered, Registration};
pub use store::{Cursor, Page};
