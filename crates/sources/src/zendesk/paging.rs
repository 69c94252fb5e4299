//! Lists by cursor: `page[size]`, `page[after]`, `meta.has_more`.
//!
//! Constraint: a page that claims more but gives no new cursor would be read for ever; it is an unreadable answer.

use model::Classify as _;
use serde_json::Value;

use super::client::{Answer, Client};
use super::endpoint::Endpoint;
use super::raw;
use crate::error::Error;

/// The largest page of these lists.
pub(super) const PAGE: &str = "100";

/// One page that fails does not start a list of hundreds anew; the pace makes the repetition of a refused call wait.
const TRIES_PER_PAGE: usize = 3;

/// One page and where the next begins.
pub(super) struct ListPage {
    pub(super) items: Vec<Value>,
    pub(super) after: Option<String>,
}

/// Reads one page; `None` if the record or feature does not exist.
pub(super) async fn page(
    client: &Client,
    endpoint: Endpoint,
    path: &str,
    list: &str,
    query: &[(&str, &str)],
    after: Option<&str>,
) -> Result<Option<ListPage>, Error> {
    let mut query = query.to_vec();
    query.push(("page[size]", PAGE));
    query.extend(after.map(|cursor| ("page[after]", cursor)));
    let Answer::Found(mut answer) = client.get(endpoint, path, &query).await? else { return Ok(None) };
    let unreadable = |problem| Error::UnreadableAnswer { endpoint: endpoint.template, status: 200, problem };
    let Value::Array(items) = answer[list].take() else { return Err(unreadable("it lacks the list")) };
    let next = raw::text(&answer["meta"]["after_cursor"]);
    let after = match (raw::is_true(&answer["meta"]["has_more"]), next) {
        (false, _) => None,
        (true, Some(next)) if after != Some(next.as_str()) => Some(next),
        (true, _) => return Err(unreadable("it promises another page but does not say where")),
    };
    Ok(Some(ListPage { items, after }))
}

/// Reads a list to its end, one page in memory at a time. A list the account does not have is empty.
pub(super) async fn every_page(
    client: &Client,
    endpoint: Endpoint,
    list: &str,
    query: &[(&str, &str)],
    mut each: impl FnMut(&Value),
) -> Result<(), Error> {
    let path = endpoint.path("");
    let mut after: Option<String> = None;
    loop {
        let mut tries = TRIES_PER_PAGE;
        let page = loop {
            tries -= 1;
            match page(client, endpoint, &path, list, query, after.as_deref()).await {
                Err(error) if tries > 0 && error.class().is_retryable_read() => {}
                answer => break answer?,
            }
        };
        let Some(page) = page else { return Ok(()) };
        page.items.iter().for_each(&mut each);
        match page.after {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}
