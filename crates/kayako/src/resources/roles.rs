//! Roles. Their ids differ from account to account: look them up by type.

use serde::Deserialize;

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::RoleId;
use crate::paging::identified;
use crate::vocabulary::RoleType;
use crate::wire;

/// A role, or (inside a user) the stub of one, which has only the id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    #[serde(default, deserialize_with = "wire::text")]
    pub title: Option<String>,
    /// What it is allowed to be.
    #[serde(default, rename = "type")]
    pub kind: Option<RoleType>,
    /// Whether the account came with it.
    #[serde(default)]
    pub is_system: Option<bool>,
}

identified!(Role);

impl Client {
    /// All roles. API 4.4.
    pub async fn roles(&self) -> Result<Vec<Role>, Error> {
        self.list(Request::get("/roles")).await
    }
}
