//! Builds what is sent: one item of a bulk insert per record (API 4.2, 4.3, 4.6, 4.7, 4.8).

use kayako::{
    AgentCaseAccess, BulkCase, BulkPost, CaseFields, Channel, FieldOwner, FileId, NewOrganization, NewTeam,
    NewUser, Tag,
};
use model::Reason;
use model::command::{CaseCommand, OrganizationCommand, PostCommand, TeamCommand, UserCommand};
use model::record::{Body, Visibility};

use crate::fields::values;
use crate::work::Work;

/// A record that cannot be put into an item, and why.
#[derive(Debug)]
pub(crate) struct Unwritable {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

impl Unwritable {
    fn parent(detail: &str) -> Self {
        Self { reason: Reason::ParentFailed, detail: detail.to_owned() }
    }

    fn untranslatable(detail: &str) -> Self {
        Self { reason: Reason::Untranslatable, detail: detail.to_owned() }
    }
}

/// An item, and what it had to leave out (field names only).
#[derive(Debug)]
pub(crate) struct Item<T> {
    pub(crate) item: T,
    pub(crate) left_out: Vec<String>,
}

/// Tags that Kayako can hold (no comma, not empty).
pub(crate) fn tags(tags: &[String]) -> Vec<Tag> {
    tags.iter().filter_map(|tag| Tag::new(tag).ok()).collect()
}

pub(crate) fn team(work: &Work, command: &TeamCommand) -> Item<NewTeam> {
    let item = NewTeam {
        legacy_id: Some(work.origin_key.as_str().to_owned()),
        title: command.title.clone(),
        businesshour_id: None,
    };
    Item { item, left_out: Vec::new() }
}

pub(crate) fn organization(work: &Work, command: &OrganizationCommand) -> Item<NewOrganization> {
    let (field_values, left_out) = values(&work.catalogue, FieldOwner::Organization, &command.fields);
    let item = NewOrganization {
        legacy_id: Some(work.origin_key.as_str().to_owned()),
        name: command.name.clone(),
        domains: command.domains.iter().filter(|domain| !work.lost_keys.contains(*domain)).cloned().collect(),
        is_shared: command.shared.then_some(true),
        is_validated: None,
        field_values,
        tags: tags(&command.tags),
    };
    Item { item, left_out }
}

pub(crate) fn user(work: &Work, command: &UserCommand) -> Result<Item<NewUser>, Unwritable> {
    let role = work
        .catalogue
        .role(command.role)
        .ok_or_else(|| Unwritable::untranslatable("the account has no role of this person's kind"))?;
    let (field_values, mut left_out) = values(&work.catalogue, FieldOwner::User, &command.fields);
    let locale_id = command.locale.as_deref().and_then(|locale| work.catalogue.locale(locale));
    if command.locale.is_some() && locale_id.is_none() {
        left_out.push("the language is not enabled in Kayako".to_owned());
    }
    let staff = command.role.is_staff();
    let mut item = NewUser::new(command.full_name.clone(), role);
    item.legacy_id = Some(work.origin_key.as_str().to_owned());
    item.email = command.emails.first().cloned();
    item.designation.clone_from(&command.designation);
    item.locale_id = locale_id;
    item.time_zone.clone_from(&command.time_zone);
    item.field_values = field_values;
    if staff {
        item.team_ids = command.teams.iter().filter_map(|team| work.team(team)).collect();
        item.signature.clone_from(&command.signature);
        item.agent_case_access = Some(AgentCaseAccess::All);
    }
    Ok(Item { item, left_out })
}

/// `files` are the uploaded files of each post, in order.
pub(crate) fn case(
    work: &Work,
    command: &CaseCommand,
    files: &[Vec<FileId>],
) -> Result<Item<BulkCase>, Unwritable> {
    let requester_id =
        work.person(&command.requester).ok_or_else(|| Unwritable::parent("the requester did not arrive"))?;
    let (first, others) = command.posts.split_first().ok_or_else(|| Unwritable {
        reason: Reason::NothingToWrite,
        detail: "the case has no post".to_owned(),
    })?;
    let catalogue = &work.catalogue;
    let (field_values, mut left_out) = values(catalogue, FieldOwner::Case, &command.fields);
    let mut known = |what: &str, label: &Option<String>, found: bool| {
        if label.is_some() && !found {
            left_out.push(format!("the {what} has no counterpart in Kayako"));
        }
    };
    let status_id = command.status.as_deref().and_then(|label| catalogue.status(label));
    known("status", &command.status, status_id.is_some());
    let priority_id = command.priority.as_deref().and_then(|label| catalogue.priority(label));
    known("priority", &command.priority, priority_id.is_some());
    let type_id = command.case_type.as_deref().and_then(|label| catalogue.case_type(label));
    known("type", &command.case_type, type_id.is_some());
    let form_id = command.form.as_deref().and_then(|title| catalogue.form(title));
    known("form", &command.form, form_id.is_some());
    let fields = CaseFields {
        status_id,
        priority_id,
        type_id,
        form_id,
        assigned_team_id: command.team.as_ref().and_then(|team| work.team(team)),
        assigned_agent_id: command.assignee.as_ref().and_then(|person| work.person(person)),
        field_values,
        tags: tags(&command.tags),
        client_id: None,
    };
    let files_of = |at: usize| files.get(at).cloned().unwrap_or_default();
    let posts = others
        .iter()
        .enumerate()
        .map(|(at, post)| BulkPost {
            contents: post.body.as_str().to_owned(),
            channel: channel(work, post),
            creator_id: work.person(&post.author),
            attachment_file_ids: files_of(at + 1),
            created_at: Some(post.created_at),
            updated_at: Some(post.created_at),
        })
        .collect();
    let item = BulkCase {
        legacy_id: work.origin_key.as_str().to_owned(),
        subject: command.subject.clone(),
        contents: first.body.as_str().to_owned(),
        requester_id,
        creator_id: work.person(&first.author),
        channel: channel(work, first),
        fields,
        attachment_file_ids: files_of(0),
        created_at: Some(command.created_at),
        updated_at: Some(command.updated_at),
        posts,
    };
    Ok(Item { item, left_out })
}

fn channel(work: &Work, post: &PostCommand) -> Channel {
    let is_html = matches!(post.body, Body::Html(_));
    match post.visibility {
        Visibility::Private => Channel::Note { is_html },
        Visibility::Public => Channel::Mail { mailbox: work.catalogue.mailbox, is_html, cc: Vec::new() },
    }
}
