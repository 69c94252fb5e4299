//! What travels through a queue, and what the queues are called.
//!
//! Constraints: a queue name must fit into 255 bytes (AMQP short string) and so must a message id; all headers of a
//! message travel in one AMQP frame. The same limits hold in the process, so that a message that works in a test on a
//! laptop also works on a broker. Bodies and headers can hold customer text: neither is ever printed.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::{Error, Result};

/// Header: how often the message's work was tried. The caller counts; broker delivery counts mean different things
/// in RabbitMQ 3.10, 4.0 and 4.3 and are never used for decisions.
pub const RETRY_COUNT: &str = "x-retry-count";
/// Header: the moment (unix milliseconds) before which the work must not be done. The caller writes and reads it; a
/// wait longer than one step of the ladder takes several hops.
pub const UNTIL: &str = "x-until";
/// Header of a dead letter: why it was given up. Written by [`crate::Publisher::dead_letter`].
pub const DEAD_REASON: &str = "x-dead-reason";
/// Header of a dead letter: the stage whose queue it came from. Written by [`crate::Publisher::dead_letter`].
pub const DEAD_STAGE: &str = "x-dead-stage";

/// Longest queue name and message id, in bytes: the limit of an AMQP short string.
const SHORT_STRING: usize = 255;
/// Longest migration name, in bytes: leaves room for the prefix, the stage and the dots.
const MIGRATION_NAME: usize = 128;
/// Most bytes of headers. The smallest frame that brokers are configured with is 128 KiB; half of it leaves room for
/// the headers that a broker adds when it dead-letters.
const HEADERS: usize = 64 * 1024;

/// The step of the work that a queue carries. There is one queue for each migration and stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Tasks for the extractor: which page of which shard to read next.
    Extract,
    /// Source records for the transformer.
    Intake,
    /// Load commands for the loader.
    Load,
}

impl Stage {
    /// Every stage, in the order in which work flows.
    pub const ALL: [Self; 3] = [Self::Extract, Self::Intake, Self::Load];

    /// The stage's stable name: last part of the queue name, metric label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Intake => "intake",
            Self::Load => "load",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Stage {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|stage| stage.name() == name)
            .ok_or(Error::InvalidName { problem: "the stage must be extract, intake or load" })
    }
}

/// Names the queue of one migration and stage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName {
    /// The migration's id, at most 128 bytes.
    pub migration: String,
    /// The stage.
    pub stage: Stage,
}

impl QueueName {
    /// The queue of `stage` of `migration`.
    pub fn new(migration: impl Into<String>, stage: Stage) -> Self {
        Self { migration: migration.into(), stage }
    }

    /// The name on the broker: `<prefix>.<migration>.<stage>`.
    pub fn render(&self, prefix: &str) -> String {
        format!("{prefix}.{}.{}", self.migration, self.stage)
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.migration, self.stage)
    }
}

/// Refuses migration names that would make a queue name too long or unreadable.
pub(crate) fn check_migration(migration: &str) -> Result<()> {
    if migration.is_empty() || migration.len() > MIGRATION_NAME {
        return Err(Error::InvalidName { problem: "a migration's name has 1 to 128 bytes" });
    }
    if migration.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Error::InvalidName {
            problem: "a migration's name has no blanks and no control characters",
        });
    }
    Ok(())
}

/// One message: an id, headers (trace context, origin key, schema version ...) and a body.
///
/// `Debug` shows the id, the names of the headers and the body's length only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The caller's id, at most 255 bytes. It need not be unique: answers never depend on it.
    pub id: String,
    /// Text headers, together at most 64 KiB. Names starting with `x-death`, `x-first-death-`, `x-last-death-` and
    /// `x-delivery-count` belong to the broker and are removed from what a consumer sees.
    pub headers: BTreeMap<String, String>,
    /// The body. Keep it at or below 256 KiB; larger things travel by reference.
    pub body: Bytes,
}

impl Message {
    /// A message without headers.
    pub fn new(id: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { id: id.into(), headers: BTreeMap::new(), body: body.into() }
    }

    /// The same message with one header more.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// Why and where this message was given up, if it is a dead letter.
    pub fn dead_letter(&self) -> Option<DeadLetter> {
        let reason = self.headers.get(DEAD_REASON)?.clone();
        let stage = self.headers.get(DEAD_STAGE).and_then(|name| name.parse().ok());
        Some(DeadLetter { stage, reason })
    }

    /// The message as it was before it was given up, ready to be published again.
    #[must_use]
    pub fn revived(mut self) -> Self {
        self.headers.remove(DEAD_REASON);
        self.headers.remove(DEAD_STAGE);
        self
    }

    /// Marks the message as given up.
    pub(crate) fn given_up(self, stage: Stage, reason: &str) -> Self {
        self.with_header(DEAD_REASON, reason).with_header(DEAD_STAGE, stage.name())
    }

    /// Refuses what a broker could not carry, before anything is sent.
    pub(crate) fn check(&self) -> Result<()> {
        if self.id.len() > SHORT_STRING {
            return Err(Error::InvalidMessage { problem: "the message id has more than 255 bytes" });
        }
        if self.headers.keys().any(|name| name.is_empty() || name.len() > SHORT_STRING) {
            return Err(Error::InvalidMessage { problem: "a header's name has no or more than 255 bytes" });
        }
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if headers > HEADERS {
            return Err(Error::InvalidMessage { problem: "the headers have more than 64 KiB" });
        }
        Ok(())
    }

    /// Roughly what the message costs in memory and on the wire, in bytes.
    pub(crate) fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.id.len() + headers + self.body.len()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Why a message was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The stage whose queue it came from; `None` if the message does not tell.
    pub stage: Option<Stage>,
    /// The reason given to [`crate::Publisher::dead_letter`], or `delivery_limit` when the broker gave it up after
    /// too many deliveries without acknowledgement.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn queue_names_render_with_prefix_migration_and_stage() {
        assert_eq!(QueueName::new("acme", Stage::Load).render("km"), "km.acme.load");
        for stage in Stage::ALL {
            assert_eq!(stage.name().parse::<Stage>().unwrap(), stage);
        }
        assert!("other".parse::<Stage>().is_err());
    }

    #[test]
    fn debug_output_holds_no_text_of_the_customer() {
        let message = Message::new("id-1", "secret body").with_header("note", "secret header");
        let shown = format!("{message:?}");
        assert!(shown.contains("id-1") && shown.contains("note"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn what_a_broker_cannot_carry_is_refused() {
        assert!(Message::new("i".repeat(255), "").check().is_ok());
        assert!(Message::new("i".repeat(256), "").check().is_err());
        assert!(Message::new("i", "").with_header("h".repeat(256), "").check().is_err());
        assert!(Message::new("i", "").with_header("h", "v".repeat(HEADERS - 1)).check().is_ok());
        assert!(Message::new("i", "").with_header("h", "v".repeat(HEADERS)).check().is_err());
        assert!(check_migration("").is_err());
        assert!(check_migration("a b").is_err());
        assert!(check_migration(&"m".repeat(128)).is_ok());
        assert!(check_migration(&"m".repeat(129)).is_err());
    }

    #[test]
    fn a_dead_letter_tells_its_story_and_can_be_revived() {
        let message = Message::new("id", "body").with_header("a", "b");
        assert_eq!(message.dead_letter(), None);
        let dead = message.clone().given_up(Stage::Intake, "unreadable");
        let story = DeadLetter { stage: Some(Stage::Intake), reason: "unreadable".to_owned() };
        assert_eq!(dead.dead_letter(), Some(story));
        assert_eq!(dead.revived(), message);
    }
}
