//! The loader's metrics. Labels are bounded: kinds, endings; never ids.

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};
use runtime::Error;

/// Registered once per process.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Records that reached an ending, by kind and ending.
    pub(crate) endings: IntCounterVec,
    /// Bulk requests sent, by kind.
    pub(crate) batches: IntCounterVec,
    /// Records per bulk request.
    pub(crate) batch_records: Histogram,
    /// Records whose write became uncertain.
    pub(crate) doubts: IntCounter,
    /// Surplus objects trashed.
    pub(crate) surplus: IntCounter,
    /// Times this loader halted a run.
    pub(crate) halts: IntCounter,
    /// Batches in flight.
    pub(crate) in_flight: IntGauge,
    /// From claim to ack.
    pub(crate) batch_seconds: Histogram,
}

impl Metrics {
    /// Registers all of them.
    pub fn register(metrics: &runtime::Metrics) -> Result<Self, Error> {
        let histogram = |name: &str, help: &str, buckets: &[f64]| -> Result<Histogram, Error> {
            Ok(metrics.histogram(name, help, &[], buckets)?.with_label_values::<&str>(&[]))
        };
        let endings = metrics.counter(
            "kayako_migrate_loader_records_total",
            "Records that reached an ending in the loader.",
            &["kind", "ending"],
        )?;
        let batches = metrics.counter(
            "kayako_migrate_loader_batches_total",
            "Bulk requests sent to Kayako.",
            &["kind"],
        )?;
        let one = |name: &str, help: &str| -> Result<IntCounter, Error> {
            Ok(metrics.counter(name, help, &[])?.with_label_values::<&str>(&[]))
        };
        Ok(Self {
            endings,
            batches,
            batch_records: histogram(
                "kayako_migrate_loader_batch_records",
                "Records per bulk request.",
                &[1.0, 5.0, 20.0, 50.0, 100.0, 150.0, 200.0],
            )?,
            doubts: one(
                "kayako_migrate_loader_doubts_total",
                "Records whose write became uncertain and had to be probed.",
            )?,
            surplus: one(
                "kayako_migrate_loader_surplus_total",
                "Surplus objects with one origin key that were trashed.",
            )?,
            halts: one("kayako_migrate_loader_halts_total", "Times a run was halted by this loader.")?,
            in_flight: metrics
                .gauge("kayako_migrate_loader_batches_in_flight", "Batches being written.", &[])?
                .with_label_values::<&str>(&[]),
            batch_seconds: histogram(
                "kayako_migrate_loader_batch_seconds",
                "Time from claiming a batch to acknowledging it.",
                &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0],
            )?,
        })
    }
}
