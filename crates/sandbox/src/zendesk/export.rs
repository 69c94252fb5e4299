//! Incremental exports: tickets and users by cursor, organizations and ticket events by time.
//!
//! Constraints
//! - A page is computed from its cursor alone: the account keeps no export state.
//! - Ticket events come grouped by ticket, stamped with the ticket's export time: sorting all comments of an account
//!   by their own time would need all of them at once. A client must not conclude from them that a ticket is complete,
//!   and it must not on the real service either.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Call;
use super::answer::{self, Answer, Refused};
use super::layer::{From, Layer, Row};
use super::render::{group_json, organization_json, user_json};
use crate::seed::{GroupId, OrganizationId, Status, Ticket, TicketId, User, UserId, fingerprint};

/// Rows of a page at most, and without a wish.
const PAGE: usize = 1000;

/// Where a page begins.
struct Start {
    from: From,
    /// The row before, if there is one.
    before: Option<Row>,
}

/// The rows of a page.
struct Rows {
    rows: Vec<Row>,
    end: bool,
}

impl Call<'_> {
    fn start_time(&self) -> Result<i64, Refused> {
        let start: i64 = self
            .query
            .number("start_time")?
            .ok_or_else(|| answer::invalid("InvalidValue", "start_time is required"))?;
        if start > self.account.export_until() {
            let text = "Too recent start_time. Use a start_time older than 60 seconds";
            return Err(answer::invalid("StartTimeTooRecent", text));
        }
        Ok(start)
    }

    fn limit(&self) -> Result<usize, Refused> {
        Ok(self.query.number::<usize>("per_page")?.unwrap_or(PAGE).clamp(1, PAGE))
    }

    fn start<T>(&self, layer: &Layer<T>, index_of: impl Fn(u64) -> Option<u64>) -> Result<Start, Refused> {
        let Some(cursor) = self.query.get("cursor") else {
            return Ok(Start { from: layer.since(self.start_time()?), before: None });
        };
        let invalid = || answer::invalid("InvalidCursor", "The cursor is invalid");
        let (stamp, number, id) = decode(cursor).ok_or_else(invalid)?;
        let index = index_of(id).ok_or_else(invalid)?;
        let before = Row { stamp, number, index };
        Ok(Start { from: layer.after(before), before: Some(before) })
    }

    fn rows<T>(&self, layer: &Layer<T>, start: &Start) -> Result<Rows, Refused> {
        let limit = self.limit()?;
        let every = self.account.switches().repeat_every;
        // The row that ended the page before comes again on some pages: the export promises no better.
        let repeated = start.before.filter(|&row| {
            let chance = fingerprint(self.account.company().seed(), row.index).checked_rem(every) == Some(0);
            chance && limit > 1 && layer.stands(row)
        });
        let (mut rows, end) =
            layer.export(start.from, limit - usize::from(repeated.is_some()), self.account.export_until());
        if let Some(row) = repeated.filter(|_| !rows.is_empty()) {
            rows.insert(0, row);
        }
        Ok(Rows { rows, end })
    }

    fn cursor_fields(&self, rows: &Rows, path: &str, id_of: impl Fn(u64) -> u64) -> Map<String, Value> {
        let given = self.query.get("cursor").map(ToOwned::to_owned);
        let after = match rows.rows.last() {
            Some(row) => Some(encode(row, id_of(row.index))),
            None if self.account.switches().null_cursor_when_idle => None,
            None => given,
        };
        let url = after.as_ref().map(|cursor| {
            let cursor = percent_encoding::utf8_percent_encode(cursor, percent_encoding::NON_ALPHANUMERIC);
            format!("{}?cursor={cursor}", self.bases.api(path))
        });
        let mut body = Map::new();
        body.insert("after_url".to_owned(), json!(url));
        body.insert("after_cursor".to_owned(), json!(after));
        body.insert("before_url".to_owned(), Value::Null);
        body.insert("before_cursor".to_owned(), Value::Null);
        body.insert("end_of_stream".to_owned(), json!(rows.end));
        body
    }
}

/// The form that clients have seen: base64 of `time.0||id|`. Behind the point stands the number of the change.
fn encode(row: &Row, id: u64) -> String {
    STANDARD.encode(format!("{}.{}||{id}|", row.stamp, row.number))
}

fn decode(cursor: &str) -> Option<(i64, u64, u64)> {
    let text = String::from_utf8(STANDARD.decode(cursor).ok()?).ok()?;
    let (time, id) = text.strip_suffix('|')?.split_once("||")?;
    let (stamp, number) = time.split_once('.')?;
    Some((stamp.parse().ok()?, number.parse().ok()?, id.parse().ok()?))
}

/// `GET /incremental/tickets/cursor`.
pub(super) fn tickets(call: &Call) -> Answer {
    super::people::admins_only(call)?;
    let account = call.account;
    let company = account.company();
    let page = {
        let data = account.read();
        let start = call.start(&data.tickets, |id| company.ticket_index(TicketId(id)))?;
        call.rows(&data.tickets, &start)?
    };
    let mut tickets: Vec<Ticket> = page.rows.iter().filter_map(|row| account.ticket_at(row.index)).collect();
    if call.query.is_true("exclude_deleted") {
        tickets.retain(|ticket| ticket.status != Status::Deleted);
    }
    let mut body =
        call.cursor_fields(&page, "incremental/tickets/cursor.json", |index| company.ticket_id(index).0);
    let with_count = call.query.includes("comment_count");
    let values: Value = tickets
        .iter()
        .map(|ticket| {
            let mut value = account.ticket_json(ticket, &call.bases);
            if with_count {
                value["comment_count"] = json!(account.comment_count(ticket));
            }
            value
        })
        .collect();
    body.insert("tickets".to_owned(), values);
    side_load(call, &tickets, &mut body);
    answer::ok(&body)
}

/// Users, groups and organizations of a page of tickets.
fn side_load(call: &Call, tickets: &[Ticket], body: &mut Map<String, Value>) {
    let account = call.account;
    let company = account.company();
    if call.query.includes("users") {
        let ids: BTreeSet<UserId> = tickets
            .iter()
            .flat_map(|t| {
                [t.requester_id, t.submitter_id]
                    .into_iter()
                    .chain(t.assignee_id)
                    .chain(t.collaborator_ids.iter().copied())
            })
            .collect();
        let users = ids.into_iter().filter_map(|id| account.user(id));
        body.insert("users".to_owned(), users.map(|user| user_json(&user, &call.bases)).collect());
    }
    if call.query.includes("groups") {
        let ids: BTreeSet<GroupId> = tickets.iter().filter_map(|t| t.group_id).collect();
        let groups = ids.into_iter().filter_map(|id| company.group(id));
        body.insert("groups".to_owned(), groups.map(|group| group_json(&group, &call.bases)).collect());
    }
    if call.query.includes("organizations") {
        let ids: BTreeSet<OrganizationId> = tickets.iter().filter_map(|t| t.organization_id).collect();
        let found =
            ids.into_iter().filter_map(|id| company.organization(id)).filter(|o| o.deleted_at.is_none());
        body.insert("organizations".to_owned(), found.map(|o| organization_json(&o, &call.bases)).collect());
    }
}

/// `GET /incremental/users/cursor`.
pub(super) fn users(call: &Call) -> Answer {
    super::people::admins_only(call)?;
    let account = call.account;
    let company = account.company();
    let page = {
        let data = account.read();
        let start = call.start(&data.users, |id| company.user_place(UserId(id)))?;
        call.rows(&data.users, &start)?
    };
    let users: Vec<User> = page.rows.iter().filter_map(|row| account.user_at(row.index)).collect();
    let mut body =
        call.cursor_fields(&page, "incremental/users/cursor.json", |ordinal| company.user_id(ordinal).0);
    if call.query.includes("identities") && account.switches().identities_side_load {
        let identities = users.iter().flat_map(|user| account.identities_json(user, &call.bases));
        body.insert("identities".to_owned(), identities.collect());
    }
    body.insert("users".to_owned(), users.iter().map(|user| user_json(user, &call.bases)).collect());
    answer::ok(&body)
}

/// The end of a time-based page: the next one starts in its last second, so pages overlap by design.
fn time_based(
    key: &str,
    items: &[Value],
    end_time: Option<i64>,
    end: bool,
    call: &Call,
    path: &str,
) -> Answer {
    let next = end_time.map(|time| format!("{}?start_time={time}", call.bases.api(path)));
    answer::ok(
        &json!({"count": items.len(), key: items, "end_time": end_time, "next_page": next, "end_of_stream": end}),
    )
}

/// `GET /incremental/organizations`.
pub(super) fn organizations(call: &Call) -> Answer {
    super::people::admins_only(call)?;
    let company = call.account.company();
    let timeline = company.organization_timeline();
    let limit = u64::try_from(call.limit()?).unwrap_or(0);
    let start = call.start_time()?;
    let first = timeline.first_since(start);
    let mut last = (first + limit).min(timeline.len());
    // A second is never cut in two, and a page leaves the second that it began with: else the next page would begin
    // there again and go round for ever.
    while last > first
        && last < timeline.len()
        && (timeline.generated(last) == timeline.generated(last - 1) || timeline.generated(last - 1) <= start)
    {
        last += 1;
    }
    let found = (first..last).filter_map(|ordinal| company.organization_at(ordinal));
    let items: Vec<Value> = found.map(|organization| organization_json(&organization, &call.bases)).collect();
    let end_time = (last > first).then(|| timeline.generated(last - 1));
    time_based(
        "organizations",
        &items,
        end_time,
        last == timeline.len(),
        call,
        "incremental/organizations.json",
    )
}

/// `GET /incremental/ticket_events`, with `include=comment_events`.
pub(super) fn ticket_events(call: &Call) -> Answer {
    super::people::admins_only(call)?;
    let account = call.account;
    let with_comments = call.query.includes("comment_events");
    let limit = call.limit()?;
    let start = call.start_time()?;
    let mut from = account.read().tickets.since(start);
    let mut items = Vec::new();
    let mut end_time = None;
    loop {
        let (rows, _) = account.read().tickets.export(from, 1, account.export_until());
        let Some(&row) = rows.first() else {
            return time_based(
                "ticket_events",
                &items,
                end_time,
                true,
                call,
                "incremental/ticket_events.json",
            );
        };
        // As above: never within a second, never in the page's first one.
        if items.len() >= limit && end_time != Some(row.stamp) && end_time > Some(start) {
            return time_based(
                "ticket_events",
                &items,
                end_time,
                false,
                call,
                "incremental/ticket_events.json",
            );
        }
        from = account.read().tickets.after(row);
        end_time = Some(row.stamp);
        let Some(ticket) = account.ticket_at(row.index).filter(|ticket| ticket.status != Status::Deleted)
        else {
            continue;
        };
        for place in 0..account.comment_count(&ticket) {
            let Some(comment) = account.comment(&ticket, place) else { continue };
            let mut child = account.comment_json(&comment, true, &call.bases);
            child["event_type"] = json!("Comment");
            child["via_reference_id"] = Value::Null;
            let status = json!({"id": comment.id.0 + 1, "event_type": "Change", "via": "Web form", "status": ticket.status});
            items.push(json!({"id": comment.id.0 + 1, "ticket_id": ticket.id, "timestamp": row.stamp,
                "created_at": comment.created_at, "updater_id": comment.author_id, "via": "Web form", "event_type": "Audit",
                "child_events": if with_comments { vec![status, child] } else { vec![status] }}));
        }
    }
}
