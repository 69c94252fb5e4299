//! What can be asked of the matrix.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, ValueEnum};
use crash_matrix::cells::{Cell, Selection};

/// Lets every service die, fail, hang or do a step twice at each of its crash points, with each kind of record in hand, and checks
/// that the migration recovers by itself and ends with exactly the content of an undisturbed run.
///
/// Each cell of the matrix is a migration of its own between two fresh sandbox accounts, carried out by real processes. A cell passes
/// if its point was really met, every object is in Kayako once and whole, a further run creates nothing, nothing was mailed, and table
/// and reports add up. It fails otherwise, and the command that plays it alone is printed.
///
/// Modes:
///   abort  the process dies at once, as by kill -9; the same command is given again
///   error  the step fails; the process itself has to recover
///   hang   the step never ends; another replica takes over through RabbitMQ and Redis, the hung process is killed at the end
///   twice  the step runs a second time, as after a lost answer or a redelivery
///
/// Results are kept in a file, one line per cell, as soon as they are known: --resume goes on where a matrix was broken off. The hang
/// mode needs RabbitMQ and Redis; tests/crash-matrix brings both along and takes the same options.
///
/// Examples:
///   tests/crash-matrix --all --write docs/guarantees.md
///   tests/crash-matrix --all --resume
///   tests/crash-matrix --points loader.sent,loader.created --modes abort --kinds case
///   tests/crash-matrix --cell loader.sent@case:abort --seed 7
#[derive(Debug, Parser)]
#[command(name = "crash-matrix", version, verbatim_doc_comment, group = ArgGroup::new("what").required(true).multiple(true))]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub(crate) struct Options {
    /// Plays the whole matrix (about two hours)
    #[arg(long, group = "what", conflicts_with_all = ["points", "modes", "kinds", "cell"])]
    all: bool,
    /// Points by name, or by the beginning of one, such as `loader.`
    #[arg(long, group = "what", value_delimiter = ',', value_name = "POINT,..")]
    points: Vec<String>,
    /// Modes
    #[arg(long, group = "what", value_delimiter = ',', value_name = "MODE,..")]
    modes: Vec<Mode>,
    /// Kinds; points that are passed without a record in hand are then left out
    #[arg(long, group = "what", value_delimiter = ',', value_name = "KIND,..")]
    kinds: Vec<Kind>,
    /// Exactly these cells, as a failed one prints itself
    #[arg(long, group = "what", value_delimiter = ',', value_name = "CELL,..", conflicts_with_all = ["points", "modes", "kinds"])]
    cell: Vec<Cell>,
    /// Shows the selected cells and plays none
    #[arg(long)]
    pub(crate) list: bool,
    /// Prints the results that are there as a table and plays none
    #[arg(long, group = "what")]
    pub(crate) show: bool,
    /// Leaves out what has passed with this seed already; without it the results begin anew
    #[arg(long)]
    pub(crate) resume: bool,
    /// Seed of the accounts
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(crate) seed: u64,
    /// Where results are kept
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/crash-matrix.jsonl"), hide_default_value = true, value_name = "FILE")]
    pub(crate) results: PathBuf,
    /// Writes the table into this page, between the marks that are there
    #[arg(long, value_name = "PAGE")]
    pub(crate) write: Option<PathBuf>,
}

/// A mode as it is armed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    Abort,
    Error,
    Hang,
    Twice,
}

/// A kind of record.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Team,
    Organization,
    User,
    Case,
}

impl Options {
    /// The cells that are asked for.
    pub(crate) fn cells(&self) -> anyhow::Result<Vec<Cell>> {
        if !self.cell.is_empty() {
            return Ok(self.cell.clone());
        }
        let modes = self.modes.iter().map(|mode| match mode {
            Mode::Abort => runtime::crash::Mode::Abort,
            Mode::Error => runtime::crash::Mode::Fail,
            Mode::Hang => runtime::crash::Mode::Hang,
            Mode::Twice => runtime::crash::Mode::Twice,
        });
        let kinds = self.kinds.iter().map(|kind| match kind {
            Kind::Team => model::Kind::Team,
            Kind::Organization => model::Kind::Organization,
            Kind::User => model::Kind::User,
            Kind::Case => model::Kind::Case,
        });
        Selection { points: self.points.clone(), modes: modes.collect(), kinds: kinds.collect() }.cells()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_asks_what_is_to_be_played() {
        Options::command().debug_assert();
        let of = |words: &[&str]| {
            Options::try_parse_from(std::iter::once("crash-matrix").chain(words.iter().copied()))
        };
        assert!(of(&[]).is_err(), "two hours must not begin by mistake");
        assert_eq!(of(&["--cell", "loader.sent@case:abort"]).unwrap().cells().unwrap().len(), 1);
        assert!(of(&["--cell", "loader.sent@case"]).unwrap_err().to_string().contains("there is no cell"));
        assert!(of(&["--all", "--modes", "abort"]).is_err());
    }
}
