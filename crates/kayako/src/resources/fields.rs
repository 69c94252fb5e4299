//! Custom fields, their options and the forms that show them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{BrandId, FieldId, FormId, OptionId};
use crate::paging::identified;
use crate::vocabulary::FieldType;
use crate::wire;

/// Values to be written, by field key. The format of each depends on the field's type (API 4.12); several options
/// of one field are one comma-separated text of their ids.
pub type FieldValues = BTreeMap<String, serde_json::Value>;

/// Which objects a field belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldOwner {
    /// Cases.
    Case,
    /// Users.
    User,
    /// Organizations.
    Organization,
}

/// A text in one language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Translation {
    /// Such as `en-us`.
    #[serde(default, deserialize_with = "wire::text")]
    pub locale: Option<String>,
    /// The text.
    #[serde(default, deserialize_with = "wire::text")]
    pub translation: Option<String>,
}

/// One option of a field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FieldOption {
    /// What is written as the value.
    pub id: OptionId,
    /// What people see. Options of a tree are paths separated by a backslash.
    #[serde(default, deserialize_with = "wire::readable_items")]
    pub values: Vec<Translation>,
    /// A tag that choosing the option probably adds.
    #[serde(default, deserialize_with = "wire::text")]
    pub tag: Option<String>,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "these are the account's independent switches")]
pub struct Field {
    /// Its id.
    pub id: FieldId,
    /// What values are written under. The account makes it from the title.
    #[serde(default, deserialize_with = "wire::text")]
    pub key: Option<String>,
    /// What people see.
    #[serde(default, deserialize_with = "wire::text")]
    pub title: Option<String>,
    /// Its type.
    #[serde(default, rename = "type")]
    pub kind: Option<FieldType>,
    /// Whether it came with the account (subject, status ...).
    #[serde(default, deserialize_with = "wire::or_default")]
    pub is_system: bool,
    /// Whether it is in use; `None` where the account does not say.
    #[serde(default)]
    pub is_enabled: Option<bool>,
    /// Whether creating and updating fail without it.
    #[serde(default, deserialize_with = "wire::or_default")]
    pub is_required_for_agents: bool,
    /// Whether solving fails without it.
    #[serde(default, deserialize_with = "wire::or_default")]
    pub is_required_on_resolution: bool,
    /// Whether customers must fill it in.
    #[serde(default, deserialize_with = "wire::or_default")]
    pub is_required_for_customers: bool,
    /// Its options, if its type has any.
    #[serde(default, deserialize_with = "wire::readable_items")]
    pub options: Vec<FieldOption>,
}

/// A form: which fields cases of it have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Form {
    /// Its id.
    pub id: FormId,
    /// What people see.
    #[serde(default, deserialize_with = "wire::text")]
    pub title: Option<String>,
    /// Whether it is used when none is named.
    #[serde(default, deserialize_with = "wire::or_default")]
    pub is_default: bool,
    /// Whether it is in use.
    #[serde(default)]
    pub is_enabled: Option<bool>,
    /// Its brand, if it belongs to one.
    #[serde(default)]
    pub brand: Option<BrandId>,
    /// Its fields.
    #[serde(default, deserialize_with = "wire::readable_items")]
    pub fields: Vec<FieldId>,
}

/// The value an object has in a field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FieldValue {
    /// Which field.
    pub field: FieldId,
    /// The value as text; several options as a comma-separated list of ids.
    #[serde(default, deserialize_with = "wire::text")]
    pub value: Option<String>,
}

identified!(Field, Form);

impl Client {
    /// All fields of cases, users or organizations, with their options. API 4.12.
    pub async fn fields(&self, owner: FieldOwner) -> Result<Vec<Field>, Error> {
        let template = match owner {
            FieldOwner::Case => "/cases/fields",
            FieldOwner::User => "/users/fields",
            FieldOwner::Organization => "/organizations/fields",
        };
        self.list(Request::get(template).query("include", "*")).await
    }

    /// All forms. API 4.13.
    pub async fn forms(&self) -> Result<Vec<Form>, Error> {
        self.list(Request::get("/cases/forms")).await
    }
}
