//! One suite for both ways to an account: the same server, the same faults, the same evidence.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use axum::Router;
use axum::routing::post;
use futures::FutureExt as _;
use reqwest::{Body, Method, Request, Response};
use sandbox::faults::{Fault, Rule, Schedule, When};
use sandbox::server::Server;
use tokio::net::TcpListener;
use wire::{Exchange, InProcess, Network, Trouble, Wire};

/// Longer than any answer here takes, shorter than the one that never comes.
const LIMIT: Duration = Duration::from_millis(500);

/// The server behind both ways, and the ways.
struct Ground {
    server: Server,
    ways: [(&'static str, Box<dyn Wire>); 2],
    address: String,
}

async fn ground() -> Ground {
    let router = Router::new().route("/echo", post(|body: String| async move { body.repeat(2) }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start(listener, router, Schedule::default()).unwrap();
    let address = format!("http://{}/echo", server.address().unwrap());
    let network = Network::new(reqwest::Client::builder().no_proxy().build().unwrap());
    let inside = server.clone();
    let in_process = InProcess::new(move |request| {
        let server = inside.clone();
        async move {
            let request = axum::http::Request::<Body>::try_from(request).unwrap();
            match server.answer(request.map(axum::body::Body::new)).await {
                Some(answer) => Exchange::Answered(Response::from(
                    answer.map(|body| Body::wrap_stream(body.into_data_stream())),
                )),
                None => Exchange::Broken,
            }
        }
        .boxed()
    });
    Ground { server, ways: [("network", Box::new(network)), ("in process", Box::new(in_process))], address }
}

fn request(address: &str) -> Request {
    let mut request = Request::new(Method::POST, address.parse().unwrap());
    *request.body_mut() = Some("twice ".repeat(1_000).into());
    *request.timeout_mut() = Some(LIMIT);
    request
}

fn always(fault: Fault) -> Schedule {
    let rule = Rule { method: None, path: String::new(), when: When::Always, times: None, fault };
    Schedule { seed: 1, rules: vec![rule] }
}

#[tokio::test]
async fn what_is_sent_arrives_and_what_is_answered_comes_back() {
    let ground = ground().await;
    for (name, way) in &ground.ways {
        let answer = way.exchange(request(&ground.address)).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{name}");
        assert_eq!(answer.text().await.unwrap(), "twice ".repeat(2_000), "{name}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_service_is_an_answer() {
    let ground = ground().await;
    ground.server.set_faults(always(Fault::RateLimit { retry_after: 7 }));
    for (name, way) in &ground.ways {
        let answer = way.exchange(request(&ground.address)).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (429, &"7".parse().unwrap()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_breaks_and_one_that_stays_silent_are_told_apart() {
    let ground = ground().await;
    for (fault, trouble) in [
        (Fault::DropBefore, Trouble::Broken),
        (Fault::DropAfter, Trouble::Broken),
        (Fault::Latency { ms: 60_000, jitter_ms: 0 }, Trouble::Timeout),
    ] {
        ground.server.set_faults(always(fault));
        for (name, way) in &ground.ways {
            let error = way.exchange(request(&ground.address)).await.unwrap_err();
            assert_eq!(error.trouble, trouble, "{name}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_found_by_who_reads_it() {
    let ground = ground().await;
    ground.server.set_faults(always(Fault::Truncated));
    for (name, way) in &ground.ways {
        let answer = way.exchange(request(&ground.address)).await.unwrap();
        let error = wire::Error::from(answer.bytes().await.unwrap_err());
        assert_eq!(error.trouble, Trouble::Body, "{name}");
    }
}

#[tokio::test]
async fn who_is_not_there_was_sent_nothing() {
    let network = Network::new(reqwest::Client::builder().no_proxy().build().unwrap());
    let nobody = InProcess::new(|_| async { Exchange::Refused }.boxed());
    for way in [&network as &dyn Wire, &nobody] {
        // Nothing listens on port 1.
        let error = way.exchange(request("http://127.0.0.1:1/echo")).await.unwrap_err();
        assert_eq!(error.trouble, Trouble::NotConnected, "{way:?}");
    }
}
