//! How the source and Kayako can differ.

use std::fmt::{self, Debug};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Nothing in Kayako stands for a record.
    Missing {
        /// Kind and source id.
        record: String,
    },
    /// Several active objects stand for one record.
    Doubled {
        /// Kind and source id.
        record: String,
        /// How many.
        copies: usize,
    },
    /// A value is not what it must be.
    Altered {
        /// Kind and source id, or what was there beforehand.
        record: String,
        /// Which value.
        field: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// An object that no record asks for.
    Unexpected {
        /// Kind, Kayako's id and origin key.
        object: String,
    },
    /// A mail that would have been sent.
    Mailed {
        /// Why.
        cause: String,
        /// About which case.
        case: Option<u64>,
    },
}

/// Characters shown of a value.
const SHOWN: usize = 160;

fn shown(value: &str) -> String {
    if value.chars().count() <= SHOWN {
        return value.to_owned();
    }
    let cut: String = value.chars().take(SHOWN).collect();
    format!("{cut}… ({} characters)", value.chars().count())
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { record } => write!(f, "{record} is missing"),
            Self::Doubled { record, copies } => write!(f, "{record} is there {copies} times"),
            Self::Altered { record, field, expected, found } => {
                write!(f, "{record}: {field} is {} instead of {}", shown(found), shown(expected))
            }
            Self::Unexpected { object } => write!(f, "{object} was ordered by nobody"),
            Self::Mailed { cause, case } => write!(f, "a mail ({cause}) about case {case:?}"),
        }
    }
}

/// Differences found so far.
#[derive(Debug, Default)]
pub(crate) struct Differences(pub(crate) Vec<Difference>);

impl Differences {
    pub(crate) fn missing(&mut self, record: &str) {
        self.0.push(Difference::Missing { record: record.to_owned() });
    }

    pub(crate) fn doubled(&mut self, record: &str, copies: usize) {
        self.0.push(Difference::Doubled { record: record.to_owned(), copies });
    }

    pub(crate) fn unexpected(&mut self, kind: &str, id: u64, legacy_id: Option<&String>) {
        let key = legacy_id.map_or("no origin key", String::as_str);
        self.0.push(Difference::Unexpected { object: format!("{kind} with id {id} and {key}") });
    }

    /// Notes a value that differs.
    pub(crate) fn value<T: PartialEq + Debug>(&mut self, record: &str, field: &str, expected: &T, found: &T) {
        self.one_of(record, field, std::slice::from_ref(expected), found);
    }

    /// Notes a value that is none of the accepted ones.
    pub(crate) fn one_of<T: PartialEq + Debug>(
        &mut self,
        record: &str,
        field: &str,
        accepted: &[T],
        found: &T,
    ) {
        if accepted.contains(found) {
            return;
        }
        let expected: Vec<String> = accepted.iter().map(|value| format!("{value:?}")).collect();
        self.0.push(Difference::Altered {
            record: record.to_owned(),
            field: field.to_owned(),
            expected: expected.join(" or "),
            found: format!("{found:?}"),
        });
    }

    /// Exactly one of `found` must be there: that one.
    pub(crate) fn only<'t, T>(&mut self, record: &str, found: &[&'t T]) -> Option<&'t T> {
        match found {
            [] => self.missing(record),
            [one] => return Some(one),
            several => self.doubled(record, several.len()),
        }
        None
    }
}
