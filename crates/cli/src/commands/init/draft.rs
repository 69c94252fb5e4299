//! The text of a suggested plan.
//!
//! Constraints: every name of an account is written as a quoted scalar (names hold anything); what could not be matched is written
//! as a comment, never guessed.

use std::collections::BTreeMap;

use kayako::{Field, FieldType};
use model::plan::{DEFAULT_PRIORITY, DEFAULT_STATUS, DEFAULT_TYPE};
use sources::{FieldDefinition, FieldKind};

use crate::survey::{SourceSurvey, TargetSurvey, fold};

/// What a plan cannot do without.
pub(crate) struct Essentials {
    pub(crate) name: String,
    pub(crate) source_url: String,
    pub(crate) source_access: SourceAccess,
    pub(crate) target_url: String,
    pub(crate) target_email: String,
    pub(crate) target_password: String,
}

/// How the source is opened. Secrets are named, never held.
pub(crate) enum SourceAccess {
    Token { email: String, api_token: String },
    OAuth { client_id: String, client_secret: String },
}

/// A plan and what was found out for it.
pub(crate) struct Draft {
    pub(crate) yaml: String,
    /// One line per thing a person should know.
    pub(crate) summary: Vec<String>,
    pub(crate) matched: usize,
    pub(crate) unmatched: Vec<String>,
    pub(crate) fields: usize,
    pub(crate) unmatched_fields: Vec<String>,
}

/// A quoted scalar: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A comment must stay on its line.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Only what a plan cannot do without.
pub(crate) fn minimal(essentials: &Essentials) -> String {
    let Essentials { name, source_url, source_access, target_url, target_email, target_password } =
        essentials;
    let [name, source_url, target_url, target_email, target_password] =
        [name, source_url, target_url, target_email, target_password].map(|text| quoted(text));
    let auth = match source_access {
        SourceAccess::Token { email, api_token } => {
            format!("{{ email: {}, api_token: {} }}", quoted(email), quoted(api_token))
        }
        SourceAccess::OAuth { client_id, client_secret } => {
            format!(
                "{{ oauth: {{ client_id: {}, client_secret: {} }} }}",
                quoted(client_id),
                quoted(client_secret)
            )
        }
    };
    format!(
        "version: 1\nname: {name}\n\n# Where records come from. It is only read.\nsource:\n  kind: zendesk\n  url: {source_url}\n  \
         auth: {auth}\n\n# Where they go.\ntarget:\n  url: {target_url}\n  \
         email: {target_email}\n  password: {target_password}\n"
    )
}

/// The whole plan.
pub(crate) fn write(essentials: &Essentials, source: &SourceSurvey, target: &TargetSurvey) -> Draft {
    let mut draft = Draft {
        yaml: "# A migration into Kayako. `kayako-migrate plan schema` describes every setting; what is not here has its default.\n"
            .to_owned(),
        summary: Vec::new(),
        matched: 0,
        unmatched: Vec::new(),
        fields: 0,
        unmatched_fields: Vec::new(),
    };
    draft.yaml.push_str(&minimal(essentials));
    let counts: Vec<String> = source
        .estimates
        .iter()
        .filter_map(|(kind, count)| Some(format!("{} {}", (*count)?, kind.plural())))
        .collect();
    draft.line(&format!("\n# The source counts about: {}.", counts.join(", ")));
    draft.line("# selection:\n#   created: { from: 2024-01-01, time_zone: UTC }\n#   tags: { none: [spam] }");
    draft.agents(source, target);
    draft.teams(source, target);
    draft.mapping(source, target);
    draft.line("\n# options:\n#   attachments: true\n#   extra_tags: [from-zendesk]");
    draft
}

impl Draft {
    fn line(&mut self, text: &str) {
        self.yaml.push_str(text);
        self.yaml.push('\n');
    }

    fn agents(&mut self, source: &SourceSurvey, target: &TargetSurvey) {
        let staff = target.staff_by_email();
        for agent in source.catalogue.agents.iter().filter(|agent| agent.active) {
            match agent.email.as_deref() {
                Some(email) if staff.contains_key(&fold(email)) => self.matched += 1,
                Some(email) => self.unmatched.push(email.to_owned()),
                None => self.unmatched.push(agent.id.to_string()),
            }
        }
        self.summary.push(format!("{} agents found in Kayako by e-mail", self.matched));
        self.line(
            "\n# Staff are found in Kayako by e-mail; the user of `target.email` stands in for the others.",
        );
        self.line("agents:\n  match: email\n  missing: default # or create: takes seats of the Kayako plan");
        if self.unmatched.is_empty() {
            return;
        }
        let names = self.unmatched.join(", ");
        self.summary.push(format!("{} agents not in Kayako: {names}", self.unmatched.len()));
        self.line("  # Not in Kayako. Remove the # and name who they are there, or leave them to the stand-in:\n  # map:");
        for email in self.unmatched.clone() {
            self.line(&format!("  #   {}: \"somebody@your-company.example\"", comment(&quoted(&email))));
        }
    }

    fn teams(&mut self, source: &SourceSurvey, target: &TargetSurvey) {
        let known: Vec<String> =
            target.teams.iter().filter_map(|team| team.title.as_deref()).map(fold).collect();
        let groups = source.catalogue.groups.iter().filter(|group| !group.deleted);
        let (there, new): (Vec<&str>, Vec<&str>) =
            groups.map(|group| group.name.as_str()).partition(|name| known.contains(&fold(name)));
        self.line("\n# Groups become teams of the same name.");
        self.line(&format!("# In Kayako already: {}.", comment(&or_none(&there))));
        self.line(&format!("# Will be created: {}.", comment(&or_none(&new))));
        self.line("teams:\n  missing: create");
        self.summary.push(format!(
            "{} groups are teams in Kayako, {} will be created",
            there.len(),
            new.len()
        ));
    }

    fn mapping(&mut self, source: &SourceSurvey, target: &TargetSurvey) {
        self.line("\nmapping:");
        let statuses: Vec<&str> = target.statuses.iter().filter_map(|s| s.label.as_deref()).collect();
        let priorities: Vec<&str> = target.priorities.iter().filter_map(|p| p.label.as_deref()).collect();
        let types: Vec<&str> = target.types.iter().filter_map(|t| t.label.as_deref()).collect();
        let used = |category: &str| source.catalogue.statuses.iter().any(|s| s.category == category);
        let status: Vec<(&str, &str)> =
            DEFAULT_STATUS.into_iter().filter(|(category, _)| used(category)).collect();
        self.labels("status", &status, &statuses);
        self.labels("priority", &DEFAULT_PRIORITY, &priorities);
        self.labels("type", &DEFAULT_TYPE, &types);
        let catalogue = &source.catalogue;
        self.field_section("case_fields", &catalogue.case_fields, &target.case_fields);
        self.field_section("user_fields", &catalogue.user_fields, &target.user_fields);
        self.field_section(
            "organization_fields",
            &catalogue.organization_fields,
            &target.organization_fields,
        );
        self.summary.push(format!("{} fields mapped by title", self.fields));
        if !self.unmatched_fields.is_empty() {
            let names = self.unmatched_fields.join(", ");
            self.summary
                .push(format!("{} fields without a counterpart: {names}", self.unmatched_fields.len()));
        }
    }

    fn labels(&mut self, setting: &str, pairs: &[(&str, &str)], there: &[&str]) {
        self.line(&format!("  # Kayako has: {}.", comment(&there.join(", "))));
        self.line(&format!("  {setting}:"));
        for (from, to) in pairs {
            if let Some(label) = there.iter().find(|label| fold(label) == fold(to)) {
                self.line(&format!("    {from}: {}", quoted(label)));
                continue;
            }
            self.line(&format!("    {from}: {} # not in Kayako: choose one of the labels above", quoted(to)));
            self.summary
                .push(format!("no {setting} \"{to}\" in Kayako for \"{from}\": correct it in the plan"));
        }
    }

    fn field_section(&mut self, setting: &str, from: &[FieldDefinition], to: &[Field]) {
        let mut titles: BTreeMap<String, usize> = BTreeMap::new();
        for field in from {
            *titles.entry(fold(&field.title)).or_default() += 1;
        }
        let (mut mapped, mut open, mut taken) = (String::new(), String::new(), Vec::new());
        for field in from.iter().filter(|field| field.active) {
            let counterpart = to
                .iter()
                .filter(|there| !there.is_system && there.is_enabled != Some(false))
                .find(|there| there.title.as_deref().is_some_and(|title| fold(title) == fold(&field.title)));
            // Several fields of one title can only be told apart by their keys.
            let name = if titles.get(&fold(&field.title)) == Some(&1) { &field.title } else { &field.key };
            match counterpart.and_then(|there| Some((there.key.clone()?, there.kind.as_ref()))) {
                Some((key, kind)) if !taken.contains(&key) => {
                    let kind = written_type(field.kind, kind)
                        .map_or_else(String::new, |kind| format!(", type: {kind}"));
                    mapped.push_str(&format!("    {}: {{ to: {}{kind} }}\n", quoted(name), quoted(&key)));
                    taken.push(key);
                    self.fields += 1;
                }
                _ => {
                    open.push_str(&format!("  #   {}: {{ to: kayako_field_key }}\n", comment(&quoted(name))));
                    self.unmatched_fields.push(field.title.clone());
                }
            }
        }
        if mapped.is_empty() && open.is_empty() {
            return;
        }
        if mapped.is_empty() {
            self.line(&format!("  # {setting}:"));
        } else {
            self.line(&format!("  {setting}:\n{}", mapped.trim_end()));
        }
        if !open.is_empty() {
            self.line("  #   No field of the same title in Kayako; such fields are not moved:");
            self.line(open.trim_end());
        }
    }
}

fn or_none(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The type to write where it differs from the source's own.
fn written_type(from: FieldKind, to: Option<&FieldType>) -> Option<&'static str> {
    let there = match to? {
        FieldType::Text | FieldType::TextArea | FieldType::Regex => "text",
        FieldType::Numeric | FieldType::Decimal => "number",
        FieldType::YesNo => "yes_no",
        FieldType::Date => "date",
        FieldType::Select | FieldType::Radio | FieldType::CascadingSelect => "option",
        FieldType::CheckBox => "options",
        FieldType::File | FieldType::Other(_) => return None,
    };
    let own = match from {
        FieldKind::Integer | FieldKind::Decimal => "number",
        FieldKind::CheckBox => "yes_no",
        FieldKind::Date => "date",
        FieldKind::Choice => "option",
        FieldKind::Choices => "options",
        _ => "text",
    };
    (there != own).then_some(there)
}
