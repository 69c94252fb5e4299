//! One log-in, one session, one repeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::future::join_all;
use model::{Classify, FailureClass};
use secrecy::SecretString;
use serde_json::json;
use tokio::time::Instant;

use kayako::{
    CallOutcome, CaseFields, Client, Credentials, Error, LoginResult, NewNoteCase, NewUser, NotSentCause,
    OpenGate, RateClass, RoleId, UserId,
};

use crate::recorder::Recorder;
use crate::responder::{EMAIL, PASSWORD, Reply, Responder, Seen};

fn user() -> Reply {
    Reply::data(&json!({"id": 7}))
}

fn in_session(seen: &Seen, id: &str) -> bool {
    seen.header("x-session-id") == Some(id)
}

async fn create(client: &Client) -> Result<kayako::User, Error> {
    let slot = client.slot(RateClass::Write).await?;
    client.create_user(slot, &NewUser::new("Ann", RoleId::from(4))).await
}

/// Gives sessions `s1`, `s2` ... and answers calls in all but the first `dead` of them.
async fn account_with_dead_sessions(dead: usize, refusal: fn() -> Reply) -> Responder {
    let logins = AtomicUsize::new(0);
    let served = AtomicUsize::new(0);
    Responder::start(move |seen| {
        if seen.is_login() {
            return Reply::session(&format!("s{}", logins.fetch_add(1, Ordering::SeqCst) + 1));
        }
        // The first call proves the first session, so that its end is an expiry.
        let first = served.fetch_add(1, Ordering::SeqCst) == 0;
        let is_dead = (1..=dead).any(|n| in_session(seen, &format!("s{n}")));
        if is_dead && !first { refusal() } else { user() }
    })
    .await
}

#[tokio::test]
async fn fifty_calls_at_once_log_in_once_and_never_send_the_password_again() {
    let responder = Responder::with_login(|_| user()).await;
    let client = responder.client();
    let results = join_all((0..50).map(|id| client.user(UserId::from(id)))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(responder.logins(), 1);
    let seen = responder.seen();
    let login = seen.iter().find(|seen| seen.is_login()).unwrap();
    let basic = format!("Basic {}", STANDARD.encode(format!("{EMAIL}:{PASSWORD}")));
    assert_eq!(login.header("authorization"), Some(basic.as_str()));
    assert_eq!(login.header("x-csrf"), Some("false"));
    for call in seen.iter().filter(|seen| !seen.is_login()) {
        assert_eq!(call.header("authorization"), None);
        assert_eq!(call.header("x-session-id"), Some("planted-session"));
        assert_eq!(call.header("x-csrf-token"), None);
    }
    assert_eq!(client.session_generation().get(), 1);
}

#[tokio::test]
async fn a_protected_session_gets_its_token_with_every_call() {
    let responder = Responder::start(|seen| {
        if seen.is_login() { Reply::session("s1").with_header("x-csrf-token", "token-1") } else { user() }
    })
    .await;
    create(&responder.client()).await.unwrap();
    assert_eq!(responder.seen()[1].header("x-csrf-token"), Some("token-1"));
}

#[tokio::test]
async fn a_new_session_id_in_an_answer_is_adopted() {
    let responder = Responder::start(|seen| {
        if seen.is_login() {
            Reply::session("s1")
        } else {
            Reply::json(200, &json!({"status": 200, "data": {"id": 7}, "session_id": "s2"}))
        }
    })
    .await;
    let client = responder.client();
    client.user(UserId::from(1)).await.unwrap();
    client.user(UserId::from(1)).await.unwrap();
    let seen = responder.seen();
    assert!(in_session(&seen[1], "s1") && in_session(&seen[2], "s2"));
    assert_eq!(client.session_generation().get(), 2, "files of the first session are void");
    assert_eq!(responder.logins(), 1);
}

#[tokio::test]
async fn an_expired_session_is_renewed_once_and_the_create_repeated() {
    let responder = account_with_dead_sessions(1, || Reply::error(401, &["AUTHORIZATION_REQUIRED"])).await;
    let client = responder.client();
    client.user(UserId::from(1)).await.unwrap();
    create(&client).await.unwrap();
    assert_eq!(responder.logins(), 2);
    assert_eq!(responder.calls("POST", "/users"), 2);
    assert_eq!(client.session_generation().get(), 2);
}

#[tokio::test]
async fn many_calls_that_find_the_session_expired_log_in_once() {
    let responder = account_with_dead_sessions(1, || Reply::error(401, &["AUTHORIZATION_REQUIRED"])).await;
    let client = responder.client();
    client.user(UserId::from(1)).await.unwrap();
    let results = join_all((0..30).map(|_| create(&client))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(responder.logins(), 2);
}

#[tokio::test]
async fn a_lost_session_repeats_reads_and_never_creates() {
    let responder = account_with_dead_sessions(1, || Reply::error(454, &["SESSION_LOADING_FAILED"])).await;
    let client = responder.client();
    client.user(UserId::from(1)).await.unwrap();
    let error = create(&client).await.unwrap_err();
    assert!(matches!(error, Error::SessionLost(_)), "{error:?}");
    assert_eq!(error.class(), FailureClass::Ambiguous);
    assert_eq!(responder.calls("POST", "/users"), 1);
    // The session is gone for the next call, whatever it is.
    client.user(UserId::from(1)).await.unwrap();
    assert_eq!(responder.logins(), 2);

    let responder = account_with_dead_sessions(1, || Reply::error(454, &["SESSION_LOADING_FAILED"])).await;
    let client = responder.client();
    client.user(UserId::from(1)).await.unwrap();
    client.user(UserId::from(2)).await.unwrap();
    assert_eq!(responder.logins(), 2);
}

#[tokio::test]
async fn a_fresh_session_that_is_refused_halts_after_one_log_in() {
    let responder = account_with_dead_sessions(9, || Reply::error(401, &["AUTHORIZATION_REQUIRED"])).await;
    let client = responder.client();
    client.user(UserId::from(1)).await.unwrap();
    let error = client.user(UserId::from(2)).await.unwrap_err();
    assert!(matches!(error, Error::LoginRefused(_)), "{error:?}");
    assert_eq!(error.class(), FailureClass::Halt);
    assert_eq!(responder.logins(), 2, "the first one and one fresh one");
}

#[tokio::test]
async fn a_refused_or_locked_log_in_is_tried_once_until_an_operator_acts() {
    let refusals: [fn() -> Reply; 4] = [
        || Reply::error(401, &["AUTHENTICATION_FAILED"]),
        || Reply::error(429, &["AUTHENTICATION_LOCKED"]).with_header("retry-after", "600"),
        || Reply::error(403, &["OTP_EXPECTED"]),
        // The endpoint is public: an answer without a session is a refusal too.
        || Reply::data(&json!({"id": null})),
    ];
    for refusal in refusals {
        let responder = Responder::start(move |_| refusal()).await;
        let gate = Arc::new(Recorder::default());
        let client = responder.client_with(gate.clone());
        let results = join_all((0..20).map(|id| client.user(UserId::from(id)))).await;
        for result in results {
            let error = result.unwrap_err();
            assert_eq!(error.class(), FailureClass::Halt, "{error:?}");
        }
        assert_eq!(create(&client).await.unwrap_err().class(), FailureClass::Halt);
        assert_eq!(responder.seen().len(), 1, "one bad log-in and nothing else");
        assert_eq!(*gate.logins.lock().unwrap(), [LoginResult::Refused]);
        client.allow_login_again();
        assert!(client.user(UserId::from(1)).await.is_err());
        assert_eq!(responder.seen().len(), 2, "one more per operator action");
    }
}

#[tokio::test]
async fn a_throttled_log_in_is_not_a_bad_one() {
    let logins = AtomicUsize::new(0);
    let responder = Responder::start(move |seen| {
        if !seen.is_login() {
            user()
        } else if logins.fetch_add(1, Ordering::SeqCst) == 0 {
            Reply::error(429, &["RATE_LIMIT_REACHED"]).with_header("retry-after", "59")
        } else {
            Reply::session("s1")
        }
    })
    .await;
    let gate = Arc::new(Recorder::default());
    let client = responder.client_with(gate.clone());
    let error = client.user(UserId::from(1)).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Throttled { retry_after: Some(Duration::from_secs(59)) });
    client.user(UserId::from(1)).await.unwrap();
    assert_eq!(*gate.logins.lock().unwrap(), [LoginResult::Undecided, LoginResult::Accepted]);
}

#[tokio::test]
async fn the_gate_is_told_once_per_call_also_when_the_caller_gives_up() {
    let responder =
        Responder::with_login(|seen| if seen.path.ends_with("/users/1") { Reply::Silence } else { user() })
            .await;
    let gate = Arc::new(Recorder::default());
    let client = responder.client_with(gate.clone());
    client.user(UserId::from(2)).await.unwrap();
    let hanging = tokio::spawn({
        let client = client.clone();
        async move { client.user(UserId::from(1)).await }
    });
    while responder.calls("GET", "/users/1") == 0 {
        tokio::task::yield_now().await;
    }
    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled());
    drop(client.slot(RateClass::Bulk).await.unwrap());
    assert_eq!(gate.outcomes(RateClass::Read), [CallOutcome::Answered, CallOutcome::Abandoned]);
    assert_eq!(gate.outcomes(RateClass::Bulk), [CallOutcome::Abandoned]);
    assert!(gate.is_balanced());
}

#[tokio::test]
async fn a_log_in_runs_to_its_end_when_its_caller_gives_up() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let responder = Responder::start(move |_| {
        let _ = gone.lock().unwrap().recv();
        Reply::session("s1")
    });
    // The script blocks its thread, so it lives on a runtime of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let responder = runtime.spawn(responder).await.unwrap();
    let gate = Arc::new(Recorder::default());
    let client = responder.client_with(gate.clone());
    let caller = tokio::spawn({
        let client = client.clone();
        async move { client.check_session().await }
    });
    while responder.logins() == 0 {
        tokio::task::yield_now().await;
    }
    caller.abort();
    go.send(()).unwrap();
    while gate.logins.lock().unwrap().is_empty() {
        gate.told.notified().await;
    }
    assert_eq!(*gate.logins.lock().unwrap(), [LoginResult::Accepted]);
    drop(go);
    runtime.shutdown_background();
}

fn note_case() -> NewNoteCase {
    NewNoteCase {
        legacy_id: "zd:1".into(),
        subject: "Printer".into(),
        contents: "on fire".into(),
        is_html: false,
        requester_id: UserId::from(412),
        fields: CaseFields::default(),
        attachment_file_ids: vec![kayako::FileId::from(19)],
    }
}

#[tokio::test]
async fn a_create_that_names_files_is_not_repeated_in_another_session() {
    let responder = account_with_dead_sessions(1, || Reply::error(401, &["AUTHORIZATION_REQUIRED"])).await;
    let client = responder.client();
    let file = client.upload("a.png", "image/png", Bytes::from_static(b"png"), None).await.unwrap();
    assert_eq!(file.session, client.session_generation());
    let slot = client.slot(RateClass::Write).await.unwrap();
    let error = client.create_note_case(slot, &note_case(), Some(file.session)).await.unwrap_err();
    assert!(error.files_are_void(), "{error:?}");
    assert_eq!(error.class(), FailureClass::NotSent);
    assert_eq!(responder.calls("POST", "/cases"), 1, "refused by the dead session, not sent in the new one");
    // And not at all once the session is known to have changed.
    let slot = client.slot(RateClass::Write).await.unwrap();
    assert!(
        client.create_note_case(slot, &note_case(), Some(file.session)).await.unwrap_err().files_are_void()
    );
    assert_eq!(responder.calls("POST", "/cases"), 1);
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let responder = Responder::with_login(|_| user()).await;
    let client = responder.client();
    let slot = client.slot(RateClass::Write).await.unwrap().finish_by(Instant::now());
    let error = client.create_user(slot, &NewUser::new("Ann", RoleId::from(4))).await.unwrap_err();
    assert!(matches!(error, Error::NotSent { cause: NotSentCause::Deadline, .. }), "{error:?}");
    assert_eq!(responder.calls("POST", "/users"), 0);
}

#[tokio::test]
async fn a_bearer_token_needs_no_log_in_and_its_refusal_halts() {
    let responder = Responder::start(|seen| {
        if seen.header("authorization") == Some("Bearer good") { user() } else { Reply::error(401, &[]) }
    })
    .await;
    let client = |token: &str| {
        let mut config = responder.config();
        config.credentials = Credentials::OAuth { token: SecretString::from(token) };
        Client::new(config, Arc::new(OpenGate)).unwrap()
    };
    client("good").user(UserId::from(1)).await.unwrap();
    let error = client("bad").user(UserId::from(1)).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Halt);
    assert_eq!(responder.seen().len(), 2);
}
