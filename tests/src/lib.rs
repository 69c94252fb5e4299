//! End-to-end and fault suites over real processes and services, and the oracle that judges what arrived.
//!
//! Constraints: the oracle shares no code with the product, so that one mistake cannot be made twice; suites start the product's
//! own binary and kill it as an operating system would; whatever is waited for is an event, with an upper bound.
//!
//! Reading order: [`accounts`] are the two sample accounts; [`rules`] is what the plan of a test says, [`plan_file`] writes it
//! down; [`processes`] and [`migration`] run the product, [`servers`], [`proxy`] and [`small_disk`] are what a test may break under it; [`holding`] is what Kayako holds afterwards, and [`oracle`] compares it with the source.

pub mod accounts;
pub mod fields;
pub mod holding;
pub mod migration;
pub mod oracle;
pub mod plan_file;
pub mod processes;
pub mod proxy;
pub mod rules;
pub mod servers;
pub mod service_runs;
pub mod small_disk;
pub mod sums;
pub mod waiting;
pub mod wires;
