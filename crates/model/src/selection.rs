//! Whether a plan selects a listed case: pure, from what the listing itself tells.
//!
//! Constraints: a filtered record must cost no further call to the source; the same facts and plan always give the same answer,
//! because the demo predicts the full run. Names are ids by now ([`crate::plan::Plan::resolve`]).

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ids::SourceId;
use crate::listing::Facts;
use crate::plan::{FieldTest, Members, NONE, Selection};
use crate::reason::Reason;
use crate::record::FieldValue;

/// A plan's selection prepared for judging many records.
#[derive(Debug, Clone)]
pub struct Criteria {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    any: BTreeSet<String>,
    all: BTreeSet<String>,
    none: BTreeSet<String>,
    teams: Membership,
    organizations: Membership,
    assignees: Membership,
    fields: Vec<(String, FieldTest)>,
}

#[derive(Debug, Clone)]
struct Membership {
    include: BTreeSet<String>,
    exclude: BTreeSet<String>,
}

impl Membership {
    fn of(members: &Members) -> Self {
        Self {
            include: members.include.iter().cloned().collect(),
            exclude: members.exclude.iter().cloned().collect(),
        }
    }

    fn admits(&self, id: Option<&SourceId>) -> bool {
        let id = id.map_or(NONE, SourceId::as_str);
        (self.include.is_empty() || self.include.contains(id)) && !self.exclude.contains(id)
    }
}

impl Criteria {
    /// Prepares the selection of a resolved plan.
    pub fn of(selection: &Selection) -> Self {
        let (from, to) = selection.created.as_ref().map_or((None, None), |created| created.bounds());
        let set = |tags: &[String]| tags.iter().map(|tag| tag.to_lowercase()).collect();
        Self {
            from,
            to,
            any: set(&selection.tags.any),
            all: set(&selection.tags.all),
            none: set(&selection.tags.none),
            teams: Membership::of(&selection.groups),
            organizations: Membership::of(&selection.organizations),
            assignees: Membership::of(&selection.assignees),
            fields: selection.fields.iter().map(|c| (c.field.clone(), c.test.clone())).collect(),
        }
    }
}

/// Why the plan does not select a case; `None` if it does. Times are compared half-open: `from` belongs to the range,
/// `to` does not. A case whose creation time is unknown is in no range.
pub fn judge(criteria: &Criteria, facts: &Facts) -> Option<Reason> {
    let bounded = criteria.from.is_some() || criteria.to.is_some();
    let in_range = facts.created_at.is_some_and(|at| {
        criteria.from.is_none_or(|from| at >= from) && criteria.to.is_none_or(|to| at < to)
    });
    if bounded && !in_range {
        return Some(Reason::OutsideDateRange);
    }
    if !tags_match(criteria, &facts.tags) {
        return Some(Reason::TagNotSelected);
    }
    if !criteria.teams.admits(facts.team.as_ref()) {
        return Some(Reason::TeamNotSelected);
    }
    if !criteria.organizations.admits(facts.organization.as_ref()) {
        return Some(Reason::OrganizationNotSelected);
    }
    if !criteria.assignees.admits(facts.assignee.as_ref()) {
        return Some(Reason::AssigneeNotSelected);
    }
    let fields_match =
        criteria.fields.iter().all(|(field, test)| field_matches(facts.fields.get(field), test));
    if fields_match { None } else { Some(Reason::FieldNotSelected) }
}

fn tags_match(criteria: &Criteria, tags: &[String]) -> bool {
    if criteria.any.is_empty() && criteria.all.is_empty() && criteria.none.is_empty() {
        return true;
    }
    let tags: BTreeSet<String> = tags.iter().map(|tag| tag.trim().to_lowercase()).collect();
    (criteria.any.is_empty() || !criteria.any.is_disjoint(&tags))
        && criteria.all.is_subset(&tags)
        && criteria.none.is_disjoint(&tags)
}

fn field_matches(value: Option<&FieldValue>, condition: &FieldTest) -> bool {
    let texts: Vec<&str> = match value {
        None => Vec::new(),
        Some(FieldValue::Text(text) | FieldValue::Date(text) | FieldValue::Choice(text)) => vec![text],
        Some(FieldValue::Bool(set)) => vec![if *set { "true" } else { "false" }],
        Some(FieldValue::Choices(options)) => options.iter().map(String::as_str).collect(),
    };
    match condition {
        FieldTest::Equals(wanted) => texts.contains(&wanted.as_str()),
        FieldTest::In(wanted) => texts.iter().any(|text| wanted.iter().any(|value| value == text)),
        FieldTest::Empty(empty) => texts.iter().all(|text| text.trim().is_empty()) == *empty,
        FieldTest::Matches(pattern) => texts.iter().any(|text| pattern.is_match(text)),
    }
}
