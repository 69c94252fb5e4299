//! Bulk jobs. Only `PENDING` and the outer shape are documented; how a job tells what it refused is not, so
//! anything that can be tied to an item is kept and nothing is required.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::answer::field_name;
use crate::call::Request;
use crate::client::Client;
use crate::code::ErrorCode;
use crate::error::{Error, ErrorItem};
use crate::ids::JobId;
use crate::vocabulary::JobStatus;
use crate::wire;

/// Why one item of a job was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobItemError {
    /// The item's own id, if the job names it.
    pub legacy_id: Option<String>,
    /// The item's place in the request, counted from 0, if the job names it.
    pub index: Option<usize>,
    /// What is wrong, if the job says so.
    pub code: Option<ErrorCode>,
    /// With which field.
    pub parameter: Option<String>,
}

/// A bulk job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub status: JobStatus,
    /// Refused items, as far as the job tells. An empty list proves nothing: look the items up.
    pub errors: Vec<JobItemError>,
}

/// Under which names refused items may stand.
const ERROR_LISTS: [&str; 7] =
    ["errors", "failed", "failures", "failed_items", "invalid", "invalid_records", "failed_records"];
/// Under which names the refused item itself may stand inside an entry.
const ITEM_NAMES: [&str; 5] = ["record", "item", "resource", "data", "input"];

impl<'de> Deserialize<'de> for Job {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let id = value
            .get("id")
            .cloned()
            .and_then(|id| serde_json::from_value(id).ok())
            .ok_or_else(|| de::Error::missing_field("id"))?;
        let status = value
            .get("status")
            .and_then(Value::as_str)
            .map_or_else(|| JobStatus::Other("UNTOLD".to_owned()), JobStatus::from);
        let mut errors = Vec::new();
        // The lists may stand in the job or in an object of it (`result`, `response` ...).
        for part in std::iter::once(&value).chain(value.as_object().into_iter().flat_map(|map| map.values()))
        {
            for list in ERROR_LISTS {
                for entry in part.get(list).and_then(Value::as_array).into_iter().flatten() {
                    errors.extend(item_error(entry));
                }
            }
        }
        Ok(Self { id, status, errors: without_echoes(errors) })
    }
}

fn item_error(entry: &Value) -> Option<JobItemError> {
    let inner: Vec<&Value> = ITEM_NAMES.iter().filter_map(|name| entry.get(name)).collect();
    let nested = entry.get("errors").and_then(|errors| errors.get(0));
    let anywhere = |name: &str| {
        std::iter::once(entry).chain(inner.iter().copied()).chain(nested).find_map(|part| part.get(name))
    };
    let text = |name: &str| anywhere(name).cloned().and_then(wire::scalar);
    let pointer = text("pointer").or_else(|| text("parameter").filter(|name| name.contains(['/', '['])));
    let index = anywhere("index")
        .or_else(|| anywhere("position"))
        .and_then(Value::as_u64)
        .and_then(|index| usize::try_from(index).ok())
        .or_else(|| pointer.as_deref().and_then(index_of));
    let error = JobItemError {
        legacy_id: text("legacy_id"),
        index,
        code: text("code").map(|code| ErrorCode::parse(&code)),
        parameter: text("parameter").or(pointer).and_then(field_name),
    };
    // An entry that can be tied to nothing and says nothing is of no use.
    (error.legacy_id.is_some() || error.index.is_some() || error.code.is_some()).then_some(error)
}

/// The item's place in a pointer such as `users/0/role_id` or `cases[3].subject`.
fn index_of(pointer: &str) -> Option<usize> {
    pointer.split(['/', '[', ']', '.']).find_map(|part| part.parse().ok())
}

/// An item that stands in two lists, once with a code and once without, is told once.
fn without_echoes(errors: Vec<JobItemError>) -> Vec<JobItemError> {
    let told: BTreeSet<String> = errors
        .iter()
        .filter(|error| error.code.is_some())
        .filter_map(|error| error.legacy_id.clone())
        .collect();
    errors
        .into_iter()
        .filter(|error| error.code.is_some() || error.legacy_id.as_ref().is_none_or(|id| !told.contains(id)))
        .collect()
}

impl Job {
    /// Adds what the outer envelope complained about.
    pub(crate) fn with_items(mut self, items: Vec<ErrorItem>) -> Self {
        self.errors.extend(items.into_iter().map(|item| JobItemError {
            legacy_id: None,
            index: item.pointer.as_deref().or(item.parameter.as_deref()).and_then(index_of),
            code: Some(item.code),
            parameter: item.parameter.or(item.pointer),
        }));
        self
    }
}

impl Client {
    /// Where a job stands. How long the account remembers it is unknown: [`Error::is_not_found`] then. API 4.2.
    pub async fn job(&self, id: JobId) -> Result<Job, Error> {
        let request = Request::get("/jobs/{id}").id(id);
        let call = request.call;
        let mut answer = self.send::<Job>(request).await?;
        let items = std::mem::take(&mut answer.items);
        Ok(answer.into_data(call)?.with_items(items))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    fn errors(job: Value) -> Vec<JobItemError> {
        serde_json::from_value::<Job>(job).unwrap().errors
    }

    #[test]
    fn refused_items_are_found_in_every_plausible_shape() {
        let expected = JobItemError {
            legacy_id: Some("zd:1".into()),
            index: None,
            code: Some(ErrorCode::FieldInvalid),
            parameter: Some("email".into()),
        };
        for job in [
            json!({"id": 7, "status": "COMPLETED", "errors": [{"legacy_id": "zd:1", "code": "FIELD_INVALID", "parameter": "email"}]}),
            json!({"id": "7", "status": "completed", "result": {"failed": [{"record": {"legacy_id": "zd:1"}, "errors": [{"code": "FIELD_INVALID", "parameter": "email"}]}]}}),
            json!({"id": 7, "status": "COMPLETED",
                "errors": [{"legacy_id": "zd:1", "code": "FIELD_INVALID", "parameter": "email"}],
                "invalid_records": [{"legacy_id": "zd:1", "full_name": "Ann"}]}),
        ] {
            assert_eq!(errors(job.clone()), vec![expected.clone()], "{job}");
        }
        let by_pointer = errors(
            json!({"id": 7, "status": "FAILED", "errors": [{"code": "FIELD_EMPTY", "pointer": "users/12/role_id"}]}),
        );
        assert_eq!(by_pointer[0].index, Some(12));
        assert_eq!(by_pointer[0].parameter.as_deref(), Some("users/12/role_id"));
    }

    #[test]
    fn a_state_nobody_knows_is_no_end() {
        for (text, terminal) in
            [("PENDING", false), ("RUNNING", false), ("COMPLETED", true), ("FAILED", true), ("ODD", false)]
        {
            let job: Job = serde_json::from_value(json!({"id": 1, "status": text})).unwrap();
            assert_eq!(job.status.is_terminal(), terminal, "{text}");
        }
        let untold: Job = serde_json::from_value(json!({"id": 1})).unwrap();
        assert!(!untold.status.is_terminal());
    }
}
