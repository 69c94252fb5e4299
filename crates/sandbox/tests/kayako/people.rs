//! Users, identities, organizations, teams, custom fields.

use reqwest::Method;
use sandbox::kayako::{Cause, Switches, YesNoFormat};
use serde_json::{Value, json};

use crate::desk::{Desk, Heard};

#[tokio::test]
async fn an_address_belongs_to_one_user_whatever_its_letters_case() {
    let desk = Desk::open(|_| {}).await;
    let ann = desk.customer("ann").await;
    let role = desk.role("CUSTOMER").await;
    let twin = desk
        .post("users", json!({"full_name": "Twin", "role_id": role, "email": "ANN@Customers.Example"}))
        .await;
    assert_eq!(
        (twin.status, twin.code(), &twin.body["errors"][0]["parameter"]),
        (400, "FIELD_DUPLICATE", &json!("email"))
    );
    let bob = desk.customer("bob").await;
    let second =
        desk.post("identities/emails", json!({"user_id": bob, "email": "Ann@customers.example"})).await;
    assert_eq!(second.code(), "FIELD_DUPLICATE");
    let work = json!({"user_id": ann, "email": "ann@work.example", "is_validated": true, "is_notification_enabled": false});
    assert_eq!(desk.post("identities/emails", work).await.status, 201);
    let emails = desk.get(&format!("identities/emails?user_id={ann}")).await;
    assert_eq!(emails.body["total_count"], 2);
    assert_eq!(emails.list()[1]["is_validated"], true);
    assert_eq!(desk.account.users(0, 10)[1].emails[1].address, "ann@work.example");
}

#[tokio::test]
async fn all_problems_of_a_record_are_told_at_once() {
    let desk = Desk::open(|_| {}).await;
    let heard = desk
        .post("users", json!({"role_id": desk.role("AGENT").await, "email": "nonsense", "time_zone": "Mars"}))
        .await;
    let told: Vec<&str> =
        heard.body["errors"].as_array().unwrap().iter().map(|e| e["parameter"].as_str().unwrap()).collect();
    assert_eq!(told, ["full_name", "email", "team_ids", "time_zone"]);
}

#[tokio::test]
async fn post_users_ignores_what_it_does_not_document_if_told_so() {
    let desk = Desk::open(|config| {
        config.switches.post_users_takes_organization = false;
        config.switches.post_users_takes_tags = false;
        config.switches.post_users_takes_is_enabled = false;
    })
    .await;
    let organization = desk.post("organizations", json!({"name": "Acme"})).await.id(201);
    let role = desk.role("CUSTOMER").await;
    let body = json!({"full_name": "A", "role_id": role, "organization_id": organization, "tags": "vip,de", "is_enabled": false});
    let created = desk.post("users?fields=%2Btags", body).await.data(201);
    assert_eq!(
        (&created["organization"], &created["tags"], &created["is_enabled"]),
        (&Value::Null, &json!([]), &json!(true))
    );

    let path = format!("users/{}?fields=%2Btags", created["id"]);
    let changed = desk
        .put(&path, json!({"organization_id": organization, "tags": "vip,de", "is_enabled": false}))
        .await
        .data(200);
    assert_eq!(changed["organization"]["id"], organization);
    assert_eq!((&changed["tags"], &changed["is_enabled"]), (&json!(["vip", "de"]), &json!(false)));
    assert_eq!(
        desk.get(&format!("users/{}", created["id"])).await.body["data"].get("tags"),
        None,
        "not shown by default"
    );
}

#[tokio::test]
async fn many_addresses_are_found_with_one_filter() {
    let desk = Desk::open(|_| {}).await;
    let role = desk.role("CUSTOMER").await;
    let users: Vec<_> = (0..200)
        .map(|n| json!({"full_name": format!("U{n}"), "role_id": role, "email": format!("u{n}@x.example"), "legacy_id": format!("u{n}")}))
        .collect();
    desk.bulk("users", &users, true).await;
    let propositions: Vec<_> = (0..200)
        .map(|n| json!({"field": "identityemails.address", "operator": "comparison_equalto", "value": format!("U{n}@x.example")}))
        .collect();
    let predicates = json!({"predicates": {"collection_operator": "OR",
        "collections": [{"proposition_operator": "OR", "propositions": propositions}]}});
    let silent = desk.post("users/filter", predicates.clone()).await;
    assert_eq!((silent.list().len(), &silent.body["total_count"]), (10, &json!(200)));
    let found = desk.post("users/filter?limit=200&include=identity_email", predicates).await;
    assert_eq!(found.list().len(), 200);
    assert_eq!(found.list()[0]["emails"][0]["email"], "u199@x.example");

    let by_name = json!({"predicates": {"collection_operator": "AND", "collections": [{"proposition_operator": "AND", "propositions": [
        {"field": "users.fullname", "operator": "string_contains_insensitive", "value": "u19"},
        {"field": "roles.type", "operator": "comparison_equalto", "value": 5}]}]}});
    assert_eq!(desk.post("users/filter", by_name).await.body["total_count"], 11);
    let empty = json!({"predicates": {"collection_operator": "AND", "collections": [{"proposition_operator": "AND", "propositions": [
        {"field": "users.legacy_id", "operator": "comparison_equalto", "value": "u1"}]}]}});
    assert_eq!(
        desk.post("users/filter", empty).await.body["total_count"],
        0,
        "legacy_id is no predicate field"
    );
}

#[tokio::test]
async fn natural_keys_of_organizations_and_teams_follow_the_switches() {
    let desk = Desk::open(|config| {
        config.switches.organization_name_unique = true;
        config.switches.organization_domain_joins_users = true;
        config.switches.team_title_unique = true;
    })
    .await;
    let acme =
        desk.post("organizations", json!({"name": "Acme", "domains": "customers.example"})).await.id(201);
    assert_eq!(desk.post("organizations", json!({"name": "ACME"})).await.code(), "FIELD_DUPLICATE");
    let taken = desk.post("organizations", json!({"name": "B", "domains": "customers.example"})).await;
    assert_eq!((taken.code(), &taken.body["errors"][0]["parameter"]), ("FIELD_DUPLICATE", &json!("domains")));
    assert_eq!(desk.post("teams", json!({"title": "general"})).await.code(), "FIELD_DUPLICATE");
    let ann = desk.customer("ann").await;
    assert_eq!(
        desk.get(&format!("users/{ann}")).await.body["data"]["organization"]["id"],
        acme,
        "joined by domain"
    );

    desk.account.set_switches(Switches::friendly());
    assert_eq!(desk.post("organizations", json!({"name": "ACME"})).await.status, 201);
    assert_eq!(desk.post("teams", json!({"title": "general"})).await.status, 201);
}

#[tokio::test]
async fn members_join_and_leave_teams() {
    let desk = Desk::open(|_| {}).await;
    let (agent, customer) = (desk.agent("eve").await, desk.customer("ann").await);
    let team = desk.post("teams", json!({"title": "Second"})).await.id(201);
    let path = format!("teams/{team}/members");
    assert_eq!(desk.post(&path, json!({"agent_ids": agent.to_string()})).await.status, 200);
    assert_eq!(desk.post(&path, json!({"agent_ids": [customer]})).await.code(), "FIELD_INVALID");
    assert_eq!(desk.get(&path).await.list()[0]["id"], agent);
    let gone = desk.request(Method::DELETE, &format!("{path}?agent_ids={agent}")).send().await.unwrap();
    assert_eq!(gone.status().as_u16(), 200);
    assert_eq!(desk.get(&path).await.body["total_count"], 0);
}

#[tokio::test]
async fn field_keys_come_from_titles_and_values_are_checked() {
    let desk = Desk::open(|config| config.switches.yesno_format = YesNoFormat::Words).await;
    let serial =
        desk.post("users/fields", json!({"type": "NUMERIC", "title": "Serial number"})).await.data(201);
    assert_eq!(serial["key"], "serial_number");
    assert_eq!(
        desk.post("users/fields", json!({"type": "TEXT", "title": "Serial Number"})).await.data(201)["key"],
        "serial_number_2"
    );
    desk.post("users/fields", json!({"type": "YESNO", "title": "Happy"})).await.data(201);
    let options = json!([{"values": [{"locale": "en-us", "translation": "Red"}], "tag": "red"},
        {"values": [{"locale": "en-us", "translation": "Blue"}]}]);
    let colour = desk
        .post("users/fields", json!({"type": "SELECT", "title": "Colour", "options": options}))
        .await
        .data(201);
    let red = colour["options"][0]["id"].as_u64().unwrap();

    let ann = desk.customer("ann").await;
    let path = format!("users/{ann}");
    for (key, value) in [("serial_number", "x"), ("happy", "true"), ("colour", "Red"), ("unknown", "1")] {
        let refused = desk.put(&path, json!({"field_values": {key: value}})).await;
        assert_eq!((refused.status, refused.code()), (400, "FIELD_INVALID"), "{key}");
    }
    let values = json!({"serial_number": 7, "happy": "yes", "colour": red.to_string()});
    let shown = desk.put(&path, json!({"field_values": values})).await.data(200);
    let shown: Vec<&str> =
        shown["custom_fields"].as_array().unwrap().iter().map(|v| v["value"].as_str().unwrap()).collect();
    assert_eq!(shown, ["7", "yes", &red.to_string()]);
}

#[tokio::test]
async fn staff_take_seats_and_mails_are_trapped() {
    let desk = Desk::open(|config| {
        config.switches.seat_limit = 2;
        config.switches.staff_creation_sends_mail = true;
        config.switches.customer_creation_sends_mail = true;
    })
    .await;
    let eve = desk.agent("eve").await;
    let full = json!({"full_name": "Mia", "role_id": desk.role("AGENT").await, "email": "mia@acme.example", "team_ids": "1"});
    let refused = desk.post("users", full.clone()).await;
    assert_eq!((refused.status, refused.code()), (402, "LICENSE_LIMIT_REACHED"));
    desk.put(&format!("users/{eve}"), json!({"is_enabled": false})).await.data(200);
    assert_eq!(desk.post("users", full).await.status, 201, "a disabled agent frees the seat here");
    desk.customer("ann").await;
    let causes: Vec<Cause> = desk.account.mails().iter().map(|mail| mail.cause).collect();
    assert_eq!(causes, [Cause::StaffWelcome, Cause::StaffWelcome, Cause::Verification]);
}

#[tokio::test]
async fn notes_on_users_and_organizations() {
    let desk = Desk::open(|_| {}).await;
    let ann = desk.customer("ann").await;
    let note = desk
        .post(
            &format!("users/{ann}/notes"),
            json!({"contents": "<b>x</b><script>y</script>", "is_html": true}),
        )
        .await;
    assert_eq!(note.data(201)["body_html"], "<b>x</b>");
    assert_eq!(desk.get(&format!("users/{ann}/notes")).await.body["total_count"], 1);
    let gone =
        Heard::of(desk.request(Method::DELETE, &format!("users/{ann}/notes/1")).send().await.unwrap()).await;
    assert_eq!(gone.status, 200);
    assert_eq!(desk.get(&format!("users/{ann}/notes")).await.body["total_count"], 0);
}
