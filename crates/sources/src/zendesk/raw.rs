//! Reading the service's own objects.
//!
//! Constraint: lenient. Plans, ages and imports of an account decide which properties are null, missing or of another
//! type, and one odd ticket must not stop a migration: what cannot be read is absent.

use jiff::Timestamp;
use model::SourceId;
use serde_json::Value;

/// An id. −1 (the system), 0 and negative numbers are nobody. Ids above 2^53 stay exact.
pub(super) fn id(value: &Value) -> Option<SourceId> {
    match value {
        Value::Number(number) => number.as_u64().filter(|&id| id > 0).map(SourceId::from),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() => {
            Some(SourceId::new(text.as_str()))
        }
        _ => None,
    }
}

/// Ids, each once, in their order.
pub(super) fn ids(value: &Value) -> Vec<SourceId> {
    let mut found = Vec::new();
    for id in items(value).iter().filter_map(id) {
        if !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

/// Items of a list; none if it is no list.
pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Text, if there is any but white space.
pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// Texts of a list.
pub(super) fn texts(value: &Value) -> Vec<String> {
    items(value).iter().filter_map(text).collect()
}

/// An instant.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// True only if it says true.
pub(super) fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true)
}

/// False only if it says false.
pub(super) fn is_false(value: &Value) -> bool {
    value.as_bool() == Some(false)
}

/// A count, in either shape: `N` or `{"value": N}`.
pub(super) fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value["value"].as_u64())
}

/// The bytes of a property for a version hash: the JSON text.
pub(super) fn stamp(value: &Value) -> String {
    value.to_string()
}
