//! Envelope, paging, logging in, sessions, rate limits.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::desk::{Desk, Heard};

#[tokio::test]
async fn answers_come_in_the_documented_envelope() {
    let desk = Desk::open(|_| {}).await;
    let roles = desk.get("roles").await;
    assert_eq!(roles.body["status"], 200);
    assert_eq!(roles.body["resource"], "role");
    assert_eq!(
        (&roles.body["offset"], &roles.body["limit"], &roles.body["total_count"]),
        (&json!(0), &json!(10), &json!(5))
    );
    assert_eq!(roles.list().len(), 5);

    let me = desk.get("me").await;
    assert_eq!((me.body["resource"].as_str(), me.body.get("total_count")), (Some("user"), None));
    assert_eq!(me.body["data"]["role"], json!({"id": 5, "resource_type": "role"}));
    let included = desk.get("me?include=role").await;
    assert_eq!(included.body["data"]["role"]["type"], "OWNER");

    let missing = desk.get("users/4711").await;
    assert_eq!((missing.status, missing.code()), (404, "RESOURCE_NOT_FOUND"));
    assert_eq!(missing.body["status"], 404);
    let invalid = desk.post("teams", json!({})).await;
    assert_eq!(
        (invalid.status, invalid.code(), &invalid.body["errors"][0]["parameter"]),
        (400, "FIELD_REQUIRED", &json!("title"))
    );
}

#[tokio::test]
async fn paths_and_methods_are_as_tolerant_as_documented() {
    let desk = Desk::open(|_| {}).await;
    assert_eq!(desk.get("teams.json").await.status, 200);
    assert_eq!(desk.get("base/teams/1").await.status, 200);
    assert_eq!(desk.get("nothing").await.status, 404);
    let patched =
        Heard::of(desk.request(Method::PATCH, "teams/1").json(&json!({})).send().await.unwrap()).await;
    assert_eq!((patched.status, patched.code()), (405, "METHOD_NOT_SUPPORTED"));
    let xml =
        Heard::of(desk.request(Method::GET, "teams").header("Accept", "text/xml").send().await.unwrap())
            .await;
    assert_eq!((xml.status, xml.code()), (406, "FORMAT_NOT_ACCEPTABLE"));
    // Form bodies and other letter cases of names mean the same.
    let form = desk.request(Method::POST, "teams").form(&[("title", "Forms")]).send().await.unwrap();
    assert_eq!(form.status().as_u16(), 201);
    assert_eq!(
        desk.post("teams", json!({"Title": "Pascal", "legacyId": "x"})).await.data(201)["legacy_id"],
        "x"
    );
}

#[tokio::test]
async fn a_page_has_ten_rows_unless_the_caller_says_otherwise() {
    let desk = Desk::open(|config| config.switches.max_limit = 40).await;
    let teams: Vec<_> =
        (0..60).map(|n| json!({"title": format!("T{n}"), "legacy_id": format!("acme:team:{n}")})).collect();
    desk.bulk("teams", &teams, true).await;
    let ids = (0..60).map(|n| format!("acme:team:{n}")).collect::<Vec<_>>().join(",");

    let silent = desk.get(&format!("teams?legacy_ids={ids}")).await;
    assert_eq!((silent.list().len(), &silent.body["total_count"]), (10, &json!(60)));
    // A limit above the highest is lowered, and the answer tells.
    let high = desk.get(&format!("teams?limit=60&legacy_ids={ids}")).await;
    assert_eq!(
        (high.list().len(), &high.body["limit"], &high.body["total_count"]),
        (40, &json!(40), &json!(60))
    );
    let rest = desk.get(&format!("teams?limit=60&offset=40&legacy_ids={ids}")).await;
    assert_eq!(rest.list().len(), 20);

    // Ids beyond the most in one look-up are ignored without a word.
    desk.account
        .set_switches(sandbox::kayako::Switches { max_ids_per_lookup: 50, ..desk.account.switches() });
    assert_eq!(desk.get(&format!("teams?legacy_ids={ids}")).await.body["total_count"], 50);
}

#[tokio::test]
async fn every_basic_call_opens_a_session_and_says_so() {
    let desk = Desk::open(|_| {}).await;
    let call = || desk.client.get(desk.address("me")).basic_auth(&desk.email, Some(&desk.password));
    let first = Heard::of(call().send().await.unwrap()).await;
    let second = Heard::of(call().send().await.unwrap()).await;
    assert_ne!(first.body["session_id"], second.body["session_id"]);
    assert!(first.csrf.is_some());
    assert_eq!(first.body["logs"][0]["level"], "NOTICE");
    assert_eq!(desk.get("me").await.body.get("session_id"), None);
    let nobody = Heard::of(desk.client.get(desk.address("me")).send().await.unwrap()).await;
    assert_eq!((nobody.status, nobody.code()), (401, "AUTHORIZATION_REQUIRED"));
}

#[tokio::test]
async fn writes_need_the_csrf_token_unless_it_was_switched_off_at_login() {
    let desk = Desk::open(|_| {}).await;
    let login = desk.client.get(desk.address("session")).basic_auth(&desk.email, Some(&desk.password));
    let login = Heard::of(login.send().await.unwrap()).await;
    let session = login.body["session_id"].as_str().unwrap();
    let write = |token: &str| {
        let request = desk.client.post(desk.address("teams")).header("X-Session-ID", session);
        request.header("X-CSRF-Token", token).json(&json!({"title": "T"})).send()
    };
    let wrong = Heard::of(write("guess").await.unwrap()).await;
    assert_eq!((wrong.status, wrong.code()), (403, "CSRF_FAILED"));
    assert_eq!(desk.account.counts().teams, 1);
    assert_eq!(write(&login.csrf.clone().unwrap()).await.unwrap().status().as_u16(), 201);

    let off = desk.basic(&desk.password).await;
    assert_eq!(off.csrf, None);
    assert_eq!(desk.post("teams", json!({"title": "U"})).await.status, 201);
}

#[tokio::test]
async fn sessions_end_by_time_by_calls_and_by_order() {
    let desk = Desk::open(|config| {
        config.switches.session_lifetime_s = 60;
        config.switches.session_max_calls = 5;
    })
    .await;
    desk.wait(59);
    assert_eq!(desk.get("me").await.status, 200);
    desk.wait(1);
    let dead = desk.post("teams", json!({"title": "T"})).await;
    assert_eq!((dead.status, dead.code()), (401, "AUTHORIZATION_REQUIRED"));
    assert_eq!(desk.account.counts().teams, 1, "a dead session has no effect");

    let session = desk.log_in().await;
    let call = || desk.client.get(desk.address("me")).header("X-Session-ID", &session).send();
    for _ in 0..4 {
        assert_eq!(call().await.unwrap().status().as_u16(), 200);
    }
    assert_eq!(call().await.unwrap().status().as_u16(), 401);

    desk.account
        .set_switches(sandbox::kayako::Switches { dead_session_status: 454, ..desk.account.switches() });
    let session = desk.log_in().await;
    assert_eq!(desk.account.expire_sessions(), 1);
    let gone = desk.client.get(desk.address("me")).header("X-Session-ID", &session).send().await.unwrap();
    let gone = Heard::of(gone).await;
    assert_eq!((gone.status, gone.code()), (454, "SESSION_LOADING_FAILED"));
}

#[tokio::test]
async fn bad_passwords_lock_logging_in_but_not_open_sessions() {
    let desk = Desk::open(|config| config.switches.bad_logins_until_locked = 3).await;
    for _ in 0..3 {
        let bad = desk.basic("wrong").await;
        assert_eq!((bad.status, bad.code(), bad.retry_after), (401, "AUTHENTICATION_FAILED", None));
    }
    let locked = desk.basic(&desk.password).await;
    assert_eq!((locked.status, locked.code(), locked.retry_after), (429, "AUTHENTICATION_LOCKED", Some(600)));
    assert_eq!(desk.get("me").await.status, 200);
    desk.wait(600);
    assert_eq!(desk.basic(&desk.password).await.status, 200);
}

#[tokio::test]
async fn a_one_time_password_is_a_second_step() {
    let desk = Desk::open(|config| config.switches.otp_required = true).await;
    let asked = desk.basic(&desk.password).await;
    assert_eq!((asked.status, asked.code()), (403, "OTP_EXPECTED"));
    let token = asked.body["auth_token"].as_str().unwrap();
    let login = desk.client.get(desk.address("session")).basic_auth(&desk.email, Some(&desk.password));
    let login = login.header("X-Token", token).header("X-OTP", "123456").send().await.unwrap();
    assert_eq!(login.status().as_u16(), 200);
}

#[tokio::test]
async fn tokens_are_refused_where_no_scope_is_documented() {
    let desk = Desk::open(|config| config.switches.oauth_without_scope = false).await;
    let call = |path: &str| desk.client.get(desk.address(path)).bearer_auth("sandbox-kayako-token").send();
    assert_eq!(call("me").await.unwrap().status().as_u16(), 200);
    assert_eq!(call("files/1").await.unwrap().status().as_u16(), 403);
    let unknown = desk.client.get(desk.address("me")).bearer_auth("guess").send().await.unwrap();
    assert_eq!(unknown.status().as_u16(), 401);
}

#[tokio::test]
async fn rate_limits_count_per_class_and_tell_when_to_come_back() {
    let desk = Desk::open(|config| config.switches.writes_per_minute = 2).await;
    for title in ["A", "B"] {
        assert_eq!(desk.post("teams", json!({"title": title})).await.status, 201);
    }
    desk.wait(20);
    for _ in 0..2 {
        let refused = desk.post("teams", json!({"title": "C"})).await;
        assert_eq!(
            (refused.status, refused.code(), refused.retry_after),
            (429, "RATE_LIMIT_REACHED", Some(40))
        );
    }
    assert_eq!(desk.get("teams").await.body["total_count"], 3, "reading has a budget of its own");
    desk.wait(40);
    assert_eq!(desk.post("teams", json!({"title": "C"})).await.status, 201);
}

#[tokio::test]
async fn a_time_scale_shortens_the_windows() {
    let desk = Desk::open(|config| {
        config.switches.reads_per_minute = 1;
        config.time_scale = 0.01;
    })
    .await;
    desk.wait_ms(600);
    assert_eq!(desk.get("teams").await.status, 200);
    let refused = desk.get("teams").await;
    assert_eq!((refused.status, refused.retry_after), (429, Some(1)));
    desk.account.advance_clock(Duration::from_millis(600));
    assert_eq!(desk.get("teams").await.status, 200);
}

#[tokio::test]
async fn two_calls_at_once_kill_a_session_if_the_switch_says_so() {
    let desk = Desk::open(|config| {
        config.switches.session_lost_on_concurrent_use = true;
        config.switches.processing_ms = 100;
    })
    .await;
    // Alone, one after the other, the session lives.
    assert_eq!((desk.get("me").await.status, desk.get("me").await.status), (200, 200));
    // Whether two calls overlap is the machine's choice; sooner or later they do.
    for _ in 0..50 {
        let (one, two) = tokio::join!(desk.get("me"), desk.get("me"));
        if one.status == 401 || two.status == 401 {
            assert_eq!(desk.get("me").await.status, 401);
            return;
        }
    }
    panic!("the session survived 50 pairs of concurrent calls");
}
