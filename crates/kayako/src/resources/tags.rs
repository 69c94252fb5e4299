//! Tags. The account reads lists of tags as comma-separated text, so a tag can hold no comma: one that did would
//! silently become two.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::call::{Effect, Request, Verb};
use crate::client::Client;
use crate::error::Error;
use crate::gate::RateClass;
use crate::ids::{CaseId, OrganizationId, UserId};
use crate::wire;

/// A tag that the account will read as exactly this one tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

/// Why a text cannot be a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTag {
    /// Nothing but blanks.
    #[error("a tag is empty")]
    Empty,
    /// It would become two tags.
    #[error("a tag contains a comma")]
    Comma,
}

impl Tag {
    /// Outer blanks are cut off.
    pub fn new(text: &str) -> Result<Self, InvalidTag> {
        let text = text.trim();
        if text.is_empty() {
            Err(InvalidTag::Empty)
        } else if text.contains(',') {
            Err(InvalidTag::Comma)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What carries tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagOwner {
    /// A case.
    Case(CaseId),
    /// A user.
    User(UserId),
    /// An organization.
    Organization(OrganizationId),
}

impl TagOwner {
    fn place(self) -> (&'static str, u64) {
        match self {
            Self::Case(id) => ("/cases/{id}/tags", id.get()),
            Self::User(id) => ("/users/{id}/tags", id.get()),
            Self::Organization(id) => ("/organizations/{id}/tags", id.get()),
        }
    }
}

#[derive(Serialize)]
struct TagList<'a> {
    #[serde(serialize_with = "wire::write_csv")]
    tags: &'a [Tag],
}

impl Client {
    /// Adds tags and leaves the others. Adding one twice changes nothing, so this may be repeated. API 4.8, 4.3.
    pub async fn add_tags(&self, owner: TagOwner, tags: &[Tag]) -> Result<(), Error> {
        let (template, id) = owner.place();
        let request = Request::new(Verb::Post, template, Effect::Repeatable, RateClass::Write);
        self.act(request.id(id).json(&TagList { tags })?).await
    }

    /// Makes these the only tags. API 4.8, 4.3.
    pub async fn replace_tags(&self, owner: TagOwner, tags: &[Tag]) -> Result<(), Error> {
        let (template, id) = owner.place();
        self.act(Request::put(template).id(id).json(&TagList { tags })?).await
    }
}
