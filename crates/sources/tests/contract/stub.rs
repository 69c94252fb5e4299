//! Answers that no well-behaved account gives: a source made of a function from path to answer.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use sources::zendesk::{Auth, Settings, Zendesk};

use crate::paces::Counting;

pub(crate) fn json_answer(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

pub(crate) fn page_answer(body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
}

/// A Zendesk account that answers what `special` says, has no custom fields and no memberships, and knows nothing else.
pub(crate) async fn zendesk(
    special: impl Fn(&Uri) -> Option<Response> + Send + Sync + 'static,
) -> (Zendesk, String) {
    let special = Arc::new(special);
    let answer = async move |uri: Uri| {
        if let Some(answer) = special(&uri) {
            return answer;
        }
        match uri.path() {
            "/api/v2/ticket_fields" => json_answer(&json!({"ticket_fields": []})),
            "/api/v2/group_memberships" => json_answer(&json!({"group_memberships": []})),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    let auth = Auth::ApiToken { email: "admin@acme.example".to_owned(), token: "token".to_owned().into() };
    let settings = Settings { attachment_limit: 1000, ..Settings::new(base.parse().unwrap(), auth) };
    (Zendesk::new(settings, Arc::new(Counting::default())).unwrap(), base)
}
