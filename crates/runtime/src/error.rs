//! The crate's one error enum, and how any error is written into a log line.

use std::net::SocketAddr;

use model::{Classify, FailureClass};

/// What can go wrong in the process shell. None of these messages contains a setting's value: a mistyped
/// variable may hold a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is missing its meaning: unparsable, out of range, or contradicting another one.
    #[error("setting {name} is not usable: {problem}")]
    Setting {
        /// The setting or environment variable.
        name: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The operator port cannot be opened.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The handlers for SIGTERM and SIGINT cannot be installed.
    #[error("cannot install the signal handlers")]
    Signals(#[source] std::io::Error),
    /// The trace exporter cannot be built.
    #[error("cannot set up the trace exporter")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
    /// Spans could not be handed over before the process ended.
    #[error("traces were not flushed completely")]
    Flush(#[source] opentelemetry_sdk::error::OTelSdkError),
    /// Flushing took longer than allowed.
    #[error("traces were not flushed within {0:?}")]
    FlushTimeout(std::time::Duration),
    /// Telemetry was set up a second time in one process.
    #[error("a log subscriber is already installed in this process")]
    AlreadyInitialised,
    /// A metric's name, label or buckets break a rule, or it is registered with two meanings.
    #[error("metric {name} cannot be registered: {problem}")]
    Metric {
        /// The metric's name.
        name: String,
        /// The rule that is broken.
        problem: String,
    },
    /// The registry cannot be written as text.
    #[error("metrics cannot be encoded")]
    Encode(#[source] prometheus::Error),
}

impl Error {
    pub(crate) fn setting(name: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { name, problem: problem.into() }
    }
}

impl Classify for Error {
    fn class(&self) -> FailureClass {
        match self {
            // An operator has to change something before any further start can succeed.
            Self::Setting { .. } | Self::Listen { .. } => FailureClass::Halt,
            _ => FailureClass::Internal,
        }
    }
}

/// An error with its causes on one line: what is logged where an error is handled.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
