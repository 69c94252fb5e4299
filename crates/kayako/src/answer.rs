//! Reads the response envelope and the error envelope.
//!
//! Constraint: nothing of the body reaches an error, except codes and field names that consist of harmless
//! characters. serde's own messages quote values, so they are dropped.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::code::ErrorCode;
use crate::error::{Error, ErrorItem, Refusal, UnreadableCause};
use crate::session::SessionGeneration;
use crate::transport::RawAnswer;
use crate::wire;

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) status: u16,
    pub(crate) data: Option<T>,
    pub(crate) total_count: Option<u64>,
    /// The page size that the account honoured.
    pub(crate) limit: Option<u64>,
    pub(crate) items: Vec<ErrorItem>,
    /// The session the call was made in.
    pub(crate) session: SessionGeneration,
}

impl<T> Answer<T> {
    pub(crate) fn into_data(self, call: Call) -> Result<T, Error> {
        self.data.ok_or_else(|| Error::unreadable(call, self.status, UnreadableCause::Shape))
    }
}

/// An answer together with the session id it may carry.
pub(crate) struct ReadAnswer<T> {
    pub(crate) session_id: Option<String>,
    pub(crate) result: Result<Answer<T>, Error>,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
    #[serde(default, deserialize_with = "wire::number")]
    total_count: Option<u64>,
    #[serde(default, deserialize_with = "wire::number")]
    limit: Option<u64>,
    #[serde(default, deserialize_with = "wire::text")]
    session_id: Option<String>,
    #[serde(default, deserialize_with = "wire::readable_items")]
    errors: Vec<WireItem>,
}

/// The error envelope: `data` is not looked at.
#[derive(Deserialize)]
struct Complaint {
    #[serde(default, deserialize_with = "wire::text")]
    session_id: Option<String>,
    #[serde(default, deserialize_with = "wire::readable_items")]
    errors: Vec<WireItem>,
}

#[derive(Deserialize)]
pub(crate) struct WireItem {
    pub(crate) code: ErrorCode,
    #[serde(default, deserialize_with = "wire::text")]
    pub(crate) parameter: Option<String>,
    /// Several names; an array or one text.
    #[serde(default, deserialize_with = "wire::text")]
    parameters: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    pub(crate) pointer: Option<String>,
}

impl From<WireItem> for ErrorItem {
    fn from(item: WireItem) -> Self {
        Self {
            code: item.code,
            parameter: item.parameter.or(item.parameters).and_then(field_name),
            pointer: item.pointer.and_then(field_name),
        }
    }
}

/// A field name or path of harmless characters; anything else could be a customer's text and is dropped.
pub(crate) fn field_name(text: String) -> Option<String> {
    let harmless =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b'[' | b']' | b',');
    ((1..=128).contains(&text.len()) && text.bytes().all(harmless)).then_some(text)
}

pub(crate) fn read<T: DeserializeOwned>(call: Call, batch: bool, raw: &RawAnswer) -> ReadAnswer<T> {
    if (200..300).contains(&raw.status) { read_success(call, raw) } else { read_failure(call, batch, raw) }
}

fn read_success<T: DeserializeOwned>(call: Call, raw: &RawAnswer) -> ReadAnswer<T> {
    let empty = raw.body.iter().all(u8::is_ascii_whitespace);
    if empty && call.verb != crate::Verb::Get {
        // A write that answers with an empty body was accepted; there is nothing to read.
        let answer = Answer {
            status: raw.status,
            data: None,
            total_count: None,
            limit: None,
            items: Vec::new(),
            session: SessionGeneration::default(),
        };
        return ReadAnswer { session_id: None, result: Ok(answer) };
    }
    match serde_json::from_slice::<Envelope<T>>(&raw.body) {
        Ok(envelope) => ReadAnswer {
            session_id: envelope.session_id,
            result: Ok(Answer {
                status: raw.status,
                data: envelope.data,
                total_count: envelope.total_count,
                limit: envelope.limit,
                items: envelope.errors.into_iter().map(Into::into).collect(),
                session: SessionGeneration::default(),
            }),
        },
        Err(error) => ReadAnswer {
            session_id: None,
            result: Err(Error::unreadable(call, raw.status, why(raw, &error))),
        },
    }
}

fn read_failure<T>(call: Call, batch: bool, raw: &RawAnswer) -> ReadAnswer<T> {
    let (items, session_id) = match serde_json::from_slice::<Complaint>(&raw.body) {
        Ok(complaint) => (complaint.errors.into_iter().map(Into::into).collect(), complaint.session_id),
        // A few statuses are conclusive whoever sent them, so a proxy's page will do: a rate limit, a body that is
        // too large, a broken or absent server.
        Err(_) if matches!(raw.status, 429 | 413 | 500..) => (Vec::new(), None),
        Err(error) => {
            let cause =
                if (300..400).contains(&raw.status) { UnreadableCause::Redirect } else { why(raw, &error) };
            return ReadAnswer { session_id: None, result: Err(Error::unreadable(call, raw.status, cause)) };
        }
    };
    if (300..400).contains(&raw.status) {
        let error = Error::unreadable(call, raw.status, UnreadableCause::Redirect);
        return ReadAnswer { session_id: None, result: Err(error) };
    }
    let refusal = Refusal { call, status: raw.status, items, retry_after: raw.retry_after };
    ReadAnswer { session_id, result: Err(Error::from_refusal(refusal, batch)) }
}

fn why(raw: &RawAnswer, error: &serde_json::Error) -> UnreadableCause {
    use serde_json::error::Category;
    let looks_html = raw.body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<');
    match error.classify() {
        _ if raw.is_html || looks_html => UnreadableCause::Html,
        Category::Eof if !raw.body.is_empty() => UnreadableCause::Truncated,
        Category::Data => UnreadableCause::Shape,
        Category::Eof | Category::Io | Category::Syntax => UnreadableCause::NotJson,
    }
}
