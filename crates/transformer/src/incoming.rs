//! Reading intake messages and writing load messages.
//!
//! Constraint: a body above 256 KiB travels as a reference to the record's staged bytes, named by the header
//! `km-staged`; everything staged for a record lies in one place, so that its end releases all of it.

use blobs::Blobs;
use bytes::Bytes;
use model::command::LoadCommand;
use model::envelope::{
    self, Envelope, HEADER_KEY, HEADER_STAGED, HEADER_VERSION, Intake, Load, MAX_INLINE_BYTES,
};
use model::record::{BlobRef, Content, Record};
use model::{Kind, MigrationId, RecordKey, RunNo};
use queue::{Delivery, Message, RETRY_COUNT, UNTIL};

use crate::error::{During, Error};

/// Why a message was not read.
pub(crate) enum Unread {
    /// It never can be: kept for a person.
    Unreadable(String),
    /// A store is away: later.
    Later(Error),
}

/// Which kinds of records messages carry, as their headers say.
pub(crate) fn kinds_of(deliveries: &[Delivery]) -> Vec<Kind> {
    let keys = || deliveries.iter().filter_map(|delivery| delivery.message().headers.get(HEADER_KEY));
    let is_of = |key: &String, kind: Kind| key.split_once(':').is_some_and(|(name, _)| name == kind.name());
    Kind::ALL.into_iter().filter(|kind| keys().any(|key| is_of(key, *kind))).collect()
}

/// What the work on a message takes in memory, in bytes: its body, wherever it lies.
pub(crate) fn weight(message: &Message) -> usize {
    let staged =
        message.headers.contains_key(HEADER_STAGED).then(|| staged_reference(message).ok()).flatten();
    staged.map_or(message.body.len(), |reference| usize::try_from(reference.size).unwrap_or(usize::MAX))
}

fn staged_reference(message: &Message) -> Result<BlobRef, serde_json::Error> {
    serde_json::from_slice(&message.body)
}

/// Reads a message, from the blob store if its body lies there.
pub(crate) async fn read(message: &Message, blobs: &Blobs) -> Result<Envelope<Intake>, Unread> {
    let body = match message.headers.get(HEADER_STAGED) {
        None => message.body.clone(),
        Some(holder) => {
            let reference = staged_reference(message).map_err(|_| {
                Unread::Unreadable("its reference to a staged body is not readable".to_owned())
            })?;
            let staged = blobs.within(holder).during("find a staged body").map_err(Unread::Later)?;
            staged.get(&reference).await.during("read a staged body").map_err(Unread::Later)?
        }
    };
    envelope::decode(&body).map_err(|error| Unread::Unreadable(error.to_string()))
}

/// The message that carries a command, with the incoming one's trace context and origin key.
pub(crate) async fn load_message(
    incoming: &Message,
    head: &Head,
    command: LoadCommand,
    migration: &MigrationId,
    blobs: &Blobs,
) -> Result<Message, Error> {
    let envelope = Envelope::new(head.run, head.plan.clone(), Load { key: head.key.clone(), command });
    let body = Bytes::from(envelope::encode(&envelope)?);
    let mut message = Message { id: incoming.id.clone(), headers: incoming.headers.clone(), body };
    // Tries and waits belong to the stage they were counted in.
    for header in [HEADER_STAGED, UNTIL, RETRY_COUNT] {
        message.headers.remove(header);
    }
    message.headers.insert(HEADER_KEY.to_owned(), head.key.to_string());
    message.headers.insert(HEADER_VERSION.to_owned(), envelope.v.to_string());
    if message.body.len() > MAX_INLINE_BYTES {
        let holder = head.key.staging(migration);
        let staged = blobs.within(&holder).during("stage a body")?;
        let reference = staged.put(std::mem::take(&mut message.body)).await.during("stage a body")?;
        message.body = Bytes::from(serde_json::json!(reference).to_string());
        message.headers.insert(HEADER_STAGED.to_owned(), holder);
    }
    Ok(message)
}

/// What is known of a record besides its content.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) run: RunNo,
    pub(crate) plan: String,
    pub(crate) key: RecordKey,
}

/// Whether anything of the record lies in `blobs`.
pub(crate) fn has_staged(message: &Message, record: &Record) -> bool {
    let files = match record {
        Record::Case(case) => case
            .posts
            .iter()
            .flat_map(|post| &post.attachments)
            .any(|file| matches!(file.content, Content::Staged(_))),
        Record::Team(_) | Record::Organization(_) | Record::User(_) => false,
    };
    files || message.headers.contains_key(HEADER_STAGED)
}
