//! What the plan of a test says, as data: the plan file is written from it and the oracle judges by it.

use std::collections::BTreeMap;

/// The rules of a plan that decide what arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Source status to Kayako's label, complete.
    pub status: BTreeMap<&'static str, &'static str>,
    /// Source priority to Kayako's label, complete.
    pub priority: BTreeMap<&'static str, &'static str>,
    /// Source type to Kayako's label, complete.
    pub case_type: BTreeMap<&'static str, &'static str>,
    /// Source group to the title of another Kayako team.
    pub teams: BTreeMap<&'static str, &'static str>,
    /// Tags added to every case.
    pub extra_tags: Vec<&'static str>,
    /// Subject of cases that have neither subject nor text.
    pub subject_when_empty: &'static str,
    /// Whether files are moved.
    pub attachments: bool,
    /// Whether custom fields are mapped (see [`crate::fields::MAPPED`]).
    pub fields: bool,
}

impl Default for Rules {
    /// Every part of the mapping differs from the defaults somewhere, so that a mapping that is not read would be seen.
    fn default() -> Self {
        Self {
            status: BTreeMap::from([
                ("new", "New"),
                ("open", "Open"),
                ("pending", "Pending"),
                ("hold", "Open"),
                ("solved", "Completed"),
                ("closed", "Closed"),
            ]),
            priority: BTreeMap::from([
                ("low", "Normal"),
                ("normal", "Normal"),
                ("high", "High"),
                ("urgent", "Urgent"),
            ]),
            case_type: BTreeMap::from([
                ("question", "Question"),
                ("incident", "Problem"),
                ("problem", "Problem"),
                ("task", "Task"),
            ]),
            // `General` is the team that every Kayako account is born with.
            teams: BTreeMap::from([("Billing", "General")]),
            extra_tags: vec!["from-zendesk"],
            subject_when_empty: "(nothing said)",
            attachments: true,
            fields: true,
        }
    }
}
