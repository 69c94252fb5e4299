//! Cases and posts: what is kept, what is mailed, what is refused.

use sandbox::kayako::{CaseTruth, Cause, CreatorRule, FinalStatusRule, Switches};
use serde_json::{Value, json};

use crate::desk::Desk;

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

/// A case with an answer and a note, by three people.
async fn thread(desk: &Desk) -> Value {
    let (ann, eve, old) = (desk.customer("ann").await, desk.agent("eve").await, desk.agent("old").await);
    desk.put(&format!("users/{old}"), json!({"is_enabled": false})).await.data(200);
    let mut case = Desk::case("acme:case:1", ann);
    case["tags"] = json!("imported,zd");
    case["posts"] = json!([
        {"creator_id": eve, "channel": "MAIL", "channel_id": 1, "contents": "Try water", "created_at": "2021-03-01T09:30:00+00:00"},
        {"creator_id": old, "channel": "NOTE", "contents": "customer is calm", "created_at": "2021-03-01T10:31:00+01:00"},
    ]);
    case
}

async fn inserted(desk: &Desk, case: Value) -> CaseTruth {
    let job = desk.bulk("cases", &[case], true).await;
    assert_eq!(desk.job(job).await["status"], "COMPLETED");
    desk.account.cases(0, 10).pop().unwrap()
}

#[tokio::test]
async fn a_bulk_case_keeps_authors_times_and_order() {
    let desk = Desk::open(|_| {}).await;
    let case = inserted(&desk, thread(&desk).await).await;
    let who: Vec<_> = case.posts.iter().map(|post| post.creator.email.clone().unwrap()).collect();
    assert_eq!(who, ["ann@customers.example", "eve@acme.example", "old@acme.example"]);
    let when: Vec<_> = case.posts.iter().map(|post| post.created_at).collect();
    assert_eq!(when, [at("2021-03-01T09:00:00Z"), at("2021-03-01T09:30:00Z"), at("2021-03-01T09:31:00Z")]);
    let seen: Vec<_> = case.posts.iter().map(|post| post.visibility.as_str()).collect();
    assert_eq!(seen, ["MAIL", "MAIL", "NOTE"]);
    assert_eq!((case.created_at, case.updated_at), (at("2021-03-01T09:00:00Z"), at("2021-03-02T10:00:00Z")));
    assert_eq!(case.tags, ["imported", "zd"]);
    assert_eq!(desk.account.mails(), []);

    let shown = desk.get("cases/1?fields=%2Btags&include=case_status").await.data(200);
    assert_eq!(
        (&shown["post_count"], &shown["status"]["type"], &shown["tags"][0]["name"]),
        (&json!(3), &json!("NEW"), &json!("imported"))
    );
    assert_eq!(shown["created_at"], "2021-03-01T09:00:00+00:00");
    assert_eq!(desk.get("cases/1").await.body["data"].get("tags"), None);
    let first = desk.get("cases/1/posts?include=user&limit=1&after_id=2").await;
    assert_eq!((first.list()[0]["id"].as_u64(), &first.list()[0]["is_requester"]), (Some(1), &json!(true)));
}

#[tokio::test]
async fn an_unfriendly_account_loses_authors_and_times_and_mails_everybody() {
    let desk = Desk::open(|config| {
        let unfriendly = Switches::pessimistic();
        config.switches.bulk_mail_sends_mail = unfriendly.bulk_mail_sends_mail;
        config.switches.bulk_fires_triggers = unfriendly.bulk_fires_triggers;
        config.switches.bulk_customer_creator = unfriendly.bulk_customer_creator;
        config.switches.bulk_disabled_agent_creator = CreatorRule::Replaced;
        config.switches.bulk_keeps_case_dates = unfriendly.bulk_keeps_case_dates;
        config.switches.bulk_keeps_post_dates = unfriendly.bulk_keeps_post_dates;
    })
    .await;
    let case = inserted(&desk, thread(&desk).await).await;
    let who: Vec<_> = case.posts.iter().map(|post| post.creator.email.clone().unwrap()).collect();
    assert_eq!(who, ["admin@acme.example", "eve@acme.example", "admin@acme.example"]);
    let now = at("2026-01-05T08:00:00Z");
    assert_eq!((case.created_at, case.updated_at, case.posts[1].created_at), (now, now, now));
    let causes: Vec<Cause> = desk.account.mails().iter().map(|mail| mail.cause).collect();
    assert_eq!(causes, [Cause::BulkPost, Cause::BulkPost, Cause::Trigger]);
}

#[tokio::test]
async fn a_refused_creator_is_told_with_its_place() {
    let desk = Desk::open(|config| config.switches.bulk_disabled_agent_creator = CreatorRule::Refused).await;
    let case = thread(&desk).await;
    let job = desk.bulk("cases", &[case], true).await;
    let error = desk.job(job).await["errors"][0].clone();
    assert_eq!(
        (&error["code"], &error["pointer"]),
        (&json!("FIELD_INVALID"), &json!("cases/0/posts/1/creator_id"))
    );
    assert_eq!(desk.account.counts().cases, 0);
}

#[tokio::test]
async fn a_backdated_open_case_meets_a_monitor() {
    let desk = Desk::open(|config| config.switches.bulk_fires_triggers = true).await;
    desk.put("triggers/1", json!({"is_enabled": false})).await.data(200);
    inserted(&desk, thread(&desk).await).await;
    let mails = desk.account.mails();
    assert_eq!(
        (mails.len(), mails[0].cause, mails[0].to.as_str()),
        (1, Cause::Monitor, "ann@customers.example")
    );
}

#[tokio::test]
async fn single_cases_and_replies_mail_and_are_by_oneself_now() {
    let desk = Desk::open(|_| {}).await;
    for id in [1, 2] {
        desk.put(&format!("triggers/{id}"), json!({"is_enabled": false})).await.data(200);
    }
    let ann = desk.customer("ann").await;
    let missing = json!({"subject": "S", "contents": "C", "requester_id": ann, "channel": "MAIL"});
    let refused = desk.post("cases", missing).await;
    assert_eq!(
        (refused.code(), &refused.body["errors"][0]["parameter"]),
        ("FIELD_INVALID", &json!("channel"))
    );
    let body = json!({"subject": "S", "contents": "C", "requester_id": ann, "creator_id": ann, "channel": "MAIL", "channel_id": 1,
        "channel_options": {"cc": "carl@x.example"}, "created_at": "2020-01-01T00:00:00Z", "client_id": "first"});
    let id = desk.post("cases", body).await.id(201);
    let to: Vec<_> = desk.account.mails().into_iter().map(|mail| (mail.to, mail.cause)).collect();
    assert_eq!(
        to,
        [("ann@customers.example".to_owned(), Cause::Message), ("carl@x.example".to_owned(), Cause::Message)]
    );
    desk.account.clear_mails();

    let note = json!({"contents": "<p onclick=x()>hi</p>", "channel": "NOTE", "channel_options": {"html": true}, "client_id": "c-1"});
    let reply = desk.post(&format!("cases/{id}/reply"), note).await.data(201);
    assert_eq!(
        (&reply["posts"][0]["client_id"], &reply["posts"][0]["contents"]),
        (&json!("c-1"), &json!("<p>hi</p>"))
    );
    assert_eq!(desk.account.mails(), []);
    let with_cc = json!({"contents": "x", "channel": "NOTE", "channel_options": {"cc": "a@x.example"}});
    assert_eq!(
        desk.post(&format!("cases/{id}/reply"), with_cc).await.body["errors"][0]["parameter"],
        "channel_options"
    );
    desk.post(&format!("cases/{id}/reply"), json!({"contents": "x", "channel": "MAIL", "channel_id": 1}))
        .await
        .data(201);
    assert_eq!(desk.account.mails().len(), 1);

    let case = desk.account.cases(0, 1).remove(0);
    assert_eq!(case.created_at, at("2026-01-05T08:00:00Z"));
    assert!(case.posts.iter().all(|post| post.creator.email.as_deref() == Some("admin@acme.example")));
    let posts = desk.get(&format!("cases/{id}/posts?filters=ALL")).await;
    let order: Vec<_> = posts.list().iter().map(|post| post["id"].as_u64().unwrap()).collect();
    assert_eq!(order, [3, 2, 1], "newest first");
    assert_eq!(desk.get(&format!("cases/{id}/posts?filters=NOTES")).await.body["total_count"], 1);
}

#[tokio::test]
async fn long_threads_are_read_in_pages_towards_the_oldest() {
    let desk = Desk::open(|_| {}).await;
    let ann = desk.customer("ann").await;
    let mut case = Desk::case("acme:case:1", ann);
    case["posts"] = (0..24).map(|n| json!({"channel": "NOTE", "contents": format!("n{n}")})).collect();
    desk.bulk("cases", &[case], true).await;
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = desk.get(&format!("cases/1/posts?{after}")).await;
        assert_eq!(page.body["total_count"], 25);
        let ids: Vec<u64> = page.list().iter().map(|post| post["id"].as_u64().unwrap()).collect();
        let Some(last) = ids.last() else { break };
        after = format!("after_id={last}");
        seen.extend(ids);
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<u64>>());
}

#[tokio::test]
async fn final_statuses_and_replies_to_closed_cases_follow_the_switches() {
    let desk = Desk::open(|config| {
        config.switches.create_final_status = FinalStatusRule::BecomesOpen;
        config.switches.reply_to_closed_refused = true;
    })
    .await;
    let ann = desk.customer("ann").await;
    let closed = desk.status("CLOSED").await;
    let mut case = Desk::case("acme:case:1", ann);
    case["status_id"] = json!(closed);
    assert_eq!(inserted(&desk, case.clone()).await.status, "Open");
    desk.put("cases/1", json!({"status_id": closed})).await.data(200);
    let refused = desk.post("cases/1/reply", json!({"contents": "x", "channel": "NOTE"})).await;
    assert_eq!((refused.status, refused.code()), (403, "RESOURCE_ACTION_NOT_AVAILABLE"));

    desk.account.set_switches(Switches::friendly());
    assert_eq!(inserted(&desk, case).await.status, "Closed");
    assert_eq!(desk.post("cases/1/reply", json!({"contents": "x", "channel": "NOTE"})).await.status, 201);
}

#[tokio::test]
async fn limits_of_a_case_follow_the_switches() {
    let desk = Desk::open(|config| {
        config.switches.max_posts_per_bulk_case = 2;
        config.switches.agent_must_be_in_team = true;
        config.switches.body_limit_bytes = 4_096;
    })
    .await;
    let case = thread(&desk).await;
    let job = desk.bulk("cases", &[case], true).await;
    assert_eq!(desk.job(job).await["errors"][0]["parameter"], "posts");
    let team = desk.post("teams", json!({"title": "Other"})).await.id(201);
    let ann = desk.customer("bea").await;
    let body = json!({"subject": "S", "contents": "C", "requester_id": ann, "channel": "NOTE", "assigned_team_id": team,
        "assigned_agent_id": 1});
    assert_eq!(desk.post("cases", body).await.body["errors"][0]["parameter"], "assigned_agent_id");
    let large =
        json!({"subject": "S", "contents": "C".repeat(5_000), "requester_id": ann, "channel": "NOTE"});
    let refused = desk.post("cases", large).await;
    assert_eq!((refused.status, refused.body), (413, Value::Null), "a proxy's answer, not JSON");
}

#[tokio::test]
async fn the_list_runs_backwards_by_last_change_and_filters() {
    let desk = Desk::open(|_| {}).await;
    let ann = desk.customer("ann").await;
    for n in 1..=3 {
        let mut case = Desk::case(&format!("acme:case:{n}"), ann);
        case["tags"] = json!(format!("t{n}"));
        case["priority_id"] = json!(n);
        desk.bulk("cases", &[case], true).await;
    }
    desk.put("cases/2", json!({"subject": "changed"})).await.data(200);
    let listed = desk.get("cases").await;
    let order: Vec<_> = listed.list().iter().map(|case| case["id"].as_u64().unwrap()).collect();
    assert_eq!(order, [2, 3, 1]);
    for (filter, count) in
        [("tags=t2", 1), ("status=NEW", 3), ("status=CLOSED", 0), ("priority=2", 2), ("ids=1,3", 2)]
    {
        assert_eq!(desk.get(&format!("cases?{filter}")).await.body["total_count"], count, "{filter}");
    }
    let mine = desk.get("cases?identity_type=EMAIL&identity_value=ann@customers.example").await;
    assert_eq!(mine.body["total_count"], 3);
    assert_eq!(desk.get(&format!("users/{ann}/cases?status=NEW")).await.body["total_count"], 3);
}
