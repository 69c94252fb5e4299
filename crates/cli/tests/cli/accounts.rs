//! Accounts that cannot be opened: each a clear sentence, the right exit code, and a later run that goes on.

use std::net::TcpListener;

use sandbox::faults::{Fault, Rule, Schedule, When};

use crate::sample::Sample;

/// Every call meets this fault.
fn always(fault: Fault) -> Schedule {
    let rule = Rule { method: None, path: String::new(), when: When::Always, times: None, fault };
    Schedule { seed: 0, rules: vec![rule] }
}

/// An address on this machine at which nobody listens.
fn deaf_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn wrong_credentials_are_told_apart_and_never_repeated() {
    let mut sample = Sample::new(20);
    let good = std::mem::replace(&mut sample.password, "planted-password".to_owned());
    let told = sample.run(&["run", "--demo"]).expect_failure(3, "target-credentials");
    assert!(!told.err.contains("planted"), "{}", told.err);
    sample.password = String::new();
    sample.run(&["run", "--demo"]).expect_failure(3, "secret-missing");
    sample.password = good;

    let good = std::mem::replace(&mut sample.token, "planted-token".to_owned());
    let told = sample.run(&["run", "--demo"]).expect_failure(3, "source-credentials");
    assert!(!told.err.contains("planted"), "{}", told.err);
    let told = sample.run(&["preflight", "--json"]).expect(3);
    assert!(!told.out.contains("planted"), "{}", told.out);
    sample.token = good;
    // Nothing of it is held against a later run.
    sample.run(&["run", "--demo"]).expect(0);
}

#[test]
fn accounts_that_do_not_answer_are_unreachable() {
    let sample = Sample::new(20);
    let plan = sample.plan_text("");
    sample.write("deaf-target.yaml", &plan.replace(&sample.sandbox.kayako_url, &deaf_address()));
    sample.run(&["run", "--demo", "--plan", "deaf-target.yaml"]).expect_failure(4, "target-unreachable");
    sample.write("deaf-source.yaml", &plan.replace(&sample.sandbox.zendesk_url, &deaf_address()));
    sample.run(&["run", "--demo", "--plan", "deaf-source.yaml"]).expect_failure(4, "source-unreachable");
    let found = sample.run(&["preflight", "--json", "--plan", "deaf-source.yaml"]).expect(4).json();
    assert_eq!(found["block"], 1, "{found}");
}

#[test]
fn answers_that_are_no_answers_are_told() {
    let sample = Sample::new(20);
    sample.sandbox.zendesk_server.set_faults(always(Fault::NotJson));
    sample.run(&["run", "--demo"]).expect_failure(4, "source-unreadable");
    sample.sandbox.zendesk_server.set_faults(Schedule::default());
    sample.sandbox.kayako_server.set_faults(always(Fault::NotJson));
    let told = sample.run(&["run", "--demo"]).expect_failure(4, "target-unreadable");
    assert!(told.err.contains("not JSON"), "{}", told.err);
    // A proxy's page with a 5xx says that something is in trouble, not that the address is wrong.
    sample.sandbox.kayako_server.set_faults(always(Fault::HtmlBefore));
    sample.run(&["run", "--demo"]).expect_failure(4, "target-unreachable");
    sample.sandbox.kayako_server.set_faults(Schedule::default());
    sample.run(&["run", "--demo"]).expect(0);
}

#[test]
fn a_locked_log_in_is_told_as_a_lock() {
    let sample = Sample::new(20);
    sample.sandbox.kayako.lock_logins();
    sample.run(&["run", "--demo"]).expect_failure(3, "target-locked");
}

#[test]
fn preflight_passes_good_accounts_and_blocks_what_cannot_work() {
    let sample = Sample::new(20);
    let found = sample.run(&["preflight", "--json"]).expect(0).json();
    assert_eq!(found["block"], 0, "{found}");
    assert!(!sample.path("plan.kayako-migrate").exists(), "preflight leaves nothing behind");
    sample.write_plan(
        "mapping: { status: { pending: \"No such status\" } }\nagents: { default: \"nobody@acme.example\" }\nselection: { groups: { include: [\"No such group\"] } }\n",
    );
    let found = sample.run(&["preflight", "--json"]).expect(7).json();
    let blocked: Vec<&str> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["severity"] == "block")
        .map(|finding| finding["check"].as_str().unwrap())
        .collect();
    assert_eq!(blocked, ["names", "default agent", "statuses"], "{found}");
    // A run refuses names that the source does not have, as well.
    sample.run(&["run", "--demo"]).expect_failure(2, "plan-invalid");
}

#[test]
fn init_writes_a_plan_that_preflight_passes() {
    let sample = Sample::with(20, |config| config.missing_agents = 1);
    let (zendesk, kayako) = (sample.sandbox.zendesk_url.clone(), sample.sandbox.kayako_url.clone());
    let written = sample
        .run(&[
            "init",
            "--json",
            "--source-url",
            &zendesk,
            "--source-email",
            sandbox::zendesk::EMAIL,
            "--source-token",
            "env:SAMPLE_TOKEN",
            "--target-url",
            &kayako,
            "--target-email",
            "admin@acme.example",
            "--target-password",
            "env:SAMPLE_PASSWORD",
            "--name",
            "sample",
            "--out",
            "new/acme.yaml",
        ])
        .expect(0)
        .json();
    assert!(written["agents"]["matched"].as_u64().unwrap() > 0, "{written}");
    assert_eq!(written["name"], "sample");
    sample.run(&["preflight", "--plan", "new/acme.yaml"]).expect(0);
    sample.run(&["init", "--out", "new/acme.yaml", "--source-url", &zendesk]).expect_failure(2, "usage");
}

/// The way in when API tokens are gone: from `init` to a finished run, the access token expiring on the way.
#[test]
fn an_oauth_client_opens_the_source_from_init_to_the_end_of_a_run() {
    let sample = Sample::with(20, |config| {
        config.zendesk.auth.api_token = Some("switched-off-for-this-test".to_owned());
        config.zendesk.time_scale = 0.001;
    });
    sample.write("client.secret", "sandbox-client-secret\n");
    let secret = format!("file:{}", sample.path("client.secret").display());
    let (zendesk, kayako) = (sample.sandbox.zendesk_url.clone(), sample.sandbox.kayako_url.clone());
    let source = [
        "--source-url",
        &zendesk,
        "--source-oauth-client",
        "sandbox-client",
        "--source-oauth-secret",
        &secret,
    ];
    let target = [
        "--target-url",
        &kayako,
        "--target-email",
        "admin@acme.example",
        "--target-password",
        "env:SAMPLE_PASSWORD",
    ];
    let init = [&["init", "--name", "sample", "--out", "oauth.yaml"][..], &source, &target].concat();
    sample.run(&init).expect(0);
    let plan = std::fs::read_to_string(sample.path("oauth.yaml")).unwrap();
    assert!(plan.contains("oauth") && !plan.contains("sandbox-client-secret"), "{plan}");
    sample.run(&["preflight", "--plan", "oauth.yaml"]).expect(0);
    let done = sample.run(&["run", "--full", "--json", "--plan", "oauth.yaml"]).expect(0).json();
    assert_eq!(done["kinds"]["case"]["available"], 20, "{done}");
    let counts = sample.sandbox.zendesk_server.counts();
    let tokens: u64 = counts.calls.get("POST /oauth/tokens").map_or(0, |by| by.values().sum());
    assert!(tokens >= 3, "init, preflight and the run each ask for a token: {:?}", counts.calls);
    // The e-mail is not asked for, and both ways at once are a contradiction.
    let both = [&init[..], &["--source-email", "admin@acme.example"]].concat();
    sample.run(&both).expect(2);
}
