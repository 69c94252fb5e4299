//! Users of every role.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{LocaleId, OrganizationId, RoleId, TeamId, UserId};
use crate::lookup::{LegacyCollection, LegacyIdentified, LookupBatch};
use crate::paging::identified;
use crate::resources::fields::{FieldValue, FieldValues};
use crate::resources::identities::{EmailIdentity, PhoneIdentity};
use crate::resources::roles::Role;
use crate::resources::tags::Tag;
use crate::slot::Slot;
use crate::vocabulary::{AgentCaseAccess, OrganizationCaseAccess, RoleType};
use crate::wire;

/// Whole roles and addresses instead of stubs.
const INCLUDE: &str = "role,identity_email,identity_phone";

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The id we gave it.
    #[serde(default, deserialize_with = "wire::text")]
    pub legacy_id: Option<String>,
    /// The name.
    #[serde(default, deserialize_with = "wire::text")]
    pub full_name: Option<String>,
    /// Job title.
    #[serde(default, deserialize_with = "wire::text")]
    pub designation: Option<String>,
    /// Whether it may log in and be assigned.
    #[serde(default)]
    pub is_enabled: Option<bool>,
    /// Its role.
    #[serde(default)]
    pub role: Option<Role>,
    /// Which cases it sees (staff).
    #[serde(default)]
    pub agent_case_access: Option<AgentCaseAccess>,
    /// Its organization.
    #[serde(default)]
    pub organization: Option<OrganizationId>,
    /// Its teams (staff).
    #[serde(default, deserialize_with = "wire::readable_items")]
    pub teams: Vec<TeamId>,
    /// Its addresses; stubs without `email` where the account did not include them.
    #[serde(default, deserialize_with = "wire::readable_items")]
    pub emails: Vec<EmailIdentity>,
    /// Its phone numbers.
    #[serde(default, deserialize_with = "wire::readable_items")]
    pub phones: Vec<PhoneIdentity>,
    /// Its custom fields.
    #[serde(default, deserialize_with = "wire::readable_items")]
    pub custom_fields: Vec<FieldValue>,
    /// Its language.
    #[serde(default)]
    pub locale: Option<LocaleId>,
    /// Its time zone (IANA name).
    #[serde(default, deserialize_with = "wire::text")]
    pub time_zone: Option<String>,
    /// Its tags; `None` when the answer does not tell.
    #[serde(default, deserialize_with = "wire::tag_names")]
    pub tags: Option<Vec<String>>,
    /// When it was created.
    #[serde(default, deserialize_with = "wire::time")]
    pub created_at: Option<Timestamp>,
}

identified!(User);

impl LegacyIdentified for User {
    const COLLECTION: LegacyCollection = LegacyCollection::Users;
    const FIELDS: Option<&'static str> = Some("+tags");
    const INCLUDE: Option<&'static str> = Some(INCLUDE);

    fn legacy_id(&self) -> Option<&str> {
        self.legacy_id.as_deref()
    }
}

/// A user to be created, alone or in bulk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewUser {
    /// The id we give it; cannot be changed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy_id: Option<String>,
    /// The name.
    pub full_name: String,
    /// Its role, looked up by type.
    pub role_id: RoleId,
    /// The primary address; required for staff. Unique in the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Job title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub designation: Option<String>,
    /// Its teams; required for staff.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "wire::write_csv")]
    pub team_ids: Vec<TeamId>,
    /// Which cases it sees (staff).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_case_access: Option<AgentCaseAccess>,
    /// Which cases it sees (customers).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_case_access: Option<OrganizationCaseAccess>,
    /// Its language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale_id: Option<LocaleId>,
    /// Its signature (staff).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Its time zone (IANA name).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Its custom fields.
    #[serde(skip_serializing_if = "FieldValues::is_empty")]
    pub field_values: FieldValues,
    /// Not documented here: honoured by some accounts, ignored by others. Always confirm by [`UserUpdate`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
    /// Not documented here: honoured by some accounts, ignored by others. Always confirm by [`UserUpdate`].
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "wire::write_csv")]
    pub tags: Vec<Tag>,
}

impl NewUser {
    /// A user with a name and a role and nothing else.
    pub fn new(full_name: impl Into<String>, role_id: RoleId) -> Self {
        Self {
            legacy_id: None,
            full_name: full_name.into(),
            role_id,
            email: None,
            designation: None,
            team_ids: Vec::new(),
            agent_case_access: None,
            organization_case_access: None,
            locale_id: None,
            signature: None,
            time_zone: None,
            field_values: FieldValues::new(),
            organization_id: None,
            tags: Vec::new(),
        }
    }
}

/// Absolute values; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct UserUpdate {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// Its role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_id: Option<RoleId>,
    /// Job title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub designation: Option<String>,
    /// Whether it may log in and be assigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_enabled: Option<bool>,
    /// Its organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
    /// Its teams; replaces all.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "wire::write_csv_option")]
    pub team_ids: Option<Vec<TeamId>>,
    /// Its tags; replaces all.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "wire::write_csv_option")]
    pub tags: Option<Vec<Tag>>,
    /// Which cases it sees (staff).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_case_access: Option<AgentCaseAccess>,
    /// Which cases it sees (customers).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_case_access: Option<OrganizationCaseAccess>,
    /// Its language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale_id: Option<LocaleId>,
    /// Its signature (staff).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Its time zone (IANA name).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Its custom fields. Options of a multiple choice that are not named are taken away.
    #[serde(skip_serializing_if = "FieldValues::is_empty")]
    pub field_values: FieldValues,
}

impl Client {
    /// A user by its id. API 4.3.
    pub async fn user(&self, id: UserId) -> Result<User, Error> {
        self.fetch(Request::get("/users/{id}").id(id).query("include", INCLUDE).query("fields", "+tags"))
            .await
    }

    /// Finds users by the ids we gave them. API 1.8.
    pub async fn users_by_legacy_ids(&self, ids: &[&str]) -> Result<LookupBatch<User>, Error> {
        self.look_up(ids).await
    }

    /// Finds users by any of their addresses (compared without case), many at once. API 1.8.
    pub async fn users_by_emails(&self, emails: &[&str]) -> Result<LookupBatch<User>, Error> {
        self.filter("/users/filter", Some(INCLUDE), "identityemails.address", emails, |user: &User| {
            // No addresses, or a stub among them: they must be asked for.
            let emails: Option<Vec<String>> = user.emails.iter().map(|email| email.email.clone()).collect();
            emails.filter(|emails| !emails.is_empty()).ok_or(user.id)
        })
        .await
    }

    /// All users of a role. Meant for staff: the customers of a large account do not fit a list
    /// ([`crate::UnreadableCause::Incomplete`]). API 1.8.
    pub async fn users_by_role(&self, role: &RoleType) -> Result<Vec<User>, Error> {
        self.list(Request::get("/users").query("role", role.as_str()).query("include", INCLUDE)).await
    }

    /// Creates a user. Whether staff get a welcome mail is unknown. API 4.3.
    pub async fn create_user(&self, slot: Slot, user: &NewUser) -> Result<User, Error> {
        self.create(slot, Request::create("/users").json(user)?).await
    }

    /// Sets absolute values. API 4.3.
    pub async fn update_user(&self, id: UserId, update: &UserUpdate) -> Result<User, Error> {
        self.fetch(Request::put("/users/{id}").id(id).json(update)?).await
    }
}
