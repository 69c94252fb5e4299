//! `/_sandbox/`: what tests and demos see and change behind the service's back. No credentials are asked for.
//!
//! | call | effect |
//! | --- | --- |
//! | `GET leaks` | credentials that reached the attachments' host |
//! | `GET writes` | calls that would have changed the account |
//! | `GET`, `PUT switches` | see [`Switches`](super::Switches) |
//! | `GET`, `PUT clock` | the account's time; `{"advance_seconds": 61}` moves it forward |
//! | `POST tickets` | a new ticket: `{"requester_id", "comment": {..}, ..fields}` |
//! | `PUT tickets/{id}` | changes fields of a ticket |
//! | `DELETE tickets/{id}` | deletes; with `?purge=true` without a trace |
//! | `POST tickets/{id}/comments` | `{"author_id", "body", "html_body", "public", "attachments": [{"file_name", "content_type", "text"}]}` |
//! | `POST users`, `PUT users/{id}` | a new user; changes fields of a user |

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::account::{Account, Changed};
use super::answer::{self, Answer, Refused};
use super::config::Switches;
use crate::seed::{
    Attachment, AttachmentState, Author, Comment, CommentKind, Role, Status, Ticket, TicketId, User, UserId,
    html_of_text,
};

pub(super) fn router() -> axum::Router<Account> {
    axum::Router::new()
        .route(
            "/leaks",
            get(async |State(account): State<Account>| Json(json!({ "leaks": account.leaks() }))),
        )
        .route("/writes", get(writes))
        .route("/switches", get(async |State(account): State<Account>| Json(account.switches())).put(switch))
        .route(
            "/clock",
            get(async |State(account): State<Account>| Json(json!({ "now": account.now() }))).put(clock),
        )
        .route(
            "/tickets",
            post(async |State(account): State<Account>, Json(body)| done(add_ticket(&account, body))),
        )
        .route("/tickets/{id}", put(change).delete(delete))
        .route("/tickets/{id}/comments", post(comment))
        .route(
            "/users",
            post(async |State(account): State<Account>, Json(body)| done(add_user(&account, body))),
        )
        .route("/users/{id}", put(change_user))
}

fn done(answer: Answer) -> Response {
    answer.into_response()
}

async fn writes(State(account): State<Account>) -> Json<Value> {
    let calls = account.writes();
    Json(json!({"write_attempts": calls.len(), "calls": calls}))
}

async fn switch(State(account): State<Account>, Json(switches): Json<Switches>) -> Json<Switches> {
    account.set_switches(switches);
    Json(account.switches())
}

#[derive(Deserialize)]
struct Advance {
    advance_seconds: u32,
}

async fn clock(State(account): State<Account>, Json(advance): Json<Advance>) -> Json<Value> {
    account.advance(advance.advance_seconds);
    Json(json!({ "now": account.now() }))
}

async fn change(
    State(account): State<Account>,
    Path(id): Path<u64>,
    Json(fields): Json<Map<String, Value>>,
) -> Response {
    done(
        account
            .change_ticket(TicketId(id), fields)
            .and_then(|ticket| answer::ok(&json!({ "ticket": ticket }))),
    )
}

#[derive(Deserialize)]
struct Purge {
    #[serde(default)]
    purge: bool,
}

async fn delete(State(account): State<Account>, Path(id): Path<u64>, Query(purge): Query<Purge>) -> Response {
    let found = account.delete_ticket(TicketId(id), purge.purge);
    if found { answer::json(StatusCode::OK, &json!({})) } else { Refused::NotFound.into_response() }
}

async fn comment(
    State(account): State<Account>,
    Path(id): Path<u64>,
    Json(new): Json<NewComment>,
) -> Response {
    done(
        account
            .add_comment(TicketId(id), &new)
            .and_then(|comment| answer::ok(&json!({ "comment": comment }))),
    )
}

async fn change_user(
    State(account): State<Account>,
    Path(id): Path<u64>,
    Json(fields): Json<Map<String, Value>>,
) -> Response {
    done(account.change_user(UserId(id), fields).and_then(|user| answer::ok(&json!({ "user": user }))))
}

fn add_ticket(account: &Account, mut fields: Map<String, Value>) -> Answer {
    let comment = fields.remove("comment").unwrap_or_else(|| json!({"body": "…"}));
    let comment = serde_json::from_value(comment).map_err(|error| invalid(&error))?;
    answer::ok(&json!({"ticket": account.add_ticket(fields, &comment)?}))
}

fn add_user(account: &Account, fields: Map<String, Value>) -> Answer {
    answer::ok(&json!({"user": account.add_user(fields)?}))
}

fn invalid(error: &serde_json::Error) -> Refused {
    answer::invalid("InvalidValue", error.to_string())
}

/// A comment to add.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewComment {
    /// The author; the requester if absent, the system if -1.
    pub author_id: Option<i64>,
    /// Plain text.
    pub body: String,
    /// HTML; made from the text if absent.
    pub html_body: Option<String>,
    /// True if absent.
    pub public: Option<bool>,
    /// Files.
    #[serde(default)]
    pub attachments: Vec<NewFile>,
}

/// A file to add.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewFile {
    /// Its name.
    pub file_name: String,
    /// MIME type.
    pub content_type: String,
    /// Its bytes, as text.
    pub text: String,
}

/// The record with some fields replaced, as its JSON names them.
fn merged<T: serde::Serialize + DeserializeOwned>(
    record: &T,
    fields: Map<String, Value>,
) -> Result<T, Refused> {
    let mut value = serde_json::to_value(record).map_err(|error| invalid(&error))?;
    for (key, field) in fields {
        value[key] = field;
    }
    serde_json::from_value(value).map_err(|error| invalid(&error))
}

impl Account {
    fn changed(&self, id: TicketId) -> Option<(u64, Changed)> {
        let index = self.company().ticket_index(id)?;
        let existing = self.read().tickets.get(index).cloned();
        let changed = match existing {
            Some(changed) => changed,
            None => Changed { ticket: self.ticket_at(index)?, comments: Vec::new() },
        };
        Some((index, changed))
    }

    fn store(&self, index: u64, mut changed: Changed, by_person: bool) -> Ticket {
        let now = self.now();
        let mut data = self.write();
        let stamp = data.tickets.stamp(now);
        changed.ticket.generated_timestamp = stamp;
        if by_person {
            changed.ticket.updated_at = crate::seed::at(stamp);
        }
        let ticket = changed.ticket.clone();
        data.tickets.put(index, stamp, changed);
        ticket
    }

    /// Changes fields of a ticket, named as in the service's JSON. Without fields only the export time moves, as when
    /// the system touches a ticket.
    pub fn change_ticket(&self, id: TicketId, fields: Map<String, Value>) -> Result<Ticket, Refused> {
        let (index, changed) = self.changed(id).ok_or(Refused::NotFound)?;
        let by_person = !fields.is_empty();
        let old = changed.ticket;
        let ticket = Ticket {
            index: old.index,
            language: old.language,
            comment_count: old.comment_count,
            archived: false,
            merged_into: old.merged_into,
            merged_from: old.merged_from,
            thread_seconds: old.thread_seconds,
            ..merged(&old, fields)?
        };
        Ok(self.store(index, Changed { ticket, comments: changed.comments }, by_person))
    }

    /// Deletes a ticket; with `purge` exports do not tell. False if there is none.
    pub fn delete_ticket(&self, id: TicketId, purge: bool) -> bool {
        let Some((index, mut changed)) = self.changed(id) else { return false };
        if purge {
            self.write().tickets.purge(index);
        } else {
            changed.ticket.status = Status::Deleted;
            self.store(index, changed, true);
        }
        true
    }

    /// Adds a comment to a ticket.
    pub fn add_comment(&self, id: TicketId, new: &NewComment) -> Result<Comment, Refused> {
        let (index, mut changed) = self.changed(id).ok_or(Refused::NotFound)?;
        let comment = self.build_comment(&changed, new);
        changed.comments.push(comment.clone());
        changed.ticket.archived = false;
        self.store(index, changed, true);
        Ok(comment)
    }

    fn build_comment(&self, changed: &Changed, new: &NewComment) -> Comment {
        let ticket = &changed.ticket;
        let company = self.company();
        let place = ticket.comment_count + u64::try_from(changed.comments.len()).unwrap_or(0);
        let mut attachments = Vec::new();
        for (slot, file) in (0u64..).zip(&new.attachments) {
            let attachment = Attachment {
                id: company.attachment_id(ticket.index, place, slot),
                file_name: file.file_name.clone(),
                content_type: file.content_type.clone(),
                size: u64::try_from(file.text.len()).unwrap_or(0),
                inline: false,
                referenced: false,
                state: AttachmentState::Available,
            };
            self.write().files.insert(attachment.id, (attachment.clone(), file.text.clone().into_bytes()));
            attachments.push(attachment);
        }
        let author = match new.author_id {
            None => Author::User(ticket.requester_id),
            Some(id) => u64::try_from(id).map_or(Author::System, |id| Author::User(UserId(id))),
        };
        Comment {
            id: company.comment_id(ticket.index, place),
            kind: CommentKind::Comment,
            author_id: author,
            public: new.public.unwrap_or(true),
            created_at: crate::seed::at(self.now()),
            plain_body: new.body.clone(),
            html_body: new.html_body.clone().unwrap_or_else(|| html_of_text(&new.body)),
            attachments,
            via: json!({"channel": "web", "source": {"from": {}, "to": {}, "rel": null}}),
            data: None,
        }
    }

    /// Adds a ticket with its first comment. Fields that are not given look like those of an ordinary new ticket.
    pub fn add_ticket(&self, fields: Map<String, Value>, comment: &NewComment) -> Result<Ticket, Refused> {
        let company = self.company();
        let index = self.ticket_total();
        let now = crate::seed::at(self.now());
        let requester = company.user_id(company.size().agents);
        let base = json!({"id": company.ticket_id(index), "external_id": null, "created_at": now, "updated_at": now,
            "generated_timestamp": 0, "type": null, "subject": "New request", "raw_subject": "New request",
            "priority": null, "status": "new", "custom_status_id": null, "recipient": null, "requester_id": requester,
            "submitter_id": requester, "assignee_id": null, "group_id": null, "organization_id": null, "brand_id": null,
            "ticket_form_id": null, "collaborator_ids": [], "follower_ids": [], "email_cc_ids": [], "problem_id": null,
            "has_incidents": false, "is_public": true, "due_at": null, "tags": [], "custom_fields": [],
            "satisfaction_rating": null, "followup_ids": [], "via": {"channel": "api", "source": {}}});
        let ticket = Ticket {
            index,
            ..merged(&base, fields).and_then(|v| serde_json::from_value(v).map_err(|e| invalid(&e)))?
        };
        let mut changed = Changed { ticket, comments: Vec::new() };
        changed.comments.push(self.build_comment(&changed, comment));
        Ok(self.store(index, changed, true))
    }

    /// Changes fields of a user, named as in the service's JSON.
    pub fn change_user(&self, id: UserId, fields: Map<String, Value>) -> Result<User, Refused> {
        let old = self.user(id).ok_or(Refused::NotFound)?;
        let user = User {
            language: old.language,
            permanently_deleted: old.permanently_deleted,
            ..merged(&old, fields)?
        };
        Ok(self.store_user(user))
    }

    /// Adds a user.
    pub fn add_user(&self, fields: Map<String, Value>) -> Result<User, Refused> {
        let company = self.company();
        let template = company.user_at(company.size().agents).ok_or(Refused::NotFound)?;
        let base = User {
            id: company.user_id(self.user_total()),
            name: "New customer".to_owned(),
            email: None,
            role: Role::EndUser,
            active: true,
            suspended: false,
            phone: None,
            organization_id: None,
            created_at: crate::seed::at(self.now()),
            ..template
        };
        Ok(self.store_user(merged(&base, fields)?))
    }

    fn store_user(&self, mut user: User) -> User {
        let now = self.now();
        let mut data = self.write();
        let stamp = data.users.stamp(now);
        user.updated_at = crate::seed::at(stamp);
        if let Some(ordinal) = self.company().user_place(user.id) {
            data.users.put(ordinal, stamp, user.clone());
        }
        user
    }
}
