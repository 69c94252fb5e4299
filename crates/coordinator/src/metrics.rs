//! The coordinator's metrics: what the operator's table shows, as gauges.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use runtime::Error;

/// Registered once per process.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Records of the current run by kind and tally.
    pub(crate) records: IntGaugeVec,
    /// Whether this coordinator leads.
    pub(crate) leading: IntGauge,
    /// Messages waiting, by stage.
    pub(crate) queued: IntGaugeVec,
    /// Counters that a recount found wrong; must stay 0.
    pub(crate) drift: IntGauge,
    /// Records whose message was lost and that were read again.
    pub(crate) recovered: IntCounter,
    /// Messages that could not be handled and are kept for a person.
    pub(crate) dead_letters: IntGauge,
    /// 1 for the status that the current run has.
    pub(crate) status: IntGaugeVec,
    /// Turns of reconcilers, by reconciler and result.
    pub(crate) turns: IntCounterVec,
}

impl Metrics {
    /// Registers all of them.
    pub fn register(metrics: &runtime::Metrics) -> Result<Self, Error> {
        let gauge = |name: &str, help: &str| -> Result<IntGauge, Error> {
            Ok(metrics.gauge(name, help, &[])?.with_label_values::<&str>(&[]))
        };
        Ok(Self {
            records: metrics.gauge(
                "kayako_migrate_run_records",
                "Records of the current run, by kind and tally (available, migrated, failed, skipped, pending ...).",
                &["kind", "tally"],
            )?,
            leading: gauge("kayako_migrate_coordinator_leading", "1 if this coordinator leads.")?,
            queued: metrics.gauge("kayako_migrate_queue_messages", "Messages waiting, by stage.", &["stage"])?,
            drift: gauge("kayako_migrate_counter_drift", "Counters that a recount found wrong; must be 0.")?,
            recovered: metrics
                .counter(
                    "kayako_migrate_coordinator_recovered_total",
                    "Records whose message was lost and that were read again.",
                    &[],
                )?
                .with_label_values::<&str>(&[]),
            dead_letters: gauge(
                "kayako_migrate_dead_letters",
                "Messages that could not be handled and are kept for a person.",
            )?,
            status: metrics.gauge("kayako_migrate_run_status", "1 for the status that the current run has.", &["status"])?,
            turns: metrics.counter(
                "kayako_migrate_coordinator_turns_total",
                "Turns of reconcilers.",
                &["reconciler", "result"],
            )?,
        })
    }
}
