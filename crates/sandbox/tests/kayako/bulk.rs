//! Bulk inserts, jobs, look-ups by legacy id.

use sandbox::kayako::{JobResults, LongLegacyIdRule, Switches};
use serde_json::{Value, json};

use crate::desk::Desk;

fn user(role: u64, n: u32) -> Value {
    json!({"full_name": format!("U{n}"), "role_id": role, "email": format!("u{n}@x.example"), "legacy_id": format!("acme:user:{n}")})
}

#[tokio::test]
async fn partial_import_inserts_the_valid_and_tells_of_the_others() {
    let desk = Desk::open(|config| config.switches.job_results = JobResults::Records).await;
    let role = desk.role("CUSTOMER").await;
    let mut users = vec![user(role, 1), user(role, 2), user(role, 3)];
    users[1]["email"] = json!("U1@X.EXAMPLE");
    let job = desk.bulk("users", &users, true).await;
    let job = desk.job(job).await;
    assert_eq!(job["status"], "COMPLETED");
    let expected = json!({"code": "FIELD_DUPLICATE", "parameter": "email", "pointer": "users/1/email", "legacy_id": "acme:user:2"});
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&job["errors"][0][name], value);
    }
    assert_eq!(job["invalid_records"], json!([users[1]]));
    assert_eq!(desk.get("users?legacy_ids=acme:user:1,acme:user:2,acme:user:3").await.body["total_count"], 2);
}

#[tokio::test]
async fn without_partial_import_one_bad_record_drops_the_batch() {
    let desk = Desk::open(|config| config.switches.bulk_validates_at_once = false).await;
    let role = desk.role("CUSTOMER").await;
    let users = [user(role, 1), json!({"full_name": "No role"}), user(role, 1)];
    let job = desk.bulk("users", &users, false).await;
    let job = desk.job(job).await;
    assert_eq!(job["status"], "FAILED");
    let codes: Vec<&str> =
        job["errors"].as_array().unwrap().iter().map(|error| error["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["FIELD_REQUIRED", "FIELD_DUPLICATE"]);
    assert_eq!(desk.account.counts().users, 1);

    desk.account.set_switches(Switches::friendly());
    let refused = desk.post("bulk/users", json!({"users": users})).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["pointer"]), (400, &json!("users/1/role_id")));
    let good = desk.bulk("users", &[user(role, 1), user(role, 2)], false).await;
    assert_eq!(desk.job(good).await["status"], "COMPLETED");
    assert_eq!(desk.account.counts().users, 3);
}

#[tokio::test]
async fn a_job_waits_runs_and_ends_and_its_items_appear_one_by_one() {
    let desk = Desk::open(|config| {
        config.switches.job_pending_ms = 100;
        config.switches.job_base_ms = 50;
        config.switches.job_item_ms = 10;
        config.switches.job_results = JobResults::Nothing;
    })
    .await;
    let role = desk.role("CUSTOMER").await;
    let users: Vec<_> = (0..10).map(|n| user(role, n)).collect();
    let job = desk.bulk("users", &users, true).await;
    let status = async || desk.job(job).await["status"].as_str().unwrap().to_owned();
    assert_eq!(status().await, "PENDING");
    desk.wait_ms(100);
    assert_eq!((status().await.as_str(), desk.account.counts().users), ("RUNNING", 1));
    desk.wait_ms(85);
    assert_eq!((status().await.as_str(), desk.account.counts().users), ("RUNNING", 4));
    desk.wait_ms(65);
    assert_eq!((status().await.as_str(), desk.account.counts().users), ("COMPLETED", 11));
    assert_eq!(desk.job(job).await.get("errors"), None);
}

#[tokio::test]
async fn jobs_queue_for_workers_and_can_die() {
    let desk = Desk::open(|config| {
        config.switches.job_workers = 1;
        config.switches.job_item_ms = 100;
        config.switches.job_dies_every = 2;
    })
    .await;
    let role = desk.role("CUSTOMER").await;
    let first = desk.bulk("users", &[user(role, 1), user(role, 2)], true).await;
    let second = desk.bulk("users", &[user(role, 3), user(role, 4)], true).await;
    desk.wait_ms(200);
    assert_eq!(desk.job(first).await["status"], "COMPLETED");
    assert_eq!(desk.account.counts().users, 3);
    desk.wait_ms(200);
    assert_eq!(desk.job(second).await["status"], "FAILED");
    assert_eq!(desk.account.counts().users, 4, "half of the second job's items are there all the same");
}

#[tokio::test]
async fn jobs_can_hang_and_pass_over_items_without_a_word() {
    let desk = Desk::open(|config| config.switches.job_hangs_every = 2).await;
    let role = desk.role("CUSTOMER").await;
    let users = |from: u32| [user(role, from), user(role, from + 1)];
    let first = desk.bulk("users", &users(1), true).await;
    let second = desk.bulk("users", &users(3), true).await;
    desk.wait(3_600);
    assert_eq!(desk.job(first).await["status"], "COMPLETED");
    assert_eq!(desk.job(second).await["status"], "RUNNING");
    assert_eq!(
        (desk.account.counts().users, desk.account.hanging_jobs()),
        (4, 1),
        "half of the second job's items"
    );

    desk.account.set_switches(Switches { job_passes_over_every: 5, ..Switches::friendly() });
    let third = desk.bulk("users", &users(5), true).await;
    let job = desk.job(third).await;
    assert_eq!((&job["status"], &job["errors"]), (&json!("COMPLETED"), &json!([])));
    // Counted over all jobs: three items were carried out before, this one's second is the fifth.
    assert_eq!(desk.account.counts().users, 5);
}

#[tokio::test]
async fn jobs_are_forgotten_after_a_while() {
    let desk = Desk::open(|config| config.switches.job_retention_minutes = 10).await;
    let job = desk.bulk("teams", &[json!({"title": "T"})], true).await;
    desk.wait(600);
    assert_eq!(desk.job(job).await["status"], "COMPLETED");
    desk.wait(601);
    assert_eq!(desk.get(&format!("jobs/{job}")).await.status, 404);
}

#[tokio::test]
async fn at_most_two_hundred_items() {
    let desk = Desk::open(|_| {}).await;
    let teams: Vec<_> = (0..201).map(|n| json!({"title": format!("T{n}")})).collect();
    let refused = desk.post("bulk/teams?partial_import=true", json!({"teams": teams})).await;
    assert_eq!((refused.status, refused.code()), (400, "PARAMETER_INVALID"));
    assert_eq!(desk.post("bulk/teams", json!({})).await.code(), "FIELD_REQUIRED");
    assert_eq!(desk.post("bulk/comets", json!({"comets": []})).await.status, 404);
}

#[tokio::test]
async fn new_objects_appear_late_in_look_ups_but_at_once_by_id() {
    let desk = Desk::open(|config| config.switches.visibility_delay_ms = 500).await;
    let ann = desk.customer("ann").await;
    let by_email = json!({"predicates": {"collection_operator": "OR", "collections": [{"proposition_operator": "AND", "propositions":
        [{"field": "identityemails.address", "operator": "comparison_equalto", "value": "ann@customers.example"}]}]}});
    let seen = async || {
        let listed = desk.get("users?legacy_ids=acme:user:ann").await.body["total_count"].as_u64();
        (listed, desk.post("users/filter", by_email.clone()).await.body["total_count"].as_u64())
    };
    assert_eq!(seen().await, (Some(0), Some(0)));
    assert_eq!(desk.get(&format!("users/{ann}")).await.status, 200);
    desk.wait_ms(500);
    assert_eq!(seen().await, (Some(1), Some(1)));
}

#[tokio::test]
async fn a_legacy_id_may_name_several_objects_or_only_one() {
    let desk = Desk::open(|_| {}).await;
    let ann = desk.customer("ann").await;
    for _ in 0..2 {
        desk.bulk("cases", &[Desk::case("acme:case:1", ann)], true).await;
    }
    assert_eq!(desk.get("cases?legacy_ids=acme:case:1").await.body["total_count"], 2);
    desk.account.set_switches(Switches { legacy_id_unique: true, ..Switches::friendly() });
    let job = desk.bulk("cases", &[Desk::case("acme:case:1", ann)], true).await;
    assert_eq!(desk.job(job).await["errors"][0]["code"], "RESOURCE_EXISTS");
}

#[tokio::test]
async fn long_legacy_ids_are_refused_or_cut() {
    let desk = Desk::open(|config| config.switches.legacy_id_max_length = 8).await;
    assert_eq!(
        desk.post("teams", json!({"title": "T", "legacy_id": "123456789"})).await.code(),
        "FIELD_INVALID"
    );
    let switches = Switches { legacy_id_too_long: LongLegacyIdRule::Cut, ..desk.account.switches() };
    desk.account.set_switches(switches);
    assert_eq!(
        desk.post("teams", json!({"title": "T", "legacy_id": "123456789"})).await.data(201)["legacy_id"],
        "12345678"
    );
    assert_eq!(desk.get("teams?legacy_ids=123456789").await.body["total_count"], 0);
}

#[tokio::test]
async fn look_ups_see_the_trash_only_if_the_switch_says_so() {
    let desk = Desk::open(|_| {}).await;
    let ann = desk.customer("ann").await;
    desk.bulk("cases", &[Desk::case("acme:case:1", ann)], true).await;
    let trashed = desk.put("cases/1/trash", json!({})).await.data(200);
    assert_eq!(trashed["state"], "TRASH");
    assert_eq!(desk.get("cases?legacy_ids=acme:case:1").await.body["total_count"], 0);
    desk.account.set_switches(Switches { legacy_ids_see_trash: true, ..Switches::friendly() });
    assert_eq!(desk.get("cases?legacy_ids=acme:case:1").await.list()[0]["state"], "TRASH");
    assert_eq!(desk.get("cases").await.body["total_count"], 0);
    desk.put("cases/1/restore", json!({})).await.data(200);
    assert_eq!(desk.get("cases").await.body["total_count"], 1);
}
