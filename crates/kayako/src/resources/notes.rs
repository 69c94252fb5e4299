//! Notes on users and organizations. Their author is always the account that writes, their time always now.

use serde::{Deserialize, Serialize};

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{FileId, NoteId, OrganizationId, UserId};
use crate::paging::identified;
use crate::session::SessionGeneration;
use crate::slot::Slot;
use crate::wire;

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteOwner {
    /// A user.
    User(UserId),
    /// An organization.
    Organization(OrganizationId),
}

impl NoteOwner {
    fn place(self) -> (&'static str, u64) {
        match self {
            Self::User(id) => ("/users/{id}/notes", id.get()),
            Self::Organization(id) => ("/organizations/{id}/notes", id.get()),
        }
    }
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// Its text, as HTML or plain text.
    #[serde(default, deserialize_with = "wire::text", alias = "body_text")]
    pub contents: Option<String>,
}

identified!(Note);

#[derive(Serialize)]
struct NewNote<'a> {
    contents: &'a str,
    is_html: bool,
    #[serde(skip_serializing_if = "<[FileId]>::is_empty", serialize_with = "wire::write_csv")]
    attachment_file_ids: &'a [FileId],
}

impl Client {
    /// The notes of a user or organization. API 4.10.
    pub async fn notes(&self, owner: NoteOwner) -> Result<Vec<Note>, Error> {
        let (template, id) = owner.place();
        self.list(Request::get(template).id(id)).await
    }

    /// Adds a note. List first and add what is missing. `files` are uploads and the session they were made in.
    /// API 4.10.
    pub async fn create_note(
        &self,
        slot: Slot,
        owner: NoteOwner,
        contents: &str,
        is_html: bool,
        files: Option<(&[FileId], SessionGeneration)>,
    ) -> Result<Note, Error> {
        let (template, id) = owner.place();
        let ids = files.map_or(&[][..], |(ids, _)| ids);
        let request = Request::create(template)
            .id(id)
            .files(files.map(|(_, session)| session))
            .json(&NewNote { contents, is_html, attachment_file_ids: ids })?;
        self.create(slot, request).await
    }
}
