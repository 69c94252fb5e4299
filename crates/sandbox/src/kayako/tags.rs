//! Tags of users, organizations and cases: add, replace, remove (reference sections 4.3, 4.8). Tags are CSV everywhere.

use axum::http::Method;
use serde_json::json;

use super::envelope::{Answer, Payload};
use super::params::Query;

/// POST adds, PUT replaces, DELETE removes.
pub(crate) fn change(method: &Method, tags: &mut Vec<String>, given: Option<Vec<String>>) {
    let given = given.unwrap_or_default();
    match method.as_str() {
        "POST" => add(tags, given),
        "PUT" => {
            tags.clear();
            add(tags, given);
        }
        "DELETE" => tags.retain(|tag| !given.contains(tag)),
        _ => {}
    }
}

/// Adds what is missing.
pub(crate) fn add(tags: &mut Vec<String>, given: Vec<String>) {
    for tag in given {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
}

/// DELETE may name the tags in the query.
pub(crate) fn of_query(query: &Query) -> Option<Vec<String>> {
    query.list("tags").map(|list| list.into_iter().map(str::to_owned).collect())
}

/// The tags as a collection.
pub(crate) fn answer(tags: &[String]) -> Answer {
    let items = tags.iter().map(|tag| json!({"name": tag, "resource_type": "tag"})).collect::<Vec<_>>();
    let total = items.len();
    Answer { status: 200, resource: "tag", data: Payload::Page { items, offset: 0, limit: total, total } }
}
