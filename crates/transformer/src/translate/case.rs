//! Cases with their whole conversation.

use std::collections::BTreeMap;

use model::command::{CaseCommand, LoadCommand, Otherwise, Parent, PersonRef, PostCommand};
use model::plan::Plan;
use model::record::{Body, Case, Post, Visibility};
use model::{Kind, Reason, RecordKey};

use super::post::{self, Tally, person};
use super::{Translation, fields, seen, tags};

/// Longest subject made from a post, in characters: what fits on a line of a list.
const SUBJECT_LENGTH: usize = 100;
/// The status by which exports list tickets whose content can no longer be read.
const DELETED: &str = "deleted";

pub(super) fn translate(case: Case, plan: &Plan) -> Translation {
    let is_deleted = case.status.as_deref().is_some_and(|status| status.trim().eq_ignore_ascii_case(DELETED));
    if is_deleted {
        return Translation::skip(Reason::DeletedAtSource, "its status is deleted");
    }
    if let Some(expected) = case.expected_posts
        && case.posts.len() < expected as usize
    {
        return Translation::fail(
            Reason::SourceUnreadable,
            format!("{} of {expected} posts were read", case.posts.len()),
        );
    }
    let mut notes = Vec::new();
    let own_subject = seen::one_line(&case.subject);
    if case.posts.is_empty() && own_subject.is_empty() {
        return Translation::skip(Reason::NothingToWrite, "it has neither subject nor posts");
    }
    let subject = if own_subject.is_empty() {
        notes.push("the subject was empty".to_owned());
        from_first_post(&case.posts).unwrap_or_else(|| plan.options.subject_when_empty.clone())
    } else {
        own_subject
    };
    let mut tally = Tally::default();
    let mut posts = Vec::with_capacity(case.posts.len().max(1));
    for post in case.posts {
        match post::translate(post, &plan.options, &mut tally) {
            Ok(post) => posts.push(post),
            Err((reason, detail)) => return Translation::fail(reason, detail),
        }
    }
    if posts.is_empty() {
        // The case itself says something (subject, fields, who and when), but Kayako takes none without a post.
        notes.push("it had no posts: a note stands in".to_owned());
        posts.push(PostCommand {
            source_id: format!("{}-empty", case.id),
            author: PersonRef::DefaultAgent,
            created_at: case.created_at,
            visibility: Visibility::Private,
            body: Body::Text(plan.options.text_when_empty.clone()),
            attachments: Vec::new(),
        });
    }
    tell(&tally, &mut notes);
    let omit = |kind: Kind, id| Parent { key: RecordKey { kind, id }, otherwise: Otherwise::Omit };
    let requester = case.requester.as_ref().map_or_else(
        || {
            notes.push("it had no requester".to_owned());
            PersonRef::Record(Parent {
                key: RecordKey::placeholder_user(),
                otherwise: Otherwise::Placeholder,
            })
        },
        person,
    );
    let command = CaseCommand {
        subject,
        requester,
        assignee: case.assignee.map(|id| PersonRef::Record(omit(Kind::User, id))),
        team: case.team.map(|id| omit(Kind::Team, id)),
        status: label(case.status.as_deref(), &plan.mapping.status, "status", &mut notes),
        priority: label(case.priority.as_deref(), &plan.mapping.priority, "priority", &mut notes),
        case_type: label(case.case_type.as_deref(), &plan.mapping.case_type, "type", &mut notes),
        form: None,
        tags: tags::normalise(case.tags.iter().chain(&plan.options.extra_tags)),
        fields: fields::assign(&case.fields, &plan.mapping.case_fields, &mut notes),
        created_at: case.created_at,
        // Sources have cases that were changed before they were created (imports, wrong clocks).
        updated_at: case.updated_at.max(case.created_at),
        posts,
        source_url: case.url,
    };
    Translation::Load { command: LoadCommand::Case(Box::new(command)), notes }
}

fn from_first_post(posts: &[Post]) -> Option<String> {
    match &posts.first()?.body {
        Body::Text(text) => seen::first_line(text, SUBJECT_LENGTH),
        Body::Html(html) => seen::first_line(&seen::of_html(html).0, SUBJECT_LENGTH),
    }
}

/// The Kayako label of a source word; a word that the plan does not map is noted and left to Kayako's default.
fn label(
    word: Option<&str>,
    map: &BTreeMap<String, String>,
    what: &str,
    notes: &mut Vec<String>,
) -> Option<String> {
    let word = word.map(str::trim).filter(|word| !word.is_empty())?;
    let label = map
        .get(word)
        .or_else(|| map.iter().find(|(from, _)| from.eq_ignore_ascii_case(word)).map(|(_, to)| to));
    if label.is_none() {
        notes.push(format!("{what} `{word}` is left out: add it to the plan under mapping.{what}"));
    }
    label.cloned()
}

fn tell(tally: &Tally, notes: &mut Vec<String>) {
    let Tally { blank, missing, unwanted } = *tally;
    for (count, what) in [
        (blank, "posts without text got a marker"),
        (missing, "files are no longer at the source and are named in their posts"),
        (unwanted, "files left out: options.attachments is false"),
    ] {
        if count > 0 {
            notes.push(format!("{count} {what}"));
        }
    }
}
