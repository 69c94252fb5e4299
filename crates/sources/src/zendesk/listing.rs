//! Listings: exports by cursor (tickets, users), exports by time (organizations), a plain list (groups).
//!
//! Constraints
//! - The export's order is `generated_timestamp`; `updated_at` may be older than the start, so nothing is filtered by it.
//! - The last non-null cursor is the high-water mark: an export without news answers null.
//! - A record may come twice; deleted tickets come too.
//! - `version` is made of properties that both an export and `show_many` hold, else a record fetched for
//!   a demo would look changed to the full run.

use model::listing::{Facts, Listed, version_of};
use model::{Kind, RecordKey, SourceId};
use serde_json::Value;

use super::Zendesk;
use super::client::Client;
use super::endpoint::{
    Endpoint, GROUPS, ORGANIZATION_EXPORT, ORGANIZATIONS_MANY, TICKET_EXPORT, TICKETS_MANY, USER_EXPORT,
    USERS_MANY,
};
use super::fields::FieldTypes;
use super::paging::page;
use super::raw;
use crate::error::Error;
use crate::source::{Cursor, Fetched, Next, Page, Shard};

/// Ids per `show_many`.
const MANY: usize = 100;
/// What listings add to a ticket, so that its conversation can be checked.
const TICKET_SIDE_LOAD: (&str, &str) = ("include", "comment_count");
/// Parts of a ticket that nothing reads: its first comment again, its fields again, links. A page would hold them in
/// memory three times over.
const UNREAD: [&str; 8] = [
    "description",
    "fields",
    "raw_subject",
    "url",
    "satisfaction_rating",
    "sharing_agreement_ids",
    "followup_ids",
    "external_id",
];

/// The one shard of each kind: an export cannot be split, its budget is shared anyway.
pub(super) fn shards(kind: Kind) -> Vec<Shard> {
    vec![Shard { kind, name: "all".to_owned(), start: None }]
}

/// Where a listing goes on, as the text of a [`Cursor`].
enum Place {
    /// From this unix second.
    Time(u64),
    /// After this cursor of the service.
    After(String),
}

impl Place {
    fn of(shard: &Shard, cursor: Option<&Cursor>) -> Result<Self, Error> {
        cursor.or(shard.start.as_ref()).map_or(Ok(Self::Time(0)), Self::at)
    }

    fn at(cursor: &Cursor) -> Result<Self, Error> {
        match cursor.as_str().split_once(':') {
            Some(("time", second)) => second.parse().map(Self::Time).map_err(|_| Error::ForeignCursor),
            Some(("after", text)) => Ok(Self::After(text.to_owned())),
            _ => Err(Error::ForeignCursor),
        }
    }

    fn cursor(&self) -> Cursor {
        match self {
            Self::Time(second) => Cursor::new(format!("time:{second}")),
            Self::After(text) => Cursor::new(format!("after:{text}")),
        }
    }
}

impl Zendesk {
    pub(super) async fn list_page(&self, shard: &Shard, cursor: Option<&Cursor>) -> Result<Page, Error> {
        let place = Place::of(shard, cursor)?;
        let types = self.field_types().await?;
        let (items, next) = match shard.kind {
            Kind::Case => self.export(TICKET_EXPORT, "tickets", &[TICKET_SIDE_LOAD], place).await?,
            Kind::User => self.export(USER_EXPORT, "users", &[], place).await?,
            Kind::Organization => self.export_by_time(place).await?,
            Kind::Team => group_page(&self.client, place).await?,
        };
        let records = items.into_iter().filter_map(|item| listed(shard.kind, item, types)).collect();
        Ok(Page { records, next })
    }

    async fn export(
        &self,
        endpoint: Endpoint,
        list: &str,
        side_loads: &[(&str, &str)],
        place: Place,
    ) -> Result<(Vec<Value>, Next), Error> {
        let size = self.page_size();
        let start = match &place {
            Place::Time(second) => ("start_time", second.to_string()),
            Place::After(cursor) => ("cursor", cursor.clone()),
        };
        let mut query = vec![(start.0, start.1.as_str()), ("per_page", size.as_str())];
        query.extend(side_loads);
        let mut answer = self.client.list(endpoint, &query).await?;
        let items = taken(&mut answer, list, endpoint)?;
        let reached = raw::text(&answer["after_cursor"]).map(Place::After);
        let moved = reached.is_some();
        let cursor = reached.unwrap_or(place).cursor();
        match &answer["end_of_stream"] {
            Value::Bool(true) => Ok((items, Next::End(cursor))),
            Value::Bool(false) if moved => Ok((items, Next::More(cursor))),
            _ => Err(unreadable(endpoint, "it does not say whether and where it goes on")),
        }
    }

    /// By time, pages overlap in the boundary second: duplicates are normal. `end_time` starts the next page; a page that
    /// does not get beyond its own second holds that second whole, so the next one starts a second later.
    async fn export_by_time(&self, place: Place) -> Result<(Vec<Value>, Next), Error> {
        let Place::Time(start) = place else { return Err(Error::ForeignCursor) };
        let endpoint = ORGANIZATION_EXPORT;
        let (start_text, size) = (start.to_string(), self.page_size());
        let query = [("start_time", start_text.as_str()), ("per_page", size.as_str())];
        let mut answer = self.client.list(endpoint, &query).await?;
        let items = taken(&mut answer, "organizations", endpoint)?;
        let reached = answer["end_time"].as_u64().unwrap_or(start).max(start);
        // Older accounts do not send `end_of_stream`; a page that is not full is then the last one.
        let at_end =
            answer["end_of_stream"].as_bool().unwrap_or(items.len() < usize::from(self.settings.page_size));
        let next = if at_end {
            Next::End(Place::Time(reached).cursor())
        } else {
            Next::More(Place::Time(reached.max(start + 1)).cursor())
        };
        Ok((items, next))
    }

    /// Records by id, hundreds at a time; ids the account does not know are simply missing in the answers.
    pub(super) async fn fetch_many(&self, kind: Kind, wanted: &[SourceId]) -> Result<Vec<Fetched>, Error> {
        let types = self.field_types().await?;
        // An id that is no number (the placeholder, people known by e-mail only) cannot be one of Zendesk's.
        let known: Vec<&SourceId> =
            wanted.iter().filter(|id| raw::id(&Value::String(id.as_str().to_owned())).is_some()).collect();
        let mut found = std::collections::HashMap::new();
        match kind {
            // By id the service does not show deleted groups, which old tickets still name; the list of all, a page or two, does.
            Kind::Team => {
                let mut place = (!known.is_empty()).then_some(Place::Time(0));
                while let Some(from) = place.take() {
                    let (items, next) = group_page(&self.client, from).await?;
                    let groups = items.into_iter().filter_map(|item| listed(kind, item, types));
                    found
                        .extend(groups.filter(|g| known.contains(&&g.key.id)).map(|g| (g.key.id.clone(), g)));
                    if let Next::More(cursor) = next {
                        place = Some(Place::at(&cursor)?);
                    }
                }
            }
            Kind::Organization | Kind::User | Kind::Case => {
                let (endpoint, list) = match kind {
                    Kind::Case => (TICKETS_MANY, "tickets"),
                    Kind::User => (USERS_MANY, "users"),
                    _ => (ORGANIZATIONS_MANY, "organizations"),
                };
                for chunk in known.chunks(MANY) {
                    let ids = chunk.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(",");
                    let mut query = vec![("ids", ids.as_str())];
                    query.extend((kind == Kind::Case).then_some(TICKET_SIDE_LOAD));
                    let mut answer = self.client.list(endpoint, &query).await?;
                    for item in taken(&mut answer, list, endpoint)? {
                        if let Some(record) = listed(kind, item, types) {
                            found.insert(record.key.id.clone(), record);
                        }
                    }
                }
            }
        }
        let fetched = |id: &SourceId| {
            found
                .get(id)
                .map_or_else(|| Fetched::Gone(id.clone()), |record| Fetched::Found(Box::new(record.clone())))
        };
        Ok(wanted.iter().map(fetched).collect())
    }

    fn page_size(&self) -> String {
        self.settings.page_size.clamp(1, 1000).to_string()
    }
}

/// Groups have no export: every listing shows all of them, with the versions telling what changed.
async fn group_page(client: &Client, place: Place) -> Result<(Vec<Value>, Next), Error> {
    let after = match place {
        Place::After(cursor) => Some(cursor),
        Place::Time(_) => None,
    };
    let query = [("exclude_deleted", "false")];
    let page = page(client, GROUPS, &GROUPS.path(""), "groups", &query, after.as_deref()).await?;
    // The endpoint is needed: it answers or it is an error.
    let page = page.ok_or_else(|| unreadable(GROUPS, "it is empty"))?;
    let next = page
        .after
        .map_or_else(|| Next::End(Place::Time(0).cursor()), |c| Next::More(Place::After(c).cursor()));
    Ok((page.items, next))
}

fn taken(answer: &mut Value, list: &str, endpoint: Endpoint) -> Result<Vec<Value>, Error> {
    match answer[list].take() {
        Value::Array(items) => Ok(items),
        _ => Err(unreadable(endpoint, "it lacks the list")),
    }
}

fn unreadable(endpoint: Endpoint, problem: &'static str) -> Error {
    Error::UnreadableAnswer { endpoint: endpoint.template, status: 200, problem }
}

/// A record as the listing shows it; `None` for something without an id, which cannot be referred to anyway.
pub(super) fn listed(kind: Kind, mut item: Value, types: &FieldTypes) -> Option<Listed> {
    let id = raw::id(&item["id"])?;
    let version = version(kind, &item);
    let created_at = raw::time(&item["created_at"]);
    let tags = raw::texts(&item["tags"]);
    let facts = match kind {
        Kind::Team => Facts { created_at, ..Facts::default() },
        Kind::Organization => Facts {
            created_at,
            tags,
            fields: types.of_organization(&item),
            deleted: !item["deleted_at"].is_null(),
            ..Facts::default()
        },
        // A deleted user is listed whole and still owns cases: it is a record with a standing, not a deleted one.
        Kind::User => Facts {
            created_at,
            tags,
            organization: raw::id(&item["organization_id"]),
            fields: types.of_user(&item),
            ..Facts::default()
        },
        Kind::Case => {
            let facts = Facts {
                created_at,
                tags,
                team: raw::id(&item["group_id"]),
                organization: raw::id(&item["organization_id"]),
                assignee: raw::id(&item["assignee_id"]),
                fields: types.of_ticket(&item),
                deleted: item["status"] == "deleted",
            };
            if let Value::Object(ticket) = &mut item {
                ticket.retain(|property, _| !UNREAD.contains(&property.as_str()));
            }
            facts
        }
    };
    Some(Listed { key: RecordKey { kind, id }, version, facts, raw: item })
}

fn version(kind: Kind, item: &Value) -> u64 {
    let stamps: &[&str] = match kind {
        // Not the comment count: a new comment moves both stamps, and a side-load that one endpoint leaves out would make versions differ.
        Kind::Case => &["updated_at", "generated_timestamp", "status"],
        Kind::User => &["updated_at", "active", "suspended", "role"],
        Kind::Organization => &["updated_at", "deleted_at"],
        Kind::Team => &["updated_at", "deleted", "name"],
    };
    let stamps: Vec<String> = stamps.iter().map(|stamp| raw::stamp(&item[*stamp])).collect();
    version_of(&stamps.iter().map(String::as_bytes).collect::<Vec<_>>())
}
