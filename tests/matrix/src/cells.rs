//! The cells of the matrix, and which of them do not apply.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use model::Kind;
use runtime::CrashPoint;
use runtime::crash::Mode;

/// The modes in the order of the table's columns.
pub const MODES: [Mode; 4] = [Mode::Abort, Mode::Fail, Mode::Hang, Mode::Twice];

/// One cell: a point, a kind if the point knows one, a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Where.
    pub point: CrashPoint,
    /// With records of which kind in hand; none where the point is passed without records.
    pub kind: Option<Kind>,
    /// What happens there.
    pub mode: Mode,
}

impl Cell {
    /// Why the cell cannot be played, if it cannot.
    pub fn without_meaning(&self) -> Option<&'static str> {
        if self.mode == Mode::Twice && !self.point.is_repeatable() {
            return Some(match self.point.name() {
                "loader.sent" => "a create is never sent twice; that is the promise",
                "loader.claimed" | "coordinator.leading" => {
                    "a claim or a lock is taken once; taken again it is another one"
                }
                _ => {
                    "no single step lies before it: what comes again comes by redelivery, which the other modes bring about"
                }
            });
        }
        match (self.point.name(), self.kind) {
            ("loader.named", Some(Kind::Case)) => Some("cases have no natural key"),
            _ => None,
        }
    }

    /// The service that has the point.
    pub fn service(&self) -> &'static str {
        let name = self.point.name();
        name.split_once('.').map_or(name, |(service, _)| service)
    }
}

impl fmt::Display for Cell {
    /// As the product's variable arms it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.point.name())?;
        if let Some(kind) = self.kind {
            write!(f, "@{}", kind.name())?;
        }
        write!(f, ":{}", self.mode.name())
    }
}

impl FromStr for Cell {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let all = all();
        let found = all.into_iter().find(|cell| cell.to_string() == text);
        found.with_context(|| format!("there is no cell {text}; --list shows them all"))
    }
}

/// Every cell, with and without a meaning, point by point in the order of a record's way.
pub fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for point in cli::crash_points() {
        let kinds: Vec<Option<Kind>> =
            if point.is_per_kind() { Kind::ALL.map(Some).to_vec() } else { vec![None] };
        for mode in MODES {
            cells.extend(kinds.iter().map(|kind| Cell { point, kind: *kind, mode }));
        }
    }
    cells
}

/// Every point once: the process dies there. Kinds take turns, so that each of them is met in every service.
pub fn short() -> Vec<Cell> {
    let points = cli::crash_points().into_iter().enumerate();
    let cells = points.map(|(at, point)| {
        let of = |kind| Cell { point, kind, mode: Mode::Abort };
        if !point.is_per_kind() {
            return of(None);
        }
        let mut kinds = Kind::ALL.into_iter().cycle().skip(at).take(Kind::ALL.len()).map(Some);
        of(kinds.find(|kind| of(*kind).without_meaning().is_none()).flatten())
    });
    cells.collect()
}

/// Which cells are asked for.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Points: full names, or the beginning of one (`loader.`). Empty: all.
    pub points: Vec<String>,
    /// Modes. Empty: all.
    pub modes: Vec<Mode>,
    /// Kinds. Empty: all. Points without a kind are left out as soon as kinds are named.
    pub kinds: Vec<Kind>,
}

impl Selection {
    /// The selected cells that can be played.
    ///
    /// # Errors
    /// A name fits no point, or nothing is left: a typing mistake must not look like a success.
    pub fn cells(&self) -> Result<Vec<Cell>> {
        let points = cli::crash_points();
        for name in &self.points {
            if !points.iter().any(|point| point.name().starts_with(name.as_str())) {
                let names: Vec<&str> = points.iter().map(|point| point.name()).collect();
                bail!("no crash point begins with {name}; there are:\n  {}", names.join("\n  "));
            }
        }
        let named =
            |point: CrashPoint| self.points.iter().any(|name| point.name().starts_with(name.as_str()));
        let of_kind = |kind: Option<Kind>| kind.is_some_and(|kind| self.kinds.contains(&kind));
        let mut cells = all();
        cells.retain(|cell| {
            (self.points.is_empty() || named(cell.point))
                && (self.modes.is_empty() || self.modes.contains(&cell.mode))
                && (self.kinds.is_empty() || of_kind(cell.kind))
                && cell.without_meaning().is_none()
        });
        if cells.is_empty() {
            bail!("none of these cells can be played; the table says why");
        }
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_short_part_meets_every_point_and_the_product_takes_every_cell() {
        let met: Vec<CrashPoint> = short().iter().map(|cell| cell.point).collect();
        assert_eq!(met, cli::crash_points());
        for cell in Selection::default().cells().unwrap() {
            let spec = cell.to_string();
            let armed = runtime::CrashPoints::from_spec(Some(&spec), &cli::crash_points());
            assert!(armed.unwrap().is_armed(), "{spec}");
            assert_eq!(spec.parse::<Cell>().unwrap(), cell);
        }
    }

    #[test]
    fn a_selection_names_what_it_does_not_know() {
        let of = |points: &[&str]| Selection {
            points: points.iter().map(|&point| point.to_owned()).collect(),
            ..Selection::default()
        };
        assert!(of(&["loader.snet"]).cells().unwrap_err().to_string().contains("loader.sent"));
        let cells = of(&["loader.sent"]).cells().unwrap();
        assert_eq!(cells.len(), 12, "four kinds, three modes: {cells:?}");
    }
}
