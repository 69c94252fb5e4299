//! What may be told about a panic.
//!
//! Constraint: a panic's message is kept only if it is a literal. A formatted one can quote customer text: slicing a
//! string at a wrong boundary prints the string. The place is always told and is what a developer needs.

use std::any::Any;
use std::io::Write;

/// A panic's message if it cannot hold customer text.
pub(crate) fn literal(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(formatted message withheld, see the place)")
}

/// Has panics logged instead of printed with their messages.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let message = literal(panic.payload());
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(place, message, %backtrace, "panic");
        // The subscriber may be gone or filter errors out; a panic must be seen in any case.
        let _ = writeln!(std::io::stderr(), "panic at {place}: {message}");
    }));
}
