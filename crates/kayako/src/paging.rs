//! Reads a collection to its end, and says how sure it is that this was the end.
//!
//! Constraints: the default page is 10, so `limit` is always sent; the account may honour a smaller one, so the next
//! offset counts what came, not what was asked for; lists move while they are read (cases by last update, users
//! newest first), so items are told apart by id and the count is compared in the end.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use crate::call::Request;
use crate::client::Client;
use crate::error::{Error, UnreadableCause};

/// Whole lists (statuses, fields, agents ...) are held in memory: more than this is no such list.
const MAX_LISTED: usize = 50_000;

/// An object that can be told apart from others of its kind.
pub(crate) trait Identified {
    fn object_id(&self) -> u64;
}

macro_rules! identified {
    ($($name:ty),+ $(,)?) => {$(
        impl crate::paging::Identified for $name {
            fn object_id(&self) -> u64 {
                u64::from(self.id)
            }
        }
    )+};
}
pub(crate) use identified;

/// How sure it is that a collection was read completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// The number of different items equals the account's own count.
    Counted,
    /// The account gave no count; the last page was not full.
    Uncounted,
    /// The pages do not add up, or there was no end.
    Broken,
}

pub(crate) struct Collected<T> {
    pub(crate) items: Vec<T>,
    pub(crate) completeness: Completeness,
}

impl Client {
    /// All items of a collection. `limit` is the page size asked for; more than `max_items` is `Broken`.
    pub(crate) async fn collect<T>(
        &self,
        request: Request,
        limit: usize,
        max_items: usize,
    ) -> Result<Collected<T>, Error>
    where
        T: DeserializeOwned + Identified,
    {
        let mut seen = HashSet::new();
        let mut items = Vec::new();
        let mut offset = 0;
        loop {
            let mut page = request.clone().query("limit", limit.to_string());
            if offset > 0 {
                page = page.query("offset", offset.to_string());
            }
            let call = page.call;
            let answer = self.send::<Vec<T>>(page).await?;
            let (total, honoured) = (answer.total_count, answer.limit);
            let data = answer.into_data(call)?;
            let came = data.len();
            let before = items.len();
            items.extend(data.into_iter().filter(|item| seen.insert(item.object_id())));
            offset += came;
            let nothing_new = items.len() == before;
            let completeness = match total.map(|total| usize::try_from(total).unwrap_or(usize::MAX)) {
                Some(total) if items.len() == total && offset == total => Some(Completeness::Counted),
                Some(total) if items.len() > total || offset >= total => Some(Completeness::Broken),
                Some(_) if nothing_new => Some(Completeness::Broken),
                Some(_) => None,
                None => {
                    let full = honoured
                        .map_or(limit, |honoured| usize::try_from(honoured).unwrap_or(limit).clamp(1, limit));
                    (came < full || nothing_new).then_some(Completeness::Uncounted)
                }
            };
            if let Some(completeness) = completeness {
                return Ok(Collected { items, completeness });
            }
            if items.len() >= max_items {
                return Ok(Collected { items, completeness: Completeness::Broken });
            }
        }
    }

    /// A whole list of the account's set-up. A list that moved is read once more before it is given up.
    pub(crate) async fn list<T>(&self, request: Request) -> Result<Vec<T>, Error>
    where
        T: DeserializeOwned + Identified,
    {
        let call = request.call;
        for _ in 0..2 {
            let collected = self.collect(request.clone(), self.config().page_size, MAX_LISTED).await?;
            if collected.completeness != Completeness::Broken {
                return Ok(collected.items);
            }
        }
        Err(Error::unreadable(call, 200, UnreadableCause::Incomplete))
    }
}
