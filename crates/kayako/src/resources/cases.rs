//! Cases (conversations), one at a time. Bulk inserts are in [`crate::resources::bulk`].
//!
//! Constraint: creating a case with a public message mails the customer, so the single create here makes notes only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{BrandId, CaseId, FileId, FormId, PriorityId, StatusId, TeamId, TypeId, UserId};
use crate::lookup::{LegacyCollection, LegacyIdentified, LookupBatch};
use crate::paging::identified;
use crate::resources::fields::{FieldValue, FieldValues};
use crate::resources::posts::Channel;
use crate::resources::tags::Tag;
use crate::session::SessionGeneration;
use crate::slot::Slot;
use crate::vocabulary::CaseState;
use crate::wire;

/// A case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Case {
    /// Its id.
    pub id: CaseId,
    /// The id we gave it.
    #[serde(default, deserialize_with = "wire::text")]
    pub legacy_id: Option<String>,
    /// Its subject.
    #[serde(default, deserialize_with = "wire::text")]
    pub subject: Option<String>,
    /// Who asks.
    #[serde(default)]
    pub requester: Option<UserId>,
    /// Who created it.
    #[serde(default)]
    pub creator: Option<UserId>,
    /// Who works on it.
    #[serde(default)]
    pub assigned_agent: Option<UserId>,
    /// Whose queue it is in.
    #[serde(default)]
    pub assigned_team: Option<TeamId>,
    /// Its brand.
    #[serde(default)]
    pub brand: Option<BrandId>,
    /// Its status.
    #[serde(default)]
    pub status: Option<StatusId>,
    /// Its priority.
    #[serde(default)]
    pub priority: Option<PriorityId>,
    /// Its type.
    #[serde(default, rename = "type")]
    pub kind: Option<TypeId>,
    /// Its form.
    #[serde(default)]
    pub form: Option<FormId>,
    /// Its custom fields.
    #[serde(default, deserialize_with = "wire::readable_items")]
    pub custom_fields: Vec<FieldValue>,
    /// Whether it is in use; a missing state counts as in use.
    #[serde(default)]
    pub state: Option<CaseState>,
    /// How many posts it has.
    #[serde(default, deserialize_with = "wire::number")]
    pub post_count: Option<u64>,
    /// Whether it has attachments.
    #[serde(default)]
    pub has_attachments: Option<bool>,
    /// Its tags; `None` when the answer does not tell.
    #[serde(default, deserialize_with = "wire::tag_names")]
    pub tags: Option<Vec<String>>,
    /// When it was created.
    #[serde(default, deserialize_with = "wire::time")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "wire::time")]
    pub updated_at: Option<Timestamp>,
}

identified!(Case);

impl LegacyIdentified for Case {
    const COLLECTION: LegacyCollection = LegacyCollection::Cases;
    const FIELDS: Option<&'static str> = Some("+tags");

    fn legacy_id(&self) -> Option<&str> {
        self.legacy_id.as_deref()
    }

    fn is_active(&self) -> bool {
        self.state.as_ref().is_none_or(|state| *state == CaseState::Active)
    }
}

/// What a new case, single or bulk, can be given besides its text.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CaseFields {
    /// Its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_id: Option<StatusId>,
    /// Its priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_id: Option<PriorityId>,
    /// Its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_id: Option<TypeId>,
    /// Its form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form_id: Option<FormId>,
    /// Whose queue it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_team_id: Option<TeamId>,
    /// Who works on it; presumably a member of the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_agent_id: Option<UserId>,
    /// Its custom fields; keys must belong to the form.
    #[serde(skip_serializing_if = "FieldValues::is_empty")]
    pub field_values: FieldValues,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "wire::write_csv")]
    pub tags: Vec<Tag>,
    /// Echoed on the resulting post, and forgotten by the account after a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// A case that begins with an internal note. Its author is the account that writes, its time now.
#[derive(Debug, Clone, PartialEq)]
pub struct NewNoteCase {
    /// The id we give it; cannot be changed later.
    pub legacy_id: String,
    /// Its subject.
    pub subject: String,
    /// The note.
    pub contents: String,
    /// Whether the note is HTML.
    pub is_html: bool,
    /// Who asks.
    pub requester_id: UserId,
    /// Status, priority, assignee and so on.
    pub fields: CaseFields,
    /// Uploads attached to the note.
    pub attachment_file_ids: Vec<FileId>,
}

#[derive(Serialize)]
struct WireNoteCase<'a> {
    legacy_id: &'a str,
    subject: &'a str,
    contents: &'a str,
    requester_id: UserId,
    #[serde(flatten)]
    channel: Channel,
    #[serde(flatten)]
    fields: &'a CaseFields,
    #[serde(skip_serializing_if = "<[FileId]>::is_empty", serialize_with = "wire::write_csv")]
    attachment_file_ids: &'a [FileId],
}

/// Absolute values; what is `None` stays as it is. The account sets the time of the last change to now.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CaseUpdate {
    /// Its subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requester_id: Option<UserId>,
    /// Whose queue it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_team_id: Option<TeamId>,
    /// Who works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_agent_id: Option<UserId>,
    /// Its brand, which cannot be given at the creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand_id: Option<BrandId>,
    /// Its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_id: Option<StatusId>,
    /// Its priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_id: Option<PriorityId>,
    /// Its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_id: Option<TypeId>,
    /// Its form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form_id: Option<FormId>,
    /// Its custom fields.
    #[serde(skip_serializing_if = "FieldValues::is_empty")]
    pub field_values: FieldValues,
    /// Its tags; replaces all.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "wire::write_csv_option")]
    pub tags: Option<Vec<Tag>>,
}

impl Client {
    /// A case by its id, with its tags. API 4.8.
    pub async fn case(&self, id: CaseId) -> Result<Case, Error> {
        self.fetch(Request::get("/cases/{id}").id(id).query("fields", "+tags")).await
    }

    /// Finds cases by the ids we gave them, with their tags. API 1.8.
    pub async fn cases_by_legacy_ids(&self, ids: &[&str]) -> Result<LookupBatch<Case>, Error> {
        self.look_up(ids).await
    }

    /// Creates a case that begins with a note; mails nobody by itself. `files` is the session in which the files it
    /// names were uploaded. API 4.8, 5.
    pub async fn create_note_case(
        &self,
        slot: Slot,
        case: &NewNoteCase,
        files: Option<SessionGeneration>,
    ) -> Result<Case, Error> {
        let body = WireNoteCase {
            legacy_id: &case.legacy_id,
            subject: &case.subject,
            contents: &case.contents,
            requester_id: case.requester_id,
            channel: Channel::Note { is_html: case.is_html },
            fields: &case.fields,
            attachment_file_ids: &case.attachment_file_ids,
        };
        self.create(slot, Request::create("/cases").files(files).json(&body)?).await
    }

    /// Sets absolute values. API 4.8.
    pub async fn update_case(&self, id: CaseId, update: &CaseUpdate) -> Result<Case, Error> {
        self.fetch(Request::put("/cases/{id}").id(id).json(update)?).await
    }

    /// Moves a case to the trash, which is the only way to be rid of it. API 4.8.
    pub async fn trash_case(&self, id: CaseId) -> Result<(), Error> {
        self.act(Request::put("/cases/{id}/trash").id(id)).await
    }
}
