//! The extractor's metrics. Labels are bounded: kinds, outcomes, failure classes; never ids.

use prometheus::{Histogram, IntCounter, IntCounterVec};
use runtime::Error;

/// Registered once per process.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Records by kind and outcome (published, known, filtered, skipped).
    pub(crate) records: IntCounterVec,
    /// Pages read, by kind.
    pub(crate) pages: IntCounterVec,
    /// Bytes of attachments staged.
    pub(crate) staged_bytes: IntCounter,
    /// Attachments the source did not give.
    pub(crate) missing_files: IntCounter,
    /// Times a page was not read because the credit window was full.
    pub(crate) window_full: IntCounter,
    /// Tasks that had to be done again, by failure class.
    pub(crate) retried: IntCounterVec,
    /// From listing to publication of one record.
    pub(crate) carry_seconds: Histogram,
}

impl Metrics {
    /// Registers all of them.
    pub fn register(metrics: &runtime::Metrics) -> Result<Self, Error> {
        let one = |name: &str, help: &str| -> Result<IntCounter, Error> {
            Ok(metrics.counter(name, help, &[])?.with_label_values::<&str>(&[]))
        };
        Ok(Self {
            records: metrics.counter(
                "kayako_migrate_extractor_records_total",
                "Records seen by the extractor.",
                &["kind", "outcome"],
            )?,
            pages: metrics.counter(
                "kayako_migrate_extractor_pages_total",
                "Listing pages read.",
                &["kind"],
            )?,
            staged_bytes: one("kayako_migrate_extractor_staged_bytes_total", "Bytes of attachments staged.")?,
            missing_files: one(
                "kayako_migrate_extractor_missing_files_total",
                "Attachments that the source no longer has.",
            )?,
            window_full: one(
                "kayako_migrate_extractor_window_full_total",
                "Times reading waited because the credit window was full.",
            )?,
            retried: metrics.counter(
                "kayako_migrate_extractor_retried_total",
                "Tasks that have to be done again, by failure class.",
                &["class"],
            )?,
            carry_seconds: metrics
                .histogram(
                    "kayako_migrate_extractor_carry_seconds",
                    "Time to complete, stage and publish one record.",
                    &[],
                    runtime::metrics::CALL_SECONDS,
                )?
                .with_label_values::<&str>(&[]),
        })
    }
}
