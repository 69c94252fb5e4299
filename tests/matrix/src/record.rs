//! Results, one JSON line per cell played, so that a matrix that was broken off goes on where it was.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use system_tests::processes::BINARY;

/// A cell that was played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Played {
    /// The cell, as the product's variable arms it.
    pub cell: String,
    /// What was wrong; nothing if it passed.
    pub problem: Option<String>,
    /// How long it took.
    pub seconds: f64,
    /// The account's seed.
    pub seed: u64,
    /// The commit that was built, with `+` behind it if files were changed.
    pub commit: String,
    /// The day, UTC.
    pub date: String,
}

/// The file of results. A cell that is played again adds a line; the last one counts.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    played: Vec<Played>,
}

impl Record {
    /// Begins a new file, or goes on with the one that is there.
    ///
    /// # Errors
    /// It can be neither read nor written. A line that was cut off when the matrix was is let go.
    pub fn open(path: &Path, resume: bool) -> Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let text = match fs::read_to_string(path) {
            Ok(text) if resume => text,
            Ok(_) => String::new(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        let played: Vec<Played> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let lines: String = played.iter().map(line).collect::<Result<_>>()?;
        fs::write(path, lines).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self { path: path.to_owned(), played })
    }

    /// Adds a result, on disk before anything else happens.
    pub fn add(&mut self, played: Played) -> Result<()> {
        let mut file = File::options().append(true).open(&self.path)?;
        file.write_all(line(&played)?.as_bytes())?;
        self.played.push(played);
        Ok(())
    }

    /// The last result of each cell with this seed, in the order in which they were played.
    pub fn last(&self, seed: u64) -> Vec<&Played> {
        let of_seed: Vec<&Played> = self.played.iter().filter(|played| played.seed == seed).collect();
        let again = |at: usize, cell: &str| of_seed.iter().skip(at + 1).any(|later| later.cell == cell);
        let lasting = of_seed.iter().enumerate().filter(|(at, played)| !again(*at, &played.cell));
        lasting.map(|(_, played)| *played).collect()
    }

    /// Whether a cell has passed with this seed.
    pub fn has_passed(&self, cell: &str, seed: u64) -> bool {
        self.last(seed).iter().any(|played| played.cell == cell && played.problem.is_none())
    }
}

fn line(played: &Played) -> Result<String> {
    Ok(serde_json::to_string(played)? + "\n")
}

/// The commit of this checkout, for the results.
pub fn commit() -> String {
    if std::env::var_os(BINARY).is_some() {
        return format!("unknown ({BINARY})");
    }
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    // Only what is built counts: a changed page of documentation changes no result.
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no", "--", ":/*.rs", ":/*.toml", ":/*.lua"]);
    let mark = if changed.is_some_and(|changed| !changed.is_empty()) { "+" } else { "" };
    commit + mark
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn played(cell: &str, problem: Option<&str>, seed: u64) -> Played {
        let problem = problem.map(str::to_owned);
        Played {
            cell: cell.to_owned(),
            problem,
            seconds: 1.5,
            seed,
            commit: "c".to_owned(),
            date: "d".to_owned(),
        }
    }

    #[test]
    fn what_was_broken_off_goes_on_and_the_last_result_counts() {
        let path = std::env::temp_dir().join(format!("crash-matrix-{}.jsonl", std::process::id()));
        let mut record = Record::open(&path, true).unwrap();
        record.add(played("a", Some("wrong"), 1)).unwrap();
        record.add(played("b", None, 1)).unwrap();
        record.add(played("a", None, 1)).unwrap();
        // Killed in the middle of a line.
        File::options().append(true).open(&path).unwrap().write_all(b"{\"cell\":\"c\",\"pro").unwrap();
        let mut record = Record::open(&path, true).unwrap();
        assert_eq!(record.last(1), [&played("b", None, 1), &played("a", None, 1)]);
        assert!(record.has_passed("a", 1) && !record.has_passed("a", 2) && !record.has_passed("c", 1));
        record.add(played("b", Some("wrong"), 1)).unwrap();
        let record = Record::open(&path, true).unwrap();
        assert!(!record.has_passed("b", 1));
        assert!(Record::open(&path, false).unwrap().last(1).is_empty(), "begun anew");
        fs::remove_file(path).unwrap();
    }
}
