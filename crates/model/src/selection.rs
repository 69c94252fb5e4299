//! Whether a plan selects a listed case: pure, from what the listing itself tells.
//!
//! Constraints: a filtered record must cost no further call to the source; the same facts and plan always give the same answer,
//! because the demo predicts the full run. Names are ids by now ([`crate::plan::Plan::resolve`]).

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ids::SourceId;
use crate::listing::Facts;
use crate::plan::{CreatedRange, FieldTest, Members, NONE, Selection};
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
        let (from, to) = selection.created.as_ref().map_or((None, None), CreatedRange::bounds);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::Plan;

    fn criteria(selection: &str) -> Criteria {
        let text = format!(
            "version: 1\nname: a\nsource: {{ kind: zendesk, url: 'https://a.example', auth: {{ email: a@b.example, api_token: 'env:A' }} }}\n\
             target: {{ url: 'https://b.example', email: a@b.example, password: 'env:B' }}\nselection: {selection}\n"
        );
        Criteria::of(&Plan::parse(&text).unwrap_or_else(|problems| panic!("{problems}")).selection)
    }

    fn created(at: &str) -> Facts {
        Facts { created_at: Some(at.parse().unwrap()), ..Facts::default() }
    }

    fn tagged(tags: &[&str]) -> Facts {
        Facts { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..Facts::default() }
    }

    #[test]
    fn an_empty_selection_takes_everything() {
        assert_eq!(judge(&criteria("{}"), &Facts::default()), None);
    }

    #[test]
    fn dates_are_half_open_in_their_zone() {
        let range = criteria("{ created: { from: 2023-01-01, to: 2023-07-01, time_zone: Europe/Berlin } }");
        for (at, taken) in [
            ("2022-12-31T22:59:59.999Z", false),
            ("2022-12-31T23:00:00Z", true),
            ("2023-06-30T21:59:59.999Z", true),
            ("2023-06-30T22:00:00Z", false),
        ] {
            assert_eq!(judge(&range, &created(at)).is_none(), taken, "{at}");
        }
        assert_eq!(judge(&range, &Facts::default()), Some(Reason::OutsideDateRange), "unknown creation time");
        let open = criteria("{ created: { from: 2023-01-01, time_zone: UTC } }");
        assert_eq!(judge(&open, &created("2999-01-01T00:00:00Z")), None);
        // Clocks in Berlin went from 02:00 to 03:00 on 26 March 2023: 02:30 does not exist and means 03:30.
        let gap = criteria("{ created: { to: 2023-03-26T02:30, time_zone: Europe/Berlin } }");
        assert_eq!(judge(&gap, &created("2023-03-26T01:29:59Z")), None);
        assert_eq!(judge(&gap, &created("2023-03-26T01:30:00Z")), Some(Reason::OutsideDateRange));
    }

    #[test]
    fn tags_have_three_meanings_and_no_case() {
        let three = criteria("{ tags: { any: [a, B], all: [c], none: [d] } }");
        for (tags, taken) in [
            (&["a", "c"][..], true),
            (&["b", "C"], true),
            (&["c"], false),
            (&["a", "b"], false),
            (&["a", "c", "D"], false),
            (&[], false),
        ] {
            assert_eq!(judge(&three, &tagged(tags)).is_none(), taken, "{tags:?}");
        }
        let none = criteria("{ tags: { none: [d] } }");
        assert_eq!(judge(&none, &tagged(&[])), None);
        assert_eq!(judge(&none, &tagged(&["d"])), Some(Reason::TagNotSelected));
    }

    #[test]
    fn membership_knows_ids_and_none() {
        let facts = |team: Option<&str>| Facts { team: team.map(Into::into), ..Facts::default() };
        let include = criteria("{ groups: { include: ['1', none] } }");
        assert_eq!(judge(&include, &facts(Some("1"))), None);
        assert_eq!(judge(&include, &facts(None)), None);
        assert_eq!(judge(&include, &facts(Some("2"))), Some(Reason::TeamNotSelected));
        let exclude = criteria("{ groups: { exclude: [none] } }");
        assert_eq!(judge(&exclude, &facts(None)), Some(Reason::TeamNotSelected));
        assert_eq!(judge(&exclude, &facts(Some("1"))), None);
        let others = criteria("{ organizations: { exclude: ['5'] }, assignees: { include: ['7'] } }");
        let facts = Facts { assignee: Some("7".into()), ..Facts::default() };
        assert_eq!(judge(&others, &facts), None);
        let foreign = Facts { organization: Some("5".into()), ..facts };
        assert_eq!(judge(&others, &foreign), Some(Reason::OrganizationNotSelected));
        assert_eq!(judge(&others, &Facts::default()), Some(Reason::AssigneeNotSelected));
    }

    #[test]
    fn field_conditions_look_at_every_type_of_value() {
        let with = |value: Option<FieldValue>| Facts {
            fields: value.into_iter().map(|value| ("f".to_owned(), value)).collect(),
            ..Facts::default()
        };
        let text = |text: &str| Some(FieldValue::Text(text.to_owned()));
        let choices = Some(FieldValue::Choices(vec!["a".to_owned(), "b".to_owned()]));
        let cases = [
            ("{ field: f, equals: a }", text("a"), true),
            ("{ field: f, equals: a }", text("ab"), false),
            ("{ field: f, equals: a }", None, false),
            ("{ field: f, equals: true }", Some(FieldValue::Bool(true)), true),
            ("{ field: f, equals: b }", choices.clone(), true),
            ("{ field: f, in: [x, b] }", choices.clone(), true),
            ("{ field: f, in: [x] }", choices.clone(), false),
            ("{ field: f, empty: true }", None, true),
            ("{ field: f, empty: true }", text(" "), true),
            ("{ field: f, empty: true }", choices.clone(), false),
            ("{ field: f, empty: false }", Some(FieldValue::Bool(false)), true),
            ("{ field: f, empty: false }", Some(FieldValue::Choices(vec![])), false),
            ("{ field: f, matches: '^2\\d' }", text("25"), true),
            ("{ field: f, matches: '^2\\d' }", text("125"), false),
            ("{ field: f, matches: 'b' }", choices, true),
        ];
        for (condition, value, taken) in cases {
            let verdict = judge(&criteria(&format!("{{ fields: [{condition}] }}")), &with(value.clone()));
            assert_eq!(verdict, (!taken).then_some(Reason::FieldNotSelected), "{condition} with {value:?}");
        }
    }
}
