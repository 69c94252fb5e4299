//! The control API, as a user's CI drives it.

use sandbox::faults::{Fault, Rule, Schedule, When};
use serde_json::{Value, json};

use crate::desk::{Desk, Heard};

impl Desk {
    async fn control(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Heard {
        let request = self.client.request(method, format!("{}/_sandbox/{path}", self.url));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        Heard::of(request.send().await.unwrap()).await
    }
}

use reqwest::Method;

#[tokio::test]
async fn switches_change_by_name_and_from_presets() {
    let desk = Desk::open(|_| {}).await;
    let changed = desk.control(Method::PUT, "switches", Some(json!({"max_limit": 3}))).await;
    assert_eq!(
        (changed.status, &changed.body["max_limit"], &changed.body["bulk_mail_sends_mail"]),
        (200, &json!(3), &json!(false))
    );
    assert_eq!(desk.get("roles?limit=100").await.list().len(), 3);
    let harsh =
        desk.control(Method::PUT, "switches", Some(json!({"preset": "pessimistic", "max_limit": 4}))).await;
    assert_eq!((&harsh.body["max_limit"], &harsh.body["bulk_mail_sends_mail"]), (&json!(4), &json!(true)));
    let typo = desk.control(Method::PUT, "switches", Some(json!({"max_limits": 4}))).await;
    assert_eq!(typo.status, 400);
    assert_eq!(desk.control(Method::GET, "switches", None).await.body, harsh.body);
}

#[tokio::test]
async fn outage_lock_expiry_and_clock() {
    let desk = Desk::open(|_| {}).await;
    desk.control(Method::PUT, "outage", Some(json!({"down": true}))).await;
    let down = desk.get("me").await;
    assert_eq!((down.status, down.body), (503, Value::Null));
    desk.control(Method::PUT, "outage", Some(json!({"down": false}))).await;
    assert_eq!(desk.get("me").await.status, 200);

    desk.control(Method::POST, "lock", None).await;
    assert_eq!(desk.basic(&desk.password).await.code(), "AUTHENTICATION_LOCKED");
    desk.control(Method::POST, "clock", Some(json!({"advance_ms": 600_000}))).await;
    assert_eq!(desk.basic(&desk.password).await.status, 200);

    assert_eq!(desk.control(Method::POST, "sessions/expire", None).await.body["expired"], 2);
    assert_eq!(desk.get("me").await.status, 401);
}

#[tokio::test]
async fn sessions_end_and_objects_appear_late_by_schedule() {
    let rule = |path: &str, when, fault| Rule {
        method: None,
        path: format!("/api/v1/{path}"),
        when,
        times: None,
        fault,
    };
    let faults = Schedule {
        seed: 1,
        rules: vec![
            rule("me", When::Nth(2), Fault::ExpireSessions),
            rule("bulk/cases", When::Nth(1), Fault::Late { ms: 5_000 }),
        ],
    };
    let mut desk = Desk::behind(faults, |_| {}).await;
    assert_eq!(desk.get("me").await.status, 200);
    assert_eq!(desk.get("me").await.status, 401, "the session ends before the second call");
    desk.session = desk.log_in().await;
    let ann = desk.customer("ann").await;
    desk.bulk("cases", &[Desk::case("acme:case:1", ann)], true).await;
    desk.bulk("cases", &[Desk::case("acme:case:2", ann)], true).await;
    let seen = async |key: &str| desk.get(&format!("cases?legacy_ids={key}")).await.list().len();
    assert_eq!((seen("acme:case:1").await, seen("acme:case:2").await), (0, 1), "only the first is late");
    assert_eq!(desk.get("cases").await.list().len(), 1);
    desk.control(Method::POST, "clock", Some(json!({"advance_ms": 6_000}))).await;
    assert_eq!((seen("acme:case:1").await, seen("acme:case:2").await), (1, 1));
    assert_eq!(desk.get("cases").await.list().len(), 2);
}

#[tokio::test]
async fn a_new_password_ends_all_sessions() {
    let desk = Desk::open(|_| {}).await;
    let new = json!({"email": desk.email, "password": "another one"});
    assert_eq!(desk.control(Method::PUT, "password", Some(new)).await.status, 204);
    assert_eq!(desk.get("me").await.status, 401);
    assert_eq!(desk.basic(&desk.password).await.code(), "AUTHENTICATION_FAILED");
    assert_eq!(desk.basic("another one").await.status, 200);
    let nobody = json!({"email": "nobody@acme.example", "password": "x"});
    assert_eq!(desk.control(Method::PUT, "password", Some(nobody)).await.status, 404);
}

#[tokio::test]
async fn mails_exports_calls_and_faults_over_http() {
    let desk = Desk::open(|config| config.switches.customer_creation_sends_mail = true).await;
    let ann = desk.customer("ann").await;
    desk.bulk("cases", &[Desk::case("acme:case:1", ann)], true).await;
    let mails = desk.control(Method::GET, "mails", None).await.body;
    assert_eq!(
        (&mails[0]["to"], &mails[0]["cause"]),
        (&json!("ann@customers.example"), &json!("verification"))
    );
    desk.control(Method::DELETE, "mails", None).await;
    assert_eq!(desk.control(Method::GET, "mails", None).await.body, json!([]));

    let cases = desk.control(Method::GET, "export/cases?offset=0&limit=5", None).await.body;
    assert_eq!(
        (&cases["total_count"], &cases["data"][0]["posts"][0]["contents"]),
        (&json!(1), &json!("Help"))
    );
    for kind in ["teams", "users", "organizations"] {
        let export = desk.control(Method::GET, &format!("export/{kind}"), None).await.body;
        assert_eq!(export["total_count"].as_u64().unwrap(), export["data"].as_array().unwrap().len() as u64);
    }
    let calls = desk.control(Method::GET, "calls", None).await.body;
    assert_eq!(calls["calls"]["POST /api/v1/bulk/cases"]["202"], 1);
    let schedule = json!({"seed": 1, "rules": [{"path": "/api/v1/me", "fault": {"kind": "error_before"}}]});
    assert_eq!(desk.control(Method::PUT, "faults", Some(schedule.clone())).await.status, 200);
    assert_eq!(desk.get("me").await.status, 500);
    assert_eq!(
        desk.control(Method::GET, "faults", None).await.body["rules"][0]["fault"],
        schedule["rules"][0]["fault"]
    );
    desk.control(Method::PUT, "faults", Some(json!({}))).await;
    desk.control(Method::POST, "calls/reset", None).await;
    assert_eq!(desk.get("me").await.status, 200);
    assert_eq!(desk.control(Method::GET, "calls", None).await.body["total"], 1);
}
