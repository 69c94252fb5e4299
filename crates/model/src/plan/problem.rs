//! What is wrong with a plan, where, and how to put it right.
//!
//! Constraints: all problems of a document are reported together, each with its place and its fix; a message never
//! quotes what may be a secret written by mistake.

use std::fmt;

use serde::Serialize;

use crate::failure::{Classify, FailureClass};

/// A place in the document; lines and columns are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it is. `None` for problems that only show against the source (a group that does not exist).
    pub place: Option<Place>,
    /// The setting, such as `mapping.status.hold`; empty for the document as a whole.
    pub path: String,
    /// What is wrong, without a capital letter or full stop.
    pub message: String,
    /// What to do, as an instruction.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{place} ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}; {}", self.message, self.fix)
    }
}

/// Everything that is wrong with a plan, in the order of the document; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, in the order of the document.
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "the plan has {count} {}", if count == 1 { "problem" } else { "problems" })?;
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Classify for Problems {
    fn class(&self) -> FailureClass {
        FailureClass::Halt
    }
}

/// Collects problems while a plan is read.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Problem>);

impl Report {
    /// Adds a problem at a place.
    pub(super) fn add(
        &mut self,
        place: Place,
        path: &str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(Some(place), path, message, fix);
    }

    /// Adds a problem that has no place in the document.
    pub(super) fn add_unplaced(&mut self, path: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.push(None, path, message, fix);
    }

    fn push(&mut self, place: Option<Place>, path: &str, message: impl Into<String>, fix: impl Into<String>) {
        let problem = Problem { place, path: path.to_owned(), message: message.into(), fix: fix.into() };
        // A value checked by two rules must not be reported twice in the same words.
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// The value if nothing was wrong, otherwise all problems.
    pub(super) fn verdict<T>(mut self, value: Option<T>) -> Result<T, Problems> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => {
                if self.0.is_empty() {
                    self.add_unplaced("", "the plan could not be read", "compare it with the schema");
                }
                self.0.sort_by_key(|problem| problem.place);
                Err(Problems(self.0))
            }
        }
    }
}
