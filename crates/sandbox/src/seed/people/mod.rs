//! Staff and customers.
//!
//! A user's ordinal counts the staff first (0 is the account's owner), then the customers. "Staff place" and
//! "customer place" below count within their own part.

mod customers;
mod staff;

use std::ops::Range;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::draw::{Domain, Draw};
use super::ids::{GroupId, IDENTITIES, IdentityId, OrganizationId, USERS, UserId};
use super::text::Language;
use super::traps::Trap;
use super::{Company, at};
use staff::{StaffState, staff_state};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A customer.
    EndUser,
    /// Staff.
    Agent,
    /// Staff that may configure the account.
    Admin,
}

/// A user of the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the service's own flags, independent of each other")]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Display name.
    pub name: String,
    /// Primary address; customers from social channels have none.
    pub email: Option<String>,
    /// What the user may do.
    pub role: Role,
    /// 1 = light agent, 4 = admin.
    pub role_type: Option<u8>,
    /// False once deleted.
    pub active: bool,
    /// Blocked sender.
    pub suspended: bool,
    /// The address was confirmed.
    pub verified: bool,
    /// Telephone number.
    pub phone: Option<String>,
    /// The number belongs to several people.
    pub shared_phone_number: Option<bool>,
    /// First organization.
    pub organization_id: Option<OrganizationId>,
    /// First group of an agent.
    pub default_group_id: Option<GroupId>,
    /// The locale as the service names it.
    pub locale: String,
    /// The service's number of the locale.
    pub locale_id: u32,
    /// Time zone in the service's older names.
    pub time_zone: String,
    /// Time zone in IANA names.
    pub iana_time_zone: String,
    /// Labels.
    pub tags: Vec<String>,
    /// Values of the user fields by their key.
    pub user_fields: Map<String, Value>,
    /// The user's number elsewhere.
    pub external_id: Option<String>,
    /// The name that customers see.
    pub alias: Option<String>,
    /// An agent's signature.
    pub signature: Option<String>,
    /// Free text.
    pub details: Option<String>,
    /// Free text of the agents.
    pub notes: Option<String>,
    /// Light agents only write private comments.
    pub only_private_comments: bool,
    /// When the user was created.
    pub created_at: Timestamp,
    /// When the user was last changed.
    pub updated_at: Timestamp,
    /// When the user last logged in.
    pub last_login_at: Option<Timestamp>,
    /// The language that the user writes in.
    #[serde(skip)]
    pub language: Language,
    /// Deleted for good: nothing is known about the person any more.
    #[serde(skip)]
    pub permanently_deleted: bool,
}

/// What kind of address an identity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityKind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    PhoneNumber,
    /// An account on a social network.
    Twitter,
}

/// An address of a user. Second e-mail addresses are found nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its id.
    pub id: IdentityId,
    /// The user.
    pub user_id: UserId,
    /// What the value is.
    #[serde(rename = "type")]
    pub kind: IdentityKind,
    /// The address, number or handle.
    pub value: String,
    /// Confirmed by the user.
    pub verified: bool,
    /// The first of its kind.
    pub primary: bool,
    /// When it was added.
    pub created_at: Timestamp,
}

/// Somebody who can be created in another help desk beforehand: reachable, alive, with a valid address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The user's id.
    pub id: UserId,
    /// Display name.
    pub name: String,
    /// Primary address, spelt as the account spells it.
    pub email: String,
    /// What the user may do.
    pub role: Role,
    /// An agent who only writes private comments.
    pub light: bool,
    /// The language that the person writes in.
    pub language: Language,
    /// Name of the first organization.
    pub organization: Option<String>,
}

/// The address of the account's owner, with whose token the demo reads the account.
pub const OWNER_EMAIL: &str = "admin@acme.example";

impl Company {
    /// Staff and customers together.
    pub const fn user_count(&self) -> u64 {
        self.size().agents + self.size().end_users
    }

    /// The user with this id.
    pub fn user(&self, id: UserId) -> Option<User> {
        self.user_ordinal(id).and_then(|ordinal| self.user_at(ordinal))
    }

    /// The place of a user.
    pub fn user_ordinal(&self, id: UserId) -> Option<u64> {
        USERS.ordinal(id.0).filter(|&ordinal| ordinal < self.user_count())
    }

    /// The place that belongs to a user's id, also after the last generated one.
    pub fn user_place(&self, id: UserId) -> Option<u64> {
        USERS.ordinal(id.0)
    }

    /// The id of the user at a place.
    pub fn user_id(&self, ordinal: u64) -> UserId {
        UserId(USERS.id(ordinal))
    }

    /// The user at a place: staff first, then customers.
    pub fn user_at(&self, ordinal: u64) -> Option<User> {
        let agents = self.size().agents;
        if ordinal < agents {
            Some(self.staff(ordinal))
        } else {
            (ordinal < self.user_count()).then(|| self.customer(ordinal - agents))
        }
    }

    /// Agents of today who could be created in another help desk: no suspended, deleted or former ones.
    pub fn agents(&self) -> Vec<Person> {
        (0..self.size().agents)
            .filter(|&staff| staff_state(staff) == StaffState::Current)
            .filter_map(|staff| self.person(&self.staff(staff)))
            .collect()
    }

    /// Customers with a valid address and who are not deleted, among those at these places (counted from 0 to
    /// `size().end_users`).
    pub fn end_user_emails(&self, places: Range<u64>) -> impl Iterator<Item = Person> + use<> {
        let company = *self;
        (places.start..places.end.min(company.size().end_users))
            .filter(move |&place| !company.trap(Trap::InvalidEmail, place))
            .filter_map(move |place| company.person(&company.customer(place)))
    }

    fn person(&self, user: &User) -> Option<Person> {
        if !user.active {
            return None;
        }
        Some(Person {
            id: user.id,
            name: user.name.clone(),
            email: user.email.clone()?,
            role: user.role,
            light: user.role_type == Some(1),
            language: user.language,
            organization: user.organization_id.and_then(|id| self.organization(id)).map(|o| o.name),
        })
    }

    /// Whether the user at a place exists and is not deleted.
    pub fn is_active(&self, ordinal: u64) -> bool {
        match ordinal.checked_sub(self.size().agents) {
            None => staff_state(ordinal) != StaffState::Deleted,
            Some(customer) => customer < self.size().end_users && !self.is_deleted_customer(customer),
        }
    }

    fn bare_user(&self, ordinal: u64, name: String, language: Language, draw: &mut Draw) -> User {
        let created = self.user_timeline().created(ordinal);
        let (time_zone, iana_time_zone) = language.time_zone();
        let phone = draw.chance(300).then(|| format!("+1555010{:04}", draw.below(2000)));
        User {
            id: UserId(USERS.id(ordinal)),
            name,
            email: None,
            role: Role::EndUser,
            role_type: None,
            active: true,
            suspended: false,
            verified: false,
            shared_phone_number: phone.as_ref().map(|_| draw.chance(50)),
            phone,
            organization_id: None,
            default_group_id: None,
            locale: language.locale().to_owned(),
            locale_id: language.locale_id(),
            time_zone: time_zone.to_owned(),
            iana_time_zone: iana_time_zone.to_owned(),
            tags: ["vip", "newsletter", "beta", "b2b"]
                .iter()
                .filter(|_| draw.chance(120))
                .map(|&t| t.to_owned())
                .collect(),
            user_fields: user_field_values(draw),
            external_id: draw.chance(250).then(|| format!("crm-{ordinal}")),
            alias: None,
            signature: None,
            details: draw.chance(100).then(|| "Met at the fair in Köln".to_owned()),
            notes: draw.chance(100).then(|| "Prefers phone calls after 16:00".to_owned()),
            only_private_comments: false,
            created_at: at(created),
            updated_at: at(created + 86_400 * 3),
            last_login_at: None,
            language,
            permanently_deleted: false,
        }
    }

    /// All addresses of the user at a place, the primary one first.
    pub fn identities(&self, ordinal: u64) -> Vec<Identity> {
        let Some(user) = self.user_at(ordinal) else { return Vec::new() };
        let draw = &mut Draw::new(self.seed(), Domain::Identity, ordinal);
        let mut values = Vec::new();
        if let Some(email) = &user.email {
            values.push((IdentityKind::Email, email.clone(), user.verified, true));
            if self.trap(Trap::SecondEmail, ordinal) && user.role == Role::EndUser {
                values.push((
                    IdentityKind::Email,
                    format!("private{ordinal}@post.example"),
                    draw.chance(500),
                    false,
                ));
            }
        }
        if let Some(phone) = user.phone.as_ref().filter(|_| user.shared_phone_number == Some(false)) {
            values.push((IdentityKind::PhoneNumber, phone.clone(), true, true));
        }
        if user.active && draw.chance(40) {
            values.push((IdentityKind::Twitter, format!("acmefan{ordinal}"), false, true));
        }
        (0u64..)
            .zip(values)
            .map(|(slot, (kind, value, verified, primary))| Identity {
                id: IdentityId(IDENTITIES.id(ordinal) + slot),
                user_id: user.id,
                kind,
                value,
                verified,
                primary,
                created_at: user.created_at,
            })
            .collect()
    }
}

fn user_field_values(draw: &mut Draw) -> Map<String, Value> {
    let mut values = Map::new();
    let mut put =
        |key: &str, value: Option<Value>| values.insert(key.to_owned(), value.unwrap_or(Value::Null));
    put("plan", draw.chance(600).then(|| json!(draw.pick(&["gold", "silver", "bronze"]))));
    put("since", draw.chance(500).then(|| json!(format!("20{}-07-23T00:00:00Z", draw.between(10, 24)))));
    put("seats", draw.chance(300).then(|| json!(draw.between(1, 5000))));
    put("discount", draw.chance(200).then(|| json!("12.5")));
    put("newsletter", Some(json!(draw.chance(500))));
    put("remarks", draw.chance(100).then(|| json!("Zeile 1\nZeile 2 – „Anführung“")));
    values
}
