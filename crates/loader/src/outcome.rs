//! What became of the records of a request: what its job says of them, and what it proves that no job came back.
//!
//! Constraint: "not created" is believed only of a job that has ended and of a look-up that is complete; everything else is in doubt.

use std::collections::HashMap;

use kayako::{ErrorCode, Job, JobItemError};
use model::row::Wait;
use model::{Classify, FailureClass, Fence, Reason, UnixMillis};

use crate::desk::{Desk, Hands};
use crate::error::Error;
use crate::settle::Ending;
use crate::target::{Object, Seen};
use crate::work::Work;

impl Desk {
    /// What became of each record of an ended job. Those that are not there are settled.
    pub(crate) async fn outcomes(
        &self,
        hands: &Hands,
        fence: Fence,
        works: Vec<Work>,
        mut seen: HashMap<String, Seen>,
        job: &Job,
    ) -> Result<Vec<(Work, Object)>, Error> {
        let mut present = Vec::new();
        let mut endings = Vec::new();
        let alone = works.len() == 1;
        for (at, work) in works.into_iter().enumerate() {
            let complaint = job.errors.iter().find(|error| concerns(error, &work, at));
            match (seen.remove(work.origin_key.as_str()), complaint) {
                (Some(Seen::Found(mut objects)), _) if objects.len() == 1 => {
                    present.push((work, objects.remove(0)));
                }
                // Several: the probe sorts it out after the objects have settled.
                (Some(Seen::Found(_)), _) => {
                    let until = hands.now().plus(self.timing.visibility);
                    endings.push((work, doubt(until, false, "several objects carry its origin key")));
                }
                (Some(Seen::Absent), Some(complaint)) => {
                    endings.push((work, self.complained(hands, complaint)));
                }
                (Some(Seen::Absent), None) => {
                    let detail = if alone {
                        "the job of this record alone ended without creating it"
                    } else {
                        "the job ended without creating it"
                    };
                    endings.push((work, doubt(hands.now().plus(self.timing.visibility), true, detail)));
                }
                (Some(Seen::Unknown) | None, _) => {
                    let until = hands.now().plus(self.timing.visibility);
                    endings.push((work, doubt(until, false, "the look-up after the job did not settle it")));
                }
            }
        }
        self.settle(hands, fence, endings).await?;
        Ok(present)
    }

    /// The job says what it did not like about this record, and it is not there: no doubt.
    fn complained(&self, hands: &Hands, complaint: &JobItemError) -> Ending {
        let code = complaint.code.as_ref().map_or_else(|| "no code".to_owned(), ToString::to_string);
        let detail = match &complaint.parameter {
            Some(parameter) => format!("{code} ({parameter})"),
            None => code,
        };
        if let Some(class) = passing(complaint.code.as_ref(), &detail) {
            let until = hands.now().plus(self.short_pause());
            return Ending::Unsent { wait: Wait::Retry, until, attempt: true, alone: true, class, detail };
        }
        Ending::Failed { reason: Reason::RejectedByKayako, detail }
    }

    /// No job came back: what does that prove?
    pub(crate) async fn unanswered(
        &self,
        hands: &Hands,
        fence: Fence,
        works: Vec<Work>,
        error: &kayako::Error,
        last_send_at: UnixMillis,
    ) -> Result<(), Error> {
        let class = error.class();
        let detail = error.to_string();
        let now = hands.now();
        let alone = works.len() == 1;
        let unsent = |wait, until, attempt, alone| Ending::Unsent {
            wait,
            until,
            attempt,
            alone,
            class: class.name(),
            detail: detail.clone(),
        };
        let first_pause = self.timing.pause(0);
        let endings = works
            .into_iter()
            .map(|work| {
                let attempts = work.flight().attempts;
                let ending = match &class {
                    FailureClass::Ambiguous | FailureClass::Internal | FailureClass::Death => {
                        doubt(last_send_at.plus(self.timing.quiet), false, &detail)
                    }
                    FailureClass::NotSent => {
                        unsent(Wait::Retry, now.plus(self.timing.pause(attempts)), true, false)
                    }
                    FailureClass::Throttled { retry_after } => {
                        unsent(Wait::Throttled, now.plus(retry_after.unwrap_or(first_pause)), false, false)
                    }
                    FailureClass::TargetDown | FailureClass::Halt | FailureClass::Waiting => {
                        unsent(Wait::Target, now.plus(first_pause), false, false)
                    }
                    FailureClass::Rejected if alone && names_files(&detail) => {
                        unsent(Wait::Retry, now.plus(self.short_pause()), true, true)
                    }
                    FailureClass::Rejected if alone => {
                        Ending::Failed { reason: Reason::RejectedByKayako, detail: detail.clone() }
                    }
                    FailureClass::Conflict if alone => {
                        unsent(Wait::Retry, now.plus(self.short_pause()), true, true)
                    }
                    // The whole batch was refused because of some of its records: each tells its own error alone.
                    FailureClass::Rejected | FailureClass::Conflict => {
                        unsent(Wait::Retry, now.plus(self.short_pause()), false, true)
                    }
                };
                (work, ending)
            })
            .collect();
        self.settle(hands, fence, endings).await?;
        self.halted_by(error).await
    }
}

/// The class of a job's complaint that another try may not meet; none for one that is the record's own.
fn passing(code: Option<&ErrorCode>, complaint: &str) -> Option<&'static str> {
    match code {
        // Somebody else created it between our look-up and the job: the next claim adopts it.
        Some(ErrorCode::FieldDuplicate | ErrorCode::ResourceExists) => Some(FailureClass::Conflict.name()),
        // The session of its files ended before the job took them: the next try uploads them again.
        _ if names_files(complaint) => Some(FailureClass::Rejected.name()),
        _ => None,
    }
}

/// Whether a refusal is about files that were uploaded before: they die with their session, or after some hours.
fn names_files(refusal: &str) -> bool {
    refusal.contains("attachment_file_ids")
}

/// The ending of a record whose request may have had an effect; `absent`: a complete look-up did not show it.
pub(crate) fn doubt(until: UnixMillis, absent: bool, detail: &str) -> Ending {
    Ending::InDoubt { until, absent, detail: detail.to_owned() }
}

/// Whether a job's complaint is about this record. The shape of complaints is not documented: by origin key if it has
/// one, else by position.
fn concerns(error: &JobItemError, work: &Work, at: usize) -> bool {
    match (&error.legacy_id, error.index) {
        (Some(id), _) => id == work.origin_key.as_str(),
        (None, Some(index)) => index == at,
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_died_with_their_session_are_no_fault_of_the_record() {
        let invalid = ErrorCode::FieldInvalid;
        assert_eq!(passing(Some(&invalid), "FIELD_INVALID (attachment_file_ids)"), Some("rejected"));
        assert_eq!(passing(Some(&invalid), "FIELD_INVALID (subject)"), None);
        assert_eq!(passing(Some(&ErrorCode::ResourceExists), "RESOURCE_EXISTS"), Some("conflict"));
        assert_eq!(passing(None, "no code"), None);
    }
}
