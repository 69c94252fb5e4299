//! Users (reference section 4.3).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::automation::Cause;
use super::call::{Call, Caller, Role};
use super::envelope::{Answer, Failure, Problems};
use super::fields::{FieldOwner, Values};
use super::params::Params;
use super::shape::Shape;
use super::state::{State, stamp};

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

/// A user that passed validation and is not in the account yet.
#[derive(Debug, Default)]
pub(crate) struct UserDraft {
    pub(crate) full_name: String,
    pub(crate) legacy_id: Option<String>,
    pub(crate) role_id: u64,
    pub(crate) email: Option<String>,
    password: Option<String>,
    designation: Option<String>,
    pub(crate) team_ids: Vec<u64>,
    agent_case_access: Option<&'static str>,
    organization_case_access: Option<&'static str>,
    pub(crate) organization_id: Option<u64>,
    locale_id: Option<u64>,
    time_zone: Option<String>,
    texts: BTreeMap<&'static str, String>,
    pub(crate) values: Values,
    pub(crate) tags: Vec<String>,
    pub(crate) is_disabled: bool,
}

const AGENT_ACCESS: [&str; 4] = ["SELF", "TEAMS", "INHERIT-FROM-ROLE", "ALL"];
const ORGANIZATION_ACCESS: [&str; 2] = ["REQUESTED", "ORGANIZATION"];
const TEXTS: [&str; 3] = ["signature", "greeting", "status_message"];

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

    /// Checks a user record of `POST /users` or `POST /bulk/users`.
    pub(crate) fn draft_user(&self, mut params: Params, caller: &Caller) -> Result<UserDraft, Failure> {
        let mut problems = Problems::default();
        let p = &mut problems;
        let mut draft = UserDraft::default();
        match params.text("full_name", p) {
            Some(name) if name.trim().is_empty() => {
                p.add(Failure::field("FIELD_EMPTY", "full_name", "The name is empty"))
            }
            Some(name) => draft.full_name = name,
            None => p.add(Failure::required("full_name")),
        }
        let mut role = Role::Customer;
        match params.int("role_id", p) {
            Some(id) => match self.role(id) {
                Some(found) => (draft.role_id, role) = (id, found),
                None => p.add(Failure::invalid("role_id", "The role does not exist")),
            },
            None => p.add(Failure::required("role_id")),
        }
        let is_staff = role > Role::Customer;
        draft.legacy_id = self.check_legacy_id(&mut params, |id| self.users_by_legacy.get(id), p);
        draft.email =
            params.text("email", p).map(|email| email.trim().to_owned()).filter(|email| !email.is_empty());
        if let Some(email) = &draft.email {
            if !looks_like_email(email) {
                p.add(Failure::invalid("email", "The e-mail address is not valid"));
            } else if self.email_index.contains_key(&email.to_lowercase()) {
                p.add(Failure::duplicate("email"));
            }
        } else if is_staff {
            p.add(Failure::required("email"));
        }
        draft.team_ids = self.check_teams(params.ids("team_ids", p).unwrap_or_default(), p);
        if is_staff && draft.team_ids.is_empty() {
            p.add(Failure::required("team_ids"));
        }
        if is_staff && self.switches.seat_limit > 0 && self.staff_count >= self.switches.seat_limit {
            p.add(Failure::new(402, "LICENSE_LIMIT_REACHED", "All seats of the plan are taken"));
        }
        if is_staff && caller.role < Role::Admin {
            p.add(Failure::permissions_denied());
        }
        draft.password = params.text("password", p);
        draft.designation = params.text("designation", p);
        draft.agent_case_access =
            params.choice("agent_case_access", &AGENT_ACCESS, p).or(is_staff.then_some("ALL"));
        let access = params.choice("organization_case_access", &ORGANIZATION_ACCESS, p);
        draft.organization_case_access = access.or((!is_staff).then_some("REQUESTED"));
        draft.locale_id = self.check_entry(&mut params, "locale_id", super::catalog::Catalog::Locales, p);
        draft.time_zone = self.check_time_zone(&mut params, p);
        for name in TEXTS {
            if let Some(text) = params.text(name, p) {
                draft.texts.insert(name, text);
            }
        }
        if let Some(values) = params.object("field_values", p) {
            draft.values = self.check_values(FieldOwner::User, values, None, p);
        }
        self.check_required(FieldOwner::User, &draft.values, None, false, p);
        // Parameters that POST does not document: honoured, or ignored without a word.
        let organization_id = params.int("organization_id", p);
        if self.switches.post_users_takes_organization {
            if organization_id.is_some_and(|id| self.organizations.get(id).is_none()) {
                p.add(Failure::invalid("organization_id", "The organization does not exist"));
            }
            draft.organization_id = organization_id;
        }
        let tags = params.csv("tags").unwrap_or_default();
        if self.switches.post_users_takes_tags {
            draft.tags = tags;
        }
        let is_enabled = params.flag("is_enabled", p);
        draft.is_disabled = self.switches.post_users_takes_is_enabled && is_enabled == Some(false);
        problems.finish().map(|()| draft)
    }

    /// Puts a user into the account.
    pub(crate) fn insert_user(&mut self, draft: UserDraft) -> u64 {
        let id = self.users.next_id();
        let is_staff = self.role(draft.role_id).is_some_and(|role| role > Role::Customer);
        let organization_id = draft.organization_id.or_else(|| {
            let domain = draft.email.as_deref()?.rsplit_once('@')?.1.to_lowercase();
            self.switches.organization_domain_joins_users.then(|| self.domains.get(&domain).copied())?
        });
        let user = User {
            id,
            uuid: self.uuid(),
            full_name: draft.full_name,
            legacy_id: draft.legacy_id,
            designation: draft.designation,
            is_enabled: !draft.is_disabled,
            role_id: draft.role_id,
            password: draft.password,
            agent_case_access: draft.agent_case_access,
            organization_case_access: draft.organization_case_access,
            organization_id,
            team_ids: draft.team_ids,
            email_ids: Vec::new(),
            phone_ids: Vec::new(),
            values: draft.values,
            locale_id: draft.locale_id.or(Some(1)),
            time_zone: draft.time_zone,
            texts: draft.texts,
            tags: draft.tags,
            note_ids: Vec::new(),
            created_at: self.now(),
            updated_at: self.now(),
            visible_from: self.visible_from(),
        };
        if let Some(legacy_id) = &user.legacy_id {
            self.users_by_legacy.add(legacy_id, id);
        }
        self.staff_count += usize::from(is_staff && self.takes_seat(user.is_enabled));
        for team_id in user.team_ids.clone() {
            self.join_team(team_id, id);
        }
        self.users.insert(user);
        if let Some(email) = draft.email {
            self.insert_email(id, email, true, is_staff, false);
            let sends = if is_staff {
                self.switches.staff_creation_sends_mail
            } else {
                self.switches.customer_creation_sends_mail
            };
            if sends {
                self.mail_user(id, if is_staff { Cause::StaffWelcome } else { Cause::Verification }, None);
            }
        }
        id
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
        if let Some(organization_id) = params.clearable_int("organization_id", p) {
            if organization_id.is_some_and(|id| self.organizations.get(id).is_none()) {
                p.add(Failure::invalid("organization_id", "The organization does not exist"));
            }
            user.organization_id = organization_id;
        }
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
            super::fields::merge(&mut user.values, changed);
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

    fn takes_seat(&self, is_enabled: bool) -> bool {
        is_enabled || !self.switches.disabled_agent_frees_seat
    }

    fn check_teams(&self, ids: Vec<u64>, problems: &mut Problems) -> Vec<u64> {
        if ids.iter().any(|id| self.teams.get(*id).is_none()) {
            problems.add(Failure::invalid("team_ids", "A team does not exist"));
        }
        ids
    }

    fn check_time_zone(&self, params: &mut Params, problems: &mut Problems) -> Option<String> {
        let zone = params.text("time_zone", problems).filter(|zone| !zone.is_empty())?;
        // IANA names: `UTC`, or an area and a place.
        if zone != "UTC" && !zone.contains('/') && self.switches.field_values_strict {
            problems.add(Failure::invalid("time_zone", "A time zone like Africa/Abidjan is expected"));
        }
        Some(zone)
    }
}

/// As strict as common validators are, no stricter.
pub(crate) fn looks_like_email(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else {
        return false;
    };
    !name.is_empty()
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !text.contains(char::is_whitespace)
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
    if role.is_none() && state.switches.visibility_delay_ms == 0 {
        let rows = state.users.iter().rev().map(|(_, user)| user);
        return Ok(call.page_of(state, "user", rows, state.users.len(), show));
    }
    let fits = |user: &&User| visible(user) && role.is_none_or(|role| state.role(user.role_id) == Some(role));
    let rows: Vec<&User> = state.users.iter().rev().map(|(_, user)| user).filter(fits).collect();
    Ok(call.page(state, "user", &rows, |user| show(user)))
}
