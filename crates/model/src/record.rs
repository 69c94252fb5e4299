//! Canonical records: what a source module makes of a help desk's own objects, the same for every source.
//!
//! Constraints: a record is complete (a case holds all its posts), refers to other records by source id only, and
//! carries no bytes: attachments and oversized bodies are references into `blobs`. It crosses the `intake` queue as
//! JSON, so fields are only ever added, with a default (rolling upgrade during a run).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::SourceId;
use crate::kind::{Kind, RecordKey};

/// One source entity with all that must be written together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// A team of agents.
    Team(Team),
    /// A company.
    Organization(Organization),
    /// A customer or a member of staff.
    User(User),
    /// A ticket with its whole conversation.
    Case(Box<Case>),
}

impl Record {
    /// Kind and source id.
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Team(team) => RecordKey { kind: Kind::Team, id: team.id.clone() },
            Self::Organization(organization) => {
                RecordKey { kind: Kind::Organization, id: organization.id.clone() }
            }
            Self::User(user) => RecordKey { kind: Kind::User, id: user.id.clone() },
            Self::Case(case) => RecordKey { kind: Kind::Case, id: case.id.clone() },
        }
    }
}

/// Values of custom fields by the source's field key (for Zendesk tickets: the field's id as text).
pub type FieldValues = BTreeMap<String, FieldValue>;

/// One custom field value, typed as far as the source types it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldValue {
    /// Text, a number as text, a pattern.
    Text(String),
    /// A check box that was set or unset on purpose (never set is absent).
    Bool(bool),
    /// A calendar date without a zone, `YYYY-MM-DD`.
    Date(String),
    /// One option, by the source's option value.
    Choice(String),
    /// Several options.
    Choices(Vec<String>),
}

/// A team of agents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Team {
    /// Id at the source.
    pub id: SourceId,
    /// Name as agents see it.
    pub name: String,
    /// Deleted at the source, but old cases still name it.
    #[serde(default)]
    pub deleted: bool,
}

/// A company customers belong to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Organization {
    /// Id at the source.
    pub id: SourceId,
    /// Name.
    pub name: String,
    /// E-mail domains.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Members see each other's cases.
    #[serde(default)]
    pub shared: bool,
    /// Free text agents keep about the company (details and notes).
    #[serde(default)]
    pub notes: Vec<String>,
    /// Custom fields.
    #[serde(default)]
    pub fields: FieldValues,
}

/// What a person is at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A customer.
    Customer,
    /// Staff who may only write internally (Zendesk: light agent, contributor).
    Collaborator,
    /// Staff who talk to customers.
    Agent,
    /// Staff with all rights.
    Admin,
}

impl Role {
    /// Whether the person is a member of staff.
    pub fn is_staff(self) -> bool {
        self != Self::Customer
    }
}

/// Whether a person can still be reached at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Normal.
    #[default]
    Active,
    /// Blocked sender; still owns cases.
    Suspended,
    /// Deleted or deactivated; still owns cases.
    Deleted,
}

/// One e-mail address of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// As the source has it; normalisation is the transformer's job.
    pub address: String,
    /// The source considers it proven.
    #[serde(default)]
    pub verified: bool,
}

/// A customer or a member of staff.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Id at the source.
    pub id: SourceId,
    /// Full name; may be empty.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Standing.
    #[serde(default)]
    pub standing: Standing,
    /// All e-mail addresses, the primary one first.
    #[serde(default)]
    pub emails: Vec<Email>,
    /// All phone numbers, the primary one first.
    #[serde(default)]
    pub phones: Vec<String>,
    /// Twitter screen names.
    #[serde(default)]
    pub twitter: Vec<String>,
    /// Companies, the default one first.
    #[serde(default)]
    pub organizations: Vec<SourceId>,
    /// Teams (staff only).
    #[serde(default)]
    pub teams: Vec<SourceId>,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Custom fields by key.
    #[serde(default)]
    pub fields: FieldValues,
    /// BCP 47 locale such as `de` or `en-US`.
    #[serde(default)]
    pub locale: Option<String>,
    /// IANA time zone.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Job title, alias or similar.
    #[serde(default)]
    pub designation: Option<String>,
    /// Staff signature.
    #[serde(default)]
    pub signature: Option<String>,
    /// Free text agents keep about the person (details and notes).
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Who sees a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// The customer.
    Public,
    /// Staff only.
    Private,
}

/// The text of a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// HTML.
    Html(String),
    /// Plain text.
    Text(String),
}

impl Body {
    /// The characters, whatever the format.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Html(text) | Self::Text(text) => text,
        }
    }

    /// Whether nothing but white space is in it.
    pub fn is_blank(&self) -> bool {
        self.as_str().trim().is_empty()
    }
}

/// A piece of content in `blobs`, by the hash of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlobRef {
    /// BLAKE3 of the bytes, 64 hexadecimal digits.
    pub hash: String,
    /// Length in bytes.
    pub size: u64,
}

/// Where an attachment's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Fetched and staged.
    Staged(BlobRef),
    /// The source no longer has them; a stable word says why (`deleted`, `malware`, `not_found`, `too_large`).
    /// The attachment is then named in the report, never silently dropped.
    Missing(String),
    /// Not fetched yet: the source module returns records like this, the extractor stages them before it publishes.
    AtSource(String),
}

/// A file at a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Id at the source.
    pub id: SourceId,
    /// File name, any Unicode.
    pub name: String,
    /// MIME type as the source says.
    pub content_type: String,
    /// Size as the source says; 0 if unknown.
    #[serde(default)]
    pub size: u64,
    /// Shown inside the text rather than below it.
    #[serde(default)]
    pub inline: bool,
    /// The bytes.
    pub content: Content,
}

/// One message or note of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// Id at the source.
    pub id: SourceId,
    /// Who wrote it; `None` for the system.
    #[serde(default)]
    pub author: Option<SourceId>,
    /// When.
    pub created_at: Timestamp,
    /// Who sees it.
    pub visibility: Visibility,
    /// The text.
    pub body: Body,
    /// Files.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
}

/// A ticket with its whole conversation, oldest post first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Id at the source.
    pub id: SourceId,
    /// Subject; may be empty.
    #[serde(default)]
    pub subject: String,
    /// Status in the source's words (`open`, `solved` ...).
    #[serde(default)]
    pub status: Option<String>,
    /// Priority in the source's words.
    #[serde(default)]
    pub priority: Option<String>,
    /// Type in the source's words.
    #[serde(default)]
    pub case_type: Option<String>,
    /// The customer.
    #[serde(default)]
    pub requester: Option<SourceId>,
    /// The agent it is assigned to.
    #[serde(default)]
    pub assignee: Option<SourceId>,
    /// The team it is assigned to.
    #[serde(default)]
    pub team: Option<SourceId>,
    /// The company it was filed under.
    #[serde(default)]
    pub organization: Option<SourceId>,
    /// The brand, form and channel in the source's words, for mapping and reports.
    #[serde(default)]
    pub brand: Option<SourceId>,
    /// Form.
    #[serde(default)]
    pub form: Option<SourceId>,
    /// Channel.
    #[serde(default)]
    pub channel: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Custom fields.
    #[serde(default)]
    pub fields: FieldValues,
    /// People in copy.
    #[serde(default)]
    pub ccs: Vec<SourceId>,
    /// Agents who follow.
    #[serde(default)]
    pub followers: Vec<SourceId>,
    /// Created.
    pub created_at: Timestamp,
    /// Last changed.
    pub updated_at: Timestamp,
    /// Where a person opens it at the source.
    #[serde(default)]
    pub url: Option<String>,
    /// The conversation.
    pub posts: Vec<Post>,
    /// How many posts the source says there are; a difference makes the extractor read again instead of
    /// publishing a case with comments missing.
    #[serde(default)]
    pub expected_posts: Option<u32>,
}
