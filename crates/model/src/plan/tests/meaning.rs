//! What an accepted plan means.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use secrecy::ExposeSecret;

use super::{MINIMAL, plan, with};
use crate::kind::Kind;
use crate::plan::*;

#[test]
fn the_minimal_plan_has_every_default() {
    let plan = plan("");
    assert_eq!(plan.name.as_str(), "acme");
    let Source::Zendesk(zendesk) = &plan.source;
    assert_eq!(zendesk.url.to_string(), "https://acme.zendesk.com");
    assert!((zendesk.share - 0.6).abs() < f64::EPSILON && zendesk.identities);
    assert_eq!(zendesk.page_size, 100);
    assert!((plan.target.reserve - 0.1).abs() < f64::EPSILON);
    assert_eq!((plan.target.batch.records, plan.target.batch.bytes), (200, 4 << 20));
    assert_eq!(plan.target.legacy_ids_per_lookup, 50);
    assert_eq!(plan.selection.kinds, Kind::ALL);
    assert_eq!(plan.selection.demo.size, 20);
    assert_eq!(plan.mapping.status["hold"], "Pending");
    assert_eq!(plan.mapping.priority["urgent"], "Urgent");
    assert_eq!(plan.default_agent().as_str(), "admin@acme.example");
    assert_eq!(plan.limits, Limits::default());
    assert_eq!(plan.options, Options::default());
    assert_eq!(plan.source.secrets(), [&SecretRef::Env("ZENDESK_API_TOKEN".into())]);
    assert_eq!(plan.timing(1.0), crate::timing::Timing::default());
}

#[test]
fn a_full_plan_is_read_as_written_and_survives_its_own_document() {
    let text = r#"
version: 1
name: acme-2
source:
  kind: zendesk
  url: http://127.0.0.1:8080/
  auth: { oauth: { client_id: migrate, client_secret: "file:/run/secrets/zd", refresh_token: env:ZD_REFRESH } }
  requests_per_minute: 400
  share: 0.5
  identities: false
  page_size: 500
target:
  url: https://acme.kayako.com
  email: Admin@Acme.example.
  password: env:KAYAKO_PASSWORD
  mailbox: support@acme.example
  requests_per_minute: 600
  reserve: 0.2
  quiet_seconds: 240
  visibility_seconds: 60
  legacy_ids_per_lookup: 100
  batch: { records: 100, bytes: 1048576 }
selection:
  kinds: [case, user]
  created: { from: 2023-01-01, to: "2024-01-01T00:00:00Z", time_zone: Europe/Berlin }
  tags: { any: [VIP, billing], none: [spam] }
  groups: { include: [Support, none] }
  organizations: { exclude: ["Test GmbH"] }
  assignees: { include: [7001] }
  fields:
    - { field: Product, in: [a, b] }
    - { field: 36002, empty: false }
    - { field: Version, matches: '^2\.' }
  demo: { size: 5, seed: 42 }
agents: { match: email, map: { Old@X.example: new@y.example }, default: desk@y.example, missing: create }
teams: { map: { EMEA Support: Support }, missing: default, default: General }
mapping:
  status: { hold: On hold }
  case_fields:
    Product: { to: product, type: option, values: { a: Printer, true: "Yes" } }
  user_fields: { plan: { to: plan } }
options: { attachments: false, extra_tags: [zendesk] }
limits: { outstanding: 100 }
"#;
    let plan = Plan::parse(text).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(plan.target.email.as_str(), "admin@acme.example");
    assert_eq!(plan.agents.map["old@x.example"].as_str(), "new@y.example");
    assert_eq!(plan.selection.tags.any, ["vip", "billing"]);
    assert_eq!(plan.selection.kinds, [Kind::User, Kind::Case]);
    assert_eq!(plan.mapping.status["hold"], "On hold");
    assert_eq!(plan.mapping.status["solved"], "Completed", "defaults stay");
    assert_eq!(plan.mapping.case_fields["Product"].values["true"], "Yes");
    let (from, to) = plan.selection.created.as_ref().unwrap().bounds();
    assert_eq!(from.unwrap().to_string(), "2022-12-31T23:00:00Z");
    assert_eq!(to.unwrap().to_string(), "2024-01-01T00:00:00Z");
    assert!(matches!(&plan.selection.fields[1].test, FieldTest::Empty(false)));
    let timing = plan.timing(1.0);
    assert_eq!(
        (timing.quiet.as_secs(), timing.visibility.as_secs(), timing.lost_after.as_secs()),
        (240, 60, 600)
    );
    assert_eq!(timing.check(), Ok(()));

    let again = Plan::parse(&plan.document()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(again, plan);
    assert_eq!(again.hash(), plan.hash());
    let stored: Plan = serde_json::from_str(&plan.document()).unwrap();
    assert_eq!(stored, plan);
}

#[test]
fn the_hash_tells_what_is_written_and_nothing_else() {
    let base = plan("").hash();
    assert_eq!(base.len(), 64);
    let same = [
        with("limits: { load_in_flight: 3, outstanding: 77 }"),
        with("selection: { demo: { size: 7, seed: 1 } }"),
        with("mapping: { status: { open: Open } }"),
        MINIMAL.replace("env:KAYAKO_PASSWORD", "file:/secret"),
        MINIMAL.replace("password:", "reserve: 0.5, quiet_seconds: 300, requests_per_minute: 9, password:"),
        MINIMAL.replace("auth: {", "share: 0.2, page_size: 9, auth: {"),
        MINIMAL.replace("env:ZENDESK_API_TOKEN", "env:OTHER"),
        MINIMAL.replace("https://acme.kayako.com", "https://ACME.kayako.com/"),
    ];
    for text in same {
        assert_eq!(Plan::parse(&text).unwrap().hash(), base, "{text}");
    }
    let other = [
        with("limits: { max_attachment_bytes: 3 }"),
        with("selection: { tags: { any: [a] } }"),
        with("mapping: { status: { open: New } }"),
        with("agents: { default: other@acme.example }"),
        with("teams: { map: { a: b } }"),
        with("options: { extra_tags: [a] }"),
        MINIMAL.replace("auth: {", "identities: false, auth: {"),
        MINIMAL.replace(
            "target: { url: \"https://acme.kayako.com\", email: \"admin@",
            "target: { url: \"https://acme.kayako.com\", email: \"boss@",
        ),
        MINIMAL.replace("name: acme", "name: acme-2"),
    ];
    let hashes: BTreeSet<String> = other.iter().map(|text| Plan::parse(text).unwrap().hash()).collect();
    assert_eq!(hashes.len(), other.len());
    assert!(!hashes.contains(&base));
}

#[test]
fn the_schema_describes_every_setting() {
    let schema = Plan::schema();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["version"]["const"], 1);
    let required: BTreeSet<&str> =
        schema["required"].as_array().unwrap().iter().filter_map(|v| v.as_str()).collect();
    assert_eq!(required, BTreeSet::from(["version", "name", "source", "target"]));
    let limits = &schema["$defs"]["Limits"];
    assert_eq!(limits["properties"]["outstanding"]["default"], 5_000);
    assert_eq!(limits["properties"]["outstanding"]["minimum"], 10);
    assert!(schema["$defs"]["Agents"]["properties"]["match"].is_object());
    // Every setting that the serialised plan has is in the schema, with a description.
    let definitions = schema["$defs"].as_object().unwrap();
    for (name, definition) in definitions {
        let Some(properties) = definition["properties"].as_object() else { continue };
        for (key, property) in properties {
            let described = property["description"].is_string() || property["const"].is_string();
            assert!(described, "{name}.{key} has no description: {property}");
        }
    }
    let document: serde_json::Value = serde_json::from_str(&plan("").document()).unwrap();
    for (section, value) in document.as_object().unwrap() {
        let reference = &schema["properties"][section];
        let name = reference["$ref"].as_str().and_then(|text| text.strip_prefix("#/$defs/"));
        let Some(properties) = name.and_then(|name| schema["$defs"][name]["properties"].as_object()) else {
            continue;
        };
        for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
            assert!(properties.contains_key(key), "{section}.{key} is not in the schema");
        }
    }
}

#[test]
fn names_become_ids_and_unknown_ones_are_all_reported() {
    let plan = plan(
        "selection: { groups: { include: [support, none, '302'] }, assignees: { exclude: [Jo@X.example] }, \
         fields: [{ field: product, empty: true }] }\nmapping: { case_fields: { Product: { to: p } }, user_fields: { plan: { to: q } } }",
    );
    let mut names = Names::default();
    names.teams.add("301", "Support");
    names.teams.add("309", "Support");
    names.teams.add("302", "Sales");
    names.agents.add("7001", "Jo");
    names.agents.add("7001", "jo@x.example");
    names.case_fields.add("36001", "Product");
    names.user_fields.add("plan", "Plan of the customer");
    let resolved = plan.resolve(&names).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(resolved.selection.groups.include, ["301", "302", "309", "none"]);
    assert_eq!(resolved.selection.assignees.exclude, ["7001"]);
    assert_eq!(resolved.selection.fields[0].field, "36001");
    assert!(resolved.mapping.case_fields.contains_key("36001"));
    assert!(resolved.mapping.user_fields.contains_key("plan"));
    assert_eq!(resolved.resolve(&names).unwrap(), resolved, "resolving twice changes nothing");

    names.case_fields.add("36002", "product");
    names.teams = Lookup::default();
    names.teams.add("1", "Suport");
    let shown = plan.resolve(&names).unwrap_err().to_string();
    for part in [
        "the plan has 4 problems",
        "selection.groups.include[0]: the source has nothing called `support`; did you mean `suport`?",
        "selection.groups.include[2]",
        "selection.fields[0].field: is the title of several fields; use one id: 36001, 36002",
        "mapping.case_fields.Product",
    ] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
}

#[test]
fn secrets_are_read_through_the_given_doors_only() {
    let env = |name: &str| (name == "A").then(|| "from env".to_owned());
    let read = |path: &Path| {
        if path == Path::new("/s") {
            Ok("from file\r\n".to_owned())
        } else {
            Err(io::Error::from(io::ErrorKind::NotFound))
        }
    };
    let resolve = |text: &str| SecretRef::parse(text).unwrap().resolve(&env, &read);
    assert_eq!(resolve("env:A").unwrap().expose_secret(), "from env");
    assert_eq!(resolve("file:/s").unwrap().expose_secret(), "from file");
    assert!(resolve("env:B").unwrap_err().to_string().contains("B is not set"));
    assert!(matches!(resolve("file:/t").unwrap_err(), SecretError::Unreadable { .. }));
    assert!(matches!(
        SecretRef::Env("E".into()).resolve(&|_| Some(String::new()), &read),
        Err(SecretError::Empty(_))
    ));
}

#[test]
fn e_mail_addresses_have_one_normal_form() {
    for (text, normal) in [
        (" Jo.Doe@X.Example. ", "jo.doe@x.example"),
        ("o'brien+tag@mail.x.example", "o'brien+tag@mail.x.example"),
        ("müller@bücher.example", "müller@bücher.example"),
    ] {
        assert_eq!(EmailAddress::parse(text).unwrap().as_str(), normal);
        assert_eq!(
            EmailAddress::parse(normal).unwrap().as_str(),
            normal,
            "normalising twice changes nothing"
        );
    }
    let long = format!("{}@x.example", "a".repeat(65));
    let bad = [
        "",
        "@",
        "jo",
        "jo@",
        "@x.example",
        "jo@x",
        "a b@x.example",
        "a,b@x.example",
        "jo@x..example",
        "jo.@x.example",
    ];
    for text in bad.into_iter().chain([
        "\"jo\"@x.example",
        "a..b@x.example",
        "jo@-x.example",
        "Jo <jo@x.example>",
        &long,
    ]) {
        assert_eq!(EmailAddress::parse(text), Err(InvalidEmail), "{text} was accepted");
    }
}
