//! The truth: what the account really holds, whole and in order, for tests that compare it with the source.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::cases::Case;
use super::catalog::Catalog;
use super::fields::FieldOwner;
use super::identities::{Email, Phone};
use super::posts::Post;
use super::state::State;

/// A user as the account holds it. Times are Unix seconds everywhere here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTruth {
    /// Kayako's id.
    pub id: u64,
    /// The importer's marker.
    pub legacy_id: Option<String>,
    /// Display name.
    pub full_name: String,
    /// OWNER, ADMIN, AGENT, COLLABORATOR or CUSTOMER.
    pub role: String,
    /// Whether the account is active.
    pub is_enabled: bool,
    /// Id of the organization.
    pub organization_id: Option<u64>,
    /// Ids of the teams.
    pub team_ids: Vec<u64>,
    /// Addresses with their flags.
    pub emails: Vec<EmailTruth>,
    /// Phone numbers with their flags.
    pub phones: Vec<PhoneTruth>,
    /// Job title.
    pub designation: Option<String>,
    /// `en-us`, `de` ...
    pub locale: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
    /// Staff signature.
    pub signature: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Custom field values by key.
    pub custom_fields: BTreeMap<String, String>,
    /// Notes about the user, oldest first.
    pub notes: Vec<String>,
    /// When it came into the account.
    pub created_at: i64,
}

/// An e-mail identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailTruth {
    /// The address as written.
    pub address: String,
    /// The user's main address.
    pub is_primary: bool,
    /// Confirmed.
    pub is_validated: bool,
    /// Gets notifications.
    pub is_notification_enabled: bool,
}

/// A phone identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneTruth {
    /// The number as written.
    pub number: String,
    /// The user's main number.
    pub is_primary: bool,
    /// Confirmed.
    pub is_validated: bool,
}

/// An organization as the account holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationTruth {
    /// Kayako's id.
    pub id: u64,
    /// The importer's marker.
    pub legacy_id: Option<String>,
    /// Name.
    pub name: String,
    /// Mail domains.
    pub domains: Vec<String>,
    /// Members see each other's conversations.
    pub is_shared: bool,
    /// Tags.
    pub tags: Vec<String>,
    /// Custom field values by key.
    pub custom_fields: BTreeMap<String, String>,
    /// Notes about the organization, oldest first.
    pub notes: Vec<String>,
    /// When it came into the account.
    pub created_at: i64,
}

/// A team as the account holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamTruth {
    /// Kayako's id.
    pub id: u64,
    /// The importer's marker.
    pub legacy_id: Option<String>,
    /// Title.
    pub title: String,
    /// Ids of the members.
    pub member_ids: Vec<u64>,
    /// When it came into the account.
    pub created_at: i64,
}

/// A case as the account holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseTruth {
    /// Kayako's id.
    pub id: u64,
    /// The importer's marker.
    pub legacy_id: Option<String>,
    /// Subject.
    pub subject: String,
    /// ACTIVE or TRASH.
    pub state: String,
    /// The requester.
    pub requester: PersonTruth,
    /// Who created the case.
    pub creator: PersonTruth,
    /// Title of the assigned team.
    pub team: Option<String>,
    /// The assigned agent.
    pub agent: Option<PersonTruth>,
    /// Name of the requester's organization.
    pub organization: Option<String>,
    /// Label of the status.
    pub status: String,
    /// Label of the priority.
    pub priority: Option<String>,
    /// Label of the type.
    pub case_type: Option<String>,
    /// Id of the form.
    pub form_id: u64,
    /// Tags.
    pub tags: Vec<String>,
    /// Custom field values by key.
    pub custom_fields: BTreeMap<String, String>,
    /// Creation as shown.
    pub created_at: i64,
    /// Last change as shown.
    pub updated_at: i64,
    /// Every post, oldest first.
    pub posts: Vec<PostTruth>,
}

/// A person in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonTruth {
    /// Kayako's id.
    pub id: u64,
    /// The importer's marker.
    pub legacy_id: Option<String>,
    /// Primary address.
    pub email: Option<String>,
}

/// A post as the account holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostTruth {
    /// Kayako's id.
    pub id: u64,
    /// Who is shown as the author.
    pub creator: PersonTruth,
    /// MAIL (public) or NOTE (internal).
    pub visibility: String,
    /// Whether the contents are HTML.
    pub is_html: bool,
    /// The contents, after the purifier if HTML.
    pub contents: String,
    /// When it was written, as shown.
    pub created_at: i64,
    /// The files, in order.
    pub attachments: Vec<AttachmentTruth>,
}

/// An attachment as the account holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentTruth {
    /// File name.
    pub name: String,
    /// Bytes.
    pub size: usize,
    /// MIME type.
    pub content_type: String,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
}

impl State {
    pub(crate) fn export_users(&self, offset: usize, limit: usize) -> Vec<UserTruth> {
        self.users
            .iter()
            .skip(offset)
            .take(limit)
            .map(|(id, _)| self.user_truth(id))
            .collect::<Option<_>>()
            .unwrap_or_default()
    }

    fn user_truth(&self, id: u64) -> Option<UserTruth> {
        let user = self.users.get(id)?;
        let email = |email: &Email| EmailTruth {
            address: email.address.clone(),
            is_primary: email.is_primary,
            is_validated: email.is_validated,
            is_notification_enabled: email.is_notification_enabled,
        };
        let phone = |phone: &Phone| PhoneTruth {
            number: phone.number.clone(),
            is_primary: phone.is_primary,
            is_validated: phone.is_validated,
        };
        Some(UserTruth {
            id,
            legacy_id: user.legacy_id.clone(),
            full_name: user.full_name.clone(),
            role: self.catalogs.text(Catalog::Roles, user.role_id, "type").unwrap_or_default().to_owned(),
            is_enabled: user.is_enabled,
            organization_id: user.organization_id,
            team_ids: user.team_ids.clone(),
            emails: user.email_ids.iter().filter_map(|id| self.emails.get(*id)).map(email).collect(),
            phones: user.phone_ids.iter().filter_map(|id| self.phones.get(*id)).map(phone).collect(),
            designation: user.designation.clone(),
            locale: user
                .locale_id
                .and_then(|id| self.catalogs.text(Catalog::Locales, id, "locale"))
                .map(str::to_owned),
            time_zone: user.time_zone.clone(),
            signature: user.texts.get("signature").cloned(),
            tags: user.tags.clone(),
            custom_fields: self.values_by_key(FieldOwner::User, &user.values),
            notes: self.note_texts(&user.note_ids),
            created_at: user.created_at,
        })
    }

    fn note_texts(&self, ids: &[u64]) -> Vec<String> {
        ids.iter().filter_map(|id| self.notes.get(*id)).map(|note| note.contents.clone()).collect()
    }

    pub(crate) fn export_organizations(&self, offset: usize, limit: usize) -> Vec<OrganizationTruth> {
        let rows = self.organizations.iter().skip(offset).take(limit);
        rows.map(|(id, row)| OrganizationTruth {
            id,
            legacy_id: row.legacy_id.clone(),
            name: row.name.clone(),
            domains: row.domains.clone(),
            is_shared: row.is_shared,
            tags: row.tags.clone(),
            custom_fields: self.values_by_key(FieldOwner::Organization, &row.values),
            notes: self.note_texts(&row.note_ids),
            created_at: row.created_at,
        })
        .collect()
    }

    pub(crate) fn export_teams(&self, offset: usize, limit: usize) -> Vec<TeamTruth> {
        let rows = self.teams.iter().skip(offset).take(limit);
        rows.map(|(id, row)| TeamTruth {
            id,
            legacy_id: row.legacy_id.clone(),
            title: row.title.clone(),
            member_ids: row.member_ids.clone(),
            created_at: row.created_at,
        })
        .collect()
    }

    pub(crate) fn export_cases(&self, offset: usize, limit: usize) -> Vec<CaseTruth> {
        self.cases.iter().skip(offset).take(limit).map(|(_, case)| self.case_truth(case)).collect()
    }

    fn case_truth(&self, case: &Case) -> CaseTruth {
        let label = |catalog, id| self.catalogs.text(catalog, id, "label").map(str::to_owned);
        let organization = self.users.get(case.requester_id).and_then(|user| user.organization_id);
        CaseTruth {
            id: case.id,
            legacy_id: case.legacy_id.clone(),
            subject: case.subject.clone(),
            state: case.state.name().to_owned(),
            requester: self.person(case.requester_id),
            creator: self.person(case.creator_id),
            team: case.team_id.and_then(|id| self.teams.get(id)).map(|team| team.title.clone()),
            agent: case.agent_id.map(|id| self.person(id)),
            organization: organization.and_then(|id| self.organizations.get(id)).map(|row| row.name.clone()),
            status: label(Catalog::Statuses, case.status_id).unwrap_or_default(),
            priority: case.priority_id.and_then(|id| label(Catalog::Priorities, id)),
            case_type: case.type_id.and_then(|id| label(Catalog::Types, id)),
            form_id: case.form_id,
            tags: case.tags.clone(),
            custom_fields: self.values_by_key(FieldOwner::Case, &case.values),
            created_at: case.created_at,
            updated_at: case.updated_at,
            posts: case
                .post_ids
                .iter()
                .filter_map(|id| self.posts.get(*id))
                .map(|post| self.post_truth(post))
                .collect(),
        }
    }

    fn person(&self, id: u64) -> PersonTruth {
        PersonTruth {
            id,
            legacy_id: self.users.get(id).and_then(|user| user.legacy_id.clone()),
            email: self.primary_email(id).map(str::to_owned),
        }
    }

    fn post_truth(&self, post: &Post) -> PostTruth {
        let attachments = post.attachment_ids.iter().filter_map(|id| self.attachments.get(*id));
        PostTruth {
            id: post.id,
            creator: self.person(post.creator_id),
            visibility: post.channel.name().to_owned(),
            is_html: post.is_html,
            contents: post.contents.clone(),
            created_at: post.created_at,
            attachments: attachments
                .map(|attachment| AttachmentTruth {
                    name: attachment.file.name.clone(),
                    size: attachment.file.content.len(),
                    content_type: attachment.file.content_type.clone(),
                    sha256: hex(&Sha256::digest(&attachment.file.content)),
                })
                .collect(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing into a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
