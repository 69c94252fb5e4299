//! What is being called, in a form that is safe to log: a verb, a path template, at most one numeric id.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Serialize;

use crate::error::Error;
use crate::gate::RateClass;
use crate::session::SessionGeneration;

/// The HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
}

impl Verb {
    /// The method as it stands in a request line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// Names a call in errors, logs and metrics. The query is left out on purpose: it can hold e-mail addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The HTTP method.
    pub verb: Verb,
    /// The path with `{id}` in place of the id: one value per endpoint, fit for a metric label.
    pub template: &'static str,
    /// The Kayako id that stands for `{id}`.
    pub id: Option<u64>,
}

impl Call {
    pub(crate) fn path(&self) -> Cow<'static, str> {
        match self.id {
            Some(id) => Cow::Owned(self.template.replace("{id}", &id.to_string())),
            None => Cow::Borrowed(self.template),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb.name(), self.path())
    }
}

/// What a second, identical call would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: it reads.
    Read,
    /// The same again: absolute values, or an upload (a second file is harmless and expires).
    Repeatable,
    /// Another object.
    Create,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Empty,
    Json(Bytes),
    Raw { bytes: Bytes, content_type: String, content_md5: Option<String> },
}

/// One call, ready to be sent (and sent again).
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) call: Call,
    pub(crate) effect: Effect,
    pub(crate) class: RateClass,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    /// Set when the body names uploaded files: they belong to this session and die with it.
    pub(crate) files: Option<SessionGeneration>,
    /// Whether a refusal concerns many records at once.
    pub(crate) batch: bool,
}

impl Request {
    pub(crate) fn get(template: &'static str) -> Self {
        Self::new(Verb::Get, template, Effect::Read, RateClass::Read)
    }

    /// A `POST` that only reads (the filter endpoints).
    pub(crate) fn query_by_post(template: &'static str) -> Self {
        Self::new(Verb::Post, template, Effect::Read, RateClass::Read)
    }

    pub(crate) fn put(template: &'static str) -> Self {
        Self::new(Verb::Put, template, Effect::Repeatable, RateClass::Write)
    }

    pub(crate) fn create(template: &'static str) -> Self {
        Self::new(Verb::Post, template, Effect::Create, RateClass::Write)
    }

    pub(crate) fn bulk(template: &'static str) -> Self {
        let mut request = Self::new(Verb::Post, template, Effect::Create, RateClass::Bulk);
        request.batch = true;
        request
    }

    pub(crate) fn new(verb: Verb, template: &'static str, effect: Effect, class: RateClass) -> Self {
        Self {
            call: Call { verb, template, id: None },
            effect,
            class,
            query: Vec::new(),
            body: Body::Empty,
            files: None,
            batch: false,
        }
    }

    pub(crate) fn id(mut self, id: impl Into<u64>) -> Self {
        self.call.id = Some(id.into());
        self
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(crate) fn files(mut self, files: Option<SessionGeneration>) -> Self {
        self.files = files;
        self
    }

    /// Serialised once; a repeat sends the same bytes.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        // serde's message can quote values, so it is not kept.
        let bytes = serde_json::to_vec(body).map_err(|_| Error::Argument {
            call: self.call,
            problem: "the body cannot be written as JSON",
        })?;
        self.body = Body::Json(Bytes::from(bytes));
        Ok(self)
    }
}
