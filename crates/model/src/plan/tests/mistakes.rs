//! What is refused, and how it is said.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{MINIMAL, problem, problems, with};
use crate::plan::Plan;

#[test]
fn ten_mistakes_are_ten_problems_each_with_place_path_and_fix() {
    let text = r#"version: 2
name: Acme Corp
source: { kind: zendesk, url: "http://acme.zendesk.com", auth: { email: "admin@acme.example", api_token: "s3cr3t-token" } }
target:
  url: "https://acme.kayako.com"
  email: "admin"
  pasword: "env:KAYAKO_PASSWORD"
selection:
  kinds: [team, ticket]
  created: { from: 2024-01-01, to: 2023-01-01, time_zone: Berlin }
  tags: { any: vip }
teams: { missing: default }
limits: { outstanding: "5000" }
options: { attachments: yes }
"#;
    let found = problems(text);
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    let expected = [
        "1:10 version:",
        "2:7 name:",
        "3:31 source.url: would send credentials unencrypted to acme.zendesk.com; use https://acme.zendesk.com",
        "3:106 source.auth.api_token: looks like the secret itself",
        "5:3 target.password: is missing",
        "6:10 target.email:",
        "7:3 target.pasword: is not a setting; did you mean `password`?",
        "9:17 selection.kinds[1]: `ticket` is not known",
        "10:59 selection.created.time_zone: is not the name of a time zone; did you mean Europe/Berlin?",
        "11:16 selection.tags.any: is a single value, not a list; write a list: [a, b]",
        "12:8 teams.default: is missing although `missing` is `default`",
        "13:24 limits.outstanding: is a text because of its quotes; remove the quotes",
        "14:25 options.attachments: is neither true nor false; write true",
    ];
    assert_eq!(shown.len(), expected.len(), "{shown:#?}");
    for (shown, expected) in shown.iter().zip(expected) {
        assert!(shown.starts_with(expected), "{shown}\n  instead of\n{expected}");
    }
    assert!(found.iter().all(|problem| !problem.fix.is_empty()));
    assert!(!shown.concat().contains("s3cr3t"), "a secret was repeated");
}

#[test]
fn every_rule_has_its_own_sentence() {
    // Lines added to the minimal plan; path; a part of the problem.
    let cases = [
        ("selektion: {}", "selektion", "did you mean `selection`?"),
        ("colour: red", "colour", "use one of: version, name, source"),
        ("selection: [a]", "selection", "is a list, not a group of settings"),
        ("selection: { kinds: [] }", "selection.kinds", "selects nothing"),
        ("selection: { kinds: [case, case] }", "selection.kinds", "twice"),
        ("selection: { kinds: [cases] }", "selection.kinds[0]", "did you mean `case`?"),
        ("selection: { created: { from: 2023-01-01 } }", "selection.created.time_zone", "is missing"),
        ("selection: { created: { time_zone: UTC } }", "selection.created.from", "neither from nor to"),
        (
            "selection: { created: { from: soon, time_zone: UTC } }",
            "selection.created.from",
            "neither a date nor a time",
        ),
        (
            "selection: { created: { from: 2023-01-01, to: 2023-01-01, time_zone: UTC } }",
            "selection.created.to",
            "is not later than from",
        ),
        (
            "selection: { tags: { all: [VIP], none: [vip] } }",
            "selection.tags.none",
            "both wanted and unwanted",
        ),
        (
            "selection: { groups: { include: [a], exclude: [a] } }",
            "selection.groups.exclude",
            "both included and excluded",
        ),
        ("selection: { fields: [{ field: a }] }", "selection.fields[0]", "exactly one of"),
        (
            "selection: { fields: [{ field: a, equals: b, empty: true }] }",
            "selection.fields[0]",
            "exactly one of",
        ),
        (
            "selection: { fields: [{ field: a, matches: '(' }] }",
            "selection.fields[0].matches",
            "no regular expression",
        ),
        ("selection: { demo: { size: 0 } }", "selection.demo.size", "use 1 to 1000"),
        ("selection: { demo: { ids: [1], size: 7 } }", "selection.demo.ids", "nothing is drawn"),
        ("selection: { kinds: [user], demo: { ids: [1] } }", "selection.demo", "cases are not selected"),
        ("agents: { map: { a@x.example: a@x.example } }", "agents.map.a@x.example", "mapped to itself"),
        ("agents: { map: { a@x.example: b } }", "agents.map.a@x.example", "is not an e-mail address"),
        ("agents: { map: { a@x: b@x.example } }", "agents.map.a@x", "is not an e-mail address"),
        ("agents: { match: none, missing: create }", "agents.missing", "lets nobody be found again"),
        ("agents: { missing: drop }", "agents.missing", "use one of: default, create"),
        ("teams: { default: General }", "teams.default", "has no effect"),
        ("mapping: { status: [open] }", "mapping.status", "is a list, not a mapping"),
        ("mapping: { status: { hold: {} } }", "mapping.status.hold", "is a mapping, not a text"),
        ("mapping: { status: { hold: } }", "mapping.status.hold", "is empty, not a text"),
        ("mapping: { case_fields: { a: { } } }", "mapping.case_fields.a.to", "is missing"),
        ("mapping: { case_fields: { a: { to: x }, b: { to: x } } }", "mapping.case_fields.b", "as `a` does"),
        (
            "mapping: { case_fields: { a: { to: x, type: colour } } }",
            "mapping.case_fields.a.type",
            "not known",
        ),
        (
            "mapping: { case_fields: { a: { to: x, type: date, values: { b: c } } } }",
            "mapping.case_fields.a.values",
            "no effect on dates",
        ),
        ("options: { extra_tags: ['a,b'] }", "options.extra_tags", "comma"),
        ("options: { on_changed: replace }", "options.on_changed", "use one of: keep"),
        ("options: { subject_when_empty: '' }", "options.subject_when_empty", "is blank"),
        ("limits: { load_in_flight: -1 }", "limits.load_in_flight", "whole number"),
        ("limits: { load_in_flight: 1.5 }", "limits.load_in_flight", "whole number"),
        ("name: other", "name", "given twice (first in line 3)"),
        ("options: { [a]: b }", "", "write keys as plain words"),
        ("limits: &l { outstanding: 100 }\noptions: *l", "options.outstanding", "is not a setting"),
        ("---\nversion: 1", "", "second document"),
    ];
    for (more, path, part) in cases {
        let found = problem(more);
        assert!(found.path == path && found.to_string().contains(part), "{more}\n  gave {found}");
        assert!(found.place.is_some(), "{found}");
    }
}

#[test]
fn mistakes_in_source_and_target_are_named() {
    let cases = [
        ("https://acme.zendesk.com", "ftp://acme.zendesk.com", "source.url", "is not an https address"),
        ("https://acme.zendesk.com", "acme.zendesk.com", "source.url", "is not a web address"),
        (
            "https://acme.zendesk.com",
            "https://acme.zendesk.com/agent/home",
            "source.url",
            "use https://acme.zendesk.com",
        ),
        (
            "https://acme.zendesk.com",
            "https://jo:hunter2@acme.zendesk.com",
            "source.url",
            "contains a user name",
        ),
        ("https://acme.zendesk.com", "http://10.0.0.1", "source.url", "unencrypted to 10.0.0.1"),
        ("kind: zendesk", "kind: zendesc", "source.kind", "did you mean `zendesk`?"),
        ("env:ZENDESK_API_TOKEN", "env:", "source.auth.api_token", "does not name an environment variable"),
        ("env:ZENDESK_API_TOKEN", "file:token", "source.auth.api_token", "absolute path"),
        ("env:KAYAKO_PASSWORD", "hunter2", "target.password", "write `env:NAME`"),
        ("auth: {", "share: 1.5, auth: {", "source.share", "use 0.01 to 1"),
        ("auth: {", "requests_per_minute: 0, auth: {", "source.requests_per_minute", "1 or more"),
        (
            "auth: {",
            "auth: { oauth: { client_id: a, client_secret: 'env:B' },",
            "source.auth.oauth",
            "keep either",
        ),
        ("password:", "quiet_seconds: 5, password:", "target.quiet_seconds", "use 31 to 3600"),
        ("password:", "batch: { records: 201 }, password:", "target.batch.records", "use 1 to 200"),
    ];
    for (from, to, path, part) in cases {
        let found = problems(&MINIMAL.replacen(from, to, 1));
        assert_eq!(found.len(), 1, "{to}: {found:#?}");
        assert!(found[0].path == path && found[0].to_string().contains(part), "{to}\n  gave {}", found[0]);
        assert!(!found[0].to_string().contains("hunter2"), "{}", found[0]);
    }
    for good in
        ["http://localhost:1", "http://127.8.8.8", "http://[::1]:80", "https://help.acme.example:8443"]
    {
        let plan = Plan::parse(&MINIMAL.replacen("https://acme.zendesk.com", good, 1)).unwrap();
        assert_eq!(plan.source.url().is_loopback(), good.starts_with("http:"), "{good}");
    }
}

#[test]
fn texts_that_are_no_plan_are_explained() {
    for (text, part) in [
        ("", "the plan is empty"),
        ("# only a comment\n", "the plan is empty"),
        ("just a text", "is a single value, not a group of settings"),
        ("version: [1", "this is not YAML"),
        ("version: 1\n\tname: x", "this is not YAML"),
        ("{}", "version: is missing"),
    ] {
        let shown = Plan::parse(text).unwrap_err().to_string();
        assert!(shown.contains(part), "{text:?} gave {shown}");
    }
    let deep = format!("version: {}", "[".repeat(5_000));
    assert!(Plan::parse(&deep).is_err());
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (last, next) in ["a", "b", "c", "d", "e", "f", "g"].iter().zip(["b", "c", "d", "e", "f", "g", "h"]) {
        let many = vec![format!("*{last}"); 10].join(",");
        writeln!(bomb, "{next}: &{next} [{many}]").unwrap();
    }
    assert!(Plan::parse(&bomb).unwrap_err().to_string().contains("too big"));
}

proptest! {
    /// Typing errors anywhere give problems with places inside the document, or a plan; never a panic.
    #[test]
    fn any_damage_to_a_plan_is_survived(cut in 0_usize..400, length in 0_usize..12, typed in "[a-z:{}\\[\\],&*'\" \n-]{0,6}") {
        let mut chars: Vec<char> = with("limits: { outstanding: 100 }\nselection:\n  kinds: [case]").chars().collect();
        let from = cut.min(chars.len());
        let to = (from + length).min(chars.len());
        chars.splice(from..to, typed.chars());
        let text: String = chars.into_iter().collect();
        if let Err(problems) = Plan::parse(&text) {
            prop_assert!(!problems.as_slice().is_empty());
            for problem in problems.as_slice() {
                let place = problem.place.unwrap();
                prop_assert!(place.line >= 1 && place.line <= text.lines().count() + 1, "{problem}");
            }
        }
    }
}
