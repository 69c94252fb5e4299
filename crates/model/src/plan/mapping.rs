//! Statuses, priorities, types and custom fields: the source's words in Kayako's.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decode::{Decode, Section, choice, section};
use super::problem::Report;
use super::tree::Node;

/// Statuses that are mapped unless the plan says otherwise. `hold` has no counterpart in Kayako; both wait for somebody else.
pub const DEFAULT_STATUS: [(&str, &str); 6] = [
    ("new", "New"),
    ("open", "Open"),
    ("pending", "Pending"),
    ("hold", "Pending"),
    ("solved", "Completed"),
    ("closed", "Closed"),
];
/// Priorities that are mapped unless the plan says otherwise.
pub const DEFAULT_PRIORITY: [(&str, &str); 4] =
    [("low", "Low"), ("normal", "Normal"), ("high", "High"), ("urgent", "Urgent")];
/// Types that are mapped unless the plan says otherwise.
pub const DEFAULT_TYPE: [(&str, &str); 4] =
    [("question", "Question"), ("incident", "Incident"), ("problem", "Problem"), ("task", "Task")];

section! {
    /// The source's words in Kayako's. Lines in the plan are added to the defaults or replace them.
    pub struct Mapping {
        /// Source status to the label of a Kayako status.
        status: BTreeMap<String, String> = labels(&DEFAULT_STATUS);
        /// Source priority to the label of a Kayako priority.
        priority: BTreeMap<String, String> = labels(&DEFAULT_PRIORITY);
        /// Source type to the label of a Kayako type.
        case_type as "type": BTreeMap<String, String> = labels(&DEFAULT_TYPE);
        /// Ticket fields, by title or id. Fields that are not named here are not moved.
        case_fields: BTreeMap<String, FieldMapping> = BTreeMap::new();
        /// User fields, by title or key.
        user_fields: BTreeMap<String, FieldMapping> = BTreeMap::new();
        /// Organization fields, by title or key.
        organization_fields: BTreeMap<String, FieldMapping> = BTreeMap::new();
    }
    check check_mapping;
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

fn complete(map: &mut BTreeMap<String, String>, defaults: &[(&str, &str)]) {
    for (from, to) in defaults {
        map.entry((*from).to_owned()).or_insert_with(|| (*to).to_owned());
    }
}

fn check_mapping(mapping: &mut Mapping, section: &mut Section<'_>) {
    complete(&mut mapping.status, &DEFAULT_STATUS);
    complete(&mut mapping.priority, &DEFAULT_PRIORITY);
    complete(&mut mapping.case_type, &DEFAULT_TYPE);
    let fields = [
        ("case_fields", &mapping.case_fields),
        ("user_fields", &mapping.user_fields),
        ("organization_fields", &mapping.organization_fields),
    ];
    for (key, map) in fields {
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        for (from, field) in map {
            if let Some(first) = taken.insert(&field.to, from) {
                let message = format!("writes the Kayako field `{}`, as `{first}` does", field.to);
                section.problem_below(key, from, message, "give each source field a Kayako field of its own");
            }
        }
    }
}

/// Where the values of one source field go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldMapping {
    /// Key of the Kayako field.
    pub to: String,
    /// Source value to Kayako value (for options: the label). Values that are not named here go as they are.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// What kind of field it is in Kayako. Absent: as the source's field.
    #[serde(default, rename = "type")]
    pub field_type: Option<FieldType>,
}

/// The kind of a Kayako field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Text, in one line or several, or by a pattern.
    Text,
    /// Whole or decimal number.
    Number,
    /// Yes or no.
    YesNo,
    /// A date.
    Date,
    /// One option of a list; levels of a cascade are written `A \ B`.
    Option,
    /// Several options of a list.
    Options,
}

impl Decode for FieldMapping {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut section = Section::open(node, path, report)?;
        let to = section.required("to", "kayako_field_key");
        let values = section.or("values", BTreeMap::new());
        let field_type = section.optional("type");
        if field_type == Some(FieldType::Date) && !values.is_empty() {
            section.problem("values", "has no effect on dates", "remove `values` or choose another type");
        }
        section.close();
        Some(Self { to: to?, values, field_type })
    }
}

impl Decode for FieldType {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let words = [
            ("text", Self::Text),
            ("number", Self::Number),
            ("yes_no", Self::YesNo),
            ("date", Self::Date),
            ("option", Self::Option),
            ("options", Self::Options),
        ];
        choice(node, path, report, &words)
    }
}
