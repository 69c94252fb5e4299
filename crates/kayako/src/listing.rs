//! Walks a whole collection page by page, for whoever looks for objects that nobody knows of.
//!
//! Constraints: two pages are in memory, however large the account is. Lists move while they are read: cases stand by their last change,
//! newest first, so that one which is changed meanwhile jumps from what is still to be read to what was read before, and what is
//! removed draws the rest up. So each page begins with the last object of the one before. If that is not where it was, the list
//! is read again, and only what was changed since if nothing was removed. A list that keeps moving is said to be incomplete, never
//! taken for whole.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Deserialize;

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::lookup::LegacyCollection;
use crate::vocabulary::CaseState;
use crate::wire;

/// How often a list that moved is read again.
const REPEATS: u32 = 4;

/// An object as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: u64,
    /// The id it was given when it was created; `None` also where the account's lists do not show it.
    pub legacy_id: Option<String>,
    /// Whether it is in use.
    pub is_active: bool,
}

#[derive(Deserialize)]
struct WireListed {
    #[serde(default, deserialize_with = "wire::number")]
    id: Option<u64>,
    #[serde(default, deserialize_with = "wire::text")]
    legacy_id: Option<String>,
    #[serde(default)]
    state: Option<CaseState>,
    #[serde(default, deserialize_with = "wire::time")]
    updated_at: Option<Timestamp>,
}

/// A walk through a collection. Made by [`Client::listing`].
#[derive(Debug)]
pub struct Listing<'a> {
    client: &'a Client,
    collection: LegacyCollection,
    /// Where the next page begins.
    offset: usize,
    /// The objects of the page before, the last of which the next page begins with.
    before: HashSet<u64>,
    last: Option<u64>,
    /// Of this reading: the time of the newest change at its beginning, and what it may have passed over.
    newest: Option<Timestamp>,
    passed: Passed,
    /// A repeated reading of cases ends at what was not changed since then.
    since: Option<Timestamp>,
    repeats: u32,
    over: bool,
}

/// What a reading may have passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Passed {
    Nothing,
    /// What was changed since it began.
    Changed,
    /// Anything.
    Anything,
}

impl Client {
    /// Walks through all objects of a collection, also those that others created. A call per page. API 1.7.
    pub fn listing(&self, collection: LegacyCollection) -> Listing<'_> {
        Listing {
            client: self,
            collection,
            offset: 0,
            before: HashSet::new(),
            last: None,
            newest: None,
            passed: Passed::Nothing,
            since: None,
            repeats: 0,
            over: false,
        }
    }
}

impl Listing<'_> {
    /// The next objects; `None` at the end. An object that moves within the list may come again.
    ///
    /// # Errors
    /// As any call that reads. The walk goes on where it was when it is asked again.
    pub async fn page(&mut self) -> Result<Option<Vec<Listed>>, Error> {
        if self.over {
            return Ok(None);
        }
        let by_change = self.collection == LegacyCollection::Cases;
        let fields = if by_change { "id,legacy_id,state,updated_at" } else { "id,legacy_id" };
        let limit = self.client.config().page_size;
        let from = self.offset.saturating_sub(usize::from(self.last.is_some()));
        let request = Request::get(self.collection.path())
            .query("fields", fields)
            .query("limit", limit.to_string())
            .query("offset", from.to_string());
        let call = request.call;
        let answer = self.client.send::<Vec<WireListed>>(request).await?;
        let (total, honoured) = (answer.total_count, answer.limit);
        let data = answer.into_data(call)?;
        let came = data.len();
        if self.last.is_none() {
            self.newest = data.first().and_then(|object| object.updated_at);
        }
        if let Some(last) = self.last {
            let known = |object: &WireListed| object.id.is_some_and(|id| self.before.contains(&id));
            let seen = match data.first() {
                Some(first) if first.id == Some(last) => Passed::Nothing,
                // Pushed down, by new objects, which were not there all the time, or by a change, which jumped over us.
                Some(first) if known(first) => {
                    if by_change {
                        Passed::Changed
                    } else {
                        Passed::Nothing
                    }
                }
                _ if data.iter().any(known) => Passed::Changed,
                _ => Passed::Anything,
            };
            self.passed = self.passed.max(seen);
        }
        let unchanged = self.since.is_some_and(|since| {
            data.iter().any(|object| object.updated_at.is_some_and(|changed| changed < since))
        });
        self.offset = from + came;
        self.last = data.last().and_then(|object| object.id).or(self.last);
        let ids: HashSet<u64> = data.iter().filter_map(|object| object.id).collect();
        let items: Vec<Listed> = data
            .into_iter()
            .filter_map(|object| {
                Some(Listed {
                    id: object.id.filter(|id| !self.before.contains(id))?,
                    legacy_id: object.legacy_id,
                    is_active: object.state.is_none_or(|state| state == CaseState::Active),
                })
            })
            .collect();
        self.before = ids;
        let full =
            honoured.map_or(limit, |honoured| usize::try_from(honoured).unwrap_or(limit).clamp(1, limit));
        let at_the_end = match total.map(|total| usize::try_from(total).unwrap_or(usize::MAX)) {
            Some(total) => self.offset >= total,
            None => came < full,
        };
        // A page without anything new before the end: the account counts what it does not show.
        let stuck = items.is_empty() && !at_the_end;
        if stuck {
            self.passed = Passed::Anything;
        }
        if at_the_end || stuck || unchanged {
            self.turn();
        }
        Ok(Some(items))
    }

    /// Whether every object that was there all the time has come, as far as that can be told. Ask at the end.
    pub fn is_complete(&self) -> bool {
        self.over && self.passed == Passed::Nothing
    }

    /// The end of a reading.
    fn turn(&mut self) {
        if self.passed == Passed::Nothing || self.repeats == REPEATS {
            self.over = true;
            return;
        }
        self.repeats += 1;
        self.since = self.newest.filter(|_| self.passed == Passed::Changed);
        (self.offset, self.last, self.newest, self.passed) = (0, None, None, Passed::Nothing);
        self.before.clear();
    }
}
