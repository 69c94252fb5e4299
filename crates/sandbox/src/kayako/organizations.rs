//! Organizations (reference section 4.6).

use serde_json::{Value, json};

use super::call::{Call, Caller, Role};
use super::envelope::{Answer, Failure, Problems};
use super::field_values::Values;
use super::fields::FieldOwner;
use super::params::Params;
use super::shape::Shape;
use super::state::{State, stamp};

/// An organization.
#[derive(Debug, Clone)]
pub(crate) struct Organization {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) legacy_id: Option<String>,
    pub(crate) domains: Vec<String>,
    pub(crate) is_shared: bool,
    pub(crate) is_validated: bool,
    pub(crate) values: Values,
    pub(crate) tags: Vec<String>,
    pub(crate) note_ids: Vec<u64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) visible_from: i64,
}

/// An organization that passed validation.
#[derive(Debug, Default)]
pub(crate) struct OrganizationDraft {
    pub(crate) name: String,
    pub(crate) legacy_id: Option<String>,
    pub(crate) domains: Vec<String>,
    is_shared: bool,
    is_validated: bool,
    values: Values,
    tags: Vec<String>,
}

impl State {
    pub(crate) fn show_organization(&self, row: &Organization, shape: &Shape, depth: u8) -> Value {
        let domains: Vec<Value> = row
            .domains
            .iter()
            .map(|domain| json!({"domain": domain, "resource_type": "identity_domain"}))
            .collect();
        let mut shown = json!({
            "id": row.id,
            "name": row.name,
            "legacy_id": row.legacy_id,
            "is_shared": row.is_shared,
            "is_validated": row.is_validated,
            "domains": domains,
            "phone": [],
            "addresses": [],
            "websites": [],
            "pinned_notes_count": 0,
            "custom_fields": self.show_values(FieldOwner::Organization, &row.values, shape, depth),
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "resource_type": "organization",
            "resource_url": self.url("organizations", row.id),
        });
        if shape.wants("tags") {
            shown["tags"] = json!(row.tags);
        }
        shown
    }

    /// Checks an organization record of a single or bulk insert.
    pub(crate) fn draft_organization(&self, mut params: Params) -> Result<OrganizationDraft, Failure> {
        let mut problems = Problems::default();
        let p = &mut problems;
        let mut draft = OrganizationDraft::default();
        match params.text("name", p) {
            Some(name) if name.trim().is_empty() => {
                p.add(Failure::field("FIELD_EMPTY", "name", "The name is empty"));
            }
            Some(name) => draft.name = name,
            None => p.add(Failure::required("name")),
        }
        if self.switches.organization_name_unique
            && !self.organizations_by_name.get(&draft.name.to_lowercase()).is_empty()
        {
            p.add(Failure::duplicate("name"));
        }
        draft.legacy_id = self.check_legacy_id(&mut params, |id| self.organizations_by_legacy.get(id), p);
        draft.domains = self.check_domains(params.csv("domains").unwrap_or_default(), None, p);
        draft.is_shared = params.flag("is_shared", p).unwrap_or(false);
        draft.is_validated = params.flag("is_validated", p).unwrap_or(false);
        draft.tags = params.csv("tags").unwrap_or_default();
        if let Some(values) = params.object("field_values", p) {
            draft.values = self.check_values(FieldOwner::Organization, values, None, p);
        }
        self.check_required(FieldOwner::Organization, &draft.values, None, false, p);
        problems.finish().map(|()| draft)
    }

    fn check_domains(
        &self,
        domains: Vec<String>,
        owner: Option<u64>,
        problems: &mut Problems,
    ) -> Vec<String> {
        for domain in &domains {
            let taken = self.domains.get(&domain.to_lowercase()).is_some_and(|holder| Some(*holder) != owner);
            if taken && self.switches.organization_domain_unique {
                problems.add(Failure::duplicate("domains"));
            } else if !domain.contains('.') || domain.contains(['@', ' ']) {
                problems.add(Failure::invalid("domains", "A domain is not valid"));
            }
        }
        domains
    }

    /// Puts an organization into the account.
    pub(crate) fn insert_organization(&mut self, draft: OrganizationDraft) -> u64 {
        let id = self.organizations.next_id();
        if let Some(legacy_id) = &draft.legacy_id {
            self.organizations_by_legacy.add(legacy_id, id);
        }
        self.organizations_by_name.add(&draft.name.to_lowercase(), id);
        for domain in &draft.domains {
            self.domains.entry(domain.to_lowercase()).or_insert(id);
        }
        let now = self.now();
        let visible_from = self.visible_from();
        self.organizations.insert(Organization {
            id,
            name: draft.name,
            legacy_id: draft.legacy_id,
            domains: draft.domains,
            is_shared: draft.is_shared,
            is_validated: draft.is_validated,
            values: draft.values,
            tags: draft.tags,
            note_ids: Vec::new(),
            created_at: now,
            updated_at: now,
            visible_from,
        })
    }

    fn update_organization(&mut self, id: u64, params: &mut Params) -> Result<(), Failure> {
        let mut problems = Problems::default();
        let p = &mut problems;
        let mut row = self.organizations.get(id).ok_or_else(Failure::not_found)?.clone();
        let old_name = row.name.to_lowercase();
        if let Some(name) = params.text("name", p) {
            let others =
                self.organizations_by_name.get(&name.to_lowercase()).iter().any(|known| *known != id);
            if others && self.switches.organization_name_unique {
                p.add(Failure::duplicate("name"));
            }
            row.name = name;
        }
        let domains = params.csv("domains").map(|domains| self.check_domains(domains, Some(id), p));
        row.is_shared = params.flag("is_shared", p).unwrap_or(row.is_shared);
        row.is_validated = params.flag("is_validated", p).unwrap_or(row.is_validated);
        if let Some(tags) = params.csv("tags") {
            row.tags = tags;
        }
        if let Some(values) = params.object("field_values", p) {
            let changed = self.check_values(FieldOwner::Organization, values, None, p);
            super::field_values::merge(&mut row.values, changed);
        }
        problems.finish()?;
        self.organizations_by_name.remove(&old_name, id);
        self.organizations_by_name.add(&row.name.to_lowercase(), id);
        if let Some(domains) = domains {
            self.domains.retain(|_, holder| *holder != id);
            for domain in &domains {
                self.domains.entry(domain.to_lowercase()).or_insert(id);
            }
            row.domains = domains;
        }
        row.updated_at = self.now();
        if let Some(slot) = self.organizations.get_mut(id) {
            *slot = row;
        }
        Ok(())
    }
}

/// Everything below `/organizations`.
pub(crate) fn serve(
    state: &mut State,
    caller: &Caller,
    call: &mut Call,
    path: &[&str],
) -> Result<Answer, Failure> {
    let id = |text: &str| text.parse::<u64>().map_err(|_| Failure::not_found());
    let show = |state: &State, call: &Call, id: u64| {
        let row = state.organizations.get(id).ok_or_else(Failure::not_found)?;
        Ok(Answer::one("organization", state.show_organization(row, &call.shape, 0)))
    };
    match (call.method.as_str(), path) {
        ("GET", []) => Ok(list(state, call)),
        ("POST", []) => {
            caller.require(Role::Agent)?;
            let draft = state.draft_organization(std::mem::take(&mut call.params))?;
            let id = state.insert_organization(draft);
            show(state, call, id).map(|answer| Answer { status: 201, ..answer })
        }
        ("POST", ["filter"]) => super::predicates::filter_organizations(state, call),
        ("PUT", []) => {
            let ids: Vec<u64> =
                call.query.list("ids").unwrap_or_default().iter().filter_map(|id| id.parse().ok()).collect();
            let mut changes = std::mem::take(&mut call.params);
            changes.0.retain(|name, _| matches!(name.as_str(), "is_shared" | "tags"));
            for id in &ids {
                state.update_organization(*id, &mut changes.clone())?;
            }
            Ok(Answer::count(ids.len()))
        }
        ("GET", [row]) => show(state, call, id(row)?),
        ("PUT", [row]) => {
            caller.require(Role::Agent)?;
            let id = id(row)?;
            state.update_organization(id, &mut std::mem::take(&mut call.params))?;
            show(state, call, id)
        }
        ("DELETE", [row]) => {
            caller.require(Role::Agent)?;
            let id = id(row)?;
            let row = state.organizations.remove(id).ok_or_else(Failure::not_found)?;
            state.organizations_by_name.remove(&row.name.to_lowercase(), id);
            if let Some(legacy_id) = &row.legacy_id {
                state.organizations_by_legacy.remove(legacy_id, id);
            }
            state.domains.retain(|_, holder| *holder != id);
            Ok(Answer::count(1))
        }
        ("GET", [row, "members"]) => {
            let id = id(row)?;
            state.organizations.get(id).ok_or_else(Failure::not_found)?;
            let members: Vec<_> = state
                .users
                .iter()
                .map(|(_, user)| user)
                .filter(|user| user.organization_id == Some(id))
                .collect();
            Ok(call.page(state, "user", &members, |user| state.show_user(user, &call.shape, 0)))
        }
        ("GET", [row, "cases"]) => super::case_lists::of_organization(state, call, id(row)?),
        ("GET", [row, "field", "values"]) => {
            let row = state.organizations.get(id(row)?).ok_or_else(Failure::not_found)?;
            Ok(state.list_values(call, FieldOwner::Organization, &row.values))
        }
        ("POST" | "PUT" | "DELETE" | "GET", [row, "tags"]) => {
            let row = state.organizations.get_mut(id(row)?).ok_or_else(Failure::not_found)?;
            super::tags::change(
                &call.method,
                &mut row.tags,
                call.params.csv("tags").or_else(|| super::tags::of_query(&call.query)),
            );
            Ok(super::tags::answer(&row.tags))
        }
        (_, [row, "notes", rest @ ..]) => {
            super::notes::serve(state, caller, call, super::notes::Subject::Organization(id(row)?), rest)
        }
        _ => Err(Failure::not_found()),
    }
}

fn list(state: &State, call: &Call) -> Answer {
    let visible = |row: &&Organization| row.visible_from <= state.now_ms;
    let rows: Vec<&Organization> = if let Some(wanted) = call.lookup_list(state, "legacy_ids") {
        let mut ids: Vec<u64> =
            wanted.iter().flat_map(|id| state.organizations_by_legacy.get(id)).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        ids.iter().filter_map(|id| state.organizations.get(*id)).filter(visible).collect()
    } else {
        state.organizations.iter().map(|(_, row)| row).filter(visible).collect()
    };
    call.page(state, "organization", &rows, |row| state.show_organization(row, &call.shape, 0))
}
