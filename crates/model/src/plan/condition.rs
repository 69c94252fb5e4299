//! Conditions on custom fields.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decode::{Decode, Section, text};
use super::problem::Report;
use super::tree::Node;

/// A condition on one custom field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RawCondition", into = "RawCondition")]
#[schemars(with = "RawCondition")]
pub struct FieldCondition {
    /// The field, by title or id.
    pub field: String,
    /// What its value must be like.
    pub test: FieldTest,
}

/// What a custom field's value must be like. A check box counts as `true` or `false`; of several options, one that fits is enough.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldTest {
    /// Exactly this.
    Equals(String),
    /// One of these.
    In(Vec<String>),
    /// Without a value (`true`) or with one (`false`).
    Empty(bool),
    /// Something in it matches.
    Matches(Pattern),
}

/// A condition as written: a field and exactly one test.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FieldCondition")]
struct RawCondition {
    /// The field, by title or id.
    field: String,
    /// The value is exactly this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    equals: Option<String>,
    /// The value is one of these.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    one_of: Option<Vec<String>>,
    /// The field has no value (true) or has one (false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    empty: Option<bool>,
    /// Something in the value matches this regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    matches: Option<Pattern>,
}

/// A condition has no test or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("needs exactly one of equals, in, empty, matches")]
pub struct NotOneTest;

impl TryFrom<RawCondition> for FieldCondition {
    type Error = NotOneTest;
    fn try_from(raw: RawCondition) -> Result<Self, NotOneTest> {
        let tests = [
            raw.equals.map(FieldTest::Equals),
            raw.one_of.map(FieldTest::In),
            raw.empty.map(FieldTest::Empty),
            raw.matches.map(FieldTest::Matches),
        ];
        let mut given = tests.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(test), None) => Ok(Self { field: raw.field, test }),
            _ => Err(NotOneTest),
        }
    }
}

impl From<FieldCondition> for RawCondition {
    fn from(condition: FieldCondition) -> Self {
        let raw = Self { field: condition.field, ..Self::default() };
        match condition.test {
            FieldTest::Equals(value) => Self { equals: Some(value), ..raw },
            FieldTest::In(values) => Self { one_of: Some(values), ..raw },
            FieldTest::Empty(empty) => Self { empty: Some(empty), ..raw },
            FieldTest::Matches(pattern) => Self { matches: Some(pattern), ..raw },
        }
    }
}

impl Decode for FieldCondition {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut section = Section::open(node, path, report)?;
        let tests = ["equals", "in", "empty", "matches"].into_iter().filter(|key| section.has(key)).count();
        if tests != 1 {
            section.problem(
                "",
                NotOneTest.to_string(),
                "write one test per condition; all conditions must hold",
            );
        }
        let field = section.required("field", "Product");
        let equals = section.optional("equals");
        let one_of = section.optional("in");
        let empty = section.optional("empty");
        let matches = section.optional("matches");
        section.close();
        Self::try_from(RawCondition { field: field?, equals, one_of, empty, matches }).ok()
    }
}

/// A regular expression.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("format" = "regex"))]
pub struct Pattern(regex::Regex);

impl Pattern {
    /// Whether something in the text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl TryFrom<String> for Pattern {
    type Error = regex::Error;
    fn try_from(text: String) -> Result<Self, regex::Error> {
        regex::Regex::new(&text).map(Self)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}

impl Decode for Pattern {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let found = text(node, path, report, "a regular expression")?;
        let refuse = |error: regex::Error| {
            let message = error.to_string();
            let last = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            report.add(
                node.place,
                path,
                format!("is no regular expression: {last}"),
                "correct it; quote it with '...'",
            );
        };
        Self::try_from(found.to_owned()).map_err(refuse).ok()
    }
}
