//! Custom fields: definitions and the meaning of values.
//!
//! Constraints: a value's JSON does not tell its type (an option, a date and a text are all strings), so definitions are read
//! before the first record. Unset is null or empty and stays absent; a check box that was never ticked is not "no".

use std::collections::HashMap;

use model::record::{FieldValue, FieldValues};
use serde_json::{Map, Value};

use super::client::Client;
use super::endpoint::{Endpoint, ORGANIZATION_FIELD_LIST, TICKET_FIELD_LIST, USER_FIELD_LIST};
use super::paging::every_page;
use super::raw;
use crate::catalogue::{FieldDefinition, FieldKind, FieldOption};
use crate::error::Error;

/// Types that every account has and records hold as properties of their own.
const BUILT_IN: [&str; 10] = [
    "subject",
    "description",
    "status",
    "tickettype",
    "priority",
    "basic_priority",
    "group",
    "assignee",
    "custom_status",
    "ccs",
];

/// The types of an account's custom fields, by key.
pub(super) struct FieldTypes {
    tickets: HashMap<String, FieldKind>,
    users: HashMap<String, FieldKind>,
    organizations: HashMap<String, FieldKind>,
}

impl FieldTypes {
    pub(super) async fn read(client: &Client) -> Result<Self, Error> {
        let types =
            |fields: Vec<FieldDefinition>| fields.into_iter().map(|field| (field.key, field.kind)).collect();
        Ok(Self {
            tickets: types(ticket_fields(client).await?),
            users: types(user_fields(client).await?),
            organizations: types(organization_fields(client).await?),
        })
    }

    /// Values of a ticket: `custom_fields`, a list of id and value. (`fields` is the same list again.)
    pub(super) fn of_ticket(&self, ticket: &Value) -> FieldValues {
        raw::items(&ticket["custom_fields"])
            .iter()
            .filter_map(|field| {
                let key = raw::id(&field["id"])?.as_str().to_owned();
                let value = value(self.tickets.get(&key).copied(), &field["value"])?;
                Some((key, value))
            })
            .collect()
    }

    /// Values of a user: `user_fields`, keyed by the field's key.
    pub(super) fn of_user(&self, user: &Value) -> FieldValues {
        keyed(&self.users, user["user_fields"].as_object())
    }

    /// Values of an organization: `organization_fields`, keyed by the field's key.
    pub(super) fn of_organization(&self, organization: &Value) -> FieldValues {
        keyed(&self.organizations, organization["organization_fields"].as_object())
    }
}

fn keyed(types: &HashMap<String, FieldKind>, values: Option<&Map<String, Value>>) -> FieldValues {
    let Some(values) = values else { return FieldValues::new() };
    values.iter().filter_map(|(key, raw)| Some((key.clone(), value(types.get(key).copied(), raw)?))).collect()
}

/// A value in canonical terms. `kind` is unknown for fields that were retired since.
fn value(kind: Option<FieldKind>, raw: &Value) -> Option<FieldValue> {
    match raw {
        Value::Null | Value::Object(_) => None,
        Value::Bool(set) => Some(FieldValue::Bool(*set)),
        Value::Number(number) => Some(FieldValue::Text(number.to_string())),
        Value::Array(_) => {
            let chosen: Vec<String> = raw::items(raw)
                .iter()
                .filter_map(|item| match item {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                })
                .collect();
            (!chosen.is_empty()).then_some(FieldValue::Choices(chosen))
        }
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(match kind {
            Some(FieldKind::Choice) => FieldValue::Choice(text.clone()),
            Some(FieldKind::Choices) => FieldValue::Choices(vec![text.clone()]),
            Some(FieldKind::Date) => {
                date(text).map_or_else(|| FieldValue::Text(text.clone()), FieldValue::Date)
            }
            _ => FieldValue::Text(text.clone()),
        }),
    }
}

/// `2016-05-31` as tickets have it, or `2012-07-23T00:00:00Z` as users and organizations have it: the day, which has no zone.
fn date(text: &str) -> Option<String> {
    let day = text.get(..10)?;
    day.parse::<jiff::civil::Date>().is_ok().then(|| day.to_owned())
}

/// Custom fields of tickets.
pub(super) async fn ticket_fields(client: &Client) -> Result<Vec<FieldDefinition>, Error> {
    definitions(client, TICKET_FIELD_LIST, "ticket_fields", |field| {
        Some(raw::id(&field["id"])?.as_str().to_owned())
    })
    .await
}

/// Custom fields of users.
pub(super) async fn user_fields(client: &Client) -> Result<Vec<FieldDefinition>, Error> {
    definitions(client, USER_FIELD_LIST, "user_fields", |field| raw::text(&field["key"])).await
}

/// Custom fields of organizations.
pub(super) async fn organization_fields(client: &Client) -> Result<Vec<FieldDefinition>, Error> {
    definitions(client, ORGANIZATION_FIELD_LIST, "organization_fields", |field| raw::text(&field["key"]))
        .await
}

async fn definitions(
    client: &Client,
    endpoint: Endpoint,
    list: &str,
    key: impl Fn(&Value) -> Option<String>,
) -> Result<Vec<FieldDefinition>, Error> {
    let mut found = Vec::new();
    every_page(client, endpoint, list, &[], |field| {
        let kind = field["type"].as_str().unwrap_or_default();
        if !BUILT_IN.contains(&kind)
            && let Some(key) = key(field)
        {
            found.push(definition(key, kind, field));
        }
    })
    .await?;
    Ok(found)
}

fn definition(key: String, kind: &str, field: &Value) -> FieldDefinition {
    FieldDefinition {
        title: raw::text(&field["title"]).unwrap_or_else(|| key.clone()),
        key,
        kind: match kind {
            "text" => FieldKind::Text,
            "textarea" => FieldKind::TextArea,
            "checkbox" => FieldKind::CheckBox,
            "date" => FieldKind::Date,
            "integer" => FieldKind::Integer,
            "decimal" => FieldKind::Decimal,
            "regexp" => FieldKind::Pattern,
            "partialcreditcard" => FieldKind::PartialCard,
            "tagger" | "dropdown" => FieldKind::Choice,
            "multiselect" => FieldKind::Choices,
            "lookup" | "multi_lookup" => FieldKind::Lookup,
            _ => FieldKind::Other,
        },
        active: !raw::is_false(&field["active"]),
        required: raw::is_true(&field["required"]),
        visible_to_customers: raw::is_true(&field["visible_in_portal"]),
        tag: raw::text(&field["tag"]),
        pattern: raw::text(&field["regexp_for_validation"]),
        options: raw::items(&field["custom_field_options"])
            .iter()
            .filter_map(|option| {
                let value = raw::text(&option["value"])?;
                Some(FieldOption {
                    label: raw::text(&option["name"]).unwrap_or_else(|| value.clone()),
                    value,
                })
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(FieldKind::Text, json!("abc"), Some(FieldValue::Text("abc".into())))]
    #[case(FieldKind::Integer, json!("999"), Some(FieldValue::Text("999".into())))]
    #[case(FieldKind::Integer, json!(999), Some(FieldValue::Text("999".into())))]
    #[case(FieldKind::Decimal, json!("1.60"), Some(FieldValue::Text("1.60".into())))]
    #[case(FieldKind::CheckBox, json!(false), Some(FieldValue::Bool(false)))]
    #[case(FieldKind::CheckBox, json!(null), None)]
    #[case(FieldKind::Date, json!("2016-05-31"), Some(FieldValue::Date("2016-05-31".into())))]
    #[case(FieldKind::Date, json!("2012-07-23T00:00:00Z"), Some(FieldValue::Date("2012-07-23".into())))]
    #[case(FieldKind::Date, json!("someday"), Some(FieldValue::Text("someday".into())))]
    #[case(FieldKind::Choice, json!("hw_printer"), Some(FieldValue::Choice("hw_printer".into())))]
    #[case(FieldKind::Choice, json!(""), None)]
    #[case(FieldKind::Choices, json!(["a", "b"]), Some(FieldValue::Choices(vec!["a".into(), "b".into()])))]
    #[case(FieldKind::Choices, json!([]), None)]
    #[case(FieldKind::Lookup, json!(["9007199254740993"]), Some(FieldValue::Choices(vec!["9007199254740993".into()])))]
    fn values_keep_their_meaning(
        #[case] kind: FieldKind,
        #[case] raw: Value,
        #[case] expected: Option<FieldValue>,
    ) {
        assert_eq!(value(Some(kind), &raw), expected);
    }
}
