//! One call as the resources see it: who calls, with which parameters, and how lists are paged.

use axum::http::Method;
use bytes::Bytes;
use serde_json::Value;

use super::envelope::{Answer, Failure, FreshSession, Payload};
use super::params::{Params, Query};
use super::shape::Shape;
use super::state::State;

/// Page size when the caller names none (reference section 1.7). Ten, whatever was asked for: the trap of every look-up.
pub(crate) const DEFAULT_LIMIT: usize = 10;

/// What a person may do; greater may more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Customer,
    Collaborator,
    Agent,
    Admin,
    Owner,
}

impl Role {
    pub(crate) fn from_type(name: &str) -> Option<Self> {
        Some(match name {
            "CUSTOMER" => Self::Customer,
            "COLLABORATOR" => Self::Collaborator,
            "AGENT" => Self::Agent,
            "ADMIN" => Self::Admin,
            "OWNER" => Self::Owner,
            _ => return None,
        })
    }

    /// The number that predicates use for `roles.type`.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Owner => 1,
            Self::Admin => 2,
            Self::Agent => 3,
            Self::Collaborator => 4,
            Self::Customer => 5,
        }
    }
}

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user_id: u64,
    pub(crate) role: Role,
    /// `s:<session id>`: what uploaded files are bound to.
    pub(crate) file_owner: String,
    pub(crate) session: Option<String>,
    /// Set when this very call logged in.
    pub(crate) fresh: Option<FreshSession>,
}

impl Caller {
    pub(crate) fn require(&self, role: Role) -> Result<(), Failure> {
        if self.role < role { Err(Failure::permissions_denied()) } else { Ok(()) }
    }
}

/// A file that came inside a multipart body.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) content: Bytes,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) query: Query,
    pub(crate) params: Params,
    pub(crate) uploads: Vec<Upload>,
    /// The body of a raw upload, else `None`.
    pub(crate) raw: Option<Bytes>,
    pub(crate) content_type: String,
    pub(crate) disposition: Option<String>,
    pub(crate) content_md5: Option<String>,
    pub(crate) shape: Shape,
}

impl Call {
    fn bounds(&self, state: &State) -> (usize, usize) {
        let number = |name| self.query.get(name).and_then(|text| text.parse::<usize>().ok());
        let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(DEFAULT_LIMIT);
        (number("offset").unwrap_or(0), limit.min(state.switches.max_limit.max(1)))
    }

    /// A page of rows that are all at hand.
    pub(crate) fn page<T>(
        &self,
        state: &State,
        resource: &'static str,
        rows: &[T],
        mut show: impl FnMut(&T) -> Value,
    ) -> Answer {
        let (offset, limit) = self.bounds(state);
        let items = rows.iter().skip(offset).take(limit).map(|row| self.listed(state, show(row))).collect();
        Answer { status: 200, resource, data: Payload::Page { items, offset, limit, total: rows.len() } }
    }

    /// A page of a long list whose length is known: only the rows of the page are looked at closely.
    pub(crate) fn page_of<T>(
        &self,
        state: &State,
        resource: &'static str,
        rows: impl Iterator<Item = T>,
        total: usize,
        mut show: impl FnMut(T) -> Value,
    ) -> Answer {
        let (offset, limit) = self.bounds(state);
        let items = rows.skip(offset).take(limit).map(|row| self.listed(state, show(row))).collect();
        Answer { status: 200, resource, data: Payload::Page { items, offset, limit, total } }
    }

    /// An object as a list shows it.
    fn listed(&self, state: &State, mut shown: Value) -> Value {
        let asked = ["legacy_ids", "ids"].iter().any(|name| self.query.get(name).is_some());
        if !asked
            && !state.switches.lists_show_legacy_id
            && let Some(legacy_id) = shown.get_mut("legacy_id")
        {
            *legacy_id = Value::Null;
        }
        shown
    }

    /// `limit` as it will be honoured.
    pub(crate) fn limit(&self, state: &State) -> usize {
        self.bounds(state).1
    }

    /// The ids of a `legacy_ids=` or `ids=` look-up, cut to what one look-up may hold.
    pub(crate) fn lookup_list(&self, state: &State, name: &str) -> Option<Vec<&str>> {
        let mut list = self.query.list(name)?;
        if state.switches.max_ids_per_lookup > 0 {
            list.truncate(state.switches.max_ids_per_lookup);
        }
        Some(list)
    }
}
