//! A look-up never says "absent" without proof, whatever the account does with pages and id lists.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use kayako::{Case, Client, LegacyCollection, Lookup, LookupBatch, OpenGate, User};

use crate::responder::{Reply, Responder, Seen};

/// How an account can answer look-ups.
#[derive(Debug, Clone)]
struct Habits {
    /// The largest page it gives.
    max_limit: usize,
    /// It looks at so many ids and ignores the rest without a word.
    max_ids: usize,
    /// It counts right, but pages after the first stay empty.
    later_pages_are_empty: bool,
    tells_count: bool,
    ignores_filter: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            max_limit: 1_000,
            max_ids: usize::MAX,
            later_pages_are_empty: false,
            tells_count: true,
            ignores_filter: false,
        }
    }
}

fn page(seen: &Seen, habits: &Habits, found: &[Value]) -> Reply {
    // Kayako's default page is 10.
    let number = |name| seen.query(name).map(|value| value.parse::<usize>().unwrap());
    let (limit, offset) =
        (number("limit").unwrap_or(10).min(habits.max_limit), number("offset").unwrap_or(0));
    let empty = habits.later_pages_are_empty && offset > 0;
    let items: Vec<&Value> = found.iter().skip(offset).take(if empty { 0 } else { limit }).collect();
    let mut answer = json!({"status": 200, "data": items, "offset": offset, "limit": limit});
    if habits.tells_count {
        answer["total_count"] = json!(found.len());
    }
    Reply::json(200, &answer)
}

fn look_up(seen: &Seen, habits: &Habits, objects: &[Value]) -> Reply {
    let asked: Vec<&str> = seen.query("legacy_ids").unwrap().split(',').take(habits.max_ids).collect();
    let found: Vec<Value> = objects
        .iter()
        .filter(|object| habits.ignores_filter || asked.contains(&object["legacy_id"].as_str().unwrap()))
        .cloned()
        .collect();
    page(seen, habits, &found)
}

async fn account(habits: Habits, objects: Vec<Value>) -> Responder {
    Responder::with_login(move |seen| look_up(seen, &habits, &objects)).await
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("zendesk-acme:case:{n}")).collect()
}

fn objects(range: std::ops::Range<usize>) -> Vec<Value> {
    range
        .map(|n| json!({"id": n + 1, "legacy_id": format!("zendesk-acme:case:{n}"), "state": "ACTIVE"}))
        .collect()
}

async fn cases(client: &Client, ids: &[String]) -> LookupBatch<Case> {
    client.cases_by_legacy_ids(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap()
}

fn count(batch: &LookupBatch<Case>) -> (usize, usize, usize) {
    batch.iter().fold((0, 0, 0), |(found, absent, unknown), (_, finding)| match finding.active {
        Lookup::Found(_) => (found + 1, absent, unknown),
        Lookup::Absent => (found, absent + 1, unknown),
        Lookup::Unknown => (found, absent, unknown + 1),
    })
}

#[tokio::test]
async fn two_hundred_ids_are_found_whatever_page_the_account_gives() {
    for max_limit in [1_000, 50, 10, 7] {
        let responder = account(Habits { max_limit, ..Habits::default() }, objects(0..200)).await;
        let batch = cases(&responder.client(), &ids(0..200)).await;
        assert_eq!(count(&batch), (200, 0, 0), "pages of {max_limit}");
        for call in responder.seen().iter().filter(|seen| !seen.is_login()) {
            assert!(call.query("limit").is_some(), "the default page is 10");
        }
    }
}

#[tokio::test]
async fn present_and_absent_ids_are_told_apart() {
    let responder = account(Habits::default(), objects(0..100)).await;
    let batch = cases(&responder.client(), &ids(50..150)).await;
    assert_eq!(count(&batch), (50, 50, 0));
    assert!(batch.get("zendesk-acme:case:149").unwrap().active.is_absent());
    assert!(batch.get("zendesk-acme:case:50").unwrap().active.found()[0].id.get() == 51);
    assert!(batch.get("never asked").is_none());
}

#[tokio::test]
async fn a_short_page_is_unknown_and_never_absent() {
    let habits = Habits { max_limit: 10, later_pages_are_empty: true, ..Habits::default() };
    let responder = account(habits, objects(0..200)).await;
    let (found, absent, unknown) = count(&cases(&responder.client(), &ids(0..200)).await);
    assert_eq!(absent, 0);
    assert_eq!(found + unknown, 200);
    assert!(unknown > 0);
}

#[tokio::test]
async fn without_a_count_nothing_is_absent() {
    let responder = account(Habits { tells_count: false, ..Habits::default() }, objects(0..3)).await;
    assert_eq!(count(&cases(&responder.client(), &ids(0..6)).await), (3, 0, 3));
}

#[tokio::test]
async fn an_account_that_ignores_the_tail_of_the_list_is_found_out() {
    for max_ids in [1, 2, 7, 20, 49] {
        let responder = account(Habits { max_ids, ..Habits::default() }, objects(0..200)).await;
        let client = responder.client();
        let batch = cases(&client, &ids(0..210)).await;
        assert_eq!(count(&batch), (200, 10, 0), "looks at {max_ids} ids");
        let doubles = batch.iter().filter(|(_, finding)| finding.active.found().len() > 1).count();
        assert_eq!(doubles, 0, "the witness must not look like a double");
    }
}

#[tokio::test]
async fn a_witness_told_at_the_start_guards_the_first_look_up() {
    // Present ids stand behind absent ones, where an account that looks at 7 does not see them.
    let responder = account(Habits { max_ids: 7, ..Habits::default() }, objects(0..20)).await;
    let client = responder.client();
    client.know_legacy_id(LegacyCollection::Cases, "zendesk-acme:case:0");
    let asked: Vec<String> = ids(100..130).into_iter().chain(ids(10..20)).collect();
    assert_eq!(count(&cases(&client, &asked).await), (10, 30, 0));
}

#[tokio::test]
async fn a_witness_that_was_deleted_does_not_block_look_ups() {
    let deleted = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&deleted);
    let responder = Responder::with_login(move |seen| {
        let left = if gone.load(Ordering::SeqCst) { Vec::new() } else { objects(0..1) };
        look_up(seen, &Habits::default(), &left)
    })
    .await;
    let client = responder.client();
    assert_eq!(count(&cases(&client, &ids(0..1)).await), (1, 0, 0));
    deleted.store(true, Ordering::SeqCst);
    assert_eq!(count(&cases(&client, &ids(1..30)).await), (0, 29, 0));
}

#[tokio::test]
async fn a_filter_that_is_ignored_proves_nothing() {
    let responder =
        account(Habits { ignores_filter: true, ..Habits::default() }, objects(1_000..9_000)).await;
    assert_eq!(count(&cases(&responder.client(), &ids(0..20)).await), (0, 0, 20));
}

#[tokio::test]
async fn doubles_and_trash_are_told() {
    let objects = vec![
        json!({"id": 1, "legacy_id": "a", "state": "ACTIVE"}),
        json!({"id": "2", "legacy_id": "a", "state": "ACTIVE"}),
        json!({"id": 3, "legacy_id": "b", "state": "TRASH"}),
        json!({"id": 4, "legacy_id": "c", "state": "SUSPENDED"}),
    ];
    let responder = account(Habits::default(), objects).await;
    let batch = cases(&responder.client(), &["a".into(), "b".into(), "c".into(), "a".into()]).await;
    assert_eq!(batch.len(), 3);
    assert_eq!(batch.get("a").unwrap().active.found().len(), 2);
    for id in ["b", "c"] {
        assert!(batch.get(id).unwrap().active.is_absent());
        assert_eq!(batch.get(id).unwrap().inactive.len(), 1);
    }
}

#[tokio::test]
async fn an_id_that_would_be_two_is_refused_before_it_is_sent() {
    let responder = account(Habits::default(), Vec::new()).await;
    assert!(responder.client().cases_by_legacy_ids(&["a,b"]).await.is_err());
    assert!(responder.seen().is_empty());
}

/// Users `0..known`, each with one address in other letters than asked.
async fn people(habits: Habits, known: usize, stubs: bool) -> Responder {
    Responder::with_login(move |seen| {
        let address = |n: usize| format!("Person{n}@Example.com");
        if seen.path.ends_with("/identities/emails") {
            let n: usize = seen.query("user_id").unwrap().parse::<usize>().unwrap() - 1;
            let email = json!({"id": n + 5_000, "email": address(n)});
            return page(seen, &Habits::default(), &[email]);
        }
        let propositions = &seen.json()["predicates"]["collections"][0]["propositions"];
        let asked: Vec<String> = propositions
            .as_array()
            .unwrap()
            .iter()
            .map(|proposition| {
                assert_eq!(proposition["field"], "identityemails.address");
                assert_eq!(proposition["operator"], "comparison_equalto");
                proposition["value"].as_str().unwrap().to_lowercase()
            })
            .collect();
        let found: Vec<Value> = (0..known)
            .filter(|n| asked.contains(&address(*n).to_lowercase()))
            .map(|n| {
                let mut email = json!({"id": n + 5_000, "resource_type": "identity_email"});
                if !stubs {
                    email["email"] = json!(address(n));
                }
                json!({"id": n + 1, "full_name": "Ann", "emails": [email]})
            })
            .collect();
        page(seen, &habits, &found)
    })
    .await
}

async fn by_emails(client: &Client, count: usize) -> LookupBatch<User> {
    let emails: Vec<String> = (0..count).map(|n| format!("person{n}@example.com")).collect();
    client.users_by_emails(&emails.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap()
}

#[tokio::test]
async fn two_hundred_e_mails_are_looked_up_in_one_call() {
    let responder = people(Habits::default(), 60, false).await;
    let batch = by_emails(&responder.client(), 200).await;
    for (email, finding) in batch.iter() {
        let n: u64 = email["person".len()..email.find('@').unwrap()].parse().unwrap();
        match &finding.active {
            Lookup::Found(users) => assert_eq!((users.len(), users[0].id.get()), (1, n + 1)),
            Lookup::Absent => assert!(n >= 60, "{email}"),
            Lookup::Unknown => panic!("{email} is unknown"),
        }
    }
    assert_eq!(batch.len(), 200);
    assert_eq!(responder.calls("POST", "/users/filter"), 1);
}

#[tokio::test]
async fn short_pages_of_an_e_mail_filter_are_followed_or_unknown() {
    let responder = people(Habits { max_limit: 10, ..Habits::default() }, 60, false).await;
    let batch = by_emails(&responder.client(), 200).await;
    assert_eq!(batch.iter().filter(|(_, finding)| finding.active.is_absent()).count(), 140);
    let habits = Habits { max_limit: 10, later_pages_are_empty: true, ..Habits::default() };
    let responder = people(habits, 60, false).await;
    let batch = by_emails(&responder.client(), 200).await;
    assert_eq!(batch.iter().filter(|(_, finding)| finding.active.is_absent()).count(), 0);
}

#[tokio::test]
async fn addresses_that_come_as_stubs_are_asked_for() {
    let responder = people(Habits::default(), 3, true).await;
    let batch = by_emails(&responder.client(), 5).await;
    assert_eq!(batch.iter().filter(|(_, finding)| !finding.active.found().is_empty()).count(), 3);
    assert_eq!(responder.calls("GET", "/identities/emails"), 3);
}

#[tokio::test]
async fn the_request_line_stays_short_enough_for_proxies() {
    let responder = account(Habits::default(), Vec::new()).await;
    let mut config = responder.config();
    config.legacy_ids_per_lookup = 200;
    let client = Client::new(config, Arc::new(OpenGate)).unwrap();
    let long: Vec<String> = (0..200).map(|n| format!("{n:0>64}")).collect();
    assert_eq!(count(&cases(&client, &long).await), (0, 200, 0));
    for call in responder.seen().iter().filter(|seen| !seen.is_login()) {
        assert!(call.query("legacy_ids").unwrap().len() < 6_000);
    }
}
