//! A Zendesk account over HTTP, as far as a migration reads it.
//!
//! Constraints
//! - There is no writing: any other method than GET below `/api/v2` answers 405 and is recorded, because a migration
//!   never changes its source.
//! - Nothing is stored but what tests change: see [`crate::seed`].
//! - Behaviour that the real service does not document is a switch, never a silent choice.

mod account;
mod answer;
mod attachments;
mod auth;
mod companies;
mod config;
mod control;
mod export;
mod layer;
mod limits;
mod paging;
mod people;
mod render;
mod tickets;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query as QueryString, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

pub use account::{Account, Leak, Write};
pub use config::{API_TOKEN, Auth, Config, EMAIL, Feature, Limits, OauthClient, Switches};
pub use control::{NewComment, NewFile};

use account::lock;
use answer::Answer;
pub use answer::Refused;
use limits::Bucket;
use paging::Query;
use render::Bases;

use crate::seed::Owner;

type Pairs = QueryString<Vec<(String, String)>>;

/// The account as a router, with its control API below `/_sandbox/`.
pub fn router(config: Config) -> Router {
    Account::new(config).router()
}

impl Account {
    /// The account's HTTP surface; may be called several times, all share the account.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/oauth/tokens", post(grant))
            .route("/attachments/token/{token}/", get(redirect))
            .route("/attachments/token/{token}", get(redirect))
            .route("/zdusercontent/attachment/{account}/{token}", get(content))
            .nest("/_sandbox", control::router())
            .fallback(api)
            .with_state(self.clone())
    }
}

async fn grant(State(account): State<Account>, headers: HeaderMap, body: Bytes) -> Response {
    let is_json = headers.get("content-type").is_some_and(|t| t.to_str().is_ok_and(|t| t.contains("json")));
    let request = if is_json {
        serde_json::from_slice(&body).ok()
    } else {
        let text = std::str::from_utf8(&body).unwrap_or_default();
        let uri = format!("/?{text}").parse::<Uri>().ok();
        uri.and_then(|uri| QueryString::try_from_uri(&uri).ok()).map(|QueryString(request)| request)
    };
    match request {
        Some(request) => account.grant(&request).into_response(),
        None => auth::unreadable().into_response(),
    }
}

async fn redirect(State(account): State<Account>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    attachments::redirect(&account, &token, &headers)
}

async fn content(
    State(account): State<Account>,
    Path((_, token)): Path<(String, String)>,
    QueryString(query): Pairs,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let query = Query(query);
    attachments::content(&account, &token, query.get("token"), uri.path(), &headers).into_response()
}

/// One call of the API.
struct Call<'a> {
    account: &'a Account,
    bases: Bases,
    query: Query,
    /// Path below `/api/v2/`, without `.json`.
    path: String,
}

impl Call<'_> {
    /// The call's own address without parameters.
    fn url(&self) -> String {
        self.bases.api(&format!("{}.json", self.path))
    }

    /// A count; large ones are old and held at 100,000 if the switch says so.
    fn count(&self, value: u64) -> Answer {
        const CAP: u64 = 100_000;
        if value > CAP && self.account.switches().capped_counts {
            return answer::ok(&json!({"count": {"value": CAP, "refreshed_at": null}}));
        }
        let now = crate::seed::at(self.account.now());
        answer::ok(&json!({"count": {"value": value, "refreshed_at": now}}))
    }

    fn bucket(&self, segments: &[&str]) -> Option<Bucket> {
        match segments {
            ["incremental", _, "cursor"] => Some(Bucket::IncrementalCursor),
            ["incremental", ..] => Some(Bucket::Incremental),
            ["tickets"] => {
                let page = self.query.get("page").and_then(|page| page.parse::<u64>().ok()).unwrap_or(1);
                Some(if page > 500 { Bucket::TicketsDeep } else { Bucket::Tickets })
            }
            ["ticket_fields"] => Some(Bucket::TicketFields),
            _ => None,
        }
    }
}

async fn api(
    State(account): State<Account>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    QueryString(query): Pairs,
) -> Response {
    let Some(path) = uri.path().strip_prefix("/api/v2/") else {
        return answer::with_type(
            StatusCode::NOT_FOUND,
            "text/html; charset=utf-8",
            b"<h1>Not found</h1>".to_vec(),
        );
    };
    if method != Method::GET && method != Method::HEAD {
        account.record_write(Write { method: method.to_string(), path: uri.path().to_owned() });
        return Refused::Rejected {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: "MethodNotAllowed",
            title: "this account can only be read",
        }
        .into_response();
    }
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".json").unwrap_or(path).to_owned();
    let segments: Vec<&str> = path.split('/').collect();
    let call = Call {
        account: &account,
        bases: Bases::of(&headers, account.0.config.content_base.as_deref()),
        query: Query(query),
        path: path.clone(),
    };
    let admitted = account.admit(&headers);
    if segments != ["users", "me"]
        && let Err(refusal) = admitted
    {
        return refusal.into_response();
    }
    let verdict = lock(&account.0.limiter).call(call.bucket(&segments), account.now_ms());
    let mut response = if verdict.retry_after.is_some() {
        Refused::Throttled.into_response()
    } else if segments == ["users", "me"] {
        people::me(&call, admitted).into_response()
    } else {
        dispatch(&call, &segments).into_response()
    };
    response.headers_mut().extend(verdict.headers);
    response
}

/// The table of endpoints.
fn dispatch(call: &Call, segments: &[&str]) -> Answer {
    let account = call.account;
    let size = account.company().size();
    match segments {
        ["incremental", "tickets", "cursor"] => export::tickets(call),
        ["incremental", "users", "cursor"] => export::users(call),
        ["incremental", "organizations"] => export::organizations(call),
        ["incremental", "ticket_events"] => export::ticket_events(call),

        ["tickets"] => tickets::list(call),
        ["tickets", "count"] => call.count(account.count_tickets(!account.switches().count_without_archived)),
        ["tickets", "show_many"] => tickets::show_many(call),
        ["tickets", id] => tickets::show(call, id),
        ["tickets", id, "comments"] => tickets::comments(call, id),
        ["tickets", id, "comments", "count"] => tickets::comment_count(call, id),
        ["search", "count"] => tickets::search_count(call),

        ["users"] => people::list(call),
        ["users", "count"] => call.count(account.count_users()),
        ["users", "show_many"] => people::show_many(call),
        ["users", id] => people::show(call, id),
        ["users", id, "identities"] => people::identities(call, id),
        ["users", id, "organization_memberships"] => people::organization_memberships(call, Some(id)),
        ["deleted_users"] => people::admins_only(call).and_then(|()| people::deleted(call)),
        ["organization_memberships"] => people::organization_memberships(call, None),
        ["group_memberships"] => people::group_memberships(call),

        ["organizations"] => companies::organizations(call),
        ["organizations", "count"] => call.count(size.organizations),
        ["organizations", "show_many"] => companies::show_many(call),
        ["organizations", id] => companies::organization(call, id),
        ["groups"] => companies::groups(call),
        ["groups", "count"] => call.count(size.groups),
        ["groups", id] => companies::group(call, id),
        ["brands"] => companies::brands(call),
        ["ticket_fields"] => companies::fields(call, Owner::Ticket, "ticket_fields"),
        ["ticket_fields", id] => companies::field(call, Owner::Ticket, "ticket_fields", "ticket_field", id),
        ["user_fields"] => companies::fields(call, Owner::User, "user_fields"),
        ["organization_fields"] => companies::fields(call, Owner::Organization, "organization_fields"),
        ["ticket_forms"] => companies::forms(call),
        ["custom_statuses"] => companies::statuses(call),

        ["attachments", id] => attachments::show(call, id),
        _ => Err(Refused::NoEndpoint),
    }
}
