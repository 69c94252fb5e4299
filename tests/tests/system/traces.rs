//! Traces follow a record across the queues: from the extractor's span through the transformer's to the loader's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use prost::Message as _;
use system_tests::accounts::{Accounts, config};
use system_tests::migration::Migration;
use tokio::net::TcpListener;

use crate::service_runs::finish;

/// Spans of one service.
#[derive(Debug, Clone, Default)]
struct Spans {
    own: BTreeSet<Vec<u8>>,
    /// Spans that its spans continue or are linked to.
    others: BTreeSet<Vec<u8>>,
}

type Collected = Arc<Mutex<BTreeMap<String, Spans>>>;

async fn collect(State(collected): State<Collected>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        let service = attributes.into_iter().find(|attribute| attribute.key == "service.name");
        let service = service.and_then(|attribute| match attribute.value?.value? {
            any_value::Value::StringValue(text) => Some(text),
            _ => None,
        });
        let spans = collected.entry(service.unwrap_or_default()).or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.own.insert(span.span_id);
            spans.others.extend(span.links.into_iter().map(|link| link.span_id));
            spans.others.extend(Some(span.parent_span_id).filter(|id| !id.is_empty()));
        }
    }
    StatusCode::OK
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_followed_from_the_extractor_to_the_loader() -> Result<()> {
    let collected = Collected::default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/v1/traces", post(collect)).with_state(Arc::clone(&collected));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let accounts = Accounts::open(config(95, 20)).await?;
    let mut migration = Migration::of_services(&accounts)?;
    migration.environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))];
    let services = migration.serve_all()?.into_all();
    migration.carried_out(&["run", "--full"]).await?;
    // The last spans are handed over when a process ends.
    finish(&migration, services).await?;

    let collected = collected.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let of = |role: &str| {
        let service = format!("kayako-migrate-{role}");
        collected
            .get(&service)
            .with_context(|| format!("no spans of {service}, only of {:?}", collected.keys()))
    };
    let (extractor, transformer, loader) = (of("extractor")?, of("transformer")?, of("loader")?);
    let linked = |to: &Spans, from: &Spans| to.others.intersection(&from.own).count();
    println!(
        "{} spans of the transformer's neighbours lead to it, {} of its own to the loader",
        linked(transformer, extractor),
        linked(loader, transformer)
    );
    assert!(linked(transformer, extractor) > 0, "no span of the transformer knows one of the extractor");
    assert!(
        linked(loader, transformer) + linked(loader, extractor) > 0,
        "no span of the loader knows where its work comes from"
    );
    migration.passed();
    Ok(())
}
