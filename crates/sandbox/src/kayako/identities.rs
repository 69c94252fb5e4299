//! E-mails and phones of users (reference section 4.5).

use serde_json::{Value, json};

use super::automation::Cause;
use super::call::{Call, Caller, Role};
use super::envelope::{Answer, Failure, Problems};
use super::shape::Shape;
use super::state::{State, stamp};
use super::user_drafts::looks_like_email;

/// An e-mail address; unique in the account, whatever its letters' case.
#[derive(Debug, Clone)]
pub(crate) struct Email {
    pub(crate) id: u64,
    pub(crate) user_id: u64,
    pub(crate) address: String,
    pub(crate) is_primary: bool,
    pub(crate) is_validated: bool,
    pub(crate) is_notification_enabled: bool,
    created_at: i64,
}

/// A phone number.
#[derive(Debug, Clone)]
pub(crate) struct Phone {
    pub(crate) id: u64,
    pub(crate) user_id: u64,
    pub(crate) number: String,
    pub(crate) is_primary: bool,
    pub(crate) is_validated: bool,
    created_at: i64,
}

impl State {
    /// Adds an address that is known to be free.
    pub(crate) fn insert_email(
        &mut self,
        user_id: u64,
        address: String,
        is_primary: bool,
        is_validated: bool,
        notified: bool,
    ) -> u64 {
        let id = self.emails.next_id();
        self.email_index.insert(address.to_lowercase(), id);
        if is_primary {
            self.demote_emails(user_id);
        }
        let created_at = self.now();
        self.emails.insert(Email {
            id,
            user_id,
            address,
            is_primary,
            is_validated,
            is_notification_enabled: notified,
            created_at,
        });
        if let Some(user) = self.users.get_mut(user_id) {
            user.email_ids.push(id);
        }
        id
    }

    pub(crate) fn user_of_email(&self, address: &str) -> Option<u64> {
        let id = *self.email_index.get(&address.to_lowercase())?;
        self.emails.get(id).map(|email| email.user_id)
    }

    /// The primary address of a user, else the first.
    pub(crate) fn primary_email(&self, user_id: u64) -> Option<&str> {
        let mut emails =
            self.users.get(user_id)?.email_ids.iter().filter_map(|id| self.emails.get(*id)).peekable();
        let first = emails.peek().map(|email| email.address.as_str());
        emails.find(|email| email.is_primary).map(|email| email.address.as_str()).or(first)
    }

    fn demote_emails(&mut self, user_id: u64) {
        let ids = self.users.get(user_id).map(|user| user.email_ids.clone()).unwrap_or_default();
        for id in ids {
            if let Some(email) = self.emails.get_mut(id) {
                email.is_primary = false;
            }
        }
    }

    pub(crate) fn show_email(&self, email: &Email, shape: &Shape, depth: u8) -> Value {
        json!({
            "id": email.id,
            "email": email.address,
            "is_primary": email.is_primary,
            "is_validated": email.is_validated,
            "is_notification_enabled": email.is_notification_enabled,
            "user": self.reference("user", Some(email.user_id), shape, depth),
            "created_at": stamp(email.created_at),
            "resource_type": "identity_email",
            "resource_url": self.url("identities/emails", email.id),
        })
    }

    pub(crate) fn show_phone(&self, phone: &Phone, shape: &Shape, depth: u8) -> Value {
        json!({
            "id": phone.id,
            "number": phone.number,
            "is_primary": phone.is_primary,
            "is_validated": phone.is_validated,
            "user": self.reference("user", Some(phone.user_id), shape, depth),
            "created_at": stamp(phone.created_at),
            "resource_type": "identity_phone",
            "resource_url": self.url("identities/phones", phone.id),
        })
    }
}

/// Everything below `/identities`.
pub(crate) fn serve(
    state: &mut State,
    caller: &Caller,
    call: &mut Call,
    path: &[&str],
) -> Result<Answer, Failure> {
    caller.require(Role::Agent)?;
    let id = |text: &str| text.parse::<u64>().map_err(|_| Failure::not_found());
    match (call.method.as_str(), path) {
        ("GET", ["emails"]) => {
            let user = asked_user(state, call)?;
            let rows: Vec<&Email> = user.email_ids.iter().filter_map(|id| state.emails.get(*id)).collect();
            Ok(call.page(state, "identity_email", &rows, |row| state.show_email(row, &call.shape, 0)))
        }
        ("GET", ["phones"]) => {
            let user = asked_user(state, call)?;
            let rows: Vec<&Phone> = user.phone_ids.iter().filter_map(|id| state.phones.get(*id)).collect();
            Ok(call.page(state, "identity_phone", &rows, |row| state.show_phone(row, &call.shape, 0)))
        }
        ("GET", ["twitter" | "facebook"]) => Ok(call.page::<()>(state, "identity", &[], |()| Value::Null)),
        ("POST", ["emails"]) => add_email(state, call),
        ("POST", ["phones"]) => add_phone(state, call),
        ("GET", ["emails", email]) => {
            let email = state.emails.get(id(email)?).ok_or_else(Failure::not_found)?;
            Ok(Answer::one("identity_email", state.show_email(email, &call.shape, 0)))
        }
        ("PUT", ["emails", email, "send_verification_email"]) => {
            let user_id = state.emails.get(id(email)?).ok_or_else(Failure::not_found)?.user_id;
            state.mail_user(user_id, Cause::Verification, None);
            Ok(Answer::count(1))
        }
        ("PUT", ["emails", email]) => update_email(state, call, id(email)?),
        ("PUT", ["phones", phone]) => {
            let mut problems = Problems::default();
            let (primary, validated) = (
                call.params.flag("is_primary", &mut problems),
                call.params.flag("is_validated", &mut problems),
            );
            problems.finish()?;
            let phone = state.phones.get_mut(id(phone)?).ok_or_else(Failure::not_found)?;
            phone.is_primary = primary.unwrap_or(phone.is_primary);
            phone.is_validated = validated.unwrap_or(phone.is_validated);
            let shown = phone.clone();
            Ok(Answer::one("identity_phone", state.show_phone(&shown, &call.shape, 0)))
        }
        ("DELETE", ["emails", email]) => {
            let id = id(email)?;
            if state.emails.get(id).ok_or_else(Failure::not_found)?.is_primary {
                return Err(Failure::new(
                    403,
                    "RESOURCE_ACTION_NOT_AVAILABLE",
                    "The primary identity cannot be removed",
                ));
            }
            if let Some(email) = state.emails.remove(id) {
                state.email_index.remove(&email.address.to_lowercase());
                if let Some(user) = state.users.get_mut(email.user_id) {
                    user.email_ids.retain(|known| *known != id);
                }
            }
            Ok(Answer::count(1))
        }
        _ => Err(Failure::not_found()),
    }
}

fn asked_user<'a>(state: &'a State, call: &Call) -> Result<&'a super::users::User, Failure> {
    let id = call.query.get("user_id").ok_or_else(|| Failure::required("user_id"))?;
    id.parse().ok().and_then(|id| state.users.get(id)).ok_or_else(Failure::not_found)
}

fn add_email(state: &mut State, call: &mut Call) -> Result<Answer, Failure> {
    let mut problems = Problems::default();
    let p = &mut problems;
    let user_id = call.params.int("user_id", p);
    let address = call.params.text("email", p).map(|address| address.trim().to_owned());
    let primary = call.params.flag("is_primary", p).unwrap_or(false);
    let validated = call.params.flag("is_validated", p).unwrap_or(false);
    let notified = call.params.flag("is_notification_enabled", p).unwrap_or(false);
    let user = user_id.and_then(|id| state.users.get(id));
    match (user_id, user) {
        (None, _) => p.add(Failure::required("user_id")),
        (Some(_), None) => p.add(Failure::invalid("user_id", "The user does not exist")),
        _ => {}
    }
    match &address {
        None => p.add(Failure::required("email")),
        Some(address) if !looks_like_email(address) => {
            p.add(Failure::invalid("email", "The e-mail address is not valid"));
        }
        Some(address) if state.email_index.contains_key(&address.to_lowercase()) => {
            p.add(Failure::duplicate("email"));
        }
        Some(_) => {}
    }
    // The first address of a user is the primary one, whatever was asked.
    let primary = primary || user.is_some_and(|user| user.email_ids.is_empty());
    problems.finish()?;
    let (Some(user_id), Some(address)) = (user_id, address) else {
        return Err(Failure::not_found());
    };
    let id = state.insert_email(user_id, address.clone(), primary, validated, notified);
    if !validated && state.switches.identity_creation_sends_mail {
        state.mail(address, Cause::Verification, None);
    }
    let email = state.emails.get(id).ok_or_else(Failure::not_found)?;
    Ok(Answer::created("identity_email", state.show_email(email, &call.shape, 0)))
}

fn update_email(state: &mut State, call: &mut Call, id: u64) -> Result<Answer, Failure> {
    let mut problems = Problems::default();
    let p = &mut problems;
    let primary = call.params.flag("is_primary", p);
    let validated = call.params.flag("is_validated", p);
    let notified = call.params.flag("is_notification_enabled", p);
    problems.finish()?;
    let user_id = state.emails.get(id).ok_or_else(Failure::not_found)?.user_id;
    if primary == Some(true) {
        state.demote_emails(user_id);
    }
    let email = state.emails.get_mut(id).ok_or_else(Failure::not_found)?;
    email.is_primary = primary.unwrap_or(email.is_primary);
    email.is_validated = validated.unwrap_or(email.is_validated);
    email.is_notification_enabled = notified.unwrap_or(email.is_notification_enabled);
    let shown = email.clone();
    Ok(Answer::one("identity_email", state.show_email(&shown, &call.shape, 0)))
}

fn add_phone(state: &mut State, call: &mut Call) -> Result<Answer, Failure> {
    let mut problems = Problems::default();
    let p = &mut problems;
    let user_id = call.params.int("user_id", p);
    let number = call.params.text("number", p).filter(|number| !number.trim().is_empty());
    let primary = call.params.flag("is_primary", p).unwrap_or(false);
    let validated = call.params.flag("is_validated", p).unwrap_or(false);
    let user = user_id.and_then(|id| state.users.get(id));
    if user.is_none() {
        p.add(Failure::invalid("user_id", "The user does not exist"));
    }
    match &number {
        None => p.add(Failure::required("number")),
        Some(number) => {
            let strange = number.chars().any(|c| !c.is_ascii_digit() && !"+-() ./".contains(c));
            if strange && state.switches.field_values_strict {
                p.add(Failure::invalid("number", "The number is not valid"));
            }
            let same = |id: &u64| state.phones.get(*id).is_some_and(|phone| phone.number == *number);
            if user.is_some_and(|user| user.phone_ids.iter().any(same)) {
                p.add(Failure::duplicate("number"));
            }
        }
    }
    problems.finish()?;
    let (Some(user_id), Some(number)) = (user_id, number) else {
        return Err(Failure::not_found());
    };
    let id = state.insert_phone(user_id, number, primary, validated);
    let phone = state.phones.get(id).ok_or_else(Failure::not_found)?;
    Ok(Answer::created("identity_phone", state.show_phone(phone, &call.shape, 0)))
}

impl State {
    pub(crate) fn insert_phone(
        &mut self,
        user_id: u64,
        number: String,
        is_primary: bool,
        is_validated: bool,
    ) -> u64 {
        let id = self.phones.next_id();
        let created_at = self.now();
        self.phones.insert(Phone { id, user_id, number, is_primary, is_validated, created_at });
        if let Some(user) = self.users.get_mut(user_id) {
            user.phone_ids.push(id);
        }
        id
    }
}
