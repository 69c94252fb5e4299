//! What telemetry is told by the operator, all of it by the customary variables.

use crate::error::Error;
use crate::variables::Variables;

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line, for log stores. The default of services.
    Json,
    /// For people at a terminal.
    Human,
}

/// How spans travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// `grpc`.
    Grpc,
    /// `http/protobuf`, the default of the specification.
    HttpProtobuf,
}

/// Where spans go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpEndpoint {
    /// Complete: for HTTP with the path `/v1/traces`.
    pub url: String,
    /// How.
    pub protocol: OtlpProtocol,
}

/// Everything [`super::Telemetry`] needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// `service.name`, for example `kayako-migrate-loader`.
    pub service: String,
    /// `service.version`.
    pub version: String,
    /// `service.instance.id`: tells replicas apart. The pod's name, else a random one.
    pub instance: String,
    /// Log lines.
    pub format: LogFormat,
    /// Log directives as in `RUST_LOG`.
    pub filter: String,
    /// Traces are off without it.
    pub otlp: Option<OtlpEndpoint>,
}

impl TelemetrySettings {
    /// Reads:
    /// - `RUST_LOG` (default `info`), `KAYAKO_MIGRATE_LOG_FORMAT` (`json` or `human`, default `default_format`);
    /// - `OTEL_SERVICE_NAME` (default `service`), `HOSTNAME` (else `fallback_instance`);
    /// - `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT`, `..._TRACES_PROTOCOL` or `..._PROTOCOL`;
    ///   `OTEL_SDK_DISABLED=true` or `OTEL_TRACES_EXPORTER=none` turn traces off.
    ///
    /// The exporter itself reads the remaining standard variables (headers, timeout, compression, sampler).
    ///
    /// # Errors
    /// [`Error::Setting`] for a format or protocol that does not exist.
    pub fn from_variables(
        variables: &Variables,
        service: &str,
        version: &str,
        fallback_instance: &str,
        default_format: LogFormat,
    ) -> Result<Self, Error> {
        let format = match variables.get("KAYAKO_MIGRATE_LOG_FORMAT") {
            None => default_format,
            Some("json") => LogFormat::Json,
            Some("human") => LogFormat::Human,
            Some(_) => return Err(Error::setting("KAYAKO_MIGRATE_LOG_FORMAT", "expected json or human")),
        };
        Ok(Self {
            service: variables.get("OTEL_SERVICE_NAME").unwrap_or(service).to_owned(),
            version: version.to_owned(),
            instance: variables.get("HOSTNAME").unwrap_or(fallback_instance).to_owned(),
            format,
            filter: variables.get("RUST_LOG").unwrap_or("info").to_owned(),
            otlp: otlp(variables)?,
        })
    }
}

fn otlp(variables: &Variables) -> Result<Option<OtlpEndpoint>, Error> {
    let disabled = variables.get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if disabled || variables.get("OTEL_TRACES_EXPORTER") == Some("none") {
        return Ok(None);
    }
    let protocol = match variables
        .get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        .or_else(|| variables.get("OTEL_EXPORTER_OTLP_PROTOCOL"))
    {
        None | Some("http/protobuf") => OtlpProtocol::HttpProtobuf,
        Some("grpc") => OtlpProtocol::Grpc,
        Some(_) => {
            return Err(Error::setting("OTEL_EXPORTER_OTLP_PROTOCOL", "expected grpc or http/protobuf"));
        }
    };
    // The specification: the signal's own endpoint is taken as it is, the common one is a base.
    let url = if let Some(own) = variables.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        own.to_owned()
    } else if let Some(base) = variables.get("OTEL_EXPORTER_OTLP_ENDPOINT") {
        match protocol {
            OtlpProtocol::Grpc => base.to_owned(),
            OtlpProtocol::HttpProtobuf => format!("{}/v1/traces", base.trim_end_matches('/')),
        }
    } else {
        return Ok(None);
    };
    Ok(Some(OtlpEndpoint { url, protocol }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<TelemetrySettings, Error> {
        let variables = pairs.iter().copied().collect();
        TelemetrySettings::from_variables(
            &variables,
            "kayako-migrate-loader",
            "1.2.3",
            "i-1",
            LogFormat::Json,
        )
    }

    fn endpoint(pairs: &[(&str, &str)]) -> Option<(String, OtlpProtocol)> {
        settings(pairs).unwrap().otlp.map(|otlp| (otlp.url, otlp.protocol))
    }

    #[test]
    fn without_an_endpoint_there_are_no_traces() {
        let plain = settings(&[]).unwrap();
        assert_eq!((plain.otlp, plain.filter.as_str(), plain.instance.as_str()), (None, "info", "i-1"));
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        assert_eq!(endpoint(&[base, ("OTEL_SDK_DISABLED", "TRUE")]), None);
        assert_eq!(endpoint(&[base, ("OTEL_TRACES_EXPORTER", "none")]), None);
    }

    #[test]
    fn endpoints_follow_the_specification() {
        use OtlpProtocol::{Grpc, HttpProtobuf};
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://d/x");
        assert_eq!(endpoint(&[base]), Some(("http://c:4318/v1/traces".into(), HttpProtobuf)));
        assert_eq!(endpoint(&[base, grpc]), Some(("http://c:4318/".into(), Grpc)));
        assert_eq!(endpoint(&[base, own]), Some(("http://d/x".into(), HttpProtobuf)));
    }

    #[test]
    fn what_does_not_exist_is_refused_at_start() {
        assert!(settings(&[("KAYAKO_MIGRATE_LOG_FORMAT", "xml")]).is_err());
        let protocol = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
        assert!(settings(&[protocol]).is_err());
    }
}
