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
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message as _;
use system_tests::accounts::{Accounts, config};
use system_tests::migration::Migration;
use system_tests::service_runs::finish;
use tokio::net::TcpListener;

/// Ids of spans.
type Ids = BTreeSet<Vec<u8>>;

/// Spans of one service.
#[derive(Debug, Clone, Default)]
struct Spans {
    own: Ids,
    /// Spans that its spans continue or are linked to.
    others: Ids,
    /// By record: the spans about it, and what they are linked to.
    records: BTreeMap<String, (Ids, Ids)>,
}

fn text(attributes: Vec<KeyValue>, key: &str) -> Option<String> {
    let found = attributes.into_iter().find(|attribute| attribute.key == key)?;
    match found.value?.value? {
        any_value::Value::StringValue(text) => Some(text),
        _ => None,
    }
}

type Collected = Arc<Mutex<BTreeMap<String, Spans>>>;

async fn collect(State(collected): State<Collected>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
    for resource in request.resource_spans {
        let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        let service = text(attributes, "service.name");
        let spans = collected.entry(service.unwrap_or_default()).or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let links: Vec<Vec<u8>> = span.links.into_iter().map(|link| link.span_id).collect();
            if let Some(record) = text(span.attributes, "record") {
                let (own, others) = spans.records.entry(record).or_default();
                own.insert(span.span_id.clone());
                others.extend(links.clone());
            }
            spans.own.insert(span.span_id);
            spans.others.extend(links);
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
    let followed = |(record, (own, _)): (&String, &(Ids, Ids))| {
        loader.records.get(record).is_some_and(|(_, links)| links.intersection(own).count() > 0)
    };
    let cases = extractor.records.iter().filter(|(record, _)| record.starts_with("case:"));
    let (all, found) = (cases.clone().count(), cases.filter(|one| followed(*one)).count());
    assert!(
        all >= 15 && found == all,
        "of {all} cases that the extractor has spans of, {found} lead to the loader"
    );
    migration.passed();
    Ok(())
}
