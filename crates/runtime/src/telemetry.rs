//! Logs to standard error, traces over OTLP.
//!
//! Constraints:
//! - Standard output belongs to the commands' results (`--json`), so logs never go there.
//! - Without an endpoint there is no exporter, no span bookkeeping and no trace header.
//! - The exporter's own HTTP calls are kept out of the traces, else each export would cause the next one.

pub mod propagation;
mod settings;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Dispatch;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt};

pub use settings::{LogFormat, OtlpEndpoint, OtlpProtocol, TelemetrySettings};

use crate::error::Error;

/// Crates that do the exporter's work.
const EXPORTER_TARGETS: &[&str] = &[
    "h2",
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    "tonic",
    "tower",
    "opentelemetry",
    "opentelemetry_sdk",
    "opentelemetry_otlp",
];

/// Keeps the exporter. Call [`Telemetry::shutdown`] as the last thing of a graceful stop.
#[derive(Debug)]
#[must_use]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets up logs and traces for the whole process, once. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Exporter`] for an unusable endpoint, [`Error::AlreadyInitialised`].
    pub fn init(settings: &TelemetrySettings) -> Result<Self, Error> {
        let (dispatch, telemetry) = Self::build(settings, std::io::stderr)?;
        dispatch.try_init().map_err(|_| Error::AlreadyInitialised)?;
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        crate::panics::log_panics();
        Ok(telemetry)
    }

    /// The same without touching anything global: logs go to `writer`, and only code that runs under the returned
    /// dispatch (`tracing::dispatcher::with_default`) is observed.
    ///
    /// # Errors
    /// [`Error::Setting`] for an unusable filter, [`Error::Exporter`] for an unusable endpoint.
    pub fn build<W>(settings: &TelemetrySettings, writer: W) -> Result<(Dispatch, Self), Error>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let filter = EnvFilter::try_new(&settings.filter)
            .map_err(|_| Error::setting("RUST_LOG", "expected directives such as info,loader=debug"))?;
        let logs = match settings.format {
            LogFormat::Json => {
                fmt::layer().json().flatten_event(true).with_writer(writer).with_filter(filter).boxed()
            }
            LogFormat::Human => fmt::layer().with_ansi(false).with_writer(writer).with_filter(filter).boxed(),
        };
        let provider = settings.otlp.as_ref().map(|otlp| provider(settings, otlp)).transpose()?;
        let traces = provider.as_ref().map(|provider| {
            let own_only = EXPORTER_TARGETS
                .iter()
                .fold(Targets::new().with_default(LevelFilter::INFO), |targets, target| {
                    targets.with_target(*target, LevelFilter::OFF)
                });
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("kayako-migrate"))
                .with_filter(own_only)
        });
        Ok((Registry::default().with(logs).with(traces).into(), Self { provider }))
    }

    /// Hands over the last spans. They are lost if the collector does not take them within `timeout`.
    ///
    /// # Errors
    /// [`Error::Flush`] or [`Error::FlushTimeout`]; the process may end all the same.
    pub async fn shutdown(self, timeout: Duration) -> Result<(), Error> {
        let Some(provider) = self.provider else { return Ok(()) };
        // Blocks until the exporter's thread has answered; on a runtime thread that would stop the timeout, too.
        let flushing = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(timeout));
        match tokio::time::timeout(timeout, flushing).await {
            Ok(Ok(flushed)) => flushed.map_err(Error::Flush),
            Ok(Err(_)) | Err(_) => Err(Error::FlushTimeout(timeout)),
        }
    }
}

fn provider(settings: &TelemetrySettings, otlp: &OtlpEndpoint) -> Result<SdkTracerProvider, Error> {
    let exporter = match otlp.protocol {
        OtlpProtocol::Grpc => SpanExporter::builder()
            .with_tonic()
            .with_protocol(Protocol::Grpc)
            .with_endpoint(&otlp.url)
            .build(),
        OtlpProtocol::HttpProtobuf => SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&otlp.url)
            .build(),
    }
    .map_err(Error::Exporter)?;
    let resource = Resource::builder()
        .with_service_name(settings.service.clone())
        .with_attribute(KeyValue::new("service.version", settings.version.clone()))
        .with_attribute(KeyValue::new("service.instance.id", settings.instance.clone()))
        .build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}
