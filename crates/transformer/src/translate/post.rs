//! Posts of a case: text, author, files.

use model::command::{Otherwise, Parent, PersonRef, PostCommand};
use model::plan::Options;
use model::record::{Attachment, Body, Content, Post};
use model::{Kind, Reason, RecordKey, SourceId};

use super::seen;

/// A reference to a person. Whether an author is a customer or staff is not known here, so the stand-in customer takes the place
/// of those who never arrive; nobody is made an agent by accident.
pub(super) fn person(id: &SourceId) -> PersonRef {
    PersonRef::Record(Parent {
        key: RecordKey { kind: Kind::User, id: id.clone() },
        otherwise: Otherwise::Placeholder,
    })
}

/// What was done to the posts of a case, for its notes.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Posts without text.
    pub(super) blank: usize,
    /// Files that the source no longer has.
    pub(super) missing: usize,
    /// Files left out by the plan.
    pub(super) unwanted: usize,
}

/// Translates a post. A file that was announced but not staged fails the case: written without it, it could never be
/// completed, because posts cannot be changed in Kayako.
pub(super) fn translate(
    post: Post,
    options: &Options,
    tally: &mut Tally,
) -> Result<PostCommand, (Reason, String)> {
    let mut body = post.body;
    if is_blank(&body) {
        tally.blank += 1;
        body = Body::Text(options.text_when_empty.clone());
    }
    let mut attachments = Vec::with_capacity(post.attachments.len());
    for file in post.attachments {
        match &file.content {
            _ if !options.attachments => tally.unwanted += 1,
            Content::Staged(_) => attachments.push(file),
            Content::Missing(why) => {
                tally.missing += 1;
                name_missing(&mut body, &file, why);
            }
            Content::AtSource(_) => {
                return Err((Reason::SourceUnreadable, format!("file {} was not fetched", file.id)));
            }
        }
    }
    Ok(PostCommand {
        source_id: post.id.to_string(),
        author: post.author.as_ref().map_or(PersonRef::DefaultAgent, person),
        created_at: post.created_at,
        visibility: post.visibility,
        body,
        attachments,
    })
}

/// Whether a reader would see nothing. Tags without text and zero-width characters count as nothing, pictures do not.
fn is_blank(body: &Body) -> bool {
    match body {
        Body::Text(text) => seen::one_line(text).is_empty(),
        Body::Html(html) => {
            let (text, media) = seen::of_html(html);
            !media && seen::one_line(&text).is_empty()
        }
    }
}

/// A file that cannot be moved is named where it was, so that readers of the conversation know that something is missing.
fn name_missing(body: &mut Body, file: &Attachment, why: &str) {
    let why = match why {
        "deleted" => "deleted at the source",
        "malware" => "blocked as malware",
        "not_found" => "no longer at the source",
        "too_large" => "too large",
        other => other,
    };
    let line = format!("[Attachment not available: {} ({why})]", seen::one_line(&file.name));
    match body {
        Body::Text(text) => {
            text.push_str("\n\n");
            text.push_str(&line);
        }
        Body::Html(html) => {
            html.push_str("<p>");
            html.push_str(&seen::escape(&line));
            html.push_str("</p>");
        }
    }
}
