//! What a Kayako account holds, and its clock.
//!
//! Constraints. One lock guards all of it; every look-up by id, legacy id and e-mail takes constant time; nothing here walks
//! the whole account except the lists that the API itself defines so. Time comes in as `now_ms`, set once per call.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use uuid::Uuid;

use super::automation::Mail;
use super::cases::Case;
use super::catalog::Catalogs;
use super::fields::{Field, FieldOwner};
use super::files::StoredFile;
use super::identities::{Email, Phone};
use super::jobs::Jobs;
use super::notes::Note;
use super::organizations::Organization;
use super::posts::{Attachment, Post};
use super::rates::Rates;
use super::sessions::Sessions;
use super::shape::Shape;
use super::switches::Switches;
use super::table::{LegacyIndex, Table};
use super::teams::Team;
use super::users::User;

/// Deepest nesting of `include`d objects; users refer to organizations and teams, which refer to users.
pub(crate) const DEEPEST_INCLUDE: u8 = 2;

/// The whole account.
pub(crate) struct State {
    pub(crate) switches: Switches,
    /// Unix milliseconds, set at the start of every call.
    pub(crate) now_ms: i64,
    /// Length of the account's waiting times relative to the real ones.
    pub(crate) time_scale: f64,
    pub(crate) base_url: String,
    pub(crate) instance_name: String,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) users: Table<User>,
    pub(crate) emails: Table<Email>,
    pub(crate) phones: Table<Phone>,
    /// Lower-case address -> e-mail id.
    pub(crate) email_index: HashMap<String, u64>,
    pub(crate) users_by_legacy: LegacyIndex,
    pub(crate) staff_count: usize,
    pub(crate) organizations: Table<Organization>,
    pub(crate) organizations_by_legacy: LegacyIndex,
    /// Lower-case name -> ids.
    pub(crate) organizations_by_name: LegacyIndex,
    pub(crate) domains: HashMap<String, u64>,
    pub(crate) teams: Table<Team>,
    pub(crate) teams_by_legacy: LegacyIndex,
    pub(crate) teams_by_title: LegacyIndex,
    pub(crate) cases: Table<Case>,
    pub(crate) cases_by_legacy: LegacyIndex,
    /// (updated_at, id) of ACTIVE cases: the order of `GET /cases`, backwards.
    pub(crate) case_order: BTreeSet<(i64, u64)>,
    pub(crate) posts: Table<Post>,
    pub(crate) attachments: Table<Attachment>,
    pub(crate) notes: Table<Note>,
    pub(crate) files: Table<StoredFile>,
    /// The oldest file that may still be there.
    pub(crate) oldest_file: u64,
    /// The id of the newest option of any field.
    pub(crate) next_option_id: u64,
    pub(crate) jobs: Jobs,
    pub(crate) sessions: Sessions,
    pub(crate) rates: Rates,
    pub(crate) catalogs: Catalogs,
    pub(crate) fields: BTreeMap<FieldOwner, Table<Field>>,
    pub(crate) settings: BTreeMap<String, Value>,
    pub(crate) mails: Vec<Mail>,
    pub(crate) outage: bool,
    /// What is created now appears so much later than the switch says.
    pub(crate) late_ms: u64,
    /// From then on everything is visible.
    all_visible_from: i64,
}

impl State {
    pub(crate) fn empty(seed: u64, switches: Switches, time_scale: f64, instance_name: String) -> Self {
        Self {
            switches,
            now_ms: 0,
            time_scale,
            base_url: String::new(),
            instance_name,
            rng: ChaCha8Rng::seed_from_u64(seed),
            users: Table::default(),
            emails: Table::default(),
            phones: Table::default(),
            email_index: HashMap::new(),
            users_by_legacy: LegacyIndex::default(),
            staff_count: 0,
            organizations: Table::default(),
            organizations_by_legacy: LegacyIndex::default(),
            organizations_by_name: LegacyIndex::default(),
            domains: HashMap::new(),
            teams: Table::default(),
            teams_by_legacy: LegacyIndex::default(),
            teams_by_title: LegacyIndex::default(),
            cases: Table::default(),
            cases_by_legacy: LegacyIndex::default(),
            case_order: BTreeSet::new(),
            posts: Table::default(),
            attachments: Table::default(),
            notes: Table::default(),
            files: Table::default(),
            oldest_file: 1,
            next_option_id: 0,
            jobs: Jobs::default(),
            sessions: Sessions::default(),
            rates: Rates::default(),
            catalogs: Catalogs::default(),
            fields: BTreeMap::new(),
            settings: BTreeMap::new(),
            mails: Vec::new(),
            outage: false,
            late_ms: 0,
            all_visible_from: 0,
        }
    }

    /// Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        self.now_ms.div_euclid(1000)
    }

    /// A waiting time of the account in milliseconds, on the account's time scale.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "waiting times are far below 2^52 ms"
    )]
    pub(crate) fn scaled_ms(&self, seconds: u64) -> i64 {
        (seconds as f64 * 1000.0 * self.time_scale) as i64
    }

    /// When an object made now appears in look-ups.
    pub(crate) fn visible_from(&mut self) -> i64 {
        let delay = self.switches.visibility_delay_ms.saturating_add(self.late_ms);
        let from = self.now_ms.saturating_add(i64::try_from(delay).unwrap_or(i64::MAX / 2));
        self.all_visible_from = self.all_visible_from.max(from);
        from
    }

    /// Whether no object is hidden any more.
    pub(crate) fn all_visible(&self) -> bool {
        self.now_ms >= self.all_visible_from
    }

    pub(crate) fn uuid(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// A secret that cannot be guessed from another one.
    pub(crate) fn token(&mut self) -> String {
        format!("{}{}", self.uuid().simple(), self.uuid().simple())
    }

    pub(crate) fn url(&self, path: &str, id: u64) -> String {
        format!("{}/api/v1/{path}/{id}", self.base_url)
    }

    /// A reference to another object: a stub, or the whole object if the caller asked for its type.
    pub(crate) fn reference(
        &self,
        resource: &'static str,
        id: Option<u64>,
        shape: &Shape,
        depth: u8,
    ) -> Value {
        let Some(id) = id else {
            return Value::Null;
        };
        if depth < DEEPEST_INCLUDE && shape.includes(resource) {
            let depth = depth + 1;
            let whole = match resource {
                "user" => self.users.get(id).map(|user| self.show_user(user, shape, depth)),
                "organization" => {
                    self.organizations.get(id).map(|row| self.show_organization(row, shape, depth))
                }
                "team" => self.teams.get(id).map(|team| self.show_team(team, shape, depth)),
                "identity_email" => self.emails.get(id).map(|email| self.show_email(email, shape, depth)),
                "identity_phone" => self.phones.get(id).map(|phone| self.show_phone(phone, shape, depth)),
                "case" => self.cases.get(id).map(|case| self.show_case(case, shape, depth)),
                "attachment" => self.attachments.get(id).map(|attachment| self.show_attachment(attachment)),
                _ => self
                    .show_field_by_type(resource, id)
                    .or_else(|| self.catalogs.find_by_type(resource, id).cloned().map(Value::Object)),
            };
            if let Some(whole) = whole {
                return whole;
            }
        }
        json!({ "id": id, "resource_type": resource })
    }

    pub(crate) fn references(&self, resource: &'static str, ids: &[u64], shape: &Shape, depth: u8) -> Value {
        Value::Array(ids.iter().map(|id| self.reference(resource, Some(*id), shape, depth)).collect())
    }
}

/// A time as answers show it.
pub(crate) fn stamp(seconds: i64) -> Value {
    jiff::Timestamp::from_second(seconds)
        .map_or(Value::Null, |time| Value::String(time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()))
}
