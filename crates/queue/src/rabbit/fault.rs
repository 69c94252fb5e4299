//! What an error of the client library means for us.

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};

use crate::Error;

fn kind(error: &lapin::Error) -> Option<&AMQPErrorKind> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.kind()),
        _ => None,
    }
}

fn is_refusal(error: &lapin::Error) -> bool {
    matches!(
        kind(error),
        Some(
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)
                // A virtual host that does not exist or that the user may not enter.
                | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
        )
    )
}

/// An error while connecting: nothing of ours was sent.
pub(super) fn connecting(error: lapin::Error) -> Error {
    if is_refusal(&error) { Error::AccessRefused(error) } else { Error::NotConnected(Some(error)) }
}

/// An error of a call about `queue` (or about exchanges, where `queue` never shows).
pub(super) fn calling(operation: &'static str, queue: &str, error: lapin::Error) -> Error {
    if is_refusal(&error) {
        return Error::AccessRefused(error);
    }
    match kind(&error) {
        Some(AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)) => Error::QueueMissing { queue: queue.to_owned() },
        Some(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)) => Error::Conflict(error),
        _ => Error::Operation { operation, source: Some(error) },
    }
}
