//! Why a record did not arrive: stable codes with a sentence a support lead understands and a next step.
//!
//! Codes are part of reports and of stored rows. Never reuse a number, never rename a code; add new ones at the end.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($variant:ident = $number:literal, $code:literal, retried: $retried:literal, $sentence:literal, $next:literal;)*) => {
        /// Why a record was filtered, skipped or failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Reason {
            $(#[doc = $sentence] #[serde(rename = $code)] $variant,)*
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// One small number for packed rows.
            pub const fn number(self) -> u8 {
                match self { $(Self::$variant => $number,)* }
            }

            /// Stable code: report column, metric label, anchor in `docs/reasons.md`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What happened, for a support lead.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// What to do about it.
            pub const fn next_step(self) -> &'static str {
                match self { $(Self::$variant => $next,)* }
            }

            /// Whether a later run tries the record again although neither it nor the plan changed: true where the cause
            /// was an outage or a shortage, false where the same input would fail the same way (the demo predicts
            /// the full run).
            pub const fn retried_by_next_run(self) -> bool {
                match self { $(Self::$variant => $retried,)* }
            }
        }
    };
}

reasons! {
    OutsideDateRange = 1, "outside_date_range", retried: false,
        "The record was created outside the plan's date range.", "Widen `selection.created` in the plan if it should be moved.";
    TagNotSelected = 2, "tag_not_selected", retried: false,
        "The record's tags do not match the plan's selection.", "Change `selection.tags` in the plan if it should be moved.";
    TeamNotSelected = 3, "team_not_selected", retried: false,
        "The record belongs to a group that the plan does not select.", "Change `selection.groups` in the plan if it should be moved.";
    OrganizationNotSelected = 4, "organization_not_selected", retried: false,
        "The record belongs to an organization that the plan does not select.", "Change `selection.organizations` in the plan if it should be moved.";
    AssigneeNotSelected = 5, "assignee_not_selected", retried: false,
        "The record is assigned to somebody whom the plan does not select.", "Change `selection.assignees` in the plan if it should be moved.";
    FieldNotSelected = 6, "field_not_selected", retried: false,
        "A custom field's value does not match the plan's selection.", "Change `selection.fields` in the plan if it should be moved.";
    NotInSample = 7, "not_in_sample", retried: false,
        "The record is not part of this run's sample.", "Run the full migration to move it.";

    DeletedAtSource = 20, "deleted_at_source", retried: false,
        "The source lists the record as deleted; its content can no longer be read.", "Restore it at the source before the run if it is needed.";
    SourceGone = 21, "source_gone", retried: true,
        "Another record refers to it, but the source does not know it any more.", "Nothing to do: a stand-in takes its place where it is referred to.";
    NotWanted = 22, "not_wanted", retried: false,
        "The plan says that records like this are left out.", "Change the option named in the report's detail column if it should be moved.";
    NothingToWrite = 23, "nothing_to_write", retried: false,
        "The record has no content that Kayako could take.", "Look at it at the source through the link in the report.";

    RejectedByKayako = 40, "rejected_by_kayako", retried: false,
        "Kayako understood the record and refused it.", "The detail column names the field; correct the mapping in the plan or the record at the source, then run again.";
    RetriesExhausted = 41, "retries_exhausted", retried: true,
        "Every attempt to write the record ended in an error that may pass.", "Run again; if it stays, look at `explain` for this record.";
    Untranslatable = 42, "untranslatable", retried: false,
        "The record cannot be expressed in Kayako's terms.", "The detail column says which value; correct it at the source or map it in the plan.";
    ParentFailed = 43, "parent_failed", retried: true,
        "A record it cannot exist without did not arrive.", "Repair the record named in the detail column, then run again.";
    SourceUnreadable = 44, "source_unreadable", retried: true,
        "The source did not give a complete answer for this record.", "Run again; if it stays, open the record at the source.";
    StepRejected = 45, "step_rejected", retried: false,
        "The object was created, but Kayako refused one of the values set afterwards.", "The detail column names the value; set it by hand or correct it and run again.";
    NotAsSent = 46, "not_as_sent", retried: true,
        "Kayako's object does not have all posts or attachments that were sent.", "Compare the two through the links in the report; run again after removing Kayako's copy.";
    AttachmentRejected = 47, "attachment_rejected", retried: false,
        "Kayako refused one of the files.", "The detail column names the file; raise the plan's limit in Kayako or leave it out with `options.attachments`.";
    Unfinished = 48, "unfinished", retried: true,
        "Its object is in Kayako, but what was left to do to it is not known any more: the source does not show the record any longer, or it was left out, after its message was lost.", "Open it in Kayako through the link in the report and look whether something is missing, or remove it there; if the record is back at the source, run again.";
}

impl Reason {
    /// Inverse of [`Self::number`].
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.number() == number)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_and_codes_are_unique_and_sentences_are_whole() {
        let numbers: BTreeSet<_> = Reason::ALL.iter().map(|r| r.number()).collect();
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|r| r.code()).collect();
        assert_eq!((numbers.len(), codes.len()), (Reason::ALL.len(), Reason::ALL.len()));
        for reason in Reason::ALL {
            assert_eq!(Reason::from_number(reason.number()), Some(*reason));
            for text in [reason.sentence(), reason.next_step()] {
                assert!(text.ends_with('.') && text.starts_with(char::is_uppercase), "{text}");
            }
        }
    }
}
