//! A Kayako account, API v1. "Reference section N" in comments means section N of docs/kayako-api.md.
//!
//! Constraints. What the documentation says is behaviour; what it leaves open is a switch ([`Switches`]). The account keeps
//! everything in memory behind one lock. Same seed and same calls give the same ids, tokens and times (with a stopped clock).

mod automation;
mod bulk;
mod call;
mod case_drafts;
mod case_lists;
mod cases;
mod catalog;
mod checks;
mod control;
mod defaults;
mod envelope;
mod export;
mod field_values;
mod fields;
mod files;
mod gateway;
mod identities;
mod jobs;
mod notes;
mod organizations;
mod params;
mod posts;
mod predicates;
mod purifier;
mod rates;
mod routes;
mod sessions;
mod settings;
mod shape;
mod state;
mod switches;
mod table;
mod tags;
mod teams;
mod user_drafts;
mod users;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use crate::clock::ClockConfig;
pub use automation::{Cause, Mail};
pub use export::{
    AttachmentTruth, CaseTruth, EmailTruth, OrganizationTruth, PersonTruth, PhoneTruth, PostTruth, TeamTruth,
    UserTruth,
};
pub use switches::{CreatorRule, FinalStatusRule, JobResults, LongLegacyIdRule, Switches, YesNoFormat};

use crate::clock::Clock;
use state::State;

/// How an account is opened.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// E-mail of the owner, with which a migration logs in.
    pub email: String,
    /// Password of the owner. The sandbox's own, no secret.
    pub password: String,
    /// Bearer tokens that are accepted.
    pub oauth_tokens: Vec<String>,
    /// The `<instance>` of the account's name.
    pub instance: String,
    /// Seed of ids, tokens and passwords.
    pub seed: u64,
    /// Length of the account's waiting times (rate windows, session and file lifetimes, locks) relative to the real ones: 0.01
    /// makes a minute's window 0.6 s. Job times and visibility are switches in milliseconds and are not scaled.
    pub time_scale: f64,
    /// The account's clock.
    pub clock: ClockConfig,
    /// Answers to the open questions.
    pub switches: Switches,
}

impl Default for Config {
    /// A friendly account, as demos want it.
    fn default() -> Self {
        Self {
            email: "admin@acme.example".to_owned(),
            password: "sandbox-kayako-password".to_owned(),
            oauth_tokens: vec!["sandbox-kayako-token".to_owned()],
            instance: "acme".to_owned(),
            seed: 1,
            time_scale: 1.0,
            clock: ClockConfig::default(),
            switches: Switches::friendly(),
        }
    }
}

// Written by hand: credentials never reach a log, not even these.
impl std::fmt::Debug for Config {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Config");
        shown.field("email", &self.email).field("instance", &self.instance).field("seed", &self.seed);
        shown
            .field("time_scale", &self.time_scale)
            .field("clock", &self.clock)
            .field("switches", &self.switches);
        shown.finish_non_exhaustive()
    }
}

/// How many objects of each kind an account holds; cases in the trash included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Teams.
    pub teams: usize,
    /// Users, staff included.
    pub users: usize,
    /// Organizations.
    pub organizations: usize,
    /// Cases.
    pub cases: usize,
    /// Posts of all cases.
    pub posts: usize,
}

/// Somebody who exists in the account before a migration begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPerson {
    /// Display name.
    pub full_name: String,
    /// Primary address.
    pub email: String,
    /// An agent, else a customer.
    pub is_agent: bool,
    /// Job title.
    pub designation: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
}

/// Why an account could not be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The owner's e-mail or another value of the configuration is refused by the account itself.
    #[error("the account refuses {what}: {code}")]
    Refused {
        /// What was to be created.
        what: &'static str,
        /// The API's error code.
        code: &'static str,
    },
    /// Switches that do not exist or have another type.
    #[error("the switches cannot be read")]
    Switches(#[source] serde_json::Error),
    /// A preset other than `pessimistic` or `friendly`.
    #[error("the preset must be `pessimistic` or `friendly`")]
    Preset,
}

struct Inner {
    clock: Clock,
    state: Mutex<State>,
}

/// The handle of an account: the same account that the router serves, from inside the process.
#[derive(Clone)]
pub struct Account(Arc<Inner>);

impl std::fmt::Debug for Account {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The state is megabytes and full of what people wrote.
        formatter.debug_tuple("Account").finish_non_exhaustive()
    }
}

impl Account {
    /// Opens an account with its owner, roles, one team, one mailbox and the usual lists.
    pub fn new(config: &Config) -> Result<Self, AccountError> {
        let clock = Clock::new(config.clock);
        let mut state =
            State::empty(config.seed, config.switches.clone(), config.time_scale, config.instance.clone());
        state.sessions.oauth_tokens.clone_from(&config.oauth_tokens);
        state.now_ms = clock.now_ms();
        defaults::fill(&mut state, config).map_err(|failure| refused("the owner", &failure))?;
        Ok(Self(Arc::new(Inner { clock, state: Mutex::new(state) })))
    }

    /// The account's API below `/api/v1/` and its control API below `/_sandbox/`.
    pub fn router(&self) -> Router {
        control::routes().fallback(gateway::answer).with_state(self.clone())
    }

    /// Sets the address that `resource_url` and download links begin with.
    pub fn set_base_url(&self, url: &str) {
        let mut state = self.enter();
        url.trim_end_matches('/').clone_into(&mut state.base_url);
        state.refresh_catalog_urls();
    }

    /// Locks the account, sets its clock and carries out what has become due.
    fn enter(&self) -> MutexGuard<'_, State> {
        let mut state = crate::lock(&self.0.state);
        state.now_ms = self.0.clock.now_ms();
        state.run_due_jobs();
        state.drop_expired_files();
        state
    }

    /// Every mail that a real account would have sent, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.enter().mails.clone()
    }

    /// Empties the mail trap.
    pub fn clear_mails(&self) {
        self.enter().mails.clear();
    }

    /// The switches in force.
    pub fn switches(&self) -> Switches {
        self.enter().switches.clone()
    }

    /// Replaces all switches.
    pub fn set_switches(&self, switches: Switches) {
        self.enter().switches = switches;
    }

    /// Changes switches by name, from a preset if `preset` is among them; answers the result. Nothing changes on an error.
    pub fn change_switches(&self, mut changes: Map<String, Value>) -> Result<Switches, AccountError> {
        let mut state = self.enter();
        let base = match changes.remove("preset").as_ref().map(|preset| preset.as_str()) {
            None => state.switches.clone(),
            Some(Some("pessimistic")) => Switches::pessimistic(),
            Some(Some("friendly")) => Switches::friendly(),
            Some(_) => return Err(AccountError::Preset),
        };
        let mut merged = json!(base);
        if let Value::Object(merged) = &mut merged {
            merged.extend(changes);
        }
        state.switches = serde_json::from_value(merged).map_err(AccountError::Switches)?;
        Ok(state.switches.clone())
    }

    /// Lets all sessions die; answers how many.
    pub fn expire_sessions(&self) -> usize {
        self.enter().sessions.expire_all()
    }

    /// Jobs that will never end, because of [`Switches::job_hangs_every`].
    pub fn hanging_jobs(&self) -> usize {
        self.enter().jobs.hanging()
    }

    /// While down, every API call answers 503 in HTML.
    pub fn set_outage(&self, down: bool) {
        self.enter().outage = down;
    }

    /// Logins answer `AUTHENTICATION_LOCKED` for the time in [`Switches::lock_seconds`].
    pub fn lock_logins(&self) {
        self.enter().lock_logins();
    }

    /// Gives a user another password and ends all sessions, as an administrator does who replaces a leaked one. False if nobody has
    /// the address.
    pub fn set_password(&self, email: &str, password: &str) -> bool {
        let mut state = self.enter();
        state.sessions.expire_all();
        let Some(user_id) = state.user_of_email(email) else { return false };
        state.users.get_mut(user_id).is_some_and(|user| {
            user.password = Some(password.to_owned());
            true
        })
    }

    /// Moves the account's clock forward, so that tests need not wait.
    pub fn advance_clock(&self, by: Duration) {
        self.0.clock.advance(by);
    }

    /// How much the account holds.
    pub fn counts(&self) -> Counts {
        let state = self.enter();
        Counts {
            teams: state.teams.len(),
            users: state.users.len(),
            organizations: state.organizations.len(),
            cases: state.cases.len(),
            posts: state.posts.len(),
        }
    }

    /// Users, oldest first.
    pub fn users(&self, offset: usize, limit: usize) -> Vec<UserTruth> {
        self.enter().export_users(offset, limit)
    }

    /// Organizations, oldest first.
    pub fn organizations(&self, offset: usize, limit: usize) -> Vec<OrganizationTruth> {
        self.enter().export_organizations(offset, limit)
    }

    /// Teams, oldest first.
    pub fn teams(&self, offset: usize, limit: usize) -> Vec<TeamTruth> {
        self.enter().export_teams(offset, limit)
    }

    /// Cases with all posts, oldest first.
    pub fn cases(&self, offset: usize, limit: usize) -> Vec<CaseTruth> {
        self.enter().export_cases(offset, limit)
    }

    /// Adds somebody who was there before; no mail is sent. Answers the id.
    pub fn add_person(&self, person: &NewPerson) -> Result<u64, AccountError> {
        let mut state = self.enter();
        let role = defaults::role(&state, if person.is_agent { "AGENT" } else { "CUSTOMER" });
        let fields = json!({
            "full_name": person.full_name, "email": person.email, "role_id": role, "designation": person.designation,
            "time_zone": person.time_zone, "team_ids": if person.is_agent { json!([1]) } else { json!([]) },
        });
        // Who has been there all along has a seat already.
        let seats = std::mem::replace(&mut state.switches.seat_limit, 0);
        let drafted = state.draft_user(defaults::params(fields), &defaults::the_account_itself());
        state.switches.seat_limit = seats;
        let draft = drafted.map_err(|failure| refused("a person", &failure))?;
        let mails = state.mails.len();
        let id = state.insert_user(draft);
        state.mails.truncate(mails);
        if let Some(user) = state.users.get_mut(id) {
            // Nobody waits for people who have been there all along.
            user.visible_from = 0;
        }
        Ok(id)
    }
}

fn refused(what: &'static str, failure: &envelope::Failure) -> AccountError {
    let code = failure.complaints.first().map_or("EXCEPTION_CAUGHT", |complaint| complaint.code);
    AccountError::Refused { what, code }
}
