//! From a canonical record to a load command: a pure function of record and plan.
//!
//! Constraints: no clock, no randomness, no look-up, so that the demo predicts the full run and the same input always gives
//! the same command hash; every record becomes a command, a skip or a failure, never a panic; reasons and notes hold no
//! customer text (they reach the journal and reports), only ids, counts, field names and words of the plan.

mod case;
mod fields;
mod organization;
mod post;
mod seen;
mod tags;
mod team;
mod user;

#[cfg(test)]
mod tests;

use model::Reason;
use model::command::LoadCommand;
use model::plan::Plan;
use model::record::Record;

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are commands and each lives for one step: a box would cost more than it saves"
)]
pub enum Translation {
    /// It is written. The notes say what is carried differently from how the source has it.
    Load {
        /// What to write.
        command: LoadCommand,
        /// One sentence each, without customer text.
        notes: Vec<String>,
    },
    /// It is left out.
    Skip {
        /// Why.
        reason: Reason,
        /// Which value or option.
        detail: String,
    },
    /// It cannot be written.
    Fail {
        /// Why.
        reason: Reason,
        /// Which value.
        detail: String,
    },
}

impl Translation {
    fn skip(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Skip { reason, detail: detail.into() }
    }

    fn fail(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Fail { reason, detail: detail.into() }
    }
}

/// Translates a record by a resolved plan (see [`Plan::resolve`]).
pub fn translate(record: Record, plan: &Plan) -> Translation {
    match record {
        Record::Team(team) => team::translate(&team, plan),
        Record::Organization(organization) => organization::translate(organization, plan),
        Record::User(user) => user::translate(user, plan),
        Record::Case(case) => case::translate(*case, plan),
    }
}
