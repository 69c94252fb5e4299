//! Which records are moved. How a record is judged by it is in [`crate::selection`].

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decode::{Decode, Section, choice, nearest, section, text};
use super::problem::Report;
use super::tree::Node;
use crate::kind::Kind;

/// Stands in a list of groups, organizations or assignees for "has none".
pub const NONE: &str = "none";

section! {
    /// Which records are moved. Everything but `kinds` and `demo` narrows the cases; what a selected case refers to comes along.
    pub struct Selection {
        /// Kinds to move.
        kinds: Vec<Kind> = Kind::ALL.to_vec();
        /// Creation time of cases. Absent: any.
        created: Option<CreatedRange> = None;
        /// Tags of cases.
        tags: TagSelection = TagSelection::default();
        /// Groups that cases belong to, by name or id.
        groups: Members = Members::default();
        /// Organizations that cases belong to, by name or id.
        organizations: Members = Members::default();
        /// Agents whom cases are assigned to, by e-mail, name or id.
        assignees: Members = Members::default();
        /// Custom fields of cases; all conditions must hold.
        fields: Vec<FieldCondition> = Vec::new();
        /// The sample that `run --demo` moves.
        demo: Demo = Demo::default();
    }
    check check_selection;
}

fn check_selection(selection: &mut Selection, section: &mut Section<'_>) {
    if selection.kinds.is_empty() {
        section.problem("kinds", "selects nothing", "name at least one of team, organization, user, case");
    }
    let unique: BTreeSet<Kind> = selection.kinds.iter().copied().collect();
    if unique.len() < selection.kinds.len() {
        section.problem("kinds", "names a kind twice", "name each kind once");
    }
    selection.kinds = unique.into_iter().collect();
    if !selection.kinds.contains(&Kind::Case) && !selection.demo.ids.is_empty() {
        section.problem(
            "demo",
            "names cases although cases are not selected",
            "add `case` to selection.kinds",
        );
    }
}

section! {
    /// Tags of cases, compared without regard to upper and lower case.
    pub struct TagSelection {
        /// At least one of these.
        any: Vec<String> = Vec::new();
        /// Every one of these.
        all: Vec<String> = Vec::new();
        /// Not one of these.
        none: Vec<String> = Vec::new();
    }
    check check_tags;
}

fn check_tags(tags: &mut TagSelection, section: &mut Section<'_>) {
    for list in [&mut tags.any, &mut tags.all, &mut tags.none] {
        for tag in list.iter_mut() {
            *tag = tag.trim().to_lowercase();
        }
    }
    let wanted = tags.any.iter().chain(&tags.all);
    for tag in wanted.filter(|tag| tags.none.contains(tag)).collect::<BTreeSet<_>>() {
        section.problem(
            "none",
            format!("`{tag}` is both wanted and unwanted"),
            "remove it from one of the lists",
        );
    }
}

section! {
    /// Groups, organizations or assignees. The word `none` means cases that have none.
    pub struct Members {
        /// Only these. Empty: all.
        include: Vec<String> = Vec::new();
        /// Not these.
        exclude: Vec<String> = Vec::new();
    }
    check check_members;
}

fn check_members(members: &mut Members, section: &mut Section<'_>) {
    for list in [&mut members.include, &mut members.exclude] {
        for name in list.iter_mut() {
            name.truncate(name.trim_end().len());
        }
    }
    let both: Vec<String> =
        members.include.iter().filter(|name| members.exclude.contains(name)).cloned().collect();
    for name in both {
        section.problem(
            "exclude",
            format!("`{name}` is both included and excluded"),
            "remove it from one list",
        );
    }
}

section! {
    /// The sample that `run --demo` moves.
    pub struct Demo {
        /// Cases drawn at random, 1 to 1000.
        size: u32 = 20, from 1 to 1000;
        /// Seed of the draw, so that it can be repeated. Absent: chosen and recorded by the run.
        seed: Option<u64> = None;
        /// Cases to move instead of drawing, by source id.
        ids: Vec<String> = Vec::new();
    }
    check check_demo;
}

fn check_demo(demo: &mut Demo, section: &mut Section<'_>) {
    if !demo.ids.is_empty() && (section.has("size") || section.has("seed")) {
        section.problem("ids", "names the cases, so nothing is drawn", "remove size and seed, or ids");
    }
    if demo.ids.iter().collect::<BTreeSet<_>>().len() < demo.ids.len() {
        section.problem("ids", "names a case twice", "name each case once");
    }
}

/// Creation time of cases: from the first moment (inclusive) up to the second one (exclusive).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatedRange {
    /// First moment that is included. Absent: from the beginning.
    #[serde(default)]
    pub from: Option<Moment>,
    /// First moment that is no longer included. Absent: no end.
    #[serde(default)]
    pub to: Option<Moment>,
    /// IANA time zone in which dates and times without an offset are meant, such as `Europe/Berlin`.
    pub time_zone: Zone,
}

impl CreatedRange {
    /// The first instant included and the first one excluded.
    pub fn bounds(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let instant = |moment: &Moment| moment.at(&self.time_zone);
        (self.from.as_ref().map(instant), self.to.as_ref().map(instant))
    }
}

impl Decode for CreatedRange {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut section = Section::open(node, path, report)?;
        let from = section.optional("from");
        let to = section.optional("to");
        if !section.has("from") && !section.has("to") {
            section.problem("from", "neither from nor to is given", "add one, or remove `created`");
        }
        let time_zone = section.required("time_zone", "Europe/Berlin");
        let range = time_zone.map(|time_zone| Self { from, to, time_zone });
        if let Some(range) = &range
            && let (Some(from), Some(to)) = range.bounds()
            && from >= to
        {
            section.problem(
                "to",
                "is not later than from",
                "`to` is the first moment that is not included any more",
            );
        }
        section.close();
        range
    }
}

/// A date, a date with time, or an exact instant (`2023-01-31`, `2023-01-31T08:00`, `2023-01-31T08:00:00Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^\d{4}-\d{2}-\d{2}"))]
pub enum Moment {
    /// An exact instant.
    Instant(Timestamp),
    /// A date with time in the range's zone; a date alone is its midnight.
    Local(DateTime),
}

impl Moment {
    /// The instant it means in a zone. A time that a change of clocks skips means the moment after the gap, a repeated one its first occurrence.
    pub fn at(&self, zone: &Zone) -> Timestamp {
        match self {
            Self::Instant(instant) => *instant,
            Self::Local(local) => zone
                .zone
                .to_ambiguous_timestamp(*local)
                .compatible()
                // Only the first and last day that the calendar library knows can fail.
                .unwrap_or(if local.year() < 0 { Timestamp::MIN } else { Timestamp::MAX }),
        }
    }
}

/// A text is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither a date nor a time")]
pub struct InvalidMoment;

impl TryFrom<String> for Moment {
    type Error = InvalidMoment;
    fn try_from(text: String) -> Result<Self, InvalidMoment> {
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(Self::Instant(instant));
        }
        text.parse::<DateTime>().map(Self::Local).map_err(|_| InvalidMoment)
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        match moment {
            Moment::Instant(instant) => instant.to_string(),
            Moment::Local(local) => local.to_string(),
        }
    }
}

impl Decode for Moment {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let found = text(node, path, report, "a date such as 2023-01-31")?;
        let fix = "write 2023-01-31, 2023-01-31T08:00 or 2023-01-31T08:00:00Z";
        Self::try_from(found.to_owned())
            .map_err(|error| report.add(node.place, path, error.to_string(), fix))
            .ok()
    }
}

/// An IANA time zone. Known from the time zone data built in, so that a plan means the same on every machine.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// A text names no time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the name of a time zone")]
pub struct UnknownZone;

impl Zone {
    /// Finds a zone by its IANA name.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| UnknownZone)?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Ok(Self { name, zone })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;
    fn try_from(name: String) -> Result<Self, UnknownZone> {
        Self::named(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

impl Decode for Zone {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let found = text(node, path, report, "a time zone such as Europe/Berlin")?;
        if let Ok(zone) = Self::named(found) {
            return Some(zone);
        }
        let database = TimeZoneDatabase::bundled();
        let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let city = known.iter().copied().find(|name| {
            name.rsplit('/')
                .next()
                .is_some_and(|city| city.replace('_', " ").eq_ignore_ascii_case(found.trim()))
        });
        let fix = match city.or_else(|| nearest(found, &known)) {
            Some(name) => format!("did you mean {name}?"),
            None => "use an IANA name such as Europe/Berlin or UTC".to_owned(),
        };
        report.add(node.place, path, UnknownZone.to_string(), fix);
        None
    }
}

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

impl Decode for Kind {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        choice(node, path, report, &Self::ALL.map(|kind| (kind.name(), kind)))
    }
}
