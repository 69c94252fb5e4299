//! The Zendesk account as a client meets it: over real HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use sandbox::seed::{AttachmentState, Author, CommentKind, Company, Size, Status, TicketId};
use sandbox::zendesk::{API_TOKEN, Account, Config, EMAIL, Feature, Limits, NewComment, Switches};
use serde_json::{Map, Value, json};

struct Desk {
    account: Account,
    base: String,
    client: Client,
}

impl Desk {
    async fn open(config: Config) -> Self {
        let account = Account::new(config);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = account.router();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { account, base, client }
    }

    async fn with(company: Company) -> Self {
        Self::open(Config { company, ..Config::default() }).await
    }

    fn url(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) }
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.client.get(self.url(path)).basic_auth(format!("{EMAIL}/token"), Some(API_TOKEN));
        request.send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    async fn as_bearer(&self, path: &str, token: &str) -> StatusCode {
        self.client.get(self.url(path)).bearer_auth(token).send().await.unwrap().status()
    }

    async fn grant(&self, fields: &[(&str, &str)]) -> (StatusCode, Value) {
        let answer = self.client.post(self.url("/oauth/tokens")).form(fields).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn refresh(&self, token: &str) -> (StatusCode, Value) {
        let client = [("client_id", "sandbox-client"), ("client_secret", "sandbox-client-secret")];
        self.grant(&[client[0], client[1], ("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Every row of an export in order, and the last cursor.
    async fn export(&self, kind: &str, first: &str) -> (Vec<Value>, String) {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        let mut page = self.json(&format!("/api/v2/incremental/{kind}/cursor.json?{first}")).await;
        loop {
            rows.extend(page[kind].as_array().unwrap().iter().cloned());
            if let Some(after) = page["after_cursor"].as_str() {
                after.clone_into(&mut cursor);
            }
            if page["end_of_stream"] == true {
                return (rows, cursor);
            }
            let rest = first.split_once('&').map_or("", |(_, rest)| rest);
            page = self.json(&format!("/api/v2/incremental/{kind}/cursor.json?cursor={cursor}&{rest}")).await;
        }
    }
}

fn company(seed: u64) -> Company {
    Company::new(seed, Size::tickets(400))
}

fn ids(rows: &[Value]) -> BTreeSet<u64> {
    rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

fn plain(status: &str) -> Map<String, Value> {
    json!({ "status": status }).as_object().unwrap().clone()
}

#[tokio::test]
async fn the_ticket_export_visits_every_ticket_repeats_some_and_ends() {
    let desk = Desk::with(company(5)).await;
    let truth: BTreeSet<u64> =
        (0..400).map(|index| desk.account.company().ticket(index).unwrap().id.0).collect();

    let (rows, cursor) = desk.export("tickets", "start_time=0&per_page=20&include=comment_count").await;

    assert_eq!(ids(&rows), truth);
    assert!(rows.len() > truth.len(), "some rows come twice");
    assert!(rows.iter().any(|row| row["status"] == "deleted"));
    assert!(
        rows.iter().zip(rows.iter().skip(1)).any(|(a, b)| a["id"].as_u64() > b["id"].as_u64()),
        "not sorted by id"
    );
    for row in &rows {
        let ticket = desk.account.ticket(TicketId(row["id"].as_u64().unwrap())).unwrap();
        assert_eq!(row["comment_count"], ticket.comment_count);
        assert_eq!(row["subject"], json!(ticket.subject));
    }
    let times: Vec<i64> = rows.iter().map(|row| row["generated_timestamp"].as_i64().unwrap()).collect();
    assert!(times.is_sorted());

    let idle = desk.json(&format!("/api/v2/incremental/tickets/cursor?cursor={cursor}")).await;
    assert_eq!((&idle["after_cursor"], &idle["end_of_stream"]), (&Value::Null, &json!(true)));
    let (living, _) = desk.export("tickets", "start_time=0&exclude_deleted=true").await;
    assert!(living.iter().all(|row| row["status"] != "deleted") && !living.is_empty());
    let (late, _) = desk.export("tickets", &format!("start_time={}", times[200])).await;
    assert!(
        late.len() < 400 && late.iter().all(|row| row["generated_timestamp"].as_i64() >= Some(times[200]))
    );
}

#[tokio::test]
async fn the_user_export_shows_the_deleted_and_side_loads_identities() {
    let desk = Desk::with(company(5)).await;
    let (rows, _) = desk.export("users", "start_time=0&per_page=13&include=identities").await;
    let truth: BTreeSet<u64> =
        (0..desk.account.company().user_count()).map(|o| desk.account.company().user_id(o).0).collect();
    assert_eq!(ids(&rows), truth);
    assert!(rows.iter().any(|row| row["active"] == false));
    assert!(rows.iter().any(|row| row["name"] == "Permanently Deleted User" && row["email"].is_null()));

    let page = desk.json("/api/v2/incremental/users/cursor?start_time=0&include=identities").await;
    let identities = page["identities"].as_array().unwrap();
    let addresses = |user: &Value| {
        identities.iter().filter(|i| i["user_id"] == user["id"] && i["type"] == "email").count()
    };
    let two = rows.iter().find(|row| addresses(row) == 2).expect("a user with two addresses");
    let alone = desk.json(&format!("/api/v2/users/{}/identities", two["id"])).await;
    assert!(alone["identities"].as_array().unwrap().iter().all(|identity| identities.contains(identity)));
}

#[tokio::test]
async fn comments_are_complete_in_order_and_counted() {
    let desk = Desk::with(company(8).with_giant_thread()).await;
    let truth = desk.account.company();
    let giant = truth.ticket(200).unwrap();
    assert_eq!(giant.comment_count, 5000);
    let some = (0..400)
        .filter(|&i| truth.status_of(i) != Status::Deleted)
        .step_by(7)
        .map(|i| truth.ticket(i).unwrap());
    for ticket in some.chain([giant]) {
        let path = format!("/api/v2/tickets/{}/comments", ticket.id);
        let mut comments = Vec::new();
        let mut next = Some(format!("{path}?page[size]=100&include_inline_images=true"));
        while let Some(url) = next {
            let page = desk.json(&url).await;
            comments.extend(page["comments"].as_array().unwrap().iter().cloned());
            next = page["links"]["next"].as_str().map(ToOwned::to_owned);
            assert_eq!(next.is_some(), page["meta"]["has_more"] == true);
        }
        let count = desk.json(&format!("{path}/count.json")).await;
        assert_eq!(count["count"]["value"], ticket.comment_count);
        assert_eq!(u64::try_from(comments.len()).unwrap(), ticket.comment_count);
        for (told, known) in comments.iter().zip(truth.comments(&ticket)) {
            assert_eq!(told["id"], known.id.0);
            assert_eq!(told["author_id"], json!(known.author_id));
            assert_eq!(told["public"], known.public);
            assert_eq!(told["attachments"].as_array().unwrap().len(), known.attachments.len());
            assert!(!told["html_body"].as_str().unwrap().contains("\"attachment:"));
        }
        let times: Vec<_> = comments.iter().map(|comment| comment["created_at"].as_str().unwrap()).collect();
        assert!(times.is_sorted());
        let turned = desk.json(&format!("{path}?sort=-created_at&page[size]=1")).await;
        assert_eq!(turned["comments"][0]["id"], comments.last().unwrap()["id"]);
    }
    let deleted = (0..400).find(|&i| truth.status_of(i) == Status::Deleted).unwrap();
    let path = format!("/api/v2/tickets/{}/comments", truth.ticket_id(deleted));
    assert_eq!(desk.get(&path).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn inline_images_are_listed_on_demand_and_found_by_their_address() {
    let desk = Desk::with(company(8)).await;
    let truth = desk.account.company();
    let (ticket, comment) = (0..400)
        .filter(|&i| truth.status_of(i) != Status::Deleted)
        .filter_map(|i| truth.ticket(i))
        .find_map(|ticket| {
            truth.comment(&ticket, 0).filter(|c| c.attachments.iter().any(|a| a.inline)).map(|c| (ticket, c))
        })
        .unwrap();
    let path = format!("/api/v2/tickets/{}/comments", ticket.id);
    let without = desk.json(&path).await["comments"][0].clone();
    let with = desk.json(&format!("{path}?include_inline_images=true")).await["comments"][0].clone();
    assert_eq!(with["attachments"].as_array().unwrap().len(), comment.attachments.len());
    assert!(without["attachments"].as_array().unwrap().len() < comment.attachments.len());
    let inline = with["attachments"].as_array().unwrap().iter().find(|a| a["inline"] == true).unwrap();
    assert!(with["html_body"].as_str().unwrap().contains(inline["content_url"].as_str().unwrap()));
}

#[tokio::test]
async fn attachments_lie_on_another_host_that_must_not_see_credentials() {
    let desk = Desk::with(company(8)).await;
    let truth = desk.account.company();
    let files: Vec<_> = (0..400)
        .filter(|&i| truth.status_of(i) != Status::Deleted)
        .flat_map(|i| truth.comment(&truth.ticket(i).unwrap(), 0).unwrap().attachments)
        .collect();
    for state in [AttachmentState::Available, AttachmentState::Redacted, AttachmentState::Malware] {
        let file = files.iter().find(|file| file.state == state).unwrap();
        let shown = desk.json(&format!("/api/v2/attachments/{}.json", file.id)).await["attachment"].clone();
        let url = shown["content_url"].as_str().unwrap();
        assert!(url.starts_with(&desk.base));
        let answer = desk.client.get(url).send().await.unwrap();
        if state == AttachmentState::Malware {
            assert_eq!(answer.status(), StatusCode::FORBIDDEN);
            continue;
        }
        assert_eq!(answer.status(), StatusCode::FOUND);
        let location = answer.headers()[LOCATION].to_str().unwrap().to_owned();
        let host = |url: &str| reqwest::Url::parse(url).unwrap().host_str().unwrap().to_owned();
        assert_ne!(host(&location), host(url));
        let bytes = desk
            .client
            .get(&location)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .bytes()
            .await
            .unwrap();
        assert_eq!(Some(bytes.to_vec()), truth.attachment_bytes(file.id));
        assert_eq!(shown["size"], u64::try_from(bytes.len()).unwrap());
        assert_eq!(shown["deleted"], state == AttachmentState::Redacted);

        let leaks = desk.account.leaks().len();
        assert_eq!(desk.get(&location).await.status(), StatusCode::BAD_REQUEST);
        assert_eq!(desk.account.leaks().len(), leaks + 1);
    }
    let told: Value =
        desk.client.get(desk.url("/_sandbox/leaks")).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["leaks"].as_array().unwrap().len(), 2);
    assert_eq!(told["leaks"][0]["host"].as_str().unwrap().split(':').next(), Some("localhost"));
}

#[tokio::test]
async fn attachment_addresses_can_be_private_and_can_go_stale() {
    let desk = Desk::with(company(8)).await;
    let truth = desk.account.company();
    let living = (0..400).filter(|&i| truth.status_of(i) != Status::Deleted);
    let mut files = living.flat_map(|i| truth.comment(&truth.ticket(i).unwrap(), 0).unwrap().attachments);
    let file = files.find(|file| file.state == AttachmentState::Available).unwrap();
    let path = format!("/api/v2/attachments/{}", file.id);
    let url = desk.json(&path).await["attachment"]["content_url"].as_str().unwrap().to_owned();

    desk.account.set_switches(Switches { private_attachments: true, ..Switches::default() });
    assert_eq!(desk.client.get(&url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(desk.get(&url).await.status(), StatusCode::FOUND);

    let switches = json!({"attachment_generation": 1});
    desk.client
        .put(desk.url("/_sandbox/switches"))
        .json(&switches)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    assert_eq!(desk.get(&url).await.status(), StatusCode::NOT_FOUND);
    let fresh = desk.json(&path).await["attachment"]["content_url"].as_str().unwrap().to_owned();
    assert_eq!(desk.get(&fresh).await.status(), StatusCode::FOUND);
}

#[tokio::test]
async fn strangers_are_anonymous_at_users_me_and_refused_elsewhere() {
    let desk = Desk::with(company(1)).await;
    for password in ["", "wrong"] {
        let request = |path: &str| desk.client.get(desk.url(path)).basic_auth(EMAIL, Some(password)).send();
        let me = request("/api/v2/users/me.json").await.unwrap();
        assert_eq!(me.status(), StatusCode::OK);
        let me: Value = me.json().await.unwrap();
        assert_eq!((&me["user"]["id"], &me["user"]["role"]), (&Value::Null, &json!("end-user")));
        assert_eq!(request("/api/v2/tickets").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    let me = desk.json("/api/v2/users/me").await;
    assert_eq!((&me["user"]["role"], &me["user"]["email"]), (&json!("admin"), &json!(EMAIL)));
    assert!(me["user"]["id"].as_u64() > Some(u64::from(u32::MAX)), "ids need 64 bits");

    desk.account.set_switches(Switches { caller_is_admin: false, ..Switches::default() });
    assert_eq!(
        desk.get("/api/v2/incremental/tickets/cursor?start_time=0").await.status(),
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_full_bucket_answers_429_with_its_own_header_until_the_minute_is_over() {
    let limits = Limits { incremental_cursor: 3, ..Limits::plan(700) };
    let desk = Desk::open(Config { company: company(1), limits, ..Config::default() }).await;
    let path = "/api/v2/incremental/tickets/cursor?start_time=0&per_page=1";
    let header = |headers: &HeaderMap, name: &str| headers[name].to_str().unwrap().to_owned();
    // The first call may fall into the last moment of a window: calls are repeated until a window is used up.
    let refused = loop {
        let answer = desk.get(path).await;
        let bucket = header(answer.headers(), "zendesk-ratelimit-incremental-exports-cursor");
        assert!(bucket.starts_with("total=3; remaining="), "{bucket}");
        if answer.status() != StatusCode::OK {
            break answer;
        }
    };
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let remaining: u32 = header(refused.headers(), "x-rate-limit-remaining").parse().unwrap();
    assert!(remaining > 0, "the account's header does not show the endpoint's bucket");
    let wait: u32 = header(refused.headers(), "retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(desk.get("/api/v2/groups").await.status(), StatusCode::OK, "other endpoints go on");
    desk.account.advance(wait);
    assert_eq!(desk.get(path).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_token_works_once_and_ends_the_token_before() {
    let desk = Desk::with(company(1)).await;
    let (status, first) = desk.refresh("sandbox-refresh-token").await;
    assert_eq!((status, &first["token_type"]), (StatusCode::OK, &json!("bearer")));
    let first_access = first["access_token"].as_str().unwrap();
    assert_eq!(desk.as_bearer("/api/v2/groups", first_access).await, StatusCode::OK);

    let (status, stale) = desk.refresh("sandbox-refresh-token").await;
    assert_eq!((status, &stale["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));

    let (status, second) = desk.refresh(first["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let second_access = second["access_token"].as_str().unwrap();
    assert_eq!(desk.as_bearer("/api/v2/groups", first_access).await, StatusCode::UNAUTHORIZED);
    assert_eq!(desk.as_bearer("/api/v2/groups", second_access).await, StatusCode::OK);
    desk.account.advance(1801);
    assert_eq!(desk.as_bearer("/api/v2/groups", second_access).await, StatusCode::UNAUTHORIZED);

    let client = [("client_id", "sandbox-client"), ("client_secret", "sandbox-client-secret")];
    let (status, own) = desk.grant(&[client[0], client[1], ("grant_type", "client_credentials")]).await;
    assert_eq!((status, own.get("refresh_token")), (StatusCode::OK, None));
    let odd = [client[0], client[1], ("grant_type", "client_credentials"), ("scope", "everything")];
    let (_, odd) = desk.grant(&odd).await;
    assert_eq!(
        desk.as_bearer("/api/v2/groups", odd["access_token"].as_str().unwrap()).await,
        StatusCode::FORBIDDEN
    );
    let (status, _) =
        desk.grant(&[client[0], ("client_secret", "no"), ("grant_type", "client_credentials")]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn one_seed_gives_one_account_and_another_seed_another() {
    let path =
        "/api/v2/incremental/tickets/cursor?start_time=0&include=users,groups,organizations,comment_count";
    let mut pages = Vec::new();
    for seed in [3, 3, 4] {
        let desk = Desk::with(company(seed)).await;
        let page = desk.get(path).await.text().await.unwrap();
        pages.push(page.replace(&desk.base, ""));
    }
    assert_eq!(pages[0], pages[1]);
    assert_ne!(pages[0], pages[2]);
    assert_eq!(
        company(3).comments(&company(3).ticket(9).unwrap()).count() as u64,
        company(3).comment_count(9)
    );
    let bytes = |seed| {
        (0..400).find_map(|i| {
            let company = company(seed);
            let file =
                company.comment(&company.ticket(i)?, 0)?.attachments.into_iter().find(|f| f.size > 100)?;
            company.attachment_sha256(file.id)
        })
    };
    assert_eq!(bytes(3), bytes(3));
    assert_ne!(bytes(3), bytes(4));
}

#[tokio::test]
async fn a_large_account_is_there_at_once_and_its_last_ticket_within_reach() {
    let desk = Desk::with(Company::new(2, Size::tickets(10_000_000))).await;
    let last = desk.account.company().ticket(9_999_999).unwrap();
    let shown = desk.json(&format!("/api/v2/tickets/{}", last.id)).await;
    assert_eq!(shown["ticket"]["requester_id"], last.requester_id.0);
    let newest = desk.json("/api/v2/tickets?sort=-id&page[size]=1").await;
    assert!(newest["tickets"][0]["id"].as_u64().unwrap() > last.id.0 - 500);
    let middle = desk.account.company().ticket(5_000_000).unwrap();
    let page = desk
        .json(&format!(
            "/api/v2/incremental/tickets/cursor?start_time={}&per_page=10",
            middle.generated_timestamp
        ))
        .await;
    assert_eq!(page["tickets"][0]["generated_timestamp"], middle.generated_timestamp);
    assert_eq!(page["end_of_stream"], false);
}

#[tokio::test]
async fn changes_come_out_of_the_last_cursor_after_a_minute() {
    let desk = Desk::with(company(6)).await;
    let (_, cursor) = desk.export("tickets", "start_time=0&per_page=100").await;
    let truth = desk.account.company();
    let living: Vec<_> =
        (0..400).filter(|&i| truth.status_of(i) == Status::Closed).map(|i| truth.ticket_id(i)).collect();
    let before =
        desk.json("/api/v2/search/count?query=type:ticket").await["count"]["value"].as_u64().unwrap();

    desk.account.change_ticket(living[0], plain("open")).unwrap();
    let body = json!({"body": "one more", "attachments": [{"file_name": "a.txt", "content_type": "text/plain", "text": "hi"}]});
    let path = format!("{}/_sandbox/tickets/{}/comments", desk.base, living[1]);
    desk.client.post(&path).json(&body).send().await.unwrap().error_for_status().unwrap();
    desk.account.delete_ticket(living[2], false);
    desk.account.delete_ticket(living[3], true);
    let new = json!({"subject": "brand new", "comment": {"body": "hello"}});
    let new: Value = desk
        .client
        .post(format!("{}/_sandbox/tickets", desk.base))
        .json(&new)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    // A touch by the system moves the export time only.
    let touched = desk.account.change_ticket(living[4], Map::new()).unwrap();
    assert_eq!(touched.updated_at, truth.ticket_with_id(living[4]).unwrap().updated_at);

    let delta = |cursor: &str| format!("cursor={cursor}&per_page=2&include=comment_count");
    let (early, _) = desk.export("tickets", &delta(&cursor)).await;
    assert_eq!(early.len(), 0, "the last minute is not exported");
    let young = format!("/api/v2/incremental/tickets/cursor?start_time={}", desk.account.now() - 5);
    assert_eq!(desk.get(&young).await.status(), StatusCode::BAD_REQUEST);
    desk.account.advance(61);
    let page =
        desk.json(&format!("/api/v2/incremental/tickets/cursor?cursor={cursor}&include=comment_count")).await;
    let rows: BTreeMap<u64, &Value> =
        page["tickets"].as_array().unwrap().iter().map(|row| (row["id"].as_u64().unwrap(), row)).collect();
    let new_id = new["ticket"]["id"].as_u64().unwrap();
    let expected = BTreeSet::from([living[0].0, living[1].0, living[2].0, living[4].0, new_id]);
    let told: BTreeSet<u64> = rows.keys().copied().collect();
    assert!(
        told.is_superset(&expected) && told.len() <= expected.len() + 1,
        "at most the last row again: {told:?}"
    );
    assert_eq!(rows[&living[0].0]["status"], "open");
    assert_eq!(
        rows[&living[1].0]["comment_count"],
        truth.ticket_with_id(living[1]).unwrap().comment_count + 1
    );
    assert_eq!(rows[&living[2].0]["status"], "deleted");
    assert_eq!(rows[&new_id]["subject"], "brand new");
    assert_eq!(desk.get(&format!("/api/v2/tickets/{}", living[3])).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(desk.json("/api/v2/search/count?query=type:ticket").await["count"]["value"], before - 1);

    let comments = desk.json(&format!("/api/v2/tickets/{}/comments?sort=-created_at", living[1])).await;
    let url = comments["comments"][0]["attachments"][0]["content_url"].as_str().unwrap();
    let moved = desk.client.get(url).send().await.unwrap().headers()[LOCATION].to_str().unwrap().to_owned();
    assert_eq!(desk.client.get(moved).send().await.unwrap().text().await.unwrap(), "hi");

    let cursor = page["after_cursor"].as_str().unwrap().to_owned();
    desk.account
        .add_comment(living[0], &NewComment { body: "again".to_owned(), ..NewComment::default() })
        .unwrap();
    desk.account.advance(61);
    let (again, _) = desk.export("tickets", &delta(&cursor)).await;
    assert!(ids(&again).contains(&living[0].0));
}

#[tokio::test]
async fn users_can_appear_and_change_later() {
    let desk = Desk::with(company(6)).await;
    let (_, cursor) = desk.export("users", "start_time=0").await;
    let fields = json!({"name": "Late Comer", "email": "late@post.example"});
    let new: Value = desk
        .client
        .post(desk.url("/_sandbox/users"))
        .json(&fields)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let id = new["user"]["id"].as_u64().unwrap();
    desk.account.advance(61);
    let page = desk.json(&format!("/api/v2/incremental/users/cursor?cursor={cursor}")).await;
    let users = page["users"].as_array().unwrap();
    assert!(users.iter().any(|user| user["id"] == id && user["email"] == "late@post.example"));
    let many = desk.json(&format!("/api/v2/users/show_many?ids={id},{}", 7)).await;
    assert_eq!(many["users"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_can_be_written() {
    let desk = Desk::with(company(1)).await;
    for (number, request) in [
        desk.client.post(desk.url("/api/v2/tickets.json")),
        desk.client.put(desk.url("/api/v2/tickets/1.json")),
        desk.client.delete(desk.url("/api/v2/users/1")),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
        let told: Value =
            desk.client.get(desk.url("/_sandbox/writes")).send().await.unwrap().json().await.unwrap();
        assert_eq!(told["write_attempts"], number + 1);
    }
}

#[tokio::test]
async fn absent_features_and_unknown_paths_say_so_in_different_shapes() {
    let desk = Desk::with(company(1)).await;
    assert!(!desk.json("/api/v2/ticket_forms").await["ticket_forms"].as_array().unwrap().is_empty());
    assert!(!desk.json("/api/v2/custom_statuses").await["custom_statuses"].as_array().unwrap().is_empty());
    let off = Switches {
        ticket_forms: Feature::Forbidden,
        custom_statuses: Feature::Missing,
        ..Switches::default()
    };
    desk.account.set_switches(off);
    let forms = desk.get("/api/v2/ticket_forms.json").await;
    assert_eq!(forms.status(), StatusCode::FORBIDDEN);
    assert!(forms.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    for path in ["/api/v2/custom_statuses", "/api/v2/no_such_thing.json"] {
        let answer = desk.get(path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer.json::<Value>().await.unwrap()["error"]["title"], "InvalidEndpoint");
    }
    let missing = desk.get("/api/v2/tickets/98").await;
    assert_eq!(missing.json::<Value>().await.unwrap()["error"], "RecordNotFound");
}

#[tokio::test]
async fn listings_page_both_ways_and_agree_with_their_counts() {
    let desk = Desk::with(company(9)).await;
    for (path, key) in
        [("tickets", "tickets"), ("users", "users"), ("organizations", "organizations"), ("groups", "groups")]
    {
        let count =
            desk.json(&format!("/api/v2/{path}/count.json")).await["count"]["value"].as_u64().unwrap();
        let (mut by_cursor, mut by_number) = (BTreeSet::new(), BTreeSet::new());
        let mut next = Some(format!("/api/v2/{path}.json?page[size]=30"));
        while let Some(url) = next {
            let page = desk.json(&url).await;
            by_cursor.append(&mut ids(page[key].as_array().unwrap()));
            next = page["links"]["next"].as_str().map(ToOwned::to_owned);
        }
        let mut next = Some(format!("/api/v2/{path}.json?per_page=30"));
        while let Some(url) = next {
            let page = desk.json(&url).await;
            assert_eq!(page["count"], count);
            by_number.append(&mut ids(page[key].as_array().unwrap()));
            next = page["next_page"].as_str().map(ToOwned::to_owned);
        }
        assert_eq!(by_cursor, by_number, "{path}");
        assert_eq!(u64::try_from(by_cursor.len()).unwrap(), count, "{path}");
    }
    for path in [
        "ticket_fields",
        "user_fields",
        "organization_fields",
        "group_memberships",
        "organization_memberships",
        "brands",
    ] {
        assert!(!desk.json(&format!("/api/v2/{path}")).await[path].as_array().unwrap().is_empty(), "{path}");
    }
    let deep = desk.get("/api/v2/tickets?page=101").await;
    assert_eq!(deep.json::<Value>().await.unwrap()["error"], "InvalidPaginationDepth");
    let all = desk.json("/api/v2/search/count?query=type:ticket").await["count"]["value"].as_u64().unwrap();
    let (old, new) = ("type:ticket created<2022-01-01", "type:ticket created>=2022-01-01");
    let old =
        desk.json(&format!("/api/v2/search/count?query={old}")).await["count"]["value"].as_u64().unwrap();
    let new =
        desk.json(&format!("/api/v2/search/count?query={new}")).await["count"]["value"].as_u64().unwrap();
    assert_eq!(all, old + new);
    assert!(old > 0 && new > 0);
    let odd = desk.get("/api/v2/search/count?query=type:ticket assignee:me").await;
    assert_eq!(odd.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn time_based_exports_overlap_and_hold_everything() {
    let desk = Desk::with(company(9)).await;
    let truth = desk.account.company();
    for (kind, key) in [("organizations", "organizations"), ("ticket_events", "ticket_events")] {
        let (mut seen, mut rows, mut deleted) = (BTreeSet::new(), 0, 0);
        let mut next =
            format!("/api/v2/incremental/{kind}.json?start_time=0&per_page=10&include=comment_events");
        loop {
            let page = desk.json(&next).await;
            let items = page[key].as_array().unwrap();
            rows += items.len();
            deleted += items.iter().filter(|item| item["deleted_at"].is_string()).count();
            seen.append(&mut ids(items));
            if page["end_of_stream"] == true {
                break;
            }
            next = format!("{}&per_page=10&include=comment_events", page["next_page"].as_str().unwrap());
        }
        assert!(rows > seen.len(), "pages overlap");
        let known = if kind == "organizations" {
            assert!(deleted > 0);
            truth.organization_count()
        } else {
            (0..400).filter(|&i| truth.status_of(i) != Status::Deleted).map(|i| truth.comment_count(i)).sum()
        };
        assert_eq!(u64::try_from(seen.len()).unwrap(), known, "{kind}");
    }
}

#[test]
fn the_sample_holds_the_traps_whatever_the_seed() {
    for seed in 0..20 {
        let company = Company::new(seed, Size::sample());
        let tickets: Vec<_> = (0..150).map(|index| company.ticket(index).unwrap()).collect();
        let any = |what: &str, test: &dyn Fn(&sandbox::seed::Ticket) -> bool| {
            assert!(tickets.iter().any(test), "seed {seed}: no ticket with {what}");
        };
        any("a null subject", &|t| t.subject.is_none());
        any("an empty subject", &|t| t.subject.as_deref() == Some(""));
        any("a long subject", &|t| t.subject.as_ref().is_some_and(|s| s.chars().count() > 250));
        any("a deleted status", &|t| t.status == Status::Deleted);
        any("a merge", &|t| t.merged_into.is_some() && t.tags.iter().any(|tag| tag == "closed_by_merge"));
        any("a follow-up", &|t| !t.followup_ids.is_empty());
        any("another submitter", &|t| t.submitter_id != t.requester_id);
        any("a private start", &|t| !t.is_public);
        any("a deleted organization", &|t| {
            t.organization_id
                .is_some_and(|id| company.organization(id).is_some_and(|o| o.deleted_at.is_some()))
        });
        any("a deleted group", &|t| {
            t.group_id.is_some_and(|id| company.group(id).is_some_and(|g| g.deleted))
        });
        any("a deleted assignee", &|t| {
            t.assignee_id.is_some_and(|id| company.user(id).is_some_and(|u| !u.active))
        });
        any("a deleted requester", &|t| company.user(t.requester_id).is_some_and(|u| !u.active));
        any("an ancient date", &|t| t.created_at.as_second() < 1_200_000_000);
        any("a long thread", &|t| t.comment_count > 100);
        let comments: Vec<_> = tickets.iter().flat_map(|ticket| company.comments(ticket)).collect();
        assert!(comments.iter().any(|c| c.author_id == Author::System));
        assert!(comments.iter().any(|c| c.kind == CommentKind::VoiceComment && c.data.is_some()));
        assert!(comments.iter().any(|c| (60_000..65_536).contains(&c.html_body.len())));
        assert!(comments.iter().all(|c| c.html_body.len() < 65_536));
        assert!(comments.iter().any(|c| c.attachments.iter().any(|a| a.size == 0)));
        assert!(comments.iter().any(|c| c.attachments.iter().any(|a| a.size > 1 << 20)));
        assert!(comments.iter().any(|c| c.attachments.iter().any(|a| a.inline)));
        let users: Vec<_> =
            (0..company.user_count()).map(|ordinal| company.user_at(ordinal).unwrap()).collect();
        let mut spellings: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for email in users.iter().filter(|u| u.active).filter_map(|u| u.email.clone()) {
            spellings.entry(email.to_lowercase()).or_default().insert(email);
        }
        let shared = spellings.values().filter(|spelling| spelling.len() == 2).count();
        assert!((1..=2).contains(&shared), "seed {seed}: {shared} shared addresses");
        assert!(users.iter().any(|u| u.email.is_none() && u.active));
        assert!(users.iter().any(|u| u.suspended) && users.iter().any(|u| u.permanently_deleted));
        assert!(company.agents().len() >= 5);
        assert!(company.end_user_emails(0..60).count() > 30);
    }
}

#[test]
fn threads_are_about_five_comments_long_with_a_heavy_tail() {
    let company = Company::new(1, Size::tickets(100_000));
    let counts: Vec<u64> = (0..100_000).map(|index| company.comment_count(index)).collect();
    let mean = counts.iter().sum::<u64>() / 1000;
    assert!((450..800).contains(&mean), "{mean} comments per 100 tickets");
    assert!(counts.iter().any(|&count| count > 400));
    let last = company.ticket(99_999).unwrap();
    assert_eq!(company.ticket_with_id(last.id).unwrap(), last);
    assert_eq!(company.ticket(100_000), None);
}

#[tokio::test]
async fn credentials_do_not_show_in_debug_output() {
    let config = Config::default();
    let text = format!("{config:?}");
    assert!(
        !text.contains(API_TOKEN)
            && !text.contains("sandbox-client-secret")
            && !text.contains("sandbox-refresh-token")
    );
    let desk = Desk::open(config).await;
    assert!(desk.get("/api/v2/groups").await.headers().get(AUTHORIZATION).is_none());
}
