//! Both accounts together, and the promise that a seed says everything.

use sandbox::kayako::{ClockConfig, Switches, UserTruth};
use sandbox::population::KNOWN_BEFORE;
use sandbox::seed::{Company, Size};
use sandbox::{Sandbox, SandboxConfig};
use serde_json::json;

use crate::desk::Desk;

async fn story(seed: u64) -> Vec<String> {
    let desk = Desk::open(|config| config.seed = seed).await;
    let ann = desk.customer("ann").await;
    desk.bulk("cases", &[Desk::case("acme:case:1", ann)], true).await;
    let mut told = Vec::new();
    for path in ["cases", "cases/1/posts?include=*", "users", "roles"] {
        told.push(desk.get(path).await.body.to_string().replace(&desk.url, ""));
    }
    told.push(desk.session.clone());
    told
}

#[tokio::test]
async fn the_same_seed_and_calls_give_the_same_account() {
    assert_eq!(story(7).await, story(7).await);
    let (seven, eight) = (story(7).await, story(8).await);
    assert_ne!(seven[4], eight[4], "another seed, other tokens");
}

fn config(seed: u64, share: f64) -> SandboxConfig {
    let mut config = SandboxConfig::new(
        seed,
        Size { tickets: 200, end_users: 400, organizations: 5, groups: 4, agents: 12 },
    );
    config.kayako.clock = ClockConfig { start: Some("2026-01-05T08:00:00Z".parse().unwrap()), stopped: true };
    config.existing_share = share;
    config
}

fn customers(users: &[UserTruth]) -> Vec<&str> {
    users.iter().filter(|user| user.role == "CUSTOMER").map(|user| user.emails[0].address.as_str()).collect()
}

#[tokio::test]
async fn a_share_of_the_people_exists_beforehand_under_other_names() {
    let sandbox = Sandbox::start(config(7, 0.3)).await.unwrap();
    let users = sandbox.kayako.users(0, 10_000);
    let company = sandbox.zendesk.company();
    let known = customers(&users);
    // 30 % of some 400; 5 standard deviations are 46.
    assert!((60..=170).contains(&known.len()), "{}", known.len());
    let source: Vec<_> = company.end_user_emails(0..400).collect();
    for user in users.iter().filter(|user| user.role == "CUSTOMER") {
        let person = source.iter().find(|person| person.email == user.emails[0].address).unwrap();
        assert_eq!(user.full_name, format!("{}{KNOWN_BEFORE}", person.name));
    }
    let staff = |users: &[UserTruth]| users.iter().filter(|user| user.role != "CUSTOMER").count();
    let agents = company.agents();
    assert_eq!(staff(&users), agents.len(), "every agent, one of whom is the owner");
    assert_eq!(sandbox.kayako.mails(), []);

    let again = Sandbox::start(config(7, 0.3)).await.unwrap();
    assert_eq!(again.kayako.users(0, 10_000), users);
    let other = Sandbox::start(config(8, 0.3)).await.unwrap();
    assert_ne!(customers(&other.kayako.users(0, 10_000)), known);
    let fewer = Sandbox::start(SandboxConfig { missing_agents: 3, ..config(7, 0.0) }).await.unwrap();
    let few = fewer.kayako.users(0, 10_000);
    assert_eq!((staff(&few), customers(&few).len()), (agents.len() - 3, 0));
    for sandbox in [sandbox, again, other, fewer] {
        sandbox.shutdown().await;
    }
}

#[tokio::test]
async fn the_pessimistic_account_opens_even_with_more_agents_than_seats() {
    let mut config = config(7, 0.1);
    config.zendesk.company = Company::new(7, Size { agents: 300, ..Size::sample() });
    config.kayako.switches = Switches::pessimistic();
    let sandbox = Sandbox::start(config).await.unwrap();
    let users = sandbox.kayako.users(0, 10_000);
    assert!(users.iter().filter(|user| user.role != "CUSTOMER").count() > 200);
    assert_eq!(sandbox.kayako.mails(), []);
    // What was there beforehand is seen at once, however late new objects appear.
    let client = reqwest::Client::new();
    for (list, least) in [("teams", 1), ("users", 201)] {
        let call = client.get(format!("{}/api/v1/{list}", sandbox.kayako_url));
        let call = call.basic_auth("admin@acme.example", Some("sandbox-kayako-password"));
        let listed: serde_json::Value = call.send().await.unwrap().json().await.unwrap();
        assert!(listed["total_count"].as_u64().unwrap() >= least, "{list}");
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn both_accounts_answer_and_stop() {
    let sandbox = Sandbox::start(config(7, 0.0)).await.unwrap();
    let client = reqwest::Client::new();
    for url in [&sandbox.kayako_url, &sandbox.zendesk_url] {
        let calls = client.get(format!("{url}/_sandbox/calls")).send().await.unwrap();
        assert_eq!(calls.json::<serde_json::Value>().await.unwrap()["total"], 0);
    }
    let zendesk = client.get(format!("{}/api/v2/tickets/count", sandbox.zendesk_url));
    let zendesk =
        zendesk.basic_auth("admin@acme.example/token", Some("sandbox-zendesk-token")).send().await.unwrap();
    assert_eq!(zendesk.status().as_u16(), 200);
    assert_eq!(sandbox.zendesk_server.counts().total, 1);
    sandbox.shutdown().await;
    assert!(client.get(format!("{}/api/v1/tests", sandbox.kayako_url)).send().await.is_err());
}

#[tokio::test]
async fn a_configuration_is_plain_json() {
    let config: SandboxConfig = serde_json::from_value(json!({
        "seed": 3, "existing_share": 0.5,
        "kayako": {"switches": {"bulk_mail_sends_mail": true}},
        "faults": {"kayako": {"rules": [{"fault": {"kind": "drop_after"}, "when": {"every_nth": 9}}]}},
    }))
    .unwrap();
    assert!(config.kayako.switches.bulk_mail_sends_mail);
    assert!(config.kayako.switches.bulk_keeps_case_dates, "switches that are not named are friendly");
    assert!(serde_json::from_value::<SandboxConfig>(json!({"sed": 3})).is_err());
}
