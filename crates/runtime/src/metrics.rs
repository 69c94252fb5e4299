//! The process's Prometheus metrics.
//!
//! Constraints: every name starts with [`PREFIX`]; counters end in `_total`; units are in the name (`_seconds`,
//! `_bytes`). Labels have few values (stage, kind, outcome, class ...); what grows with the data (ids, addresses,
//! queue names) is refused, because each value is a series that the process and the server keep for ever.
//! Services register at start, so that series exist at zero and an alert on a rate sees the first event.
//!
//! Registering a name again with the same shape returns the same metric: in one process several loaders share it.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::error::Error;

/// The namespace of all metrics.
pub const PREFIX: &str = "kayako_migrate_";

/// Labels whose values grow with the data or identify people.
const UNBOUNDED_LABELS: &[&str] = &[
    "id",
    "record",
    "record_id",
    "source_id",
    "kayako_id",
    "origin_key",
    "url",
    "path",
    "email",
    "user",
    "queue",
    "message",
];

/// Bucket bounds in seconds for calls over a network: 5 ms to one minute.
pub const CALL_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// A registry that services put typed metrics into. Clones share it.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    known: Arc<Mutex<BTreeMap<String, Known>>>,
}

struct Known {
    shape: Shape,
    metric: Box<dyn Any + Send>,
}

#[derive(PartialEq)]
struct Shape {
    labels: Vec<String>,
    buckets: Vec<f64>,
}

impl Metrics {
    /// A registry with the process collector (CPU, memory, open files, start time).
    ///
    /// # Errors
    /// [`Error::Metric`] if the operating system does not tell those.
    pub fn new() -> Result<Self, Error> {
        let metrics = Self { registry: Registry::new(), known: Arc::default() };
        #[cfg(target_os = "linux")]
        metrics
            .registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .map_err(|error| metric_error("process", error.to_string()))?;
        Ok(metrics)
    }

    /// A counter; `name` ends in `_total`.
    ///
    /// # Errors
    /// [`Error::Metric`] for a name or label that breaks the rules, or a name that has another shape already.
    pub fn counter(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        if !name.ends_with("_total") {
            return Err(metric_error(name, "a counter's name ends in _total"));
        }
        self.register(name, labels, &[], || IntCounterVec::new(Opts::new(name, help), labels))
    }

    /// A gauge with whole values.
    ///
    /// # Errors
    /// See [`Metrics::counter`].
    pub fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.register(name, labels, &[], || IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// A gauge with fractions: ratios, seconds.
    ///
    /// # Errors
    /// See [`Metrics::counter`].
    pub fn float_gauge(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.register(name, labels, &[], || GaugeVec::new(Opts::new(name, help), labels))
    }

    /// A histogram; choose `buckets` for what is measured ([`CALL_SECONDS`] for calls).
    ///
    /// # Errors
    /// See [`Metrics::counter`].
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, Error> {
        self.register(name, labels, buckets, || {
            HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)
        })
    }

    /// All metrics in Prometheus's text format.
    ///
    /// # Errors
    /// [`Error::Encode`], which means a defect in a collector.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).map_err(Error::Encode)?;
        Ok(text)
    }

    /// Names of the metrics that services registered: what dashboards and alerts may refer to.
    pub fn names(&self) -> Vec<String> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn register<M>(
        &self,
        name: &str,
        labels: &[&str],
        buckets: &[f64],
        build: impl FnOnce() -> prometheus::Result<M>,
    ) -> Result<M, Error>
    where
        M: Collector + Clone + Send + 'static,
    {
        if !name.starts_with(PREFIX) {
            return Err(metric_error(name, format!("the name starts with {PREFIX}")));
        }
        if let Some(label) = labels.iter().find(|label| UNBOUNDED_LABELS.contains(label)) {
            return Err(metric_error(name, format!("label {label} has no bounded set of values")));
        }
        let shape = Shape {
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            buckets: buckets.to_vec(),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(existing) = known.get(name) {
            return existing
                .metric
                .downcast_ref::<M>()
                .filter(|_| existing.shape == shape)
                .cloned()
                .ok_or_else(|| {
                    metric_error(name, "registered already with another type, labels or buckets")
                });
        }
        let metric = build().map_err(|error| metric_error(name, error.to_string()))?;
        self.registry
            .register(Box::new(metric.clone()))
            .map_err(|error| metric_error(name, error.to_string()))?;
        known.insert(name.to_owned(), Known { shape, metric: Box::new(metric.clone()) });
        Ok(metric)
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("names", &self.names()).finish_non_exhaustive()
    }
}

fn metric_error(name: &str, problem: impl Into<String>) -> Error {
    Error::Metric { name: name.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_loaders_in_one_process_share_a_metric() {
        let metrics = Metrics::new().unwrap();
        let register =
            || metrics.counter("kayako_migrate_records_total", "Records settled.", &["kind"]).unwrap();
        register().with_label_values(&["case"]).inc_by(2);
        register().with_label_values(&["case"]).inc();
        let text = String::from_utf8(metrics.encode().unwrap()).unwrap();
        assert!(text.contains("kayako_migrate_records_total{kind=\"case\"} 3"), "{text}");
        assert_eq!(metrics.names(), ["kayako_migrate_records_total"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_itself_is_measured() {
        let text = String::from_utf8(Metrics::new().unwrap().encode().unwrap()).unwrap();
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
    }

    #[test]
    fn names_and_labels_follow_the_rules() {
        let metrics = Metrics::new().unwrap();
        assert!(metrics.counter("kayako_migrate_calls", "h", &[]).is_err());
        assert!(metrics.gauge("calls", "h", &[]).is_err());
        assert!(metrics.gauge("kayako_migrate_calls", "h", &["origin_key"]).is_err());
        metrics.gauge("kayako_migrate_depth", "h", &["stage"]).unwrap();
        assert!(metrics.gauge("kayako_migrate_depth", "h", &["kind"]).is_err());
        assert!(metrics.float_gauge("kayako_migrate_depth", "h", &["stage"]).is_err());
        metrics.histogram("kayako_migrate_call_seconds", "h", &[], CALL_SECONDS).unwrap();
        assert!(metrics.histogram("kayako_migrate_call_seconds", "h", &[], &[1.0]).is_err());
    }
}
