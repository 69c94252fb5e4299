//! Load commands: what the transformer makes of a record and the loader writes into Kayako.
//!
//! Constraints: a command is a pure function of record and plan, so that the demo predicts the full run; it names
//! other records by key and Kayako's statuses, fields and so on by label, because only the loader may talk to Kayako. Its
//! hash is stored in the row: a later run with another hash is a changed record.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kind::RecordKey;
use crate::reason::Reason;
use crate::record::{Attachment, Body, Role, Visibility};

/// What is to be written for one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LoadCommand {
    /// Create or adopt a team.
    Team(TeamCommand),
    /// Create or adopt an organization.
    Organization(OrganizationCommand),
    /// Create, adopt or merge a person.
    User(UserCommand),
    /// Create a case.
    Case(Box<CaseCommand>),
    /// Write nothing.
    Nothing(NothingCommand),
    /// Count the objects of a record that was once in doubt and has arrived; remove what is too many.
    Recount,
}

/// The record was read or translated again because its message was lost, and now it is to be left out (deleted meanwhile,
/// say). Only a loader can settle it: it finds out what an earlier try may have written, keeps that if it is there, and else ends
/// the record with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NothingCommand {
    /// Failed rather than skipped.
    pub failed: bool,
    /// Why.
    pub reason: Reason,
}

/// A reference to another record, with what to do if that record never arrives (a failed parent must not take
/// its children with it unless the plan says so).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parent {
    /// The record.
    pub key: RecordKey,
    /// If it failed, was skipped, or is gone at the source.
    pub otherwise: Otherwise,
}

/// Substitute for a parent that never arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// Use the stand-in customer.
    Placeholder,
    /// Use the plan's default agent.
    DefaultAgent,
    /// Leave the value out.
    Omit,
    /// This record fails too.
    Fail,
}

/// A person in a role, resolved by the loader.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonRef {
    /// The person this record became.
    Record(Parent),
    /// The plan's default agent (system authors, unmapped staff).
    DefaultAgent,
}

/// Custom field values by Kayako field, see [`FieldTarget`].
pub type TargetFields = Vec<FieldAssignment>;

/// One custom field to set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldAssignment {
    /// Kayako's field key.
    pub key: String,
    /// The value.
    pub value: TargetValue,
}

/// A custom field value in Kayako's terms; option labels become ids in the loader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetValue {
    /// Text, number, pattern.
    Text(String),
    /// Yes or no.
    YesNo(bool),
    /// ISO date `YYYY-MM-DD`.
    Date(String),
    /// One option by label (levels of a cascade joined with ` \ `).
    Option(String),
    /// Several options by label.
    Options(Vec<String>),
}

/// A team.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TeamCommand {
    /// Title; a team with this title is adopted.
    pub title: String,
}

/// An organization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrganizationCommand {
    /// Name; an organization with this name is adopted.
    pub name: String,
    /// E-mail domains, normalised.
    pub domains: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Members see each other's cases.
    pub shared: bool,
    /// Notes to add.
    pub notes: Vec<String>,
    /// Custom fields.
    pub fields: TargetFields,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserCommand {
    /// Full name, never empty.
    pub full_name: String,
    /// Role in Kayako.
    pub role: Role,
    /// Normalised e-mail addresses, the primary one first: the natural key by which an existing person is adopted and two
    /// source users with one address become one.
    pub emails: Vec<String>,
    /// For staff: what happens when no Kayako user has one of the addresses.
    pub if_absent: IfAbsent,
    /// Phone numbers.
    pub phones: Vec<String>,
    /// Whether the person may log in; set last.
    pub enabled: bool,
    /// Company.
    pub organization: Option<Parent>,
    /// Teams (staff).
    pub teams: Vec<Parent>,
    /// Tags.
    pub tags: Vec<String>,
    /// Locale such as `de` or `en-us`.
    pub locale: Option<String>,
    /// IANA time zone.
    pub time_zone: Option<String>,
    /// Job title.
    pub designation: Option<String>,
    /// Signature (staff).
    pub signature: Option<String>,
    /// Notes to add.
    pub notes: Vec<String>,
    /// Custom fields.
    pub fields: TargetFields,
}

/// What to do when a person is not in Kayako yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfAbsent {
    /// Create the person.
    Create,
    /// Let the plan's default agent stand for them.
    UseDefaultAgent,
}

/// One post of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostCommand {
    /// Source id of the comment: marker of single mode, and the report's reference.
    pub source_id: String,
    /// Author.
    pub author: PersonRef,
    /// When it was written.
    pub created_at: Timestamp,
    /// Who sees it.
    pub visibility: Visibility,
    /// Text, never blank (Kayako refuses empty contents).
    pub body: Body,
    /// Files whose bytes are staged.
    pub attachments: Vec<Attachment>,
}

/// A case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseCommand {
    /// Subject, never empty.
    pub subject: String,
    /// Customer.
    pub requester: PersonRef,
    /// Agent.
    pub assignee: Option<PersonRef>,
    /// Team.
    pub team: Option<Parent>,
    /// Kayako status label.
    pub status: Option<String>,
    /// Kayako priority label.
    pub priority: Option<String>,
    /// Kayako type label.
    pub case_type: Option<String>,
    /// Kayako form title.
    pub form: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Custom fields.
    pub fields: TargetFields,
    /// Created.
    pub created_at: Timestamp,
    /// Last changed.
    pub updated_at: Timestamp,
    /// Posts, oldest first, at least one.
    pub posts: Vec<PostCommand>,
    /// Where a person opens it at the source.
    pub source_url: Option<String>,
}

impl LoadCommand {
    /// Everything this record needs committed before it can be written, each key once.
    pub fn parents(&self) -> Vec<Parent> {
        let mut found: BTreeMap<RecordKey, Otherwise> = BTreeMap::new();
        let mut need = |parent: &Parent| {
            found.entry(parent.key.clone()).or_insert(parent.otherwise);
        };
        match self {
            Self::Team(_) | Self::Organization(_) | Self::Nothing(_) | Self::Recount => {}
            Self::User(user) => user.organization.iter().chain(&user.teams).for_each(&mut need),
            Self::Case(case) => {
                case.team.iter().for_each(&mut need);
                let people = std::iter::once(&case.requester)
                    .chain(&case.assignee)
                    .chain(case.posts.iter().map(|p| &p.author));
                for person in people {
                    if let PersonRef::Record(parent) = person {
                        need(parent);
                    }
                }
            }
        }
        found.into_iter().map(|(key, otherwise)| Parent { key, otherwise }).collect()
    }

    /// Hash of the command: rows store it, and another hash in a later run means that the record is to be written
    /// differently. JSON is stable here because every map in a command is ordered.
    pub fn hash(&self) -> u64 {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let digest = blake3::hash(&bytes);
        let mut first = [0; 8];
        first.copy_from_slice(&digest.as_bytes()[..8]);
        // Zero means "never written" in a row.
        u64::from_le_bytes(first).max(1)
    }
}
