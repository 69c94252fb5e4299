//! Every kind of fault, and the counts of what was called.

use reqwest::Method;
use sandbox::faults::{Fault, Rule, Schedule, When};
use serde_json::json;

use crate::desk::{Desk, Heard};

async fn desk(fault: Fault) -> Desk {
    let rule = Rule {
        method: Some("POST".into()),
        path: "/api/v1/teams".into(),
        when: When::Nth(1),
        times: None,
        fault,
    };
    Desk::behind(Schedule { seed: 1, rules: vec![rule] }, |_| {}).await
}

/// What the caller of the faulty call hears, and how many teams there are afterwards. The next call works again.
async fn met(fault: Fault) -> (Result<Heard, ()>, usize) {
    let desk = desk(fault).await;
    let sent = desk.request(Method::POST, "teams").json(&json!({"title": "T"})).send().await;
    let heard = match sent {
        Ok(response) => Ok(Heard::of(response).await),
        Err(_) => Err(()),
    };
    let teams = desk.account.counts().teams;
    assert_eq!(desk.post("teams", json!({"title": "U"})).await.status, 201);
    (heard, teams)
}

#[tokio::test]
async fn refusals_come_before_or_after_the_effect() {
    for (fault, status, code, teams) in [
        (Fault::ErrorBefore, 500, "EXCEPTION_CAUGHT", 1),
        (Fault::ErrorAfter, 500, "EXCEPTION_CAUGHT", 2),
        (Fault::RateLimit { retry_after: 59 }, 429, "RATE_LIMIT_REACHED", 1),
        (Fault::HtmlBefore, 502, "", 1),
        (Fault::HtmlAfter, 502, "", 2),
        (Fault::NotJson, 200, "", 2),
    ] {
        let (heard, after) = met(fault).await;
        let heard = heard.unwrap();
        assert_eq!((heard.status, heard.code(), after), (status, code, teams), "{fault:?}");
        assert_eq!(heard.retry_after.is_some(), matches!(fault, Fault::RateLimit { .. }));
    }
}

#[tokio::test]
async fn connections_drop_before_or_after_the_effect() {
    let (heard, teams) = met(Fault::DropBefore).await;
    assert!(heard.is_err() && teams == 1);
    let (heard, teams) = met(Fault::DropAfter).await;
    assert!(heard.is_err() && teams == 2);
}

#[tokio::test]
async fn a_truncated_answer_promises_more_than_it_brings() {
    let desk = desk(Fault::Truncated).await;
    let response = desk.request(Method::POST, "teams").json(&json!({"title": "T"})).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 201);
    assert!(response.content_length().unwrap() > 100);
    assert!(response.bytes().await.is_err());
    assert_eq!(desk.account.counts().teams, 2);
}

#[tokio::test]
async fn latency_delays_the_calls_it_hits_and_only_those() {
    let (heard, teams) = met(Fault::Latency { ms: 2, jitter_ms: 3 }).await;
    assert_eq!((heard.unwrap().status, teams), (201, 2));
    // An hour: whichever way the machine is loaded, the other call is answered first, and stopping does not wait.
    let desk = desk(Fault::Latency { ms: 3_600_000, jitter_ms: 0 }).await;
    let slow = desk.request(Method::POST, "teams").json(&json!({"title": "T"})).send();
    let quick = async {
        while desk.server.counts().total == 0 {
            desk.get("teams").await;
        }
    };
    tokio::select! {
        _ = slow => panic!("an hour has passed at once"),
        () = quick => {}
    }
    assert_eq!(desk.account.counts().teams, 1);
    desk.server.shutdown().await;
}

#[tokio::test]
async fn calls_are_counted_by_template_and_status() {
    let desk = desk(Fault::DropAfter).await;
    assert!(desk.request(Method::POST, "teams").json(&json!({"title": "T"})).send().await.is_err());
    desk.get("teams/1").await;
    desk.get("teams/2").await;
    desk.get("teams/9").await;
    let counts = desk.server.counts();
    assert_eq!((counts.total, counts.dropped), (4, 1));
    assert_eq!(counts.calls["GET /api/v1/teams/{id}"], [(200, 2), (404, 1)].into());
    assert_eq!(counts.calls["POST /api/v1/teams"], [(0, 1)].into());
    desk.server.reset_counts();
    assert_eq!(desk.server.counts().total, 0);
}
