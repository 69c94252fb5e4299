//! Every row of the account's error table, and every way an answer can be missing, becomes its failure class.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{Classify, FailureClass};
use serde_json::json;

use kayako::{
    CallOutcome, Client, Error, ErrorCode, LostCause, NewUser, NotSentCause, OpenGate, RateClass, RoleId,
    UnreadableCause, UserId,
};

use crate::recorder::Recorder;
use crate::responder::{PASSWORD, Reply, Responder, SESSION, config};

const THROTTLED: FailureClass = FailureClass::Throttled { retry_after: None };
use FailureClass::{Ambiguous, Conflict, Halt, NotSent, Rejected};

/// Answers every call but the log-in with one reply, which can be changed.
struct Stage {
    responder: Responder,
    reply: Arc<Mutex<Reply>>,
    client: Client,
}

impl Stage {
    async fn new() -> Self {
        let reply = Arc::new(Mutex::new(Reply::HangUp));
        let script = Arc::clone(&reply);
        let responder = Responder::with_login(move |_| script.lock().unwrap().clone()).await;
        let client = responder.client();
        Self { responder, reply, client }
    }

    /// The error of a single create answered with this.
    async fn create(&self, reply: Reply) -> Error {
        *self.reply.lock().unwrap() = reply;
        let slot = self.client.slot(RateClass::Write).await.unwrap();
        self.client.create_user(slot, &NewUser::new("planted-name", RoleId::from(4))).await.unwrap_err()
    }

    async fn bulk(&self, reply: Reply) -> Error {
        *self.reply.lock().unwrap() = reply;
        let slot = self.client.slot(RateClass::Bulk).await.unwrap();
        self.client.bulk_users(slot, &[NewUser::new("planted-name", RoleId::from(4))]).await.unwrap_err()
    }

    async fn read(&self, reply: Reply) -> Error {
        *self.reply.lock().unwrap() = reply;
        self.client.user(UserId::from(412)).await.unwrap_err()
    }
}

#[tokio::test]
async fn every_row_of_the_error_table_has_its_class() {
    let rows: &[(u16, &[&str], FailureClass)] = &[
        (400, &["FIELD_REQUIRED"], Rejected),
        (400, &["FIELD_EMPTY"], Rejected),
        (400, &["FIELD_INVALID"], Rejected),
        (422, &["FIELD_INVALID"], Rejected),
        (400, &["FIELD_DUPLICATE"], Conflict),
        (400, &["FIELD_REDUNDANT"], Rejected),
        (400, &["ANY_FIELD_REQUIRED"], Rejected),
        (400, &["ONE_FIELD_EXPECTED"], Rejected),
        (400, &["REQUEST_FIELDS_EMPTY"], Rejected),
        (400, &["PARAMETER_INVALID"], Rejected),
        (400, &["PARAMETERS_INCONSISTENT"], Rejected),
        (400, &["RESOURCE_EXISTS"], Conflict),
        (409, &["RESOURCE_EXISTS"], Conflict),
        (409, &[], Conflict),
        (404, &["RESOURCE_NOT_FOUND"], Rejected),
        (404, &["RESOURCE_GONE"], Rejected),
        (404, &["ASSOCIATE_NOT_FOUND"], Rejected),
        (404, &[], Rejected),
        (412, &["RESOURCE_MODIFIED"], Rejected),
        (400, &["RESOURCE_NOT_AVAILABLE"], Rejected),
        (403, &["RESOURCE_ACTION_NOT_AVAILABLE"], Rejected),
        (400, &["CONTENT_NOT_AVAILABLE"], Rejected),
        (403, &["FEATURE_NOT_AVAILABLE"], Rejected),
        (404, &["APP_NOT_FOUND"], Rejected),
        (404, &["APP_REST_NOT_AVAILABLE"], Rejected),
        (400, &["RESOURCES_DO_NOT_MATCH"], Rejected),
        (400, &["CONDITION_REQUIRED"], Rejected),
        (400, &["ACTION_FAILED"], Rejected),
        (400, &["DELETION_FAILED"], Rejected),
        (400, &["CHECKSUM_MISMATCH"], Ambiguous),
        (401, &["AUTHENTICATION_FAILED"], Halt),
        (401, &["AUTHORIZATION_REQUIRED"], Halt),
        (401, &[], Halt),
        (429, &["AUTHENTICATION_LOCKED"], Halt),
        (403, &["PERMISSIONS_DENIED"], Halt),
        (403, &["SOMETHING_NEW"], Halt),
        (403, &[], Halt),
        (403, &["OTP_EXPECTED"], Halt),
        (403, &["CREDENTIAL_EXPIRED"], Halt),
        (403, &["CSRF_FAILED"], Halt),
        (454, &["SESSION_LOADING_FAILED"], Ambiguous),
        (454, &["SESSION_CREATION_FAILED"], Ambiguous),
        (454, &[], Ambiguous),
        (429, &["RATE_LIMIT_REACHED"], THROTTLED),
        (429, &[], THROTTLED),
        (402, &["LICENSE_LIMIT_REACHED"], Rejected),
        (426, &["LICENSE_LIMIT_REACHED"], Halt),
        (402, &["LICENSE_EXPIRED"], Halt),
        (426, &["LICENSE_EXPIRED"], Halt),
        (426, &[], Halt),
        (413, &[], Rejected),
        (413, &["LICENSE_LIMIT_REACHED"], Rejected),
        (400, &["PASSWORD_POLICY_VIOLATION"], Rejected),
        (405, &["METHOD_NOT_SUPPORTED"], Rejected),
        (406, &["FORMAT_NOT_ACCEPTABLE"], Rejected),
        (403, &["HTTPS_REQUIRED"], Halt),
        (404, &["PORTAL_NOT_SUPPORTED"], Halt),
        (404, &["VERSION_NOT_SUPPORTED"], Halt),
        (400, &["NONCE_DUPLICATE"], Rejected),
        (400, &["TIMESTAMP_MISMATCH"], Rejected),
        (400, &["TIMESTAMP_MISSING"], Rejected),
        (400, &["URL_INVALID"], Rejected),
        (408, &[], Ambiguous),
        (500, &["EXCEPTION_CAUGHT"], Ambiguous),
        (500, &["FIELD_INVALID"], Ambiguous),
        (503, &[], Ambiguous),
        // Several complaints: the worst decides.
        (400, &["FIELD_DUPLICATE", "FIELD_INVALID"], Rejected),
        (400, &["FIELD_INVALID", "LICENSE_EXPIRED"], Halt),
        (400, &["FIELD_DUPLICATE", "EXCEPTION_CAUGHT"], Ambiguous),
        (429, &["RATE_LIMIT_REACHED", "AUTHENTICATION_LOCKED"], Halt),
    ];
    let stage = Stage::new().await;
    for (status, codes, class) in rows {
        let error = stage.create(Reply::error(*status, codes)).await;
        assert_eq!(error.class(), *class, "{status} {codes:?} -> {error:?}");
        assert_eq!(error.status(), Some(*status), "{error:?}");
        let kept: Vec<&str> = error.items().iter().map(|item| item.code.as_str()).collect();
        assert_eq!(kept, *codes, "all codes are kept");
        assert_eq!(error.call().unwrap().to_string(), "POST /users");
    }
    for code in ErrorCode::KNOWN {
        assert!(rows.iter().any(|(_, codes, _)| codes.contains(&code.as_str())), "{code} has no row");
    }
}

#[tokio::test]
async fn a_plan_limit_on_a_batch_halts_and_a_large_batch_is_refused() {
    let stage = Stage::new().await;
    assert_eq!(stage.bulk(Reply::error(402, &["LICENSE_LIMIT_REACHED"])).await.class(), Halt);
    let error = stage.bulk(Reply::text(413, "text/html", "<html>too large</html>")).await;
    assert_eq!(error.class(), Rejected);
    assert!(error.is_too_large());
}

#[tokio::test]
async fn a_throttled_answer_says_how_long_even_from_a_proxy() {
    let stage = Stage::new().await;
    let expected = FailureClass::Throttled { retry_after: Some(Duration::from_secs(59)) };
    let json = Reply::error(429, &["RATE_LIMIT_REACHED"]).with_header("retry-after", "59");
    assert_eq!(stage.create(json).await.class(), expected);
    let html = Reply::text(429, "text/html", "<html>slow down</html>").with_header("retry-after", "59");
    assert_eq!(stage.create(html).await.class(), expected);
}

#[tokio::test]
async fn fields_and_pointers_are_kept() {
    let stage = Stage::new().await;
    let errors = json!([
        {"code": "FIELD_INVALID", "parameter": "email", "pointer": "users/0/email", "message": "planted-text"},
        {"code": "FIELD_EMPTY", "parameters": ["full_name", "role_id"]},
        {"code": "FIELD_EMPTY", "parameter": "planted text of a customer"},
    ]);
    let error = stage.create(Reply::json(400, &json!({"status": 400, "errors": errors}))).await;
    let items = error.items();
    assert_eq!(items[0].parameter.as_deref(), Some("email"));
    assert_eq!(items[0].pointer.as_deref(), Some("users/0/email"));
    assert_eq!(items[1].parameter.as_deref(), Some("full_name,role_id"));
    assert_eq!(items[2].parameter, None);
    assert!(error.to_string().contains("FIELD_INVALID (users/0/email)"), "{error}");
}

#[tokio::test]
async fn what_is_no_answer_is_ambiguous_and_says_why() {
    let stage = Stage::new().await;
    let rows = [
        (Reply::text(200, "text/html", "<html>maintenance</html>"), UnreadableCause::Html),
        (Reply::text(403, "text/html; charset=utf-8", "<html>blocked</html>"), UnreadableCause::Html),
        (Reply::text(200, "text/plain", "  <!doctype html>"), UnreadableCause::Html),
        (
            Reply::text(200, "application/json", "{\"status\":200,\"data\":{\"id\":4"),
            UnreadableCause::Truncated,
        ),
        (Reply::text(200, "application/json", "ok"), UnreadableCause::NotJson),
        (Reply::json(200, &json!({"status": 200, "data": {"name": "no id"}})), UnreadableCause::Shape),
        (Reply::json(200, &json!({"status": 200})), UnreadableCause::Shape),
        (
            Reply::text(302, "text/html", "").with_header("location", "https://example.com/"),
            UnreadableCause::Redirect,
        ),
    ];
    for (reply, expected) in rows {
        for error in [stage.create(reply.clone()).await, stage.read(reply.clone()).await] {
            assert_eq!(error.class(), Ambiguous, "{error:?}");
            let Error::Unreadable { cause, .. } = error else { panic!("{reply:?} gave {error:?}") };
            assert_eq!(cause, expected, "{reply:?}");
        }
    }
    let html = stage.create(Reply::text(200, "text/html", "<html>")).await.to_string();
    assert!(html.contains("web page (HTML)"), "{html}");
    let bad_gateway = stage.create(Reply::text(502, "text/html", "<html>bad gateway</html>")).await;
    assert!(matches!(bad_gateway, Error::ServerFault(_)), "{bad_gateway:?}");
    assert_eq!(bad_gateway.class(), Ambiguous);
}

#[tokio::test]
async fn an_answer_over_the_limit_is_not_read_to_its_end() {
    let responder =
        Responder::with_login(|_| Reply::data(&json!({"id": 1, "full_name": "x".repeat(5_000)}))).await;
    let mut config = responder.config();
    config.max_response_bytes = 1_000;
    let client = Client::new(config, Arc::new(OpenGate)).unwrap();
    let error = client.user(UserId::from(1)).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { cause: UnreadableCause::TooLong, .. }), "{error:?}");
    assert_eq!(error.class(), Ambiguous);
}

/// `{"status":200,"data":{"id":1,"full_name":"xxx..."}}` with a name of 5,000 letters, gzipped to 84 bytes.
const GZIPPED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 237, 193, 49, 10, 128, 48, 16, 69, 193, 187, 252, 58, 69, 180, 220, 203,
    200, 66, 20, 132, 104, 147, 13, 4, 66, 238, 238, 41, 236, 222, 204, 84, 11, 143, 222, 100, 123, 206, 73,
    197, 195, 101, 83, 119, 145, 109, 73, 87, 175, 245, 120, 253, 57, 101, 26, 0, 0, 0, 0, 0, 0, 0, 126, 167,
    181, 62, 1, 151, 157, 227, 181, 19, 0, 0,
];

#[tokio::test]
async fn answers_are_decompressed_and_counted_after_that() {
    let responder = Responder::with_login(|_| Reply::gzipped(GZIPPED)).await;
    let user = responder.client().user(UserId::from(1)).await.unwrap();
    assert_eq!(user.full_name.unwrap().len(), 5_000);
    let mut config = responder.config();
    config.max_response_bytes = 1_000;
    let client = Client::new(config, Arc::new(OpenGate)).unwrap();
    let error = client.user(UserId::from(1)).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { cause: UnreadableCause::TooLong, .. }), "{error:?}");
}

#[tokio::test]
async fn no_connection_means_not_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gate = Arc::new(Recorder::default());
    let client = Client::new(config(&url), gate.clone()).unwrap();
    let error = client.user(UserId::from(1)).await.unwrap_err();
    assert!(matches!(error, Error::NotSent { cause: NotSentCause::Connect, .. }), "{error:?}");
    assert_eq!(error.class(), NotSent);
    assert_eq!(gate.outcomes(RateClass::Login), [CallOutcome::Unreachable]);
}

#[tokio::test]
async fn sent_and_not_answered_is_ambiguous_also_for_reads() {
    let stage = Stage::new().await;
    for error in [stage.create(Reply::HangUp).await, stage.read(Reply::HangUp).await] {
        assert!(matches!(error, Error::NoAnswer { .. }), "{error:?}");
        assert_eq!(error.class(), Ambiguous);
    }
    let cut = stage.create(Reply::CutShort("{\"status\":200".into())).await;
    assert!(matches!(cut, Error::NoAnswer { cause: LostCause::Body, .. }), "{cut:?}");
    assert_eq!(cut.class(), Ambiguous);
    // One request each: nothing is repeated behind the caller's back.
    assert_eq!(stage.responder.calls("POST", "/users"), 2);
}

#[tokio::test]
async fn silence_is_ambiguous() {
    let responder = Responder::with_login(|_| Reply::Silence).await;
    let mut config = responder.config();
    config.timeouts.request = Duration::from_millis(200);
    let client = Client::new(config, Arc::new(OpenGate)).unwrap();
    let error = client.user(UserId::from(1)).await.unwrap_err();
    assert!(matches!(error, Error::NoAnswer { cause: LostCause::Timeout, .. }), "{error:?}");
    assert_eq!(error.class(), Ambiguous);
}

#[tokio::test]
async fn errors_hold_no_text_of_bodies_and_no_credentials() {
    let stage = Stage::new().await;
    let planted = json!({"status": 400, "data": "planted-text", "errors": [
        {"code": "planted-text", "message": "planted-text", "parameter": "planted text", "pointer": "planted@text"}]});
    let mut errors = vec![
        stage.create(Reply::json(400, &planted)).await,
        stage.create(Reply::json(200, &json!({"data": {"id": "planted-text"}}))).await,
        stage.create(Reply::text(200, "application/json", "planted-text")).await,
        stage.create(Reply::HangUp).await,
        stage.create(Reply::error(401, &["AUTHENTICATION_FAILED"])).await,
    ];
    *stage.reply.lock().unwrap() = Reply::HangUp;
    errors.push(stage.client.users_by_emails(&["planted-text@example.com"]).await.unwrap_err());
    errors.push(stage.client.users_by_legacy_ids(&["planted-text"]).await.unwrap_err());
    for error in errors {
        let mut text = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            let _ = write!(text, " {cause} {cause:?}");
            source = cause.source();
        }
        assert!(!text.contains("planted"), "{text}");
        assert!(!text.contains(PASSWORD) && !text.contains(SESSION), "{text}");
    }
    assert!(!format!("{:?}", stage.client).contains("planted"));
}
