#![allow(clippy::unwrap_used, clippy::expect_used)]

mod meaning;
mod mistakes;

use super::{Plan, Problem};

/// The plan the product promises to accept.
const MINIMAL: &str = r#"
version: 1
name: acme
source: { kind: zendesk, url: "https://acme.zendesk.com", auth: { email: "admin@acme.example", api_token: "env:ZENDESK_API_TOKEN" } }   # or auth: { oauth: { ... } }
target: { url: "https://acme.kayako.com", email: "admin@acme.example", password: "env:KAYAKO_PASSWORD" }
"#;

fn with(more: &str) -> String {
    format!("{MINIMAL}{more}\n")
}

fn plan(more: &str) -> Plan {
    Plan::parse(&with(more)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(yaml: &str) -> Vec<Problem> {
    Plan::parse(yaml).expect_err("the plan was accepted").as_slice().to_vec()
}

/// The one problem of the minimal plan with these lines added.
fn problem(more: &str) -> Problem {
    let found = problems(&with(more));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap()
}
