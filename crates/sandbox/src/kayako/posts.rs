//! Posts of cases and their attachments (reference section 4.9). Posts can be read; nothing edits or deletes them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::{Call, Upload};
use super::envelope::{Answer, Failure, Payload, Problems};
use super::files::FileAccess;
use super::params::Params;
use super::purifier::purify;
use super::shape::Shape;
use super::state::{State, stamp};

/// Public or internal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Mail,
    Note,
}

impl Channel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mail => "MAIL",
            Self::Note => "NOTE",
        }
    }
}

/// One message or note.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) id: u64,
    uuid: Uuid,
    client_id: Option<String>,
    pub(crate) case_id: u64,
    pub(crate) creator_id: u64,
    pub(crate) contents: String,
    pub(crate) is_html: bool,
    pub(crate) channel: Channel,
    pub(crate) mailbox_id: Option<u64>,
    cc: Vec<String>,
    pub(crate) attachment_ids: Vec<u64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    delivery: &'static str,
}

/// A file that belongs to a post.
#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    pub(crate) id: u64,
    case_id: u64,
    post_id: u64,
    pub(crate) file: Upload,
}

/// A post that passed validation.
#[derive(Debug)]
pub(crate) struct PostDraft {
    contents: String,
    is_html: bool,
    pub(crate) channel: Channel,
    mailbox_id: Option<u64>,
    pub(crate) cc: Vec<String>,
    files: Vec<Upload>,
    client_id: Option<String>,
    pub(crate) creator_id: u64,
    pub(crate) created_at: Option<i64>,
    pub(crate) updated_at: Option<i64>,
}

impl State {
    /// Reads what single cases, replies and bulk posts share. Creator and times are the caller's business.
    pub(crate) fn draft_post(
        &self,
        params: &mut Params,
        access: FileAccess<'_>,
        creator_id: u64,
        problems: &mut Problems,
    ) -> PostDraft {
        let contents = params.text("contents", problems);
        if contents.is_none() {
            problems.add(Failure::required("contents"));
        } else if contents.as_deref() == Some("") {
            problems.add(Failure::field("FIELD_EMPTY", "contents", "The contents are empty"));
        }
        let contents = contents.unwrap_or_default();
        let channel = match params.choice("channel", &["MAIL", "NOTE", "TWITTER", "FACEBOOK"], problems) {
            Some("MAIL") => Channel::Mail,
            Some("NOTE") => Channel::Note,
            Some(_) => {
                problems.add(Failure::invalid("channel", "The account has no such channel"));
                Channel::Note
            }
            None => {
                problems.add(Failure::required("channel"));
                Channel::Note
            }
        };
        let mailbox_id = params.int("channel_id", problems);
        let known =
            mailbox_id.is_some_and(|id| self.catalogs.get(super::catalog::Catalog::Mailboxes, id).is_some());
        if channel == Channel::Mail && !known {
            // The documented complaint names the channel, not the id.
            problems.add(Failure::invalid("channel", "The channel needs the id of a mailbox in channel_id"));
        }
        let mut options = Params(params.object("channel_options", problems).unwrap_or_default());
        let is_html = options.flag("html", problems).unwrap_or(false);
        let cc = options.csv("cc").unwrap_or_default();
        if channel == Channel::Note && !cc.is_empty() {
            problems.add(Failure::invalid("channel_options", "A note cannot have CC recipients"));
        }
        let file_ids = params.ids("attachment_file_ids", problems).unwrap_or_default();
        PostDraft {
            contents: if is_html { purify(contents) } else { contents },
            is_html,
            channel,
            mailbox_id,
            cc,
            files: self.take_files(&file_ids, access, problems),
            client_id: params.text("client_id", problems),
            creator_id,
            created_at: None,
            updated_at: None,
        }
    }

    /// Adds files that came inside the call.
    pub(crate) fn attach_uploads(draft: &mut PostDraft, uploads: Vec<Upload>) {
        draft.files.extend(uploads);
    }

    /// Puts a post at the end of a case.
    pub(crate) fn insert_post(&mut self, case_id: u64, draft: PostDraft) -> u64 {
        let id = self.posts.next_id();
        let now = self.now();
        let mut attachment_ids = Vec::with_capacity(draft.files.len());
        for file in draft.files {
            let attachment_id = self.attachments.next_id();
            attachment_ids.push(self.attachments.insert(Attachment {
                id: attachment_id,
                case_id,
                post_id: id,
                file,
            }));
        }
        let created_at = draft.created_at.unwrap_or(now);
        let uuid = self.uuid();
        self.posts.insert(Post {
            id,
            uuid,
            client_id: draft.client_id,
            case_id,
            creator_id: draft.creator_id,
            contents: draft.contents,
            is_html: draft.is_html,
            channel: draft.channel,
            mailbox_id: draft.mailbox_id,
            cc: draft.cc,
            attachment_ids,
            created_at,
            updated_at: draft.updated_at.unwrap_or(created_at),
            delivery: "SENT",
        });
        if let Some(case) = self.cases.get_mut(case_id) {
            case.post_ids.push(id);
        }
        id
    }

    pub(crate) fn show_post(&self, post: &Post, shape: &Shape, depth: u8) -> Value {
        let is_requester =
            self.cases.get(post.case_id).is_some_and(|case| case.requester_id == post.creator_id);
        let email_id = self.users.get(post.creator_id).and_then(|user| user.email_ids.first().copied());
        json!({
            "id": post.id,
            "uuid": post.uuid,
            "client_id": post.client_id,
            "subject": self.cases.get(post.case_id).map(|case| case.subject.as_str()),
            "contents": post.contents,
            "creator": self.reference("user", Some(post.creator_id), shape, depth),
            "identity": self.reference("identity_email", email_id, shape, depth),
            "is_requester": is_requester,
            "sequence": post.id,
            "source_channel": show_channel(post.channel, post.mailbox_id),
            "attachments": self.references("attachment", &post.attachment_ids, shape, depth),
            "download_all": Value::Null,
            "destination_medium": if post.channel == Channel::Mail { Some("MAIL") } else { None },
            "source": "API",
            "metadata": {},
            "original": self.show_original(post, shape, depth),
            "post_status": post.delivery,
            "post_status_reject_type": Value::Null,
            "post_status_reject_reason": Value::Null,
            "created_at": stamp(post.created_at),
            "updated_at": stamp(post.updated_at),
            "resource_type": "post",
            "resource_url": self.url("cases/posts", post.id),
        })
    }

    fn show_original(&self, post: &Post, shape: &Shape, depth: u8) -> Value {
        let resource = if post.channel == Channel::Mail { "case_message" } else { "note" };
        let mut shown = json!({"id": post.id, "resource_type": resource});
        if depth < super::state::DEEPEST_INCLUDE && shape.includes(resource) {
            shown["body_text"] = json!(post.contents);
            shown["body_html"] = if post.is_html { json!(post.contents) } else { Value::Null };
            shown["creator"] = self.reference("user", Some(post.creator_id), shape, depth + 1);
            shown["created_at"] = stamp(post.created_at);
            if post.channel == Channel::Mail {
                let requester =
                    self.cases.get(post.case_id).and_then(|case| self.primary_email(case.requester_id));
                let to = requester.into_iter().map(|address| ("TO", address));
                let cc = post.cc.iter().map(|address| ("CC", address.as_str()));
                let recipients: Vec<Value> =
                    to.chain(cc).map(|(kind, email)| json!({"type": kind, "email": email})).collect();
                shown["recipients"] = Value::Array(recipients);
                shown["mailbox"] = self.reference("mailbox", post.mailbox_id, shape, depth + 1);
            }
        }
        shown
    }

    pub(crate) fn show_attachment(&self, attachment: &Attachment) -> Value {
        let base = format!(
            "{}/api/v1/cases/{}/messages/{}/attachments/{}",
            self.base_url, attachment.case_id, attachment.post_id, attachment.id
        );
        json!({
            "id": attachment.id,
            "name": attachment.file.name,
            "size": attachment.file.content.len(),
            "width": 0,
            "height": 0,
            "type": attachment.file.content_type,
            "content_id": Value::Null,
            "alt": Value::Null,
            "url": format!("{base}/url"),
            "url_download": format!("{base}/download"),
            "thumbnails": [],
            "resource_type": "attachment",
        })
    }
}

/// A channel as cases and posts show it.
pub(crate) fn show_channel(channel: Channel, mailbox_id: Option<u64>) -> Value {
    let account = mailbox_id.map(|id| json!({"id": id, "resource_type": "mailbox"}));
    json!({"type": channel.name(), "account": account, "resource_type": "channel"})
}

/// `GET /cases/:id/posts`: newest first; `after_id` goes on to older posts, `before_id` back to newer ones.
pub(crate) fn list(state: &State, call: &Call, case_id: u64) -> Result<Answer, Failure> {
    let case = state.cases.get(case_id).ok_or_else(Failure::not_found)?;
    let filters = call.query.list("filters").unwrap_or_default();
    let wanted = |channel: Channel| {
        filters.is_empty()
            || filters.iter().any(|filter| match filter.to_uppercase().as_str() {
                "ALL" => true,
                "MESSAGES" => channel == Channel::Mail,
                "NOTES" => channel == Channel::Note,
                _ => false,
            })
    };
    let bound = |name: &str| call.query.get(name).and_then(|id| id.parse::<u64>().ok());
    let (after, before) = (bound("after_id"), bound("before_id"));
    let posts = || {
        case.post_ids.iter().rev().filter_map(|id| state.posts.get(*id)).filter(|post| wanted(post.channel))
    };
    let total = posts().count();
    let limit = call.limit(state);
    let show = |post: &Post| state.show_post(post, &call.shape, 0);
    let items: Vec<Value> = match (after, before) {
        (Some(_), Some(_)) => {
            return Err(Failure::new(
                400,
                "PARAMETERS_INCONSISTENT",
                "after_id and before_id exclude each other",
            ));
        }
        (Some(after), None) => posts().filter(|post| post.id < after).take(limit).map(show).collect(),
        (None, Some(before)) => {
            // The page directly before the named post, still newest first.
            let newer: Vec<&Post> = posts().filter(|post| post.id > before).collect();
            newer[newer.len().saturating_sub(limit)..].iter().map(|post| show(post)).collect()
        }
        (None, None) => return Ok(call.page_of(state, "post", posts(), total, show)),
    };
    Ok(Answer { status: 200, resource: "post", data: Payload::Page { items, offset: 0, limit, total } })
}

/// `GET|PUT /cases/posts/:id`.
pub(crate) fn serve_one(state: &mut State, call: &mut Call, id: u64) -> Result<Answer, Failure> {
    if call.method == axum::http::Method::PUT {
        let mut problems = Problems::default();
        let status = call.params.choice("post_status", &["DELIVERED", "SEEN"], &mut problems);
        problems.finish()?;
        let post = state.posts.get_mut(id).ok_or_else(Failure::not_found)?;
        post.delivery = status.unwrap_or(post.delivery);
    }
    let post = state.posts.get(id).ok_or_else(Failure::not_found)?;
    Ok(Answer::one("post", state.show_post(post, &call.shape, 0)))
}

/// `GET /cases/:id/messages/:mid/attachments/:aid/download`.
pub(crate) fn download(state: &State, id: u64) -> Result<Answer, Failure> {
    let Upload { name, content_type, content } =
        state.attachments.get(id).ok_or_else(Failure::not_found)?.file.clone();
    Ok(Answer { status: 200, resource: "attachment", data: Payload::File { content, content_type, name } })
}
