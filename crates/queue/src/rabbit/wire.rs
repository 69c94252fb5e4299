//! Our message as AMQP properties, and back.
//!
//! Constraint: what the broker adds when it dead-letters never travels on. A message published again with the broker's
//! own death records looks like a loop to it and could be dropped without a word.

use std::collections::BTreeMap;

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};

use crate::Message;
use crate::message::{DEAD_REASON, DEAD_STAGE};

/// AMQP's number for a message that survives a restart of the broker.
const PERSISTENT: u8 = 2;
/// Prefixes of the headers that belong to the broker.
const BROKER_HEADERS: [&str; 4] = ["x-death", "x-first-death-", "x-last-death-", "x-delivery-count"];

/// The properties of a publish. `token` comes back with the message if the broker returns it, and tells which publish
/// it was; it means nothing to anybody else.
pub(super) fn properties(message: &Message, token: u64) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in &message.headers {
        headers.insert(name.as_str().into(), AMQPValue::LongString(value.as_str().into()));
    }
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_message_id(message.id.as_str().into())
        .with_correlation_id(token.to_string().into())
        .with_headers(headers)
}

/// No publish has this token.
pub(super) const NO_TOKEN: u64 = u64::MAX;

/// The token of a returned publish; [`NO_TOKEN`] if it cannot be read.
pub(super) fn token(properties: &BasicProperties) -> u64 {
    let token = properties.correlation_id().as_ref().and_then(|token| token.as_str().parse().ok());
    token.unwrap_or(NO_TOKEN)
}

/// The message of a delivery.
pub(super) fn message(delivery: &mut Delivery) -> Message {
    let properties = &delivery.properties;
    let id = properties.message_id().as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
    let mut headers = BTreeMap::new();
    if let Some(table) = properties.headers() {
        for (name, value) in table.inner() {
            let name = name.as_str();
            if BROKER_HEADERS.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            if let Some(value) = text(value) {
                headers.insert(name.to_owned(), value);
            }
        }
        if let Some(queue) = given_up_from(table) {
            headers.entry(DEAD_REASON.to_owned()).or_insert_with(|| DELIVERY_LIMIT.to_owned());
            if let Some((_, stage)) = queue.rsplit_once('.') {
                headers.entry(DEAD_STAGE.to_owned()).or_insert_with(|| stage.to_owned());
            }
        }
    }
    Message { id, headers, body: Bytes::from(std::mem::take(&mut delivery.data)) }
}

/// The broker's name for "delivered too often".
const DELIVERY_LIMIT: &str = "delivery_limit";

/// The queue from which the broker itself removed the message because it was delivered too often.
fn given_up_from(headers: &FieldTable) -> Option<String> {
    let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death") else { return None };
    deaths.as_slice().iter().find_map(|death| {
        let AMQPValue::FieldTable(death) = death else { return None };
        let field = |name| death.inner().get(name).and_then(text);
        (field("reason").as_deref() == Some(DELIVERY_LIMIT)).then(|| field("queue")).flatten()
    })
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}
