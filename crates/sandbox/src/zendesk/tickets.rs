//! Tickets and their comments.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Call;
use super::answer::{self, Answer, Refused};
use super::paging::Listing;
use crate::seed::{Status, Ticket, TicketId};

/// `GET /tickets`: without archived and deleted ones.
pub(super) fn list(call: &Call) -> Answer {
    let account = call.account;
    let (descending, more) = match call.query.get("sort") {
        None | Some("id") => (false, ""),
        Some("-id") => (true, "&sort=-id"),
        Some(_) => return Err(answer::invalid("InvalidValue", "sort is not supported")),
    };
    Listing {
        key: "tickets",
        length: account.ticket_total(),
        descending,
        visible: &|index| account.is_listed(index),
        render: &|index| account.ticket_at(index).map(|ticket| account.ticket_json(&ticket, &call.bases)),
        count: &|| account.count_tickets(false),
    }
    .page(&call.query, &call.url(), more)
}

/// A ticket that still exists.
fn existing(call: &Call, id: &str) -> Result<Ticket, Refused> {
    let id =
        id.parse().map(TicketId).map_err(|_| answer::invalid("InvalidValue", "ticket id is not a number"))?;
    call.account.ticket(id).filter(|ticket| ticket.status != Status::Deleted).ok_or(Refused::NotFound)
}

/// `GET /tickets/{id}`.
pub(super) fn show(call: &Call, id: &str) -> Answer {
    let ticket = existing(call, id)?;
    let mut value = call.account.ticket_json(&ticket, &call.bases);
    if call.query.includes("comment_count") {
        value["comment_count"] = json!(call.account.comment_count(&ticket));
    }
    answer::ok(&json!({ "ticket": value }))
}

/// `GET /tickets/show_many`: missing ones are left out.
pub(super) fn show_many(call: &Call) -> Answer {
    let account = call.account;
    let tickets: Vec<Value> = call
        .query
        .ids()?
        .into_iter()
        .filter_map(|id| account.ticket(TicketId(id)))
        .filter(|ticket| ticket.status != Status::Deleted)
        .map(|ticket| {
            let mut value = account.ticket_json(&ticket, &call.bases);
            if call.query.includes("comment_count") {
                value["comment_count"] = json!(account.comment_count(&ticket));
            }
            value
        })
        .collect();
    let count = tickets.len();
    answer::ok(&json!({"tickets": tickets, "count": count, "next_page": null, "previous_page": null}))
}

/// `GET /tickets/{id}/comments`.
pub(super) fn comments(call: &Call, id: &str) -> Answer {
    let account = call.account;
    let ticket = existing(call, id)?;
    let (descending, more) = match call.query.get("sort") {
        None | Some("created_at") => (false, ""),
        Some("-created_at") => (true, "&sort=-created_at"),
        Some(_) => return Err(answer::invalid("InvalidValue", "sort is not supported")),
    };
    let inline = call.query.is_true("include_inline_images");
    let more = if inline { format!("{more}&include_inline_images=true") } else { more.to_owned() };
    let length = account.comment_count(&ticket);
    Listing {
        key: "comments",
        length,
        descending,
        visible: &|_| true,
        render: &|place| {
            account.comment(&ticket, place).map(|c| account.comment_json(&c, inline, &call.bases))
        },
        count: &|| length,
    }
    .page(&call.query, &call.url(), &more)
}

/// `GET /tickets/{id}/comments/count`.
pub(super) fn comment_count(call: &Call, id: &str) -> Answer {
    let ticket = existing(call, id)?;
    call.count(call.account.comment_count(&ticket))
}

/// `GET /search/count`. Understands `type:`, `status:`, `tags:` and `created` with `<`, `<=`, `>`, `>=` or `:`; refuses
/// the rest, because a filter that is silently ignored would give a wrong number.
pub(super) fn search_count(call: &Call) -> Answer {
    let account = call.account;
    let query = call.query.get("query").unwrap_or_default();
    let terms: Vec<&str> = query.split_whitespace().collect();
    let total = match terms.as_slice() {
        ["type:ticket"] => account.count_tickets(true),
        ["type:user"] => account.count_users(),
        ["type:organization"] => account.company().size().organizations,
        terms if terms.contains(&"type:ticket") => {
            let filters = terms.iter().filter(|term| **term != "type:ticket").map(|term| Filter::parse(term));
            let filters: Option<Vec<Filter>> = filters.collect();
            let filters = filters.ok_or(NOT_UNDERSTOOD)?;
            let matching =
                (0..account.ticket_total()).filter_map(|index| account.ticket_at(index)).filter(|ticket| {
                    ticket.status != Status::Deleted && filters.iter().all(|filter| filter.matches(ticket))
                });
            u64::try_from(matching.count()).unwrap_or(u64::MAX)
        }
        _ => return Err(NOT_UNDERSTOOD),
    };
    if account.switches().plain_search_count {
        answer::ok(&json!({ "count": total }))
    } else {
        call.count(total)
    }
}

const NOT_UNDERSTOOD: Refused = Refused::Rejected {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "InvalidQuery",
    title: "the query is not understood",
};

enum Filter<'a> {
    Status(&'a str),
    Tag(&'a str),
    /// An operator and a date or time; texts in this form compare like the times.
    Created(&'a str, &'a str),
}

impl<'a> Filter<'a> {
    fn parse(term: &'a str) -> Option<Self> {
        if let Some(status) = term.strip_prefix("status:") {
            return Some(Self::Status(status));
        }
        if let Some(tag) = term.strip_prefix("tags:") {
            return Some(Self::Tag(tag));
        }
        let rest = term.strip_prefix("created")?;
        let operator = ["<=", ">=", "<", ">", ":"].into_iter().find(|operator| rest.starts_with(operator))?;
        let date = &rest[operator.len()..];
        date.starts_with(|c: char| c.is_ascii_digit()).then_some(Self::Created(operator, date))
    }

    fn matches(&self, ticket: &Ticket) -> bool {
        match self {
            Self::Status(status) => serde_json::to_value(ticket.status).is_ok_and(|value| value == *status),
            Self::Tag(tag) => ticket.tags.iter().any(|t| t == tag),
            Self::Created(operator, date) => {
                let created = ticket.created_at.to_string();
                let created = created.get(..date.len()).unwrap_or(&created);
                match *operator {
                    "<" => created < *date,
                    "<=" => created <= *date,
                    ">" => created > *date,
                    ">=" => created >= *date,
                    _ => created == *date,
                }
            }
        }
    }
}
