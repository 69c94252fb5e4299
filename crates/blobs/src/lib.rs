//! Attachments and oversized bodies by content hash, and the append-only journal.
//!
//! Constraints:
//! - Nothing here is the only copy of anything: the source holds the originals, so a lost blob is read again. What
//!   must never happen is *wrong* bytes; every read is checked against the hash it was asked for.
//! - Objects are immutable and appear whole or not at all, so writing one twice does no harm and no lock is needed.
//! - Memory is bounded whatever the size of an attachment: streams are written in parts and never collected.
//! - Customer data is in the objects, never in an object's name, in an error or in `Debug`. The names of scopes and
//!   holders are chosen by the caller and must keep to ids.
//!
//! Layout below the location:
//!
//! ```text
//! blobs/<2 hex>/<64 hex>                        shared by content
//! blobs/of/<holder>/<2 hex>/<64 hex>            one holder's copies, see `Blobs::within`
//! spool/<uuid>                                  a stream that is being written
//! journal/<scope>/<unix ms>-<writer>-<seq>.ndjson
//! ```

mod content;
mod error;
mod journal;
mod space;
mod store;
mod verified;

pub use error::Error;
pub use journal::ENTRY_LIMIT;
pub use model::record::BlobRef;
pub use space::Usage;
pub use store::Blobs;
