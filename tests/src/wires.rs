//! Ways to a sandbox account that has no port: the product's own clients, without sockets.

use futures::FutureExt as _;
use reqwest::header::{HOST, HeaderValue};
use reqwest::{Body, Request, Response};
use sandbox::server::Server;
use wire::{Exchange, InProcess};

/// A way to an account.
pub fn to(server: &Server) -> InProcess {
    let server = server.clone();
    InProcess::new(move |request| {
        let server = server.clone();
        async move { answered(&server, request).await }.boxed()
    })
}

/// One call.
pub async fn answered(server: &Server, mut request: Request) -> Exchange {
    let host = request.url().authority().parse::<HeaderValue>();
    if let Ok(host) = host {
        request.headers_mut().insert(HOST, host);
    }
    // Only an address that is none fails, and this one was parsed.
    let Ok(request) = axum::http::Request::<Body>::try_from(request) else { return Exchange::Refused };
    match server.answer(request.map(axum::body::Body::new)).await {
        Some(answer) => {
            let body = |body: axum::body::Body| Body::wrap_stream(body.into_data_stream());
            Exchange::Answered(Response::from(answer.map(body)))
        }
        None => Exchange::Broken,
    }
}
