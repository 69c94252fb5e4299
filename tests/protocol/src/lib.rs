//! The write protocol as a model that a checker explores whole: every order of sending, answering, dying, pausing, repeating,
//! forgetting and waiting in small worlds.
//!
//! **What it rests on.** No client can recall a request that it has sent. "Exactly once" therefore holds under these bounds on the
//! account, and `tests/bounds.rs` shows a double for each that is broken:
//!
//! 1. A request takes effect before the quiet period after the last moment at which it could leave (`last_send_at`) is over. That includes
//!    a job whose id the ledger does not have: its answer was lost, its loader died before storing it, or the ledger lost the write. The time between
//!    the client's last look at the clock and the leaving of the bytes is part of it.
//! 2. A job whose id the ledger has ends before `job_timeout` after that moment is over, or never has an effect.
//! 3. An object is shown by every look-up before the visibility delay after its creation is over.
//!
//! **What is modelled.** Rows in the ledger, by the production [`model::transition::next`]; what counts as broken, by
//! [`model::invariant::judge`]. Up to two loaders that may die or be paused at any time for any time; batches of which the account carries
//! out any part; jobs; answers that are lost; refusals; late look-ups and such that do not add up; messages that are lost or given to two loaders;
//! steps after the object exists; a ledger that loses any number of its last writes; records that need another one; records that the
//! source deletes. Nothing of this is counted or limited, except the losses of the ledger (one) and the attempts of a record: time is
//! relative, so that the worlds are finite in number although it never ends (see [`world`]).
//!
//! **What is not.** Parents by natural key and adoption; the look-up of every record in the first run of a ledger (the protocol holds without
//! it); several runs, changed records and generations; the splitting of long threads, which is not built: `in_order` is what it would
//! need; single mode, which is not built; the clocks of several stores; records that were registered, sent and lost by the ledger and are then deleted at the source.

mod account;
pub mod explore;
mod ledger;
mod loader;
pub mod protocol;
pub mod rule;
pub mod scenario;
pub mod world;

pub use loader::Reply;
