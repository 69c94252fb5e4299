//! The transformer's metrics. Labels are bounded: kinds and outcomes, never ids.

use prometheus::{Histogram, IntCounterVec, IntGauge};

/// Registered once per process.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Records translated, by kind and outcome.
    pub(crate) records: IntCounterVec,
    /// Messages that could not be read.
    pub(crate) unreadable: prometheus::IntCounter,
    /// Batches in flight.
    pub(crate) in_flight: IntGauge,
    /// From taking a batch to acknowledging it.
    pub(crate) batch_seconds: Histogram,
}

impl Metrics {
    /// Registers all of them.
    pub fn register(metrics: &runtime::Metrics) -> Result<Self, runtime::Error> {
        Ok(Self {
            records: metrics.counter(
                "kayako_migrate_transformer_records_total",
                "Records translated.",
                &["kind", "outcome"],
            )?,
            unreadable: metrics
                .counter(
                    "kayako_migrate_transformer_unreadable_total",
                    "Messages that could not be read.",
                    &[],
                )?
                .with_label_values::<&str>(&[]),
            in_flight: metrics
                .gauge("kayako_migrate_transformer_batches_in_flight", "Batches being translated.", &[])?
                .with_label_values::<&str>(&[]),
            batch_seconds: metrics
                .histogram(
                    "kayako_migrate_transformer_batch_seconds",
                    "Time from taking a batch to acknowledging it.",
                    &[],
                    &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0],
                )?
                .with_label_values::<&str>(&[]),
        })
    }
}
