//! Bulk inserts: up to 200 records in one call, answered by a job.
//!
//! Constraints: always `partial_import=true`, otherwise one invalid record drops the batch. No ids come back: they
//! are found by the ids we gave. Only this family keeps original times and authors of cases.

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{FileId, UserId};
use crate::resources::cases::CaseFields;
use crate::resources::jobs::Job;
use crate::resources::organizations::NewOrganization;
use crate::resources::posts::Channel;
use crate::resources::teams::NewTeam;
use crate::resources::users::NewUser;
use crate::session::SessionGeneration;
use crate::slot::Slot;
use crate::wire;

/// The documented maximum of records in one call.
pub const MAX_BULK_ITEMS: usize = 200;

/// A case with its posts.
#[derive(Debug, Clone, Serialize)]
pub struct BulkCase {
    /// The id we give it; cannot be changed later.
    pub legacy_id: String,
    /// Its subject.
    pub subject: String,
    /// Its first post.
    pub contents: String,
    /// Who asks.
    pub requester_id: UserId,
    /// Who wrote the first post (known from a sample only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<UserId>,
    /// How the first post came.
    #[serde(flatten)]
    pub channel: Channel,
    /// Status, priority, assignee and so on.
    #[serde(flatten)]
    pub fields: CaseFields,
    /// Uploads attached to the first post.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "wire::write_csv")]
    pub attachment_file_ids: Vec<FileId>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "wire::write_time")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "wire::write_time")]
    pub updated_at: Option<Timestamp>,
    /// All later posts, oldest first: the account orders them by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub posts: Vec<BulkPost>,
}

/// A later post of a [`BulkCase`].
#[derive(Debug, Clone, Serialize)]
pub struct BulkPost {
    /// Its text.
    pub contents: String,
    /// How it came.
    #[serde(flatten)]
    pub channel: Channel,
    /// Who wrote it (known from a sample only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator_id: Option<UserId>,
    /// Uploads attached to it.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "wire::write_csv")]
    pub attachment_file_ids: Vec<FileId>,
    /// When it was written.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "wire::write_time")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "wire::write_time")]
    pub updated_at: Option<Timestamp>,
}

/// `{"<plural>": [...]}`.
struct Records<'a, T>(&'static str, &'a [T]);

impl<T: Serialize> Serialize for Records<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, self.1)?;
        map.end()
    }
}

impl Client {
    /// Inserts teams. API 4.2.
    pub async fn bulk_teams(&self, slot: Slot, teams: &[NewTeam]) -> Result<Job, Error> {
        self.bulk(slot, Request::bulk("/bulk/teams"), "teams", teams).await
    }

    /// Inserts organizations. API 4.2.
    pub async fn bulk_organizations(
        &self,
        slot: Slot,
        organizations: &[NewOrganization],
    ) -> Result<Job, Error> {
        self.bulk(slot, Request::bulk("/bulk/organizations"), "organizations", organizations).await
    }

    /// Inserts users. API 4.2.
    pub async fn bulk_users(&self, slot: Slot, users: &[NewUser]) -> Result<Job, Error> {
        self.bulk(slot, Request::bulk("/bulk/users"), "users", users).await
    }

    /// Inserts cases with their posts. `files` is the session in which the files they name were uploaded; if it is
    /// gone nothing is sent ([`Error::files_are_void`]). API 4.2, 4.8.
    pub async fn bulk_cases(
        &self,
        slot: Slot,
        cases: &[BulkCase],
        files: Option<SessionGeneration>,
    ) -> Result<Job, Error> {
        self.bulk(slot, Request::bulk("/bulk/cases").files(files), "cases", cases).await
    }

    async fn bulk<T: Serialize>(
        &self,
        slot: Slot,
        request: Request,
        plural: &'static str,
        records: &[T],
    ) -> Result<Job, Error> {
        let call = request.call;
        if records.is_empty() || records.len() > MAX_BULK_ITEMS {
            return Err(Error::Argument { call, problem: "a bulk insert takes 1 to 200 records" });
        }
        let request = request.query("partial_import", "true").json(&Records(plural, records))?;
        let mut answer = self.create_with_answer::<Job>(slot, request).await?;
        let items = std::mem::take(&mut answer.items);
        Ok(answer.into_data(call)?.with_items(items))
    }
}
