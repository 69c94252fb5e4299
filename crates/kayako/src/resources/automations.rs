//! Triggers, monitors and SLAs, as far as one must know whether any are on.

use serde::Deserialize;

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::AutomationId;
use crate::paging::identified;
use crate::wire;

/// A trigger, monitor or SLA.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Automation {
    /// Its id, unique within its list.
    pub id: AutomationId,
    /// What people see.
    #[serde(default, deserialize_with = "wire::text")]
    pub title: Option<String>,
    /// Whether it acts. Where the account does not say, assume that it does.
    #[serde(default)]
    pub is_enabled: Option<bool>,
}

identified!(Automation);

impl Client {
    /// All triggers. They can fire on changes through the API. API 4.16.
    pub async fn triggers(&self) -> Result<Vec<Automation>, Error> {
        self.list(Request::get("/triggers")).await
    }

    /// All monitors. They act on time, so that backdated cases may match at once. API 4.16.
    pub async fn monitors(&self) -> Result<Vec<Automation>, Error> {
        self.list(Request::get("/monitors")).await
    }

    /// All SLAs. API 4.16.
    pub async fn slas(&self) -> Result<Vec<Automation>, Error> {
        self.list(Request::get("/slas")).await
    }
}
