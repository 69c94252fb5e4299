//! The command line itself, and plans before any account is asked.

use std::fs;

use crate::sample::run_in;

const TEN_MISTAKES: &str = r#"version: 2
name: Acme Corp
source: { kind: zendesk, url: "http://acme.zendesk.com", auth: { email: "admin@acme.example", api_token: "s3cr3t-token" } }
target:
  url: "https://acme.kayako.com"
  email: "admin"
  pasword: "env:KAYAKO_PASSWORD"
selection:
  kinds: [team, ticket]
  tags: { any: vip }
teams: { missing: default }
limits: { outstanding: "5000" }
"#;

const ELSEWHERE: &str = r#"version: 1
name: acme
source: { kind: zendesk, url: "https://acme.zendesk.invalid", auth: { email: "admin@acme.example", api_token: "env:NO_SUCH_TOKEN" } }
target: { url: "https://acme.kayako.invalid", email: "admin@acme.example", password: "env:NO_SUCH_PASSWORD" }
"#;

#[test]
fn help_teaches_and_misuse_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let help = run_in(directory.path(), &["--help"]).expect(0);
    for word in ["quickstart", "kayako-migrate run --demo", "Exit codes", "docs/errors.md"] {
        assert!(help.out.contains(word), "{word} is missing:\n{}", help.out);
    }
    for command in [
        "quickstart",
        "init",
        "preflight",
        "run",
        "status",
        "pause",
        "resume",
        "cancel",
        "report",
        "explain",
        "serve",
        "plan",
    ] {
        let help = run_in(directory.path(), &[command, "--help"]).expect(0);
        assert!(help.out.contains("Usage: kayako-migrate"), "{command}: {}", help.out);
    }
    run_in(directory.path(), &["run"]).expect(2);
    run_in(directory.path(), &["run", "--demo", "--full"]).expect(2);
    run_in(directory.path(), &["status"]).expect_failure(2, "plan-missing");
}

#[test]
fn a_plan_with_ten_mistakes_lists_them_all_with_place_and_fix() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("bad.yaml"), TEN_MISTAKES).unwrap();
    let told = run_in(directory.path(), &["plan", "check", "bad.yaml"]).expect_failure(2, "plan-invalid");
    let places = told.err.lines().filter(|line| line.trim().split(':').next().is_some_and(is_number)).count();
    assert!(places >= 10, "{places} places in:\n{}", told.err);
    assert!(told.err.contains("did you mean `password`?"), "{}", told.err);
    assert!(!told.err.contains("s3cr3t"), "a secret was repeated:\n{}", told.err);

    let told = run_in(directory.path(), &["--json", "run", "--demo", "--plan", "bad.yaml"]).expect(2).json();
    let problems = told["error"]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), places);
    assert!(problems.iter().all(|problem| problem["fix"].as_str().is_some_and(|fix| !fix.is_empty())));
    assert!(!directory.path().join("bad.kayako-migrate").exists(), "a bad plan leaves no state");
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn a_good_plan_is_called_good_and_the_schema_is_json() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.yaml"), ELSEWHERE).unwrap();
    assert_eq!(run_in(directory.path(), &["plan", "check", "--json"]).expect(0).json()["name"], "acme");
    let schema = run_in(directory.path(), &["plan", "schema", "--json"]).expect(0).json();
    assert!(schema["properties"]["target"].is_object());
}

#[test]
fn a_target_on_another_machine_is_refused_before_anything_is_asked_or_written() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.yaml"), ELSEWHERE).unwrap();
    // The secrets do not exist either: the refusal comes first.
    let told = run_in(directory.path(), &["run", "--full"]).expect_failure(7, "target-not-loopback");
    assert!(told.err.contains("canary"), "the reason is told: {}", told.err);
    assert!(!directory.path().join("plan.kayako-migrate").exists());
}

#[test]
fn commands_without_a_run_say_so() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.yaml"), ELSEWHERE).unwrap();
    for command in [&["status"][..], &["pause"], &["resume"], &["cancel"], &["report"], &["explain", "1"]] {
        run_in(directory.path(), command).expect_failure(8, "no-run");
    }
    let told = run_in(directory.path(), &["status", "--json"]).expect(8).json();
    assert_eq!(told["error"]["code"], "no-run");
}

#[test]
fn init_asks_nobody_when_nobody_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let told = run_in(directory.path(), &["init"]).expect_failure(2, "usage");
    assert!(told.err.contains("--source-url") && told.err.contains("--target-email"), "{}", told.err);
}
