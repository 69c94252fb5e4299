//! What the records of a generated account must be, made from the generator and not from what was served.

use model::SourceId;
use model::record::{
    Attachment, Body, Case, Content, Email, FieldValue, FieldValues, Organization, Post, Role, Standing,
    Team, User, Visibility,
};
use sandbox::seed::{self, AttachmentState, Author, Company, Field, IdentityKind, Owner};
use serde_json::Value;

fn id(number: u64) -> SourceId {
    SourceId::from(number)
}

fn filled(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty()).cloned()
}

/// The word the service's JSON uses.
fn word(value: &impl serde::Serialize) -> Option<String> {
    serde_json::to_value(value).unwrap().as_str().map(ToOwned::to_owned)
}

pub(crate) fn team(group: &seed::Group) -> Team {
    Team { id: id(group.id.0), name: group.name.clone(), deleted: group.deleted }
}

pub(crate) fn organization(company: &Company, truth: &seed::Organization) -> Organization {
    Organization {
        id: id(truth.id.0),
        name: truth.name.clone(),
        domains: truth.domain_names.clone(),
        tags: truth.tags.clone(),
        shared: truth.shared_tickets,
        notes: [&truth.details, &truth.notes].into_iter().flatten().cloned().collect(),
        fields: keyed(&company.fields(Owner::Organization), &truth.organization_fields),
    }
}

pub(crate) fn user(company: &Company, ordinal: u64) -> User {
    let truth = company.user_at(ordinal).unwrap();
    let agents = company.size().agents;
    let standing = match (truth.active, truth.suspended) {
        (false, _) => Standing::Deleted,
        (true, true) => Standing::Suspended,
        (true, false) => Standing::Active,
    };
    let role = match truth.role {
        seed::Role::EndUser => Role::Customer,
        seed::Role::Admin => Role::Admin,
        seed::Role::Agent if truth.role_type == Some(1) => Role::Collaborator,
        seed::Role::Agent => Role::Agent,
    };
    let mut emails: Vec<Email> = truth
        .email
        .iter()
        .map(|address| Email { address: address.clone(), verified: truth.verified })
        .collect();
    let mut phones: Vec<String> = truth.phone.iter().cloned().collect();
    let mut twitter = Vec::new();
    let identities = if standing == Standing::Deleted { Vec::new() } else { company.identities(ordinal) };
    for identity in identities {
        match identity.kind {
            IdentityKind::Email if !identity.primary => {
                emails.push(Email { address: identity.value, verified: identity.verified });
            }
            IdentityKind::PhoneNumber if !phones.contains(&identity.value) => phones.push(identity.value),
            IdentityKind::Twitter => twitter.push(identity.value),
            IdentityKind::Email | IdentityKind::PhoneNumber => {}
        }
    }
    let teams: Vec<SourceId> = if ordinal < agents && role != Role::Customer {
        let listed: Vec<_> = company.group_memberships(ordinal).iter().map(|m| id(m.group_id.0)).collect();
        if listed.is_empty() {
            truth.default_group_id.iter().map(|group| id(group.0)).collect()
        } else {
            listed
        }
    } else {
        Vec::new()
    };
    let organizations = ordinal.checked_sub(agents).map_or_else(Vec::new, |customer| {
        company.organization_memberships(customer).iter().map(|m| id(m.organization_id.0)).collect()
    });
    User {
        id: id(truth.id.0),
        name: truth.name.clone(),
        role,
        standing,
        emails,
        phones,
        twitter,
        organizations,
        teams,
        tags: truth.tags.clone(),
        fields: keyed(&company.fields(Owner::User), &truth.user_fields),
        locale: Some(truth.locale.clone()),
        time_zone: Some(truth.iana_time_zone.clone()),
        designation: filled(truth.alias.as_ref()),
        signature: filled(truth.signature.as_ref()),
        notes: [&truth.details, &truth.notes].into_iter().flatten().cloned().collect(),
    }
}

/// The case; bodies refer to images as `attachment:ID`, and content says only whether there is any.
pub(crate) fn case(company: &Company, ticket: &seed::Ticket, base: &str) -> Case {
    let posts: Vec<Post> = company.comments(ticket).map(|comment| post(&comment)).collect();
    let fields = company.fields(Owner::Ticket);
    Case {
        id: id(ticket.id.0),
        subject: filled(ticket.subject.as_ref()).unwrap_or_default(),
        status: word(&ticket.status),
        priority: ticket.priority.as_ref().and_then(word),
        case_type: ticket.kind.as_ref().and_then(word),
        requester: Some(id(ticket.requester_id.0)),
        assignee: ticket.assignee_id.map(|user| id(user.0)),
        team: ticket.group_id.map(|group| id(group.0)),
        organization: ticket.organization_id.map(|organization| id(organization.0)),
        brand: ticket.brand_id.map(id),
        form: ticket.ticket_form_id.map(id),
        channel: ticket.via["channel"].as_str().map(ToOwned::to_owned),
        tags: ticket.tags.clone(),
        fields: ticket
            .custom_fields
            .iter()
            .filter_map(|field| {
                let definition = fields.iter().find(|definition| definition.id == field.id)?;
                Some((field.id.to_string(), value(&definition.kind, &field.value)?))
            })
            .collect(),
        ccs: ticket.email_cc_ids.iter().map(|user| id(user.0)).collect(),
        followers: ticket.follower_ids.iter().map(|user| id(user.0)).collect(),
        created_at: ticket.created_at,
        updated_at: ticket.updated_at,
        url: Some(format!("{base}/agent/tickets/{}", ticket.id)),
        expected_posts: Some(u32::try_from(posts.len()).unwrap()),
        posts,
    }
}

fn post(comment: &seed::Comment) -> Post {
    Post {
        id: id(comment.id.0),
        author: match comment.author_id {
            Author::System => None,
            Author::User(user) => Some(id(user.0)),
        },
        created_at: comment.created_at,
        visibility: if comment.public { Visibility::Public } else { Visibility::Private },
        body: match comment.kind {
            seed::CommentKind::VoiceComment => Body::Text(comment.plain_body.clone()),
            seed::CommentKind::Comment => Body::Html(comment.html_body.clone()),
        },
        attachments: comment
            .attachments
            .iter()
            .map(|file| Attachment {
                id: id(file.id.0),
                name: file.file_name.clone(),
                content_type: file.content_type.clone(),
                size: file.size,
                inline: file.inline,
                content: match file.state {
                    AttachmentState::Available => Content::AtSource(String::new()),
                    AttachmentState::Redacted => Content::Missing("deleted".to_owned()),
                    AttachmentState::Malware => Content::Missing("malware".to_owned()),
                },
            })
            .collect(),
    }
}

/// A case as read, with the addresses that only the server knows taken out in the way of [`case`].
pub(crate) fn without_addresses(mut case: Case) -> Case {
    for post in &mut case.posts {
        for file in &mut post.attachments {
            if let Content::AtSource(url) = &mut file.content {
                let address = url.split('#').next().unwrap_or_default().to_owned();
                if let Body::Html(html) = &mut post.body {
                    *html = html.replace(&address, &format!("attachment:{}", file.id));
                }
                url.clear();
            }
        }
    }
    case
}

fn keyed(definitions: &[Field], values: &serde_json::Map<String, Value>) -> FieldValues {
    values
        .iter()
        .filter_map(|(key, raw)| {
            let definition = definitions.iter().find(|definition| definition.key.as_ref() == Some(key))?;
            Some((key.clone(), value(&definition.kind, raw)?))
        })
        .collect()
}

fn value(kind: &str, raw: &Value) -> Option<FieldValue> {
    let text = || raw.as_str().map_or_else(|| raw.to_string(), ToOwned::to_owned);
    let list =
        || raw.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    match (kind, raw) {
        (_, Value::Null) => None,
        ("checkbox", _) => Some(FieldValue::Bool(raw.as_bool().unwrap())),
        ("date", _) => Some(FieldValue::Date(text()[..10].to_owned())),
        ("tagger" | "dropdown", _) => Some(FieldValue::Choice(text())),
        ("multiselect" | "multi_lookup", _) => {
            Some(list()).filter(|l| !l.is_empty()).map(FieldValue::Choices)
        }
        _ => Some(FieldValue::Text(text())),
    }
}
