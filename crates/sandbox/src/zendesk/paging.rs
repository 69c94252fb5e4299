//! Lists in pages: by cursor (`page[size]`, `page[after]`) or by number (`page`, `per_page`).
//!
//! Constraint: a listing is a range of places with a filter. A page is found by walking from its first place, so
//! that no listing is ever held.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::answer::{self, Answer, Refused};

/// The query string of a call.
pub(super) struct Query(pub(super) Vec<(String, String)>);

impl Query {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A number, if there is one; an error answer if it is something else.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refused> {
        let invalid = |_| answer::invalid("InvalidValue", format!("{name} is not a number"));
        self.get(name).map(|value| value.parse().map_err(invalid)).transpose()
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    /// Whether a comma-separated `include` names a side-load.
    pub(super) fn includes(&self, what: &str) -> bool {
        self.get("include").is_some_and(|list| list.split(',').any(|item| item.trim() == what))
    }

    /// The ids of a `show_many`.
    pub(super) fn ids(&self) -> Result<Vec<u64>, Refused> {
        let ids: Vec<u64> =
            self.get("ids").unwrap_or_default().split(',').filter_map(|id| id.trim().parse().ok()).collect();
        if ids.is_empty() || ids.len() > MOST_PER_PAGE {
            return Err(answer::invalid("InvalidValue", "ids must hold 1 to 100 ids"));
        }
        Ok(ids)
    }
}

/// A list of records.
pub(super) struct Listing<'a> {
    /// The name of the list in the answer.
    pub(super) key: &'static str,
    /// Places are below this.
    pub(super) length: u64,
    /// The last place comes first.
    pub(super) descending: bool,
    pub(super) visible: &'a dyn Fn(u64) -> bool,
    pub(super) render: &'a dyn Fn(u64) -> Option<Value>,
    /// How many are visible; only asked for by numbered pages.
    pub(super) count: &'a dyn Fn() -> u64,
}

const MOST_PER_PAGE: usize = 100;
/// Numbered pages end here.
const DEEPEST_PAGE: u64 = 100;

impl Listing<'_> {
    fn places(&self, after: Option<u64>) -> Box<dyn Iterator<Item = u64> + '_> {
        let visible = |place: &u64| (self.visible)(*place);
        if self.descending {
            Box::new((0..after.unwrap_or(self.length).min(self.length)).rev().filter(visible))
        } else {
            Box::new((after.map_or(0, |place| place + 1)..self.length).filter(visible))
        }
    }

    /// The page that the query asks for. `url` is the listing's own address without parameters.
    pub(super) fn page(&self, query: &Query, url: &str, more: &str) -> Answer {
        if query.0.iter().any(|(key, _)| key.starts_with("page[")) {
            self.by_cursor(query, url, more)
        } else {
            self.by_number(query, url, more)
        }
    }

    fn by_cursor(&self, query: &Query, url: &str, more: &str) -> Answer {
        let size = query.number::<usize>("page[size]")?.unwrap_or(MOST_PER_PAGE);
        if size == 0 || size > MOST_PER_PAGE {
            return Err(Refused::Rejected {
                status: StatusCode::BAD_REQUEST,
                code: "InvalidPageSize",
                title: "page[size] must be 1 to 100",
            });
        }
        let after = match query.get("page[after]").filter(|cursor| !cursor.is_empty()) {
            None => None,
            Some(cursor) => Some(decode(cursor).ok_or(Refused::Rejected {
                status: StatusCode::BAD_REQUEST,
                code: "InvalidCursor",
                title: "page[after] is not a cursor",
            })?),
        };
        let mut places: Vec<u64> = self.places(after).take(size + 1).collect();
        let has_more = places.len() > size;
        places.truncate(size);
        let cursor = places.last().map(|&place| encode(place));
        let next = cursor
            .as_ref()
            .filter(|_| has_more)
            .map(|c| format!("{url}?page[after]={c}&page[size]={size}{more}"));
        let mut body = Map::new();
        body.insert(self.key.to_owned(), self.rendered(&places));
        body.insert(
            "meta".to_owned(),
            json!({"has_more": has_more, "after_cursor": cursor,
            "before_cursor": places.first().map(|&place| encode(place))}),
        );
        body.insert("links".to_owned(), json!({"next": next, "prev": null}));
        answer::ok(&body)
    }

    fn by_number(&self, query: &Query, url: &str, more: &str) -> Answer {
        let page = query.number::<u64>("page")?.unwrap_or(1).max(1);
        let size = query.number::<usize>("per_page")?.unwrap_or(MOST_PER_PAGE).clamp(1, MOST_PER_PAGE);
        if page > DEEPEST_PAGE {
            return Err(answer::invalid("InvalidPaginationDepth", "Pages beyond 100 need cursor pagination"));
        }
        let skip = usize::try_from(page - 1).unwrap_or(0) * size;
        let places: Vec<u64> = self.places(None).skip(skip).take(size).collect();
        let count = (self.count)();
        let seen = u64::try_from(skip + places.len()).unwrap_or(u64::MAX);
        let link = |number: u64| format!("{url}?page={number}&per_page={size}{more}");
        let mut body = Map::new();
        body.insert(self.key.to_owned(), self.rendered(&places));
        body.insert("count".to_owned(), json!(count));
        body.insert(
            "next_page".to_owned(),
            json!((seen < count && !places.is_empty()).then(|| link(page + 1))),
        );
        body.insert("previous_page".to_owned(), json!((page > 1).then(|| link(page - 1))));
        answer::ok(&body)
    }

    fn rendered(&self, places: &[u64]) -> Value {
        places.iter().filter_map(|&place| (self.render)(place)).collect()
    }
}

/// A whole small list.
pub(super) fn all(key: &'static str, items: &[Value], query: &Query, url: &str) -> Answer {
    let length = u64::try_from(items.len()).unwrap_or(0);
    Listing {
        key,
        length,
        descending: false,
        visible: &|_| true,
        render: &|place| usize::try_from(place).ok().and_then(|place| items.get(place).cloned()),
        count: &|| length,
    }
    .page(query, url, "")
}

fn encode(place: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{{\"o\":\"id\",\"v\":\"{place}\"}}"))
}

fn decode(cursor: &str) -> Option<u64> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.strip_prefix("{\"o\":\"id\",\"v\":\"")?.strip_suffix("\"}")?.parse().ok()
}
