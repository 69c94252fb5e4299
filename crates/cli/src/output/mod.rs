//! Where results go, and in which form.
//!
//! Constraints: results to standard output, everything else to standard error; with `--json` standard output holds one document
//! (or one per line where a command says so) and nothing else; a reader that closes the pipe is no failure; no colours, so
//! that `NO_COLOR` has nothing to forbid.

pub(crate) mod document;
pub(crate) mod pace;
pub(crate) mod progress;
pub(crate) mod reconciled;
pub(crate) mod table;

use std::io::{IsTerminal as _, Write as _};

use model::plan::Problems;
use serde_json::Value;

use crate::exit::Exit;
use crate::failure::Failure;

/// Where a command's results go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// `--json`.
    pub(crate) json: bool,
    /// A person watches standard error.
    pub(crate) watched: bool,
    /// Standard output is a terminal.
    pub(crate) wide: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            watched: std::io::stderr().is_terminal() && !json,
            wide: std::io::stdout().is_terminal(),
        }
    }

    /// A sentence for people; nothing with `--json`.
    pub(crate) fn say(self, text: impl AsRef<str>) {
        if !self.json {
            print(text.as_ref());
        }
    }

    /// A document for programs; nothing without `--json`.
    pub(crate) fn document(self, document: &Value) {
        if self.json {
            print(&document.to_string());
        }
    }

    /// Says why a command failed, in the form asked for.
    pub(crate) fn failure(self, failure: &Failure) -> Exit {
        if self.json {
            print(&failure.document().to_string());
        } else {
            let mut text = format!("error: {failure}");
            for problem in failure.problems().into_iter().flat_map(Problems::as_slice) {
                text.push_str(&format!("\n  {problem}"));
            }
            for cause in failure.causes() {
                text.push_str(&format!("\n  because: {cause}"));
            }
            let code = failure.code.name();
            text.push_str(&format!(
                "\n  what to do: {}\n  code: {code} (docs/errors.md#{code})",
                failure.advice()
            ));
            complain(&text);
        }
        failure.code.exit()
    }
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody reads any more: the work itself is not affected.
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Tells a person something that is not a result.
pub(crate) fn complain(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}
