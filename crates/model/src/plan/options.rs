//! Switches: how records are changed on their way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decode::{Decode, Section, choice, section};
use super::problem::Report;
use super::tree::Node;

section! {
    /// How records are changed on their way.
    pub struct Options {
        /// Moves attachments and inline images.
        attachments: bool = true;
        /// What happens with a record that was written before and would be written differently now.
        on_changed: OnChanged = OnChanged::Keep;
        /// Tags added to every case.
        extra_tags: Vec<String> = Vec::new();
        /// Subject of cases that have neither subject nor text.
        subject_when_empty: String = "(no subject)".to_owned();
        /// Text of posts that have none (only files, or an empty message); Kayako refuses empty posts.
        text_when_empty: String = "(no text)".to_owned();
        /// Name of the stand-in for people who no longer exist at the source.
        placeholder_name: String = "Former customer".to_owned();
        /// Moves suspended and deleted customers as disabled users. If not, the stand-in owns their cases.
        inactive_users: bool = true;
    }
    check check_options;
}

fn check_options(options: &mut Options, section: &mut Section<'_>) {
    if options.extra_tags.iter().any(|tag| tag.contains(',')) {
        section.problem("extra_tags", "has a tag with a comma", "write it as two tags: [a, b]");
    }
}

/// What happens with a record that would be written differently now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnChanged {
    /// It stays as it is and is reported.
    Keep,
}

impl Decode for OnChanged {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        choice(node, path, report, &[("keep", Self::Keep)])
    }
}
