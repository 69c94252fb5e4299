//! The posts of a case, and replies. Posts cannot be edited or deleted.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{AttachmentId, CaseId, FileId, MailboxId, PostId, StatusId, UserId};
use crate::session::SessionGeneration;
use crate::slot::Slot;
use crate::wire;

/// How a post comes or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// A public message. Outside bulk inserts it is mailed to the requester and the copies.
    Mail {
        /// The mailbox it goes through; required by the account.
        mailbox: MailboxId,
        /// Whether the text is HTML.
        is_html: bool,
        /// Who gets copies.
        cc: Vec<String>,
    },
    /// An internal note. The account refuses copies on notes, so there are none.
    Note {
        /// Whether the text is HTML.
        is_html: bool,
    },
}

#[derive(Serialize)]
struct ChannelOptions<'a> {
    html: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty", serialize_with = "wire::write_csv")]
    cc: &'a [String],
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Channel", 3)?;
        match self {
            Self::Mail { mailbox, is_html, cc } => {
                fields.serialize_field("channel", "MAIL")?;
                fields.serialize_field("channel_id", mailbox)?;
                fields.serialize_field("channel_options", &ChannelOptions { html: *is_html, cc })?;
            }
            Self::Note { is_html } => {
                fields.serialize_field("channel", "NOTE")?;
                fields.serialize_field("channel_options", &ChannelOptions { html: *is_html, cc: &[] })?;
            }
        }
        fields.end()
    }
}

/// An attachment of a post.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// Its name; missing in stubs.
    #[serde(default, deserialize_with = "wire::text")]
    pub name: Option<String>,
    /// Its size in bytes; missing in stubs.
    #[serde(default, deserialize_with = "wire::number")]
    pub size: Option<u64>,
    /// Its content type; missing in stubs.
    #[serde(default, rename = "type", deserialize_with = "wire::text")]
    pub content_type: Option<String>,
}

/// A post.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Post {
    /// Its id; grows in the order of insertion.
    pub id: PostId,
    /// What we sent along, while the account remembers it.
    #[serde(default, deserialize_with = "wire::text")]
    pub client_id: Option<String>,
    /// Its text.
    #[serde(default, deserialize_with = "wire::text")]
    pub contents: Option<String>,
    /// Who wrote it, if that is a user (and not a trigger or monitor).
    #[serde(default, deserialize_with = "user")]
    pub creator: Option<UserId>,
    /// `MAIL`, `NOTE` ...
    #[serde(default, deserialize_with = "channel_name")]
    pub source_channel: Option<String>,
    /// What it wraps: `case_message`, `note`, `activity` ...
    #[serde(default, rename = "original", deserialize_with = "resource_type")]
    pub kind: Option<String>,
    /// Its attachments.
    #[serde(default, deserialize_with = "wire::readable_items")]
    pub attachments: Vec<Attachment>,
    /// When it was written.
    #[serde(default, deserialize_with = "wire::time")]
    pub created_at: Option<Timestamp>,
}

crate::paging::identified!(Post);

fn user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UserId>, D::Error> {
    let Some(creator) = Option::<Value>::deserialize(deserializer)? else { return Ok(None) };
    let is_user = creator.get("resource_type").and_then(Value::as_str).is_none_or(|kind| kind == "user");
    Ok(if is_user { serde_json::from_value(creator).ok() } else { None })
}

/// A text, or an object with a `type`.
fn channel_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::Object(mut channel)) => channel.remove("type").and_then(wire::scalar),
        Some(other) => wire::scalar(other),
        None => None,
    })
}

fn resource_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let original = Option::<Value>::deserialize(deserializer)?;
    Ok(original.and_then(|value| Some(value.get("resource_type")?.as_str()?.to_owned())))
}

/// The posts of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Oldest first.
    pub posts: Vec<Post>,
    /// Whether the account's own count agrees. If not, a missing post proves nothing.
    pub is_complete: bool,
}

/// A reply. Its author is the account that writes, its time now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewReply {
    /// Its text.
    pub contents: String,
    /// NOTE stays inside; MAIL is sent to the customer.
    #[serde(flatten)]
    pub channel: Channel,
    /// The case's status afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_id: Option<StatusId>,
    /// Uploads attached to it.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "wire::write_csv")]
    pub attachment_file_ids: Vec<FileId>,
    /// Echoed on the resulting post, and forgotten by the account after a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// The answer to a reply.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reply {
    /// The posts it became.
    #[serde(default, deserialize_with = "wire::readable_items")]
    pub posts: Vec<PostId>,
}

impl Client {
    /// All posts of a case (without activities), oldest first. The account lists them newest first and pages by
    /// id. API 4.9.
    pub async fn posts(&self, case: CaseId) -> Result<Thread, Error> {
        let limit = self.config().page_size.to_string();
        let mut posts: Vec<Post> = Vec::new();
        let mut seen = HashSet::new();
        let mut total = None;
        let is_complete = loop {
            let mut request = Request::get("/cases/{id}/posts")
                .id(case)
                .query("limit", limit.clone())
                .query("include", "attachment");
            if let Some(last) = posts.last() {
                request = request.query("after_id", last.id.to_string());
            }
            let call = request.call;
            let answer = self.send::<Vec<Post>>(request).await?;
            // Later pages may count only what is left.
            total = total.or(answer.total_count);
            let page = answer.into_data(call)?;
            let before = posts.len();
            posts.extend(page.into_iter().filter(|post| seen.insert(post.id)));
            let count = u64::try_from(posts.len()).unwrap_or(u64::MAX);
            match total {
                Some(total) if count >= total => break count == total,
                Some(_) if posts.len() == before => break false,
                None if posts.len() == before => break true,
                _ => {}
            }
        };
        posts.sort_unstable_by_key(|post| post.id);
        Ok(Thread { posts, is_complete })
    }

    /// Adds a post. With [`Channel::Mail`] it is MAILED to the customer. One reply at a time per case: the account
    /// orders posts by arrival. `files` is the session in which the files it names were uploaded. API 4.9.
    pub async fn reply(
        &self,
        slot: Slot,
        case: CaseId,
        reply: &NewReply,
        files: Option<SessionGeneration>,
    ) -> Result<Reply, Error> {
        self.create(slot, Request::create("/cases/{id}/reply").id(case).files(files).json(reply)?).await
    }
}
