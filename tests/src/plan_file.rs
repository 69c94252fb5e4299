//! Writes the plan of a test down, as an operator would.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sandbox::seed::Owner;
use serde_json::json;

use crate::accounts::Accounts;
use crate::fields::Fields;
use crate::rules::Rules;

/// The variable that holds the source's secret.
pub const ZENDESK_SECRET: &str = "TEST_ZENDESK_TOKEN";
/// The variable that holds Kayako's secret.
pub const KAYAKO_SECRET: &str = "TEST_KAYAKO_PASSWORD";

/// The plan: `more` is put at its end.
pub fn write(name: &str, accounts: &Accounts, rules: &Rules, more: &str) -> String {
    let mut yaml = format!(
        "version: 1\nname: {name}\nsource: {{ kind: zendesk, url: \"{}\", share: 1.0, auth: {{ email: \"{}\", api_token: \
         \"env:{ZENDESK_SECRET}\" }} }}\ntarget: {{ url: \"{}\", email: \"{}\", password: \"env:{KAYAKO_SECRET}\", reserve: 0.0 }}\n",
        accounts.zendesk_url, accounts.zendesk_email, accounts.kayako_url, accounts.kayako_email,
    );
    // JSON is YAML, and quotes what needs quoting.
    let mut part = |line: String| {
        let _ = writeln!(yaml, "{line}");
    };
    part(format!("teams: {}", json!({"map": rules.teams})));
    part(format!(
        "options: {}",
        json!({"extra_tags": rules.extra_tags, "subject_when_empty": rules.subject_when_empty, "attachments": rules.attachments})
    ));
    part("mapping:".to_owned());
    part(format!("  status: {}", json!(rules.status)));
    part(format!("  priority: {}", json!(rules.priority)));
    part(format!("  type: {}", json!(rules.case_type)));
    if rules.fields {
        for (key, owner) in [
            ("case_fields", Owner::Ticket),
            ("user_fields", Owner::User),
            ("organization_fields", Owner::Organization),
        ] {
            part(format!("  {key}: {}", fields(&accounts.fields, owner)));
        }
    }
    yaml.push_str(more);
    yaml
}

fn fields(all: &Fields, owner: Owner) -> serde_json::Value {
    let lines: BTreeMap<&str, serde_json::Value> = all
        .of(owner)
        .map(|field| {
            let values: BTreeMap<&str, &str> =
                field.options.iter().map(|(value, (label, _))| (value.as_str(), label.as_str())).collect();
            let line = if values.is_empty() {
                json!({"to": field.key})
            } else {
                json!({"to": field.key, "values": values})
            };
            (field.title, line)
        })
        .collect();
    json!(lines)
}
