//! The plan: one YAML document that says everything about a migration.
//!
//! Constraints: a plan is checked as a whole and all its problems are reported at once; it names secrets and never
//! holds them; it is immutable once a run uses it, and its hash tells whether two runs write the same things.
//!
//! Where a new setting goes: into the `section!` of its group (name, type, default, limits and description in one place).

mod address;
mod condition;
mod created;
mod decode;
mod limits;
mod mapping;
mod options;
mod people;
mod problem;
mod resolve;
mod secret;
mod select;
mod source;
mod target;
mod tree;

#[cfg(test)]
mod tests;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use address::{AccountUrl, EmailAddress, InvalidEmail, InvalidUrl};
pub use condition::{FieldCondition, FieldTest, NotOneTest, Pattern};
pub use created::{CreatedRange, InvalidMoment, Moment, UnknownZone, Zone};
pub use limits::Limits;
pub use mapping::{DEFAULT_PRIORITY, DEFAULT_STATUS, DEFAULT_TYPE, FieldMapping, FieldType, Mapping};
pub use options::{OnChanged, Options};
pub use people::{AgentMatch, Agents, MissingAgent, MissingTeam, Teams};
pub use problem::{Place, Problem, Problems};
pub use resolve::{Lookup, Names};
pub use secret::{InvalidSecretRef, SecretError, SecretRef};
pub use select::{Demo, Members, NONE, Selection, TagSelection};
pub use source::{OAuth, OAuthAccess, Source, TokenAccess, Zendesk, ZendeskAuth};
pub use target::{Batch, Target};

use crate::ids::MigrationId;
use crate::timing::Timing;
use decode::{Decode, Section, text};
use problem::Report;
use tree::Node;

/// The version of the document that this build reads.
pub const VERSION: u32 = 1;

/// Everything about one migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of the document: 1.
    #[schemars(extend("const" = 1))]
    pub version: u32,
    /// Name of the migration: 1 to 40 characters of `a-z`, `0-9` and `-`. Part of queue names, ledger keys and paths; all runs of a
    /// migration share it.
    pub name: MigrationId,
    /// Where records come from.
    pub source: Source,
    /// Where they go.
    pub target: Target,
    /// Which records are moved.
    #[serde(default)]
    pub selection: Selection,
    /// Which Kayako user stands for which member of staff.
    #[serde(default)]
    pub agents: Agents,
    /// Which Kayako team stands for which group.
    #[serde(default)]
    pub teams: Teams,
    /// The source's words in Kayako's.
    #[serde(default)]
    pub mapping: Mapping,
    /// How records are changed on their way.
    #[serde(default)]
    pub options: Options,
    /// Bounds on memory, disk and parallel work.
    #[serde(default)]
    pub limits: Limits,
}

impl Plan {
    /// Reads and checks a plan.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place and its fix.
    pub fn parse(yaml: &str) -> Result<Self, Problems> {
        let mut report = Report::default();
        let plan = tree::read(yaml, &mut report).and_then(|root| Self::decode(&root, "", &mut report));
        report.verdict(plan)
    }

    /// The plan with every default written out, as a document that [`Self::parse`] reads again (JSON, which is YAML).
    pub fn document(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// The JSON Schema of the document, for editors.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    /// Who stands in for staff who are not in Kayako, and for the system.
    pub fn default_agent(&self) -> &EmailAddress {
        self.agents.default.as_ref().unwrap_or(&self.target.email)
    }

    /// The waiting times of the write protocol at a scale (1 is real; see [`Timing::scaled`]), with the plan's own values.
    pub fn timing(&self, scale: f64) -> Timing {
        let mut timing = Timing::scaled(scale);
        let scaled = |seconds: u32| Duration::from_secs_f64((f64::from(seconds) * scale).max(0.001));
        if let Some(seconds) = self.target.quiet_seconds {
            timing.quiet = scaled(seconds);
        }
        if let Some(seconds) = self.target.visibility_seconds {
            timing.visibility = scaled(seconds);
        }
        // A row that waits for its probe must not be taken for lost.
        timing.lost_after = timing.lost_after.max(timing.quiet.mul_f64(2.5));
        timing
    }

    /// Hash of what decides what is written (BLAKE3, 64 hexadecimal digits). Credentials, speeds, waiting times, sizes of
    /// requests and the demo's draw are apart: changing them does not make a record a changed one.
    pub fn hash(&self) -> String {
        let Self { version, name, source, target, selection, agents, teams, mapping, options, limits } = self;
        let Source::Zendesk(zendesk) = source;
        let selection = Selection { demo: Demo::default(), ..selection.clone() };
        let written = serde_json::json!({
            "version": version,
            "name": name,
            "source": { "kind": source.kind(), "url": source.url(), "identities": zendesk.identities },
            "target": {
                "url": target.url,
                "mailbox": target.mailbox,
            },
            "selection": selection,
            "agents": agents,
            "default_agent": self.default_agent(),
            "teams": teams,
            "mapping": mapping,
            "options": options,
            "max_attachment_bytes": limits.max_attachment_bytes,
        });
        // Maps of a JSON value are sorted, so the text is the same wherever the plan is read.
        blake3::hash(written.to_string().as_bytes()).to_hex().to_string()
    }
}

impl Decode for Plan {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut section = Section::open(node, path, report)?;
        let version: Option<u32> = section.required("version", "1");
        if version.is_some_and(|version| version != VERSION) {
            section.problem(
                "version",
                "is a version that this program does not know",
                format!("write `version: {VERSION}`, or use the program that the plan was written for"),
            );
        }
        let name = section.required("name", "acme");
        let source = section.required("source", "{ kind: zendesk, url: .., auth: .. }");
        let target = section.required("target", "{ url: .., email: .., password: \"env:KAYAKO_PASSWORD\" }");
        let selection = section.or("selection", Selection::default());
        let agents = section.or("agents", Agents::default());
        let teams = section.or("teams", Teams::default());
        let mapping = section.or("mapping", Mapping::default());
        let options = section.or("options", Options::default());
        let limits = section.or("limits", Limits::default());
        section.close();
        Some(Self {
            version: version?,
            name: name?,
            source: source?,
            target: target?,
            selection,
            agents,
            teams,
            mapping,
            options,
            limits,
        })
    }
}

impl Decode for MigrationId {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let found = text(node, path, report, "a short name")?;
        let refuse = |_| {
            report.add(
                node.place,
                path,
                format!("`{found}` cannot be a migration's name"),
                "use 1 to 40 characters of a-z, 0-9 and -, beginning with a letter or digit",
            );
        };
        Self::new(found).map_err(refuse).ok()
    }
}
