//! Everything that would reach people: the mail trap, triggers, monitors, invitations (reference sections 4.16 and 5).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Call, Caller, Role};
use super::catalog::Catalog;
use super::envelope::{Answer, Failure};
use super::params::{Params, as_int};
use super::state::State;

/// Why the account would have sent a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A MAIL post of a single case or a reply.
    Message,
    /// A MAIL post of a bulk inserted case.
    BulkPost,
    /// An agent was assigned.
    Assignment,
    /// An enabled trigger.
    Trigger,
    /// An enabled monitor.
    Monitor,
    /// `POST /users/invite`.
    Invitation,
    /// A new member of the staff.
    StaffWelcome,
    /// A new address to be confirmed.
    Verification,
    /// `POST /password/reset`.
    PasswordReset,
}

/// A mail that a real account would have sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// Why.
    pub cause: Cause,
    /// The case it is about.
    pub case_id: Option<u64>,
    /// Unix seconds.
    pub at: i64,
}

/// What happened to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Created,
    Updated,
}

impl State {
    pub(crate) fn mail(&mut self, to: String, cause: Cause, case_id: Option<u64>) {
        let at = self.now();
        self.mails.push(Mail { to, cause, case_id, at });
    }

    /// Mails a user, who may have no address.
    pub(crate) fn mail_user(&mut self, user_id: u64, cause: Cause, case_id: Option<u64>) {
        if let Some(to) = self.primary_email(user_id).map(str::to_owned) {
            self.mail(to, cause, case_id);
        }
    }

    /// Lets enabled triggers and monitors look at a case.
    ///
    /// A trigger fires if its event fits and its channel is API or absent (any); all of them mail the requester. A monitor fires
    /// for cases that are still open and older than its `days`: on backdated cases at once.
    pub(crate) fn run_automations(&mut self, case_id: u64, event: Event) {
        let Some(case) = self.cases.get(case_id) else {
            return;
        };
        let (requester_id, age) = (case.requester_id, self.now() - case.created_at);
        let open = !matches!(
            self.catalogs.text(Catalog::Statuses, case.status_id, "type"),
            Some("COMPLETED" | "CLOSED")
        );
        let enabled = |row: &&serde_json::Map<String, Value>| {
            row.get("is_enabled").and_then(Value::as_bool) == Some(true)
        };
        let text = |row: &serde_json::Map<String, Value>, name: &str| {
            row.get(name).and_then(Value::as_str).map(str::to_uppercase)
        };
        let event = if event == Event::Created { "CASE_CREATED" } else { "CASE_UPDATED" };
        let triggers = self.catalogs.list(Catalog::Triggers).iter().map(|(_, row)| row).filter(enabled);
        let fired = triggers
            .filter(|row| text(row, "event").is_none_or(|wanted| wanted == event))
            .filter(|row| text(row, "channel").is_none_or(|channel| channel == "API" || channel == "ANY"))
            .count();
        let monitors = self.catalogs.list(Catalog::Monitors).iter().map(|(_, row)| row).filter(enabled);
        let days =
            |row: &serde_json::Map<String, Value>| row.get("days").and_then(as_int).unwrap_or(u64::MAX);
        let due =
            monitors.filter(|row| open && u64::try_from(age / 86_400).unwrap_or(0) >= days(row)).count();
        for _ in 0..fired {
            self.mail_user(requester_id, Cause::Trigger, Some(case_id));
        }
        for _ in 0..due {
            self.mail_user(requester_id, Cause::Monitor, Some(case_id));
        }
    }
}

/// `POST /users/invite`: creates the users and mails them.
pub(crate) fn invite(state: &mut State, caller: &Caller, call: &mut Call) -> Result<Answer, Failure> {
    caller.require(Role::Admin)?;
    let Some(Value::Array(list)) = call.params.take("users") else {
        return Err(Failure::required("users"));
    };
    let mut drafts = Vec::with_capacity(list.len());
    for (place, item) in list.into_iter().enumerate() {
        let mut params =
            Params::from_value(item).ok_or_else(|| Failure::invalid("users", "Objects are expected"))?;
        if let Some(name) = params.take("fullname") {
            params.0.insert("full_name".into(), name);
        }
        drafts.push(state.draft_user(params, caller).map_err(|failure| failure.within("users", place))?);
    }
    let total = drafts.len();
    for draft in drafts {
        let id = state.insert_user(draft);
        state.mail_user(id, Cause::Invitation, None);
    }
    Ok(Answer::count(total))
}

/// `POST /password/reset`.
pub(crate) fn reset_password(state: &mut State, call: &mut Call) -> Result<Answer, Failure> {
    let address = call.params.take("email").and_then(|email| email.as_str().map(str::to_owned));
    let address = address.ok_or_else(|| Failure::required("email"))?;
    if state.user_of_email(&address).is_some() {
        state.mail(address, Cause::PasswordReset, None);
    }
    Ok(Answer::count(1))
}
