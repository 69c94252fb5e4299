//! Documents, locks, natural keys, secrets, budgets.

use std::time::Duration;

use ledger::{Conflict, NaturalKey};
use model::Kind;
use serde_json::json;

use crate::stores::{TestStore, case, user};

crate::on_both_stores!(
    documents_change_by_compare_and_set,
    a_lock_has_one_holder_at_a_time,
    a_natural_key_has_one_owner,
    secrets_come_back_as_they_were_stored,
    a_budget_is_shared_and_stops_for_all,
    destroying_leaves_others_alone,
);

async fn documents_change_by_compare_and_set(store: &TestStore) {
    let ledger = &store.ledger;
    let read = async |name| ledger.document::<serde_json::Value>(name).await.unwrap();
    assert_eq!(read("run/1").await, None);
    let first =
        ledger.put_document("run/1", None, &json!({"n": 1, "text": "ä \" \u{0}"})).await.unwrap().unwrap();
    assert_eq!(ledger.put_document("run/1", None, &json!({})).await.unwrap(), Err(Conflict));
    let second = ledger.put_document("run/1", Some(first), &json!({"n": 2})).await.unwrap().unwrap();
    assert!(second > first);
    assert_eq!(ledger.put_document("run/1", Some(first), &json!({"n": 3})).await.unwrap(), Err(Conflict));
    assert_eq!(read("run/1").await, Some((second, json!({"n": 2}))));
    for name in ["run/2", "plan/x", "run%", "run/10"] {
        ledger.put_document(name, None, &json!(name)).await.unwrap().unwrap();
    }
    let names = async |prefix| -> Vec<String> {
        let found = ledger.documents::<serde_json::Value>(prefix).await.unwrap();
        found.into_iter().map(|(name, _, _)| name).collect()
    };
    assert_eq!(names("run/").await, ["run/1", "run/10", "run/2"]);
    assert_eq!(names("").await.len(), 5);
    assert_eq!(names("nothing").await, Vec::<String>::new());
    let error = ledger.document::<u32>("run/1").await.unwrap_err();
    assert!(error.to_string().contains("run/1"), "{error}");
}

async fn a_lock_has_one_holder_at_a_time(store: &TestStore) {
    let (one, two) = (&store.ledger, store.attach().await);
    let long = Duration::from_mins(1);
    let held = one.try_lock("leader", "a", long).await.unwrap().unwrap();
    assert_eq!(two.try_lock("leader", "b", long).await.unwrap(), None);
    assert_eq!(one.try_lock("leader", "a", long).await.unwrap(), None, "not even its holder gets it twice");
    assert!(two.try_lock("other", "b", long).await.unwrap().is_some());
    assert!(one.renew_lock(&held, long).await.unwrap());
    assert!(one.unlock(&held).await.unwrap());
    assert!(!one.unlock(&held).await.unwrap() && !one.renew_lock(&held, long).await.unwrap());

    let short = Duration::from_millis(20);
    let lost = two.try_lock("leader", "b", short).await.unwrap().unwrap();
    assert!(lost.fence > held.fence);
    store.pass(short).await;
    assert!(!two.renew_lock(&lost, long).await.unwrap(), "an ended lock cannot be renewed");
    let taken = one.try_lock("leader", "a", long).await.unwrap().unwrap();
    assert!(!two.unlock(&lost).await.unwrap(), "nobody frees another one's lock");
    assert!(one.renew_lock(&taken, long).await.unwrap());
}

async fn a_natural_key_has_one_owner(store: &TestStore) {
    let secret = [3; 32];
    let key = |value: &str| NaturalKey::new(&secret, Kind::User, value);
    let (anna, bert) = (key("anna@example.com"), key("bert@example.com"));
    assert_ne!(anna, NaturalKey::new(&[4; 32], Kind::User, "anna@example.com"), "the hash is keyed");
    assert!(!format!("{anna:?}").contains("anna"));
    let long = model::RecordKey::new(Kind::User, "y".repeat(100).as_str());
    let domain = NaturalKey { kind: Kind::Organization, ..anna };
    let claims = [(anna, user(1)), (bert, user(2)), (anna, user(3)), (domain, long.clone())];
    let ledger = &store.ledger;
    assert_eq!(ledger.claim_natural(&claims).await.unwrap(), [user(1), user(2), user(1), long.clone()]);
    assert_eq!(store.attach().await.claim_natural(&[(domain, case(9))]).await.unwrap(), [long]);

    // Many at once, for the same keys: one owner each.
    let keys: Vec<NaturalKey> = (0..20).map(|n| key(&format!("{n}@example.com"))).collect();
    let claimants = (100..110).map(|n| {
        let (ledger, keys) = (ledger.clone(), keys.clone());
        tokio::spawn(async move {
            let claims: Vec<_> = keys.into_iter().map(|key| (key, user(n))).collect();
            ledger.claim_natural(&claims).await.unwrap()
        })
    });
    let mut owners = Vec::new();
    for claimant in claimants.collect::<Vec<_>>() {
        owners.push(claimant.await.unwrap());
    }
    assert!(owners.iter().all(|answer| *answer == owners[0]), "they disagree about the owners");
}

async fn secrets_come_back_as_they_were_stored(store: &TestStore) {
    let ledger = &store.ledger;
    assert_eq!(ledger.sealed("source").await.unwrap(), None);
    for sealed in [&[0u8, 255, 10, 13, 0][..], b"", &[7; 3000]] {
        ledger.put_sealed("source", sealed).await.unwrap();
        assert_eq!(ledger.sealed("source").await.unwrap().as_deref(), Some(sealed));
    }
}

async fn a_budget_is_shared_and_stops_for_all(store: &TestStore) {
    let (one, two) = (&store.ledger, store.attach().await);
    assert_eq!(one.take("acme/cases", 1_000, None).await.unwrap().granted, 1_000, "no limit is known");
    // One a second, shared by all processes: eight calls would take a slow machine seven seconds.
    let mut granted = 0;
    for ledger in [one, &two, one, &two] {
        granted += ledger.take("acme/users", 2, Some(60)).await.unwrap().granted;
    }
    if store.url.starts_with("sqlite") {
        assert_eq!(granted, 1, "time stands still, so the first call is all there is");
    }
    assert!(granted < 8, "all of it was granted at once");
    let grant = two.take("acme/users", 100, Some(60)).await.unwrap();
    assert!(grant.granted < 100 && grant.wait > Duration::ZERO);

    let until = one.now().await.unwrap().plus(Duration::from_secs(59));
    one.throttle("acme/cases", until).await.unwrap();
    let grant = two.take("acme/cases", 1, None).await.unwrap();
    assert!(grant.granted == 0 && grant.wait > Duration::from_secs(30), "{grant:?}");
    let budget = two.budget("acme/cases").await.unwrap().unwrap();
    assert_eq!(budget.stopped_until, until);
    assert!(budget.learned_per_minute.is_some());
    assert_eq!(two.budget("acme/nothing").await.unwrap(), None);
}

async fn destroying_leaves_others_alone(store: &TestStore) {
    let other =
        if store.url.starts_with("sqlite") { TestStore::sqlite().await } else { TestStore::redis().await };
    crate::stores::queue(&other.ledger, model::RunNo(1), &[case(1)]).await;
    crate::stores::queue(&store.ledger, model::RunNo(1), &[case(1)]).await;
    let gone = if store.url.starts_with("sqlite") { None } else { Some(store.ledger.clone()) };
    store.ledger.destroy().await.unwrap();
    if let Some(gone) = gone {
        let error = gone.row(&case(1)).await.unwrap_err();
        assert!(matches!(error, ledger::Error::Empty { .. }), "{error}");
    }
    assert!(other.ledger.row(&case(1)).await.unwrap().is_some());
    other.clear().await;
    // The suite clears once more: make something to clear.
    let options = ledger::OpenOptions { access: ledger::Access::Beside, ..store.options.clone() };
    ledger::Ledger::open(&store.url, &crate::stores::migration(), options).await.unwrap();
}
