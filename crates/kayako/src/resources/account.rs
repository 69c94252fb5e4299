//! What the account is set up with: statuses, priorities, types, locales, brands, mailboxes, plan, settings, and who
//! we are in it. All of it is looked up; no id is ever assumed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{BrandId, BusinessHourId, LocaleId, MailboxId, PriorityId, StatusId, TypeId};
use crate::paging::identified;
use crate::resources::users::User;
use crate::vocabulary::{CaseTypeKind, StatusType};
use crate::wire;

/// A case status.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CaseStatus {
    /// Its id.
    pub id: StatusId,
    /// What people see.
    #[serde(default, deserialize_with = "wire::text")]
    pub label: Option<String>,
    /// Which stage of life it stands for.
    #[serde(default, rename = "type")]
    pub kind: Option<StatusType>,
}

/// A case priority.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Priority {
    /// Its id.
    pub id: PriorityId,
    /// What people see.
    #[serde(default, deserialize_with = "wire::text")]
    pub label: Option<String>,
    /// Its rank; higher is more urgent.
    #[serde(default, deserialize_with = "wire::number")]
    pub level: Option<u64>,
}

/// A case type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CaseType {
    /// Its id.
    pub id: TypeId,
    /// What people see.
    #[serde(default, deserialize_with = "wire::text")]
    pub label: Option<String>,
    /// What it stands for.
    #[serde(default, rename = "type")]
    pub kind: Option<CaseTypeKind>,
}

/// A language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Locale {
    /// Its id, which users refer to.
    pub id: LocaleId,
    /// Such as `en-us`, which field and article texts refer to.
    #[serde(default, deserialize_with = "wire::text")]
    pub locale: Option<String>,
    /// Whether customers can choose it.
    #[serde(default)]
    pub is_public: Option<bool>,
}

/// A brand.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Brand {
    /// Its id.
    pub id: BrandId,
    /// What people see.
    #[serde(default, deserialize_with = "wire::text")]
    pub name: Option<String>,
    /// Whether it is used when none is named.
    #[serde(default, deserialize_with = "wire::or_default")]
    pub is_default: bool,
    /// Whether it is in use.
    #[serde(default)]
    pub is_enabled: Option<bool>,
}

/// A mailbox; its id is the `channel_id` of MAIL posts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Mailbox {
    /// Its id.
    pub id: MailboxId,
    /// Its address.
    #[serde(default, deserialize_with = "wire::text")]
    pub address: Option<String>,
    /// The brand it belongs to.
    #[serde(default)]
    pub brand: Option<BrandId>,
    /// Whether it is used when none is named.
    #[serde(default, deserialize_with = "wire::or_default")]
    pub is_default: bool,
    /// Whether it is in use.
    #[serde(default)]
    pub is_enabled: Option<bool>,
}

/// Business hours, which teams refer to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BusinessHours {
    /// Their id.
    pub id: BusinessHourId,
    /// What people see.
    #[serde(default, deserialize_with = "wire::text")]
    pub title: Option<String>,
    /// Whether they are used when none are named.
    #[serde(default, deserialize_with = "wire::or_default")]
    pub is_default: bool,
}

identified!(CaseStatus, Priority, CaseType, Locale, Brand, Mailbox, BusinessHours);

/// A setting, such as `security.agent.session_expiry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `category.name`.
    pub key: String,
    /// Its value as text.
    pub value: Option<String>,
}

/// The account's plan: limits by name. Its exact shape is not documented, so numbers are taken wherever they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    limits: BTreeMap<String, u64>,
}

impl Plan {
    /// A limit by its name.
    pub fn limit(&self, name: &str) -> Option<u64> {
        self.limits.get(name).copied()
    }

    /// The largest attachment in megabytes.
    pub fn attachment_size_limit_mb(&self) -> Option<u64> {
        self.limit("attachment_size_limit")
    }

    /// The number of agents that the plan pays for.
    pub fn agents(&self) -> Option<u64> {
        self.limit("agents").or_else(|| self.limit("seats"))
    }

    fn gather(value: &Value, limits: &mut BTreeMap<String, u64>) {
        match value {
            Value::Object(map) => {
                // A list of limits is usually written as {"name": ..., "limit": ...}.
                if let (Some(Value::String(name)), Some(limit)) = (map.get("name"), map.get("limit"))
                    && let Some(number) = limit.as_u64()
                {
                    limits.insert(name.clone(), number);
                }
                for (name, value) in map {
                    match value.as_u64() {
                        Some(number) => {
                            limits.entry(name.clone()).or_insert(number);
                        }
                        None => Self::gather(value, limits),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| Self::gather(value, limits)),
            _ => {}
        }
    }
}

impl Client {
    /// Who this client is. API 2.1.
    pub async fn me(&self) -> Result<User, Error> {
        self.fetch(Request::get("/me").query("include", "role")).await
    }

    /// Makes sure that there is a session (logs in if not). Preflight's first question.
    pub async fn check_session(&self) -> Result<(), Error> {
        self.act(Request::get("/session")).await
    }

    /// All case statuses. API 4.13.
    pub async fn statuses(&self) -> Result<Vec<CaseStatus>, Error> {
        self.list(Request::get("/cases/statuses")).await
    }

    /// All case priorities. API 4.13.
    pub async fn priorities(&self) -> Result<Vec<Priority>, Error> {
        self.list(Request::get("/cases/priorities")).await
    }

    /// All case types. API 4.13.
    pub async fn case_types(&self) -> Result<Vec<CaseType>, Error> {
        self.list(Request::get("/cases/types")).await
    }

    /// All locales. API 4.14.
    pub async fn locales(&self) -> Result<Vec<Locale>, Error> {
        self.list(Request::get("/locales")).await
    }

    /// All brands. API 4.14.
    pub async fn brands(&self) -> Result<Vec<Brand>, Error> {
        self.list(Request::get("/brands")).await
    }

    /// All mailboxes. API 4.14.
    pub async fn mailboxes(&self) -> Result<Vec<Mailbox>, Error> {
        self.list(Request::get("/mailboxes")).await
    }

    /// All business hours. API 4.7.
    pub async fn business_hours(&self) -> Result<Vec<BusinessHours>, Error> {
        self.list(Request::get("/businesshours")).await
    }

    /// The settings of a category, such as `security`. API 4.16.
    pub async fn settings(&self, category: &str) -> Result<Vec<Setting>, Error> {
        // Both a map and a list of objects have been seen for settings.
        let request = Request::get("/settings").query("category", category).query("limit", "1000");
        Ok(match self.fetch::<Value>(request).await? {
            Value::Array(values) => values.into_iter().filter_map(setting).collect(),
            Value::Object(map) => {
                map.into_iter().map(|(key, value)| Setting { key, value: wire::scalar(value) }).collect()
            }
            _ => Vec::new(),
        })
    }

    /// The plan's limits. API 4.11.
    pub async fn plan(&self) -> Result<Plan, Error> {
        let mut plan = Plan::default();
        Plan::gather(&self.fetch::<Value>(Request::get("/plan")).await?, &mut plan.limits);
        Ok(plan)
    }
}

fn setting(value: Value) -> Option<Setting> {
    let Value::Object(mut map) = value else { return None };
    let mut text = |name: &str| map.remove(name).and_then(wire::scalar);
    let name = text("key").or_else(|| text("name"))?;
    let key = match text("category") {
        Some(category) if !name.starts_with(&format!("{category}.")) => format!("{category}.{name}"),
        _ => name,
    };
    Some(Setting { key, value: text("value") })
}
