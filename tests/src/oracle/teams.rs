//! Teams and who works in them.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::kayako::TeamTruth;
use sandbox::seed::{Company, Group, GroupId};

use super::difference::Differences;
use super::people::People;
use super::words::one_line;
use super::{Expectation, origin_key};
use crate::holding::Holding;

/// Titles of the teams that stand for the source's groups.
#[derive(Debug, Default)]
pub(crate) struct Teams(BTreeMap<GroupId, String>);

impl Teams {
    pub(crate) fn of(&self, id: GroupId) -> Option<&str> {
        self.0.get(&id).map(String::as_str)
    }
}

fn all(company: &Company) -> impl Iterator<Item = Group> {
    (0..company.group_count()).filter_map(|place| company.group_at(place))
}

pub(crate) fn compare(
    expected: &Expectation<'_>,
    now: &Holding,
    people: &People,
    found: &mut Differences,
) -> Teams {
    let mut known = Teams::default();
    let mut members: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let mut matched = BTreeSet::new();
    for group in all(expected.company) {
        let record = format!("team {}", group.id);
        let mapped = expected.rules.teams.get(group.name.as_str()).map(|title| (*title).to_owned());
        let title = mapped.unwrap_or_else(|| one_line(&group.name));
        members.entry(title.clone()).or_default().extend(staff_of(expected.company, people, group.id));
        let existing: Vec<&TeamTruth> =
            expected.before.teams.iter().filter(|team| team.title.eq_ignore_ascii_case(&title)).collect();
        let key = origin_key("team", group.id);
        let by_key = now.teams.iter().filter(|team| team.legacy_id.as_deref() == Some(key.as_str()));
        let objects: Vec<&TeamTruth> = existing.iter().copied().chain(by_key).collect();
        matched.extend(objects.iter().map(|team| team.id));
        if let Some(team) = found.only(&record, &objects) {
            found.value(&record, "title", &title, &team.title);
        }
        known.0.insert(group.id, title);
    }
    for team in &now.teams {
        let record = format!("team \"{}\"", team.title);
        let before = expected.before.teams.iter().find(|before| before.id == team.id);
        if before.is_none() && !matched.contains(&team.id) {
            found.unexpected("team", team.id, team.legacy_id.as_ref());
            continue;
        }
        let mut wanted = members.get(&team.title).cloned().unwrap_or_default();
        wanted.extend(before.iter().flat_map(|before| &before.member_ids));
        let held: BTreeSet<u64> = team.member_ids.iter().copied().collect();
        found.value(&record, "members", &wanted, &held);
        found.value(&record, "number of members", &held.len(), &team.member_ids.len());
    }
    known
}

/// Staff of a group who are in Kayako themselves; the default agent joins no team on behalf of others.
fn staff_of(company: &Company, people: &People, group: GroupId) -> Vec<u64> {
    let works_there =
        |place: u64| company.group_memberships(place).iter().any(|entry| entry.group_id == group);
    let staff = people.staff().filter(|(user, _)| company.user_ordinal(*user).is_some_and(works_there));
    staff.map(|(_, id)| id).collect()
}
