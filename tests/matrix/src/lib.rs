//! The crash matrix: for every crash point of every service, by kind of record and mode, a real run that meets it, recovers by
//! itself, and ends with exactly the content of an undisturbed run.
//!
//! Constraints:
//! - The points are the closed list that the product itself checks against; what does not apply is said with its reason.
//! - A cell whose point never struck has failed: it proved nothing.
//! - Every cell gets accounts and a migration of its own, so that it can be played again alone.
//! - All waiting times derive from one scale ([`system_tests::accounts::SCALE`]).
//!
//! Reading order: [`cells`] is the matrix, [`scene`] brings about what a point needs to be met, [`play`] plays a cell, [`judge`]
//! judges it; [`record`] keeps results, [`table`] shows them.

pub mod cells;
pub mod judge;
pub mod play;
pub mod record;
pub mod scene;
pub mod table;
