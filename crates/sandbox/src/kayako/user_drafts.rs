//! New users: what is checked before they enter the account, and what happens when they do (reference section 4.3).

use std::collections::BTreeMap;

use super::automation::Cause;
use super::call::{Caller, Role};
use super::catalog::Catalog;
use super::envelope::{Failure, Problems};
use super::field_values::Values;
use super::fields::FieldOwner;
use super::params::Params;
use super::state::State;
use super::users::User;

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

pub(crate) const AGENT_ACCESS: [&str; 4] = ["SELF", "TEAMS", "INHERIT-FROM-ROLE", "ALL"];
pub(crate) const ORGANIZATION_ACCESS: [&str; 2] = ["REQUESTED", "ORGANIZATION"];
pub(crate) const TEXTS: [&str; 3] = ["signature", "greeting", "status_message"];

impl State {
    /// Checks a user record of `POST /users` or `POST /bulk/users`.
    pub(crate) fn draft_user(&self, mut params: Params, caller: &Caller) -> Result<UserDraft, Failure> {
        let mut problems = Problems::default();
        let p = &mut problems;
        let mut draft = UserDraft::default();
        match params.text("full_name", p) {
            Some(name) if name.trim().is_empty() => {
                p.add(Failure::field("FIELD_EMPTY", "full_name", "The name is empty"));
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
        draft.locale_id = self.check_entry(&mut params, "locale_id", Catalog::Locales, p);
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

    pub(crate) fn takes_seat(&self, is_enabled: bool) -> bool {
        is_enabled || !self.switches.disabled_agent_frees_seat
    }

    pub(crate) fn check_teams(&self, ids: Vec<u64>, problems: &mut Problems) -> Vec<u64> {
        if ids.iter().any(|id| self.teams.get(*id).is_none()) {
            problems.add(Failure::invalid("team_ids", "A team does not exist"));
        }
        ids
    }

    pub(crate) fn check_time_zone(&self, params: &mut Params, problems: &mut Problems) -> Option<String> {
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
