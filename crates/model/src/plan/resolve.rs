//! Names in a plan become ids of the source, once, before a run starts.
//!
//! Constraints: pure; the caller reads the source's groups, organizations, agents and fields. A run stores the resolved
//! plan, so that a group renamed in the middle changes nothing.

use std::collections::BTreeMap;

use super::mapping::FieldMapping;
use super::problem::{Problems, Report};
use super::select::{Members, NONE};
use super::{Plan, decode};
use crate::ids::SourceId;

/// What the source's names mean. Names are compared without regard to upper and lower case and outer blanks.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Groups.
    pub teams: Lookup,
    /// Organizations.
    pub organizations: Lookup,
    /// Agents, by name and by every e-mail address.
    pub agents: Lookup,
    /// Ticket fields, by title.
    pub case_fields: Lookup,
    /// User fields, by title; their ids are their keys.
    pub user_fields: Lookup,
    /// Organization fields, by title; their ids are their keys.
    pub organization_fields: Lookup,
}

/// Ids by name; several objects may have one name.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    by_name: BTreeMap<String, Vec<SourceId>>,
}

impl Lookup {
    /// Adds one name of an object.
    pub fn add(&mut self, id: impl Into<SourceId>, name: &str) {
        let ids = self.by_name.entry(fold(name)).or_default();
        let id = id.into();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }

    /// The objects meant by a name or id. An id is taken as such only if nothing is called like it.
    fn find(&self, text: &str) -> Vec<SourceId> {
        if let Some(ids) = self.by_name.get(&fold(text)) {
            return ids.clone();
        }
        let id = SourceId::new(text.trim());
        let known = self.by_name.values().flatten().any(|other| *other == id);
        if known { vec![id] } else { Vec::new() }
    }

    fn nearest(&self, text: &str) -> Option<&str> {
        let names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        decode::nearest(&fold(text), &names)
    }
}

fn fold(name: &str) -> String {
    name.trim().to_lowercase()
}

impl Plan {
    /// The same plan with ids in place of names: selected groups, organizations, assignees and fields, and the keys of the
    /// field mappings. `teams.map` and `agents.map` stay: records carry the names themselves.
    ///
    /// # Errors
    /// Every name that the source does not have, and every mapped field whose title several fields share.
    pub fn resolve(&self, names: &Names) -> Result<Self, Problems> {
        let mut report = Report::default();
        let mut plan = self.clone();
        let selection = &mut plan.selection;
        members(&mut selection.groups, &names.teams, "selection.groups", &mut report);
        members(&mut selection.organizations, &names.organizations, "selection.organizations", &mut report);
        members(&mut selection.assignees, &names.agents, "selection.assignees", &mut report);
        for (at, condition) in selection.fields.iter_mut().enumerate() {
            let path = format!("selection.fields[{at}].field");
            if let Some(id) = field(&condition.field, &names.case_fields, &path, &mut report) {
                condition.field = id;
            }
        }
        let mapping = &mut plan.mapping;
        fields(&mut mapping.case_fields, &names.case_fields, "mapping.case_fields", &mut report);
        fields(&mut mapping.user_fields, &names.user_fields, "mapping.user_fields", &mut report);
        fields(
            &mut mapping.organization_fields,
            &names.organization_fields,
            "mapping.organization_fields",
            &mut report,
        );
        report.verdict(Some(plan))
    }
}

fn members(members: &mut Members, lookup: &Lookup, path: &str, report: &mut Report) {
    for (list, key) in [(&mut members.include, "include"), (&mut members.exclude, "exclude")] {
        let mut ids = Vec::with_capacity(list.len());
        for (at, name) in list.iter().enumerate() {
            if name == NONE {
                ids.push(name.clone());
                continue;
            }
            let found = lookup.find(name);
            if found.is_empty() {
                unknown(name, lookup, &format!("{path}.{key}[{at}]"), report);
            }
            ids.extend(found.iter().map(ToString::to_string));
        }
        ids.sort_unstable();
        ids.dedup();
        *list = ids;
    }
}

fn fields(map: &mut BTreeMap<String, FieldMapping>, lookup: &Lookup, path: &str, report: &mut Report) {
    let mut resolved = BTreeMap::new();
    for (name, mapping) in std::mem::take(map) {
        let path = format!("{path}.{name}");
        let Some(id) = field(&name, lookup, &path, report) else { continue };
        if resolved.insert(id, mapping).is_some() {
            report.add_unplaced(&path, "names a field that is mapped already", "remove one of the two lines");
        }
    }
    *map = resolved;
}

fn field(name: &str, lookup: &Lookup, path: &str, report: &mut Report) -> Option<String> {
    match lookup.find(name).as_slice() {
        [] => {
            unknown(name, lookup, path, report);
            None
        }
        [id] => Some(id.to_string()),
        several => {
            let ids: Vec<&str> = several.iter().map(SourceId::as_str).collect();
            report.add_unplaced(
                path,
                "is the title of several fields",
                format!("use one id: {}", ids.join(", ")),
            );
            None
        }
    }
}

fn unknown(name: &str, lookup: &Lookup, path: &str, report: &mut Report) {
    let fix = match lookup.nearest(name) {
        Some(known) => format!("did you mean `{known}`?"),
        None => "correct the name, or use the id shown at the source".to_owned(),
    };
    report.add_unplaced(path, format!("the source has nothing called `{name}`"), fix);
}
