//! What has to happen so that a point is met at all.
//!
//! Most points lie on every record's way. The others are met only after something has gone wrong before: an answer of Kayako that
//! was lost, work that nobody carries any more.

use model::Kind;
use sandbox::SandboxConfig;
use sandbox::faults::{Fault, Schedule, When};
use system_tests::accounts::{config, rule};

use crate::cells::Cell;

/// Tickets of a cell's account: few, because hundreds of accounts are moved; enough for every kind and most traps.
pub const TICKETS: u64 = 24;

/// What goes wrong before the point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scene {
    /// Nothing.
    Calm,
    /// Kayako carries out the first insert of this kind, and its answer is lost: the records are in doubt.
    AnswerLost(Kind),
    /// What this service had in hand at its own crash point is lost, as armed by `<point>[@<kind>]`.
    WorkLost {
        /// The service.
        service: &'static str,
        /// Where it stops.
        at: String,
    },
}

impl Scene {
    /// What this cell needs.
    pub fn of(cell: &Cell) -> Self {
        let kind = cell.kind.unwrap_or(Kind::Case);
        let lost = |service: &'static str, point: &str| Self::WorkLost {
            service,
            at: format!("{point}@{}", kind.name()),
        };
        match cell.point.name() {
            "loader.probed" | "loader.parked" | "coordinator.recounting" => Self::AnswerLost(kind),
            "coordinator.recovered" => lost("transformer", "transformer.taken"),
            "coordinator.restarted" => lost("extractor", "extractor.listed"),
            _ => Self::Calm,
        }
    }

    /// The accounts for it.
    pub fn config(&self, seed: u64) -> SandboxConfig {
        let mut config = config(seed, TICKETS);
        if let Self::AnswerLost(kind) = self {
            let path = format!("/api/v1/bulk/{}", kind.plural());
            let mut lost = rule("POST", &path, When::Nth(1), Fault::DropAfter);
            lost.times = Some(1);
            config.faults.kayako = Schedule { seed, rules: vec![lost] };
        }
        config
    }
}
