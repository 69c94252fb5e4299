//! Tickets with their whole conversation as canonical cases.
//!
//! Constraints
//! - `description` is the first comment again and is never read; the first comment's author may be the submitter rather than the
//!   requester, so authors come from the comments only.
//! - A case is never returned with comments missing: the number read must equal the source's count.
//! - A person writing while we read makes the count differ: then the ticket itself is read again too, so that both belong together.

use std::collections::HashSet;

use model::record::{Attachment, Body, Case, Post, Visibility};
use model::{RecordKey, SourceId};
use serde_json::Value;
use url::Url;

use super::client::{Answer, Client};
use super::endpoint::{COMMENT_COUNT, COMMENTS, TICKET};
use super::fields::FieldTypes;
use super::files;
use super::paging::page;
use super::raw;
use crate::error::Error;

/// A 429 in the middle of a thread of fifty pages does not start it anew; the pace makes the repetition wait.
const TRIES_PER_PAGE: usize = 3;

/// A ticket and all its comments, read so that they belong together; `None` if it was deleted meanwhile.
pub(super) async fn read(
    client: &Client,
    key: &RecordKey,
    listed: Value,
    tries: u8,
) -> Result<Option<(Value, Vec<Value>)>, Error> {
    let mut ticket = listed;
    let mut tries_left = tries.max(1);
    loop {
        let Some(comments) = comments(client, &key.id).await? else { return Ok(None) };
        let found = comments.len() as u64;
        if raw::count(&ticket["comment_count"]) == Some(found) {
            return Ok(Some((ticket, comments)));
        }
        // The side-load is missing, or the conversation went on since: the count of this moment decides.
        let Answer::Found(count) =
            client.get(COMMENT_COUNT, &COMMENT_COUNT.path(key.id.as_str()), &[]).await?
        else {
            return Ok(None);
        };
        let expected = raw::count(&count["count"]);
        let Some(fresh) = self::ticket(client, &key.id).await? else { return Ok(None) };
        let unchanged = fresh["updated_at"] == ticket["updated_at"];
        ticket = fresh;
        if expected == Some(found) && unchanged {
            ticket["comment_count"] = found.into();
            return Ok(Some((ticket, comments)));
        }
        tries_left -= 1;
        if tries_left == 0 {
            return Err(Error::Incomplete { key: key.clone(), expected: expected.unwrap_or(0), found });
        }
    }
}

async fn ticket(client: &Client, id: &SourceId) -> Result<Option<Value>, Error> {
    let query = [("include", "comment_count")];
    match client.get(TICKET, &TICKET.path(id.as_str()), &query).await? {
        Answer::Found(mut answer) => Ok(Some(answer["ticket"].take())),
        Answer::Absent => Ok(None),
    }
}

/// All comments, oldest first, each once (a page shifts when somebody deletes while we read).
async fn comments(client: &Client, id: &SourceId) -> Result<Option<Vec<Value>>, Error> {
    let path = COMMENTS.path(id.as_str());
    let query = [("include_inline_images", "true")];
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut tries = TRIES_PER_PAGE;
        let part = loop {
            tries -= 1;
            match page(client, COMMENTS, &path, "comments", &query, after.as_deref()).await {
                Err(error) if error.is_throttled() && tries > 0 && after.is_some() => {}
                answer => break answer?,
            }
        };
        let Some(part) = part else { return Ok(None) };
        found.extend(
            part.items.into_iter().filter(|comment| raw::id(&comment["id"]).is_none_or(|id| seen.insert(id))),
        );
        match part.after {
            Some(next) => after = Some(next),
            None => return Ok(Some(found)),
        }
    }
}

/// The canonical case.
pub(super) fn case(
    key: &RecordKey,
    ticket: &Value,
    comments: &[Value],
    types: &FieldTypes,
    base: &Url,
) -> Result<Case, Error> {
    let unusable = |property| Error::UnusableRecord { key: key.clone(), property };
    let posts: Vec<Post> = comments
        .iter()
        .map(|comment| post(comment, base))
        .collect::<Option<_>>()
        .ok_or_else(|| unusable("comment"))?;
    let created_at = raw::time(&ticket["created_at"]).ok_or_else(|| unusable("creation time"))?;
    let (ccs, followers) = copied(ticket);
    Ok(Case {
        id: key.id.clone(),
        subject: raw::text(&ticket["subject"]).unwrap_or_default(),
        status: raw::text(&ticket["status"]),
        priority: raw::text(&ticket["priority"]),
        case_type: raw::text(&ticket["type"]),
        requester: raw::id(&ticket["requester_id"]),
        assignee: raw::id(&ticket["assignee_id"]),
        team: raw::id(&ticket["group_id"]),
        organization: raw::id(&ticket["organization_id"]),
        brand: raw::id(&ticket["brand_id"]),
        form: raw::id(&ticket["ticket_form_id"]),
        channel: channel(&ticket["via"]["channel"]),
        tags: raw::texts(&ticket["tags"]),
        fields: types.of_ticket(ticket),
        ccs,
        followers,
        created_at,
        updated_at: raw::time(&ticket["updated_at"]).unwrap_or(created_at),
        url: base.join(&format!("agent/tickets/{}", key.id)).ok().map(Into::into),
        expected_posts: u32::try_from(posts.len()).ok(),
        posts,
    })
}

/// Customers in copy and agents who follow. With "CCs and followers" switched on both have lists of their own and
/// `collaborator_ids` repeats them; switched off, only that list counts.
fn copied(ticket: &Value) -> (Vec<SourceId>, Vec<SourceId>) {
    let (ccs, followers) = (raw::ids(&ticket["email_cc_ids"]), raw::ids(&ticket["follower_ids"]));
    if ccs.is_empty() && followers.is_empty() {
        (raw::ids(&ticket["collaborator_ids"]), followers)
    } else {
        (ccs, followers)
    }
}

/// Mostly a word; some exports write a number.
fn channel(value: &Value) -> Option<String> {
    raw::text(value).or_else(|| value.as_u64().map(|number| number.to_string()))
}

fn post(comment: &Value, base: &Url) -> Option<Post> {
    let mut attachments: Vec<Attachment> = Vec::new();
    for file in raw::items(&comment["attachments"]).iter().filter_map(|file| attachment(file, base)) {
        if attachments.iter().all(|known| known.id != file.id) {
            attachments.push(file);
        }
    }
    Some(Post {
        id: raw::id(&comment["id"])?,
        author: raw::id(&comment["author_id"]),
        created_at: raw::time(&comment["created_at"])?,
        // Doubtful means private: a note must never become visible to the customer.
        visibility: if raw::is_true(&comment["public"]) { Visibility::Public } else { Visibility::Private },
        body: body(comment),
        attachments,
    })
}

/// HTML where there is some. A call's HTML is a player for a recording that nobody can open later, so calls are text.
fn body(comment: &Value) -> Body {
    let plain = || raw::text(&comment["plain_body"]).or_else(|| raw::text(&comment["body"]));
    if comment["type"] == "VoiceComment" {
        let mut text = plain().unwrap_or_default();
        if let Some(transcript) = raw::text(&comment["data"]["transcription_text"])
            && !text.contains(&transcript)
        {
            text = format!("{text}\n\n{transcript}");
        }
        return Body::Text(text.trim_start().to_owned());
    }
    raw::text(&comment["html_body"])
        .map(Body::Html)
        .or_else(|| plain().map(Body::Text))
        .unwrap_or(Body::Text(String::new()))
}

fn attachment(file: &Value, base: &Url) -> Option<Attachment> {
    let id = raw::id(&file["id"])?;
    Some(Attachment {
        name: raw::text(&file["file_name"]).unwrap_or_else(|| format!("attachment-{id}")),
        content_type: raw::text(&file["content_type"])
            .unwrap_or_else(|| "application/octet-stream".to_owned()),
        size: file["size"].as_u64().unwrap_or(0),
        inline: raw::is_true(&file["inline"]),
        content: files::content(file, &id, base),
        id,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use model::record::Content;
    use serde_json::json;

    use super::*;

    fn base() -> Url {
        "https://acme.zendesk.com/".parse().unwrap()
    }

    fn comment(more: &Value) -> Value {
        let mut comment = json!({"id": 1, "type": "Comment", "author_id": 5, "public": true,
            "created_at": "2023-02-01T09:15:00Z", "body": "B", "plain_body": "P", "html_body": "<p>H</p>"});
        comment.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        comment
    }

    #[test]
    fn the_system_is_nobody_and_a_comment_of_unknown_visibility_is_private() {
        let post = post(&comment(&json!({"author_id": -1, "public": null})), &base()).unwrap();
        assert_eq!(post.author, None);
        assert_eq!(post.visibility, Visibility::Private);
    }

    #[test]
    fn html_is_preferred_and_text_stands_in() {
        assert_eq!(body(&comment(&json!({}))), Body::Html("<p>H</p>".into()));
        assert_eq!(body(&comment(&json!({"html_body": null}))), Body::Text("P".into()));
        assert_eq!(body(&comment(&json!({"html_body": "", "plain_body": null}))), Body::Text("B".into()));
        assert!(body(&comment(&json!({"html_body": null, "plain_body": null, "body": null}))).is_blank());
    }

    #[test]
    fn calls_become_text_with_their_transcript() {
        let call = comment(&json!({"type": "VoiceComment", "data": {"transcription_text": "Hello?"}}));
        assert_eq!(body(&call), Body::Text("P\n\nHello?".into()));
    }

    #[test]
    fn files_that_cannot_be_had_are_named_and_not_dropped() {
        let file = |more: &Value| {
            let mut file = json!({"id": 91, "file_name": "a.txt", "content_type": "text/plain", "size": 3,
                "content_url": "https://acme.zendesk.com/attachments/token/T/?name=a.txt"});
            file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            attachment(&file, &base()).unwrap().content
        };
        assert!(matches!(file(&json!({})), Content::AtSource(_)));
        assert_eq!(file(&json!({"deleted": true})), Content::Missing("deleted".into()));
        assert_eq!(
            file(&json!({"malware_scan_result": "malware_found"})),
            Content::Missing("malware".into())
        );
        let allowed = json!({"malware_scan_result": "malware_found", "malware_access_override": true});
        assert!(matches!(file(&allowed), Content::AtSource(_)));
        assert_eq!(file(&json!({"content_url": null})), Content::Missing("not_found".into()));
    }

    #[test]
    fn people_in_copy_are_read_in_both_modes() {
        let modern = json!({"collaborator_ids": [3, 4], "email_cc_ids": [3, 3], "follower_ids": [4]});
        assert_eq!(copied(&modern), (vec!["3".into()], vec!["4".into()]));
        assert_eq!(copied(&json!({"collaborator_ids": [3, 4]})), (vec!["3".into(), "4".into()], vec![]));
    }
}
