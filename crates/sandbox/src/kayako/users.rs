//! Users (reference section 4.3).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, Caller, Role};
use super::envelope::{Answer, Failure, Problems};
use super::field_values::Values;
use super::fields::FieldOwner;
use super::params::{Change, Params};
use super::shape::Shape;
use super::state::{State, stamp};
use super::user_drafts::{AGENT_ACCESS, ORGANIZATION_ACCESS, TEXTS};

/// A customer or a member of the staff.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) uuid: Uuid,
    pub(crate) full_name: String,
    pub(crate) legacy_id: Option<String>,
    pub(crate) designation: Option<String>,
    pub(crate) is_enabled: bool,
    pub(crate) role_id: u64,
    pub(crate) password: Option<String>,
    pub(crate) agent_case_access: Option<&'static str>,
    pub(crate) organization_case_access: Option<&'static str>,
    pub(crate) organization_id: Option<u64>,
    pub(crate) team_ids: Vec<u64>,
    pub(crate) email_ids: Vec<u64>,
    pub(crate) phone_ids: Vec<u64>,
    pub(crate) values: Values,
    pub(crate) locale_id: Option<u64>,
    pub(crate) time_zone: Option<String>,
    /// signature, greeting, status_message.
    pub(crate) texts: BTreeMap<&'static str, String>,
    pub(crate) tags: Vec<String>,
    pub(crate) note_ids: Vec<u64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) visible_from: i64,
}

impl State {
    pub(crate) fn show_user(&self, user: &User, shape: &Shape, depth: u8) -> Value {
        let mut shown = json!({
            "id": user.id,
            "uuid": user.uuid,
            "full_name": user.full_name,
            "legacy_id": user.legacy_id,
            "designation": user.designation,
            "is_enabled": user.is_enabled,
            "is_mfa_enabled": false,
            "role": self.reference("role", Some(user.role_id), shape, depth),
            "avatar": Value::Null,
            "agent_case_access": user.agent_case_access,
            "organization_case_access": user.organization_case_access,
            "organization": self.reference("organization", user.organization_id, shape, depth),
            "teams": self.references("team", &user.team_ids, shape, depth),
            "emails": self.references("identity_email", &user.email_ids, shape, depth),
            "phones": self.references("identity_phone", &user.phone_ids, shape, depth),
            "twitter": [],
            "facebook": [],
            "external_identifiers": [],
            "addresses": [],
            "websites": [],
            "custom_fields": self.show_values(FieldOwner::User, &user.values, shape, depth),
            "pinned_notes_count": 0,
            "locale": self.reference("locale", user.locale_id, shape, depth),
            "time_zone": user.time_zone,
            "greeting": user.texts.get("greeting"),
            "signature": user.texts.get("signature"),
            "status_message": user.texts.get("status_message"),
            "created_at": stamp(user.created_at),
            "updated_at": stamp(user.updated_at),
            "resource_type": "user",
            "resource_url": self.url("users", user.id),
        });
        if shape.wants("tags") {
            shown["tags"] = json!(user.tags);
        }
        shown
    }

    /// The role of a user, customer if unknown.
    pub(crate) fn role_of(&self, user_id: u64) -> Role {
        self.users.get(user_id).and_then(|user| self.role(user.role_id)).unwrap_or(Role::Customer)
    }

    fn update_user(&mut self, id: u64, params: &mut Params, caller: &Caller) -> Result<(), Failure> {
        let mut problems = Problems::default();
        let p = &mut problems;
        let mut user = self.users.get(id).ok_or_else(Failure::not_found)?.clone();
        let was_staff = self.role_of(id) > Role::Customer;
        if was_staff {
            caller.require(Role::Admin)?;
        }
        if let Some(name) = params.text("full_name", p) {
            user.full_name = name;
        }
        if params.has("designation") {
            user.designation = params.text("designation", p);
        }
        if let Some(role_id) = params.int("role_id", p) {
            if self.role(role_id).is_some() {
                user.role_id = role_id;
            } else {
                p.add(Failure::invalid("role_id", "The role does not exist"));
            }
        }
        let organization = params.change_of_id("organization_id", p);
        if matches!(organization, Change::To(id) if self.organizations.get(id).is_none()) {
            p.add(Failure::invalid("organization_id", "The organization does not exist"));
        }
        user.organization_id = organization.over(user.organization_id);
        if let Some(tags) = params.csv("tags") {
            user.tags = tags;
        } else if params.has("tags") {
            user.tags.clear();
        }
        let was_enabled = user.is_enabled;
        if let Some(is_enabled) = params.flag("is_enabled", p) {
            user.is_enabled = is_enabled;
        }
        let teams = params.ids("team_ids", p).map(|ids| self.check_teams(ids, p));
        if let Some(access) = params.choice("agent_case_access", &AGENT_ACCESS, p) {
            user.agent_case_access = Some(access);
        }
        if let Some(access) = params.choice("organization_case_access", &ORGANIZATION_ACCESS, p) {
            user.organization_case_access = Some(access);
        }
        if let Some(locale_id) = self.check_entry(params, "locale_id", super::catalog::Catalog::Locales, p) {
            user.locale_id = Some(locale_id);
        }
        if let Some(time_zone) = self.check_time_zone(params, p) {
            user.time_zone = Some(time_zone);
        }
        for name in TEXTS {
            if let Some(text) = params.text(name, p) {
                user.texts.insert(name, text);
            }
        }
        if let Some(values) = params.object("field_values", p) {
            let changed = self.check_values(FieldOwner::User, values, None, p);
            super::field_values::merge(&mut user.values, changed);
        }
        problems.finish()?;
        let is_staff = self.role(user.role_id).is_some_and(|role| role > Role::Customer);
        let before = was_staff && self.takes_seat(was_enabled);
        let after = is_staff && self.takes_seat(user.is_enabled);
        self.staff_count = (self.staff_count + usize::from(after)).saturating_sub(usize::from(before));
        user.updated_at = self.now();
        if let Some(team_ids) = teams {
            for team_id in user.team_ids.drain(..) {
                self.leave_team(team_id, id);
            }
            for team_id in &team_ids {
                self.join_team(*team_id, id);
            }
            user.team_ids = team_ids;
        }
        if let Some(slot) = self.users.get_mut(id) {
            *slot = user;
        }
        Ok(())
    }

    fn delete_user(&mut self, id: u64) -> Result<(), Failure> {
        if self.role_of(id) == Role::Owner {
            return Err(Failure::permissions_denied());
        }
        let is_staff = self.role_of(id) > Role::Customer;
        let user = self.users.remove(id).ok_or_else(Failure::not_found)?;
        self.staff_count =
            self.staff_count.saturating_sub(usize::from(is_staff && self.takes_seat(user.is_enabled)));
        for email_id in user.email_ids {
            if let Some(email) = self.emails.remove(email_id) {
                self.email_index.remove(&email.address.to_lowercase());
            }
        }
        for team_id in user.team_ids {
            self.leave_team(team_id, id);
        }
        if let Some(legacy_id) = &user.legacy_id {
            self.users_by_legacy.remove(legacy_id, id);
        }
        Ok(())
    }
}

/// Everything below `/users`.
pub(crate) fn serve(
    state: &mut State,
    caller: &Caller,
    call: &mut Call,
    path: &[&str],
) -> Result<Answer, Failure> {
    let id = |text: &str| text.parse::<u64>().map_err(|_| Failure::not_found());
    match (call.method.as_str(), path) {
        ("GET", []) => list(state, call),
        ("POST", []) => {
            caller.require(Role::Agent)?;
            let draft = state.draft_user(std::mem::take(&mut call.params), caller)?;
            let id = state.insert_user(draft);
            show(state, call, id, 201)
        }
        ("POST", ["filter"]) => super::predicates::filter_users(state, call),
        ("POST", ["invite"]) => super::automation::invite(state, caller, call),
        ("PUT", []) => {
            let ids: Vec<u64> =
                call.query.list("ids").unwrap_or_default().iter().filter_map(|id| id.parse().ok()).collect();
            let mut changes = std::mem::take(&mut call.params);
            changes
                .0
                .retain(|name, _| matches!(name.as_str(), "locale_id" | "tags" | "time_zone" | "is_enabled"));
            for id in &ids {
                state.update_user(*id, &mut changes.clone(), caller)?;
            }
            Ok(Answer::count(ids.len()))
        }
        ("DELETE", []) => {
            caller.require(Role::Admin)?;
            let ids: Vec<u64> =
                call.query.list("ids").unwrap_or_default().iter().filter_map(|id| id.parse().ok()).collect();
            Ok(Answer::count(ids.iter().filter(|id| state.delete_user(**id).is_ok()).count()))
        }
        ("GET", [user]) => show(state, call, id(user)?, 200),
        ("PUT", [user]) => {
            caller.require(Role::Agent)?;
            let id = id(user)?;
            state.update_user(id, &mut std::mem::take(&mut call.params), caller)?;
            show(state, call, id, 200)
        }
        ("DELETE", [user]) => {
            caller.require(Role::Agent)?;
            state.delete_user(id(user)?)?;
            Ok(Answer::count(1))
        }
        ("GET", [user, "cases"]) => super::case_lists::of_requester(state, call, id(user)?),
        ("POST" | "PUT" | "DELETE" | "GET", [user, "tags"]) => {
            let now = state.now();
            let user = state.users.get_mut(id(user)?).ok_or_else(Failure::not_found)?;
            super::tags::change(
                &call.method,
                &mut user.tags,
                call.params.csv("tags").or_else(|| super::tags::of_query(&call.query)),
            );
            user.updated_at = now;
            Ok(super::tags::answer(&user.tags))
        }
        (_, [user, "notes", rest @ ..]) => {
            super::notes::serve(state, caller, call, super::notes::Subject::User(id(user)?), rest)
        }
        ("GET", [user, "field", "values"]) => {
            let user = state.users.get(id(user)?).ok_or_else(Failure::not_found)?;
            Ok(state.list_values(call, FieldOwner::User, &user.values))
        }
        _ => Err(Failure::not_found()),
    }
}

/// One user with the given status.
pub(crate) fn show(state: &State, call: &Call, id: u64, status: u16) -> Result<Answer, Failure> {
    let user = state.users.get(id).ok_or_else(Failure::not_found)?;
    let mut answer = Answer::one("user", state.show_user(user, &call.shape, 0));
    answer.status = status;
    Ok(answer)
}

fn list(state: &State, call: &Call) -> Result<Answer, Failure> {
    let visible = |user: &&User| user.visible_from <= state.now_ms;
    let show = |user: &User| state.show_user(user, &call.shape, 0);
    let asked: Option<Vec<u64>> = if let Some(wanted) = call.lookup_list(state, "legacy_ids") {
        Some(wanted.iter().flat_map(|legacy_id| state.users_by_legacy.get(legacy_id)).copied().collect())
    } else {
        call.lookup_list(state, "ids").map(|ids| ids.iter().filter_map(|id| id.parse().ok()).collect())
    };
    if let Some(mut ids) = asked {
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        let rows: Vec<&User> = ids.iter().filter_map(|id| state.users.get(*id)).filter(visible).collect();
        return Ok(call.page(state, "user", &rows, |user| show(user)));
    }
    let role = match call.query.get("role") {
        None => None,
        Some(name) => Some(
            Role::from_type(&name.to_uppercase()).ok_or_else(|| Failure::invalid("role", "Unknown role"))?,
        ),
    };
    if role.is_none() && state.all_visible() {
        let rows = state.users.iter().rev().map(|(_, user)| user);
        return Ok(call.page_of(state, "user", rows, state.users.len(), show));
    }
    let fits = |user: &&User| visible(user) && role.is_none_or(|role| state.role(user.role_id) == Some(role));
    let rows: Vec<&User> = state.users.iter().rev().map(|(_, user)| user).filter(fits).collect();
    Ok(call.page(state, "user", &rows, |user| show(user)))
}
