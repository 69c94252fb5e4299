//! Organizations.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::OrganizationId;
use crate::lookup::{LegacyCollection, LegacyIdentified, LookupBatch};
use crate::paging::identified;
use crate::resources::fields::{FieldValue, FieldValues};
use crate::resources::identities::PhoneIdentity;
use crate::resources::tags::Tag;
use crate::slot::Slot;
use crate::wire;

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "WireOrganization")]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// The id we gave it.
    pub legacy_id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its mail domains, if the answer shows them whole.
    pub domains: Vec<String>,
    /// Whether members see each other's cases.
    pub is_shared: Option<bool>,
    /// Its phone numbers.
    pub phones: Vec<PhoneIdentity>,
    /// Its tags; `None` when the answer does not tell.
    pub tags: Option<Vec<String>>,
    /// Its custom fields.
    pub custom_fields: Vec<FieldValue>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct WireOrganization {
    id: OrganizationId,
    #[serde(default, deserialize_with = "wire::text")]
    legacy_id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "wire::readable_items")]
    domains: Vec<Domain>,
    #[serde(default)]
    is_shared: Option<bool>,
    /// Samples say `phone`, other resources `phones`.
    #[serde(default, deserialize_with = "wire::readable_items")]
    phone: Vec<PhoneIdentity>,
    #[serde(default, deserialize_with = "wire::readable_items")]
    phones: Vec<PhoneIdentity>,
    #[serde(default, deserialize_with = "wire::tag_names")]
    tags: Option<Vec<String>>,
    #[serde(default, deserialize_with = "wire::readable_items")]
    custom_fields: Vec<FieldValue>,
    #[serde(default, deserialize_with = "wire::time")]
    created_at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Domain {
    Text(String),
    Identity { domain: String },
}

impl From<WireOrganization> for Organization {
    fn from(wire: WireOrganization) -> Self {
        let domain = |domain| match domain {
            Domain::Text(text) | Domain::Identity { domain: text } => text,
        };
        Self {
            id: wire.id,
            legacy_id: wire.legacy_id,
            name: wire.name,
            domains: wire.domains.into_iter().map(domain).collect(),
            is_shared: wire.is_shared,
            phones: wire.phone.into_iter().chain(wire.phones).collect(),
            tags: wire.tags,
            custom_fields: wire.custom_fields,
            created_at: wire.created_at,
        }
    }
}

identified!(Organization);

impl LegacyIdentified for Organization {
    const COLLECTION: LegacyCollection = LegacyCollection::Organizations;
    const FIELDS: Option<&'static str> = Some("+tags");

    fn legacy_id(&self) -> Option<&str> {
        self.legacy_id.as_deref()
    }
}

/// An organization to be created, alone or in bulk.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NewOrganization {
    /// The id we give it; cannot be changed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy_id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its mail domains. The account may make new users with such an address members.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "wire::write_csv")]
    pub domains: Vec<String>,
    /// Whether members see each other's cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_shared: Option<bool>,
    /// Whether its domains count as proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_validated: Option<bool>,
    /// Its custom fields.
    #[serde(skip_serializing_if = "FieldValues::is_empty")]
    pub field_values: FieldValues,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "wire::write_csv")]
    pub tags: Vec<Tag>,
}

/// Absolute values; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OrganizationUpdate {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its mail domains.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "wire::write_csv_option")]
    pub domains: Option<Vec<String>>,
    /// Whether members see each other's cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_shared: Option<bool>,
    /// Its custom fields.
    #[serde(skip_serializing_if = "FieldValues::is_empty")]
    pub field_values: FieldValues,
    /// Its tags; replaces all.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "wire::write_csv_option")]
    pub tags: Option<Vec<Tag>>,
}

impl Client {
    /// An organization by its id. API 4.6.
    pub async fn organization(&self, id: OrganizationId) -> Result<Organization, Error> {
        self.fetch(Request::get("/organizations/{id}").id(id).query("fields", "+tags")).await
    }

    /// Finds organizations by the ids we gave them. API 1.8.
    pub async fn organizations_by_legacy_ids(
        &self,
        ids: &[&str],
    ) -> Result<LookupBatch<Organization>, Error> {
        self.look_up(ids).await
    }

    /// Finds organizations by their exact names (compared without case). API 1.8.
    pub async fn organizations_by_names(&self, names: &[&str]) -> Result<LookupBatch<Organization>, Error> {
        self.filter(
            "/organizations/filter",
            None,
            "organizations.name",
            names,
            |organization: &Organization| Ok(organization.name.iter().cloned().collect()),
        )
        .await
    }

    /// Creates an organization. API 4.6.
    pub async fn create_organization(
        &self,
        slot: Slot,
        organization: &NewOrganization,
    ) -> Result<Organization, Error> {
        self.create(slot, Request::create("/organizations").json(organization)?).await
    }

    /// Sets absolute values. API 4.6.
    pub async fn update_organization(
        &self,
        id: OrganizationId,
        update: &OrganizationUpdate,
    ) -> Result<Organization, Error> {
        self.fetch(Request::put("/organizations/{id}").id(id).json(update)?).await
    }
}
