//! The control API below `/_sandbox/`: no login, for tests and for users' CI.
//!
//! | call | what it does |
//! | --- | --- |
//! | `GET mails` | the mail trap: every mail a real account would have sent, with its cause |
//! | `DELETE mails` | empties the trap |
//! | `GET switches` | all switches |
//! | `PUT switches` | changes the switches that the body names, or `{"preset":"pessimistic"}` / `{"preset":"friendly"}` first |
//! | `GET export/{teams,users,organizations,cases}?offset=&limit=` | the truth, oldest first; `limit` is 1,000 if absent |
//! | `POST sessions/expire` | all sessions die |
//! | `PUT outage` `{"down":true}` | every API call answers 503 |
//! | `POST lock` | logins answer AUTHENTICATION_LOCKED for a while |
//! | `PUT password` `{"email":"..","password":".."}` | a user's new password; all sessions die |
//! | `POST clock` `{"advance_ms":n}` | moves the account's clock forward |
//!
//! `calls`, `calls/reset` and `faults` are added by the server around every account, see [`crate::server`].

use axum::extract::{Json, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Router, body::Body};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::switches::Switches;
use super::{Account, Mail};

/// The routes.
pub(crate) fn routes() -> Router<Account> {
    Router::new()
        .route("/_sandbox/mails", get(read_mails).delete(clear_mails))
        .route("/_sandbox/switches", get(read_switches).put(write_switches))
        .route("/_sandbox/export/{kind}", get(export))
        .route("/_sandbox/sessions/expire", post(expire_sessions))
        .route("/_sandbox/outage", put(set_outage))
        .route("/_sandbox/lock", post(lock))
        .route("/_sandbox/password", put(set_password))
        .route("/_sandbox/clock", post(advance_clock))
}

async fn read_mails(State(account): State<Account>) -> Json<Vec<Mail>> {
    Json(account.mails())
}

async fn clear_mails(State(account): State<Account>) -> StatusCode {
    account.clear_mails();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct NewPassword {
    email: String,
    password: String,
}

async fn set_password(State(account): State<Account>, Json(new): Json<NewPassword>) -> StatusCode {
    if account.set_password(&new.email, &new.password) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn read_switches(State(account): State<Account>) -> Json<Switches> {
    Json(account.switches())
}

async fn write_switches(
    State(account): State<Account>,
    Json(changes): Json<Map<String, Value>>,
) -> Response<Body> {
    match account.change_switches(changes) {
        Ok(switches) => Json(switches).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, Json(json!({"error": error.to_string()}))).into_response(),
    }
}

#[derive(Deserialize)]
struct Window {
    #[serde(default)]
    offset: usize,
    #[serde(default = "thousand")]
    limit: usize,
}

fn thousand() -> usize {
    1_000
}

#[derive(Serialize)]
struct Exported<T> {
    total_count: usize,
    data: Vec<T>,
}

async fn export(
    State(account): State<Account>,
    Path(kind): Path<String>,
    Query(window): Query<Window>,
) -> Response<Body> {
    let Window { offset, limit } = window;
    let counts = account.counts();
    match kind.as_str() {
        "teams" => {
            Json(Exported { total_count: counts.teams, data: account.teams(offset, limit) }).into_response()
        }
        "users" => {
            Json(Exported { total_count: counts.users, data: account.users(offset, limit) }).into_response()
        }
        "organizations" => {
            Json(Exported { total_count: counts.organizations, data: account.organizations(offset, limit) })
                .into_response()
        }
        "cases" => {
            Json(Exported { total_count: counts.cases, data: account.cases(offset, limit) }).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn expire_sessions(State(account): State<Account>) -> Json<Value> {
    Json(json!({"expired": account.expire_sessions()}))
}

#[derive(Deserialize)]
struct Outage {
    down: bool,
}

async fn set_outage(State(account): State<Account>, Json(outage): Json<Outage>) -> StatusCode {
    account.set_outage(outage.down);
    StatusCode::NO_CONTENT
}

async fn lock(State(account): State<Account>) -> StatusCode {
    account.lock_logins();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Advance {
    advance_ms: u64,
}

async fn advance_clock(State(account): State<Account>, Json(advance): Json<Advance>) -> StatusCode {
    account.advance_clock(std::time::Duration::from_millis(advance.advance_ms));
    StatusCode::NO_CONTENT
}
