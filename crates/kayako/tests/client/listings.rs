//! A walk through a collection meets every object, also while the list moves, and says so if it cannot.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use kayako::{Client, LegacyCollection};

use crate::responder::{Reply, Responder, Seen};

/// Cases as an account lists them: newest change first.
type Cases = Arc<Mutex<Vec<Value>>>;

fn case(id: usize, changed: usize) -> Value {
    let time = jiff::Timestamp::from_second(1_700_000_000 + i64::try_from(changed).unwrap()).unwrap();
    json!({"id": id, "legacy_id": format!("zendesk-acme:case:{id}"), "state": "ACTIVE",
        "updated_at": time.to_string()})
}

/// `count` cases, of which the last was changed first.
fn cases(count: usize) -> Vec<Value> {
    (0..count).map(|at| case(at + 1, count - at)).collect()
}

fn page(seen: &Seen, cases: &[Value], max_limit: usize) -> Reply {
    let number = |name| seen.query(name).map_or(0, |value| value.parse::<usize>().unwrap());
    let (limit, offset) = (number("limit").min(max_limit), number("offset"));
    let items: Vec<&Value> = cases.iter().skip(offset).take(limit).collect();
    Reply::json(
        200,
        &json!({"status": 200, "data": items, "offset": offset, "limit": limit, "total_count": cases.len()}),
    )
}

async fn account(cases: &Cases, max_limit: usize) -> Responder {
    let cases = Arc::clone(cases);
    Responder::with_login(move |seen| page(seen, &cases.lock().unwrap(), max_limit)).await
}

/// Walks to the end; `between` may change the account after each page.
async fn walked(client: &Client, mut between: impl FnMut(usize)) -> (BTreeSet<u64>, usize, bool) {
    let mut listing = client.listing(LegacyCollection::Cases);
    let (mut met, mut pages, mut came) = (BTreeSet::new(), 0, 0);
    while let Some(page) = listing.page().await.unwrap() {
        came += page.len();
        met.extend(page.iter().map(|listed| listed.id));
        pages += 1;
        assert!(pages < 1_000, "no end");
        between(pages);
    }
    (met, came, listing.is_complete())
}

#[tokio::test]
async fn every_object_comes_once_whatever_page_the_account_gives() {
    let held = Arc::new(Mutex::new(cases(230)));
    for max_limit in [1_000, 100, 50, 10, 7] {
        let responder = account(&held, max_limit).await;
        let (met, came, complete) = walked(&responder.client(), |_| {}).await;
        assert_eq!((met.len(), came, complete), (230, 230, true), "pages of {max_limit}");
    }
}

#[tokio::test]
async fn what_jumps_from_what_is_left_to_what_was_read_is_met_all_the_same() {
    let held = Arc::new(Mutex::new(cases(230)));
    let responder = account(&held, 50).await;
    let (met, _, complete) = walked(&responder.client(), |pages| {
        if pages == 2 {
            let mut held = held.lock().unwrap();
            held.pop();
            held.insert(0, case(230, 1_000));
        }
    })
    .await;
    assert_eq!((met.len(), complete), (230, true));
    let calls = responder.seen().iter().filter(|seen| seen.path == "/api/v1/cases").count();
    assert!(calls <= 7, "{calls} calls: only what was changed since is read again");
}

#[tokio::test]
async fn what_is_removed_hides_nothing_behind_it() {
    let held = Arc::new(Mutex::new(cases(230)));
    let responder = account(&held, 50).await;
    let (met, _, complete) = walked(&responder.client(), |pages| {
        if pages == 2 {
            held.lock().unwrap().drain(0..10);
        }
    })
    .await;
    assert_eq!((met.len(), complete), (230, true));
}

#[tokio::test]
async fn a_list_that_never_stands_still_is_not_said_to_be_whole() {
    let held = Arc::new(Mutex::new(cases(230)));
    let responder = account(&held, 50).await;
    let (_, _, complete) = walked(&responder.client(), |pages| {
        let mut held = held.lock().unwrap();
        for at in 0..60 {
            held.pop();
            held.insert(0, case(1_000 * pages + at, 1_000 * pages + at));
        }
    })
    .await;
    assert!(!complete);
}

#[tokio::test]
async fn an_account_that_counts_more_than_it_shows_is_not_said_to_be_whole() {
    let responder = Responder::with_login(|seen| {
        let items = if seen.query("offset") == Some("0") { cases(50) } else { cases(50)[49..].to_vec() };
        Reply::json(200, &json!({"status": 200, "data": items, "limit": 50, "total_count": 230}))
    })
    .await;
    let (met, _, complete) = walked(&responder.client(), |_| {}).await;
    assert_eq!((met.len(), complete), (50, false));
}
