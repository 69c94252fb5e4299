//! Where the state of a migration lives.
//!
//! Constraint: every command finds the same places from the same arguments, so that `status` looks at what `run` does. One process
//! keeps everything in one directory beside the plan; several processes share a broker, a ledger and a place for blobs.

use std::fmt;
use std::path::{Path, PathBuf};

use blobs::Blobs;
use clap::Args;
use ledger::{Ledger, OpenOptions};
use model::MigrationId;
use model::plan::Plan;
use serde::Deserialize;

use crate::failure::{Code, Failure};
use crate::shell::Shell;

/// Which plan, and where its migration's state is.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlaceArguments {
    /// The plan
    #[arg(long, short, value_name = "FILE", env = "KAYAKO_MIGRATE_PLAN", default_value = "plan.yaml")]
    pub(crate) plan: PathBuf,
    /// Directory of the migration's state [default: <plan without extension>.kayako-migrate beside the plan]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Ledger shared by several processes, redis://host/db or rediss:// [default: a file in the state directory]
    #[arg(long, value_name = "URL", env = "KAYAKO_MIGRATE_LEDGER", hide_env_values = true)]
    pub(crate) ledger: Option<String>,
    /// Place for attachments and histories, a directory or s3://bucket/prefix [default: in the state directory]
    #[arg(long, value_name = "PLACE", env = "KAYAKO_MIGRATE_BLOBS")]
    pub(crate) blobs: Option<String>,
    /// Name of the migration, if the plan is not at hand [default: the plan's]
    #[arg(long, value_name = "NAME")]
    pub(crate) migration: Option<String>,
}

/// Where the state of one migration lives.
#[derive(Clone)]
pub struct Places {
    /// The migration.
    pub migration: MigrationId,
    /// The state directory; it exists only if something in it is used.
    pub state: PathBuf,
    ledger: String,
    blobs: String,
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The ledger's address may hold a password.
        f.debug_struct("Places")
            .field("migration", &self.migration)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Places {
    /// Everything below one directory.
    pub fn in_directory(migration: MigrationId, state: PathBuf) -> Self {
        let ledger = format!("sqlite:{}", state.join("ledger.db").display());
        let blobs = state.join("blobs").display().to_string();
        Self { migration, state, ledger, blobs }
    }

    /// Shared by several processes.
    pub fn shared(migration: MigrationId, ledger: String, blobs: String) -> Self {
        let state = PathBuf::from(format!("{migration}.kayako-migrate"));
        Self { migration, state, ledger, blobs }
    }

    /// Whether the ledger is a file that one process works with.
    pub fn is_embedded(&self) -> bool {
        self.ledger.starts_with("sqlite:")
    }

    /// Opens the ledger to run a migration in it; creates it.
    pub(crate) async fn create_ledger(&self) -> Result<Ledger, Failure> {
        if self.is_embedded() {
            std::fs::create_dir_all(&self.state)
                .map_err(|source| Failure::file("the state directory", &self.state, source))?;
        }
        // A guess fixes the number of buckets in Redis; a tenth of the real number costs memory only.
        let options = OpenOptions::create(1_000_000);
        Ok(Ledger::open(&self.ledger, &self.migration, options).await?)
    }

    /// Opens the ledger to look at it and to change facts, beside whoever runs the migration.
    pub(crate) async fn ledger_beside(&self) -> Result<Ledger, Failure> {
        if let Some(file) = self.ledger.strip_prefix("sqlite:")
            && !Path::new(file).exists()
        {
            let sentence = format!("migration \"{}\" has no run yet (there is no {file})", self.migration);
            return Err(Failure::new(Code::NoRun, sentence));
        }
        Ok(Ledger::open(&self.ledger, &self.migration, OpenOptions::beside()).await?)
    }

    /// Opens a shared ledger to work in it.
    pub(crate) async fn attach_ledger(&self) -> Result<Ledger, ledger::Error> {
        Ledger::open(&self.ledger, &self.migration, OpenOptions::attach()).await
    }

    /// Opens the place for attachments and histories.
    pub(crate) fn open_blobs(&self, shell: &Shell) -> Result<Blobs, Failure> {
        Ok(Blobs::open(&self.blobs, shell.aws.clone())?)
    }
}

impl PlaceArguments {
    /// Reads and checks the plan.
    pub(crate) fn read_plan(&self) -> Result<Plan, Failure> {
        read_plan(&self.plan)
    }

    /// The places, for the plan's own migration.
    pub(crate) fn of(&self, plan: &Plan) -> Places {
        self.with_name(plan.name.clone())
    }

    /// The places. Of the plan only the name is read, so that a run can be looked at while its plan is being edited.
    pub(crate) fn find(&self) -> Result<Places, Failure> {
        #[derive(Deserialize)]
        struct Named {
            name: MigrationId,
        }
        if let Some(name) = &self.migration {
            return Ok(self.with_name(migration_name(name)?));
        }
        let text = read_text(&self.plan)?;
        match serde_saphyr::from_str::<Named>(&text) {
            Ok(Named { name }) => Ok(self.with_name(name)),
            // The whole check says what is wrong and where.
            Err(_) => Ok(self.of(&self.read_plan()?)),
        }
    }

    fn with_name(&self, migration: MigrationId) -> Places {
        let state = self.state.clone().unwrap_or_else(|| beside(&self.plan));
        let mut places = Places::in_directory(migration, state);
        if let Some(ledger) = &self.ledger {
            places.ledger.clone_from(ledger);
        }
        if let Some(blobs) = &self.blobs {
            places.blobs.clone_from(blobs);
        }
        places
    }
}

/// Checks a migration's name.
pub(crate) fn migration_name(name: &str) -> Result<MigrationId, Failure> {
    MigrationId::new(name).map_err(|error| Failure::new(Code::Usage, error.to_string()))
}

/// Reads and checks a plan.
pub(crate) fn read_plan(path: &Path) -> Result<Plan, Failure> {
    Plan::parse(&read_text(path)?).map_err(|problems| {
        let (count, file) = (problems.as_slice().len(), path.display());
        let noun = if count == 1 { "problem" } else { "problems" };
        Failure::plan(format!("the plan {file} has {count} {noun}"), problems)
    })
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| {
        Failure::new(Code::PlanMissing, format!("the plan {} cannot be read", path.display())).because(source)
    })
}

/// `dir/plan.yaml` -> `dir/plan.kayako-migrate`.
fn beside(plan: &Path) -> PathBuf {
    plan.with_extension("kayako-migrate")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn state_lies_beside_the_plan_and_addresses_do_not_show() {
        assert_eq!(beside(Path::new("a/acme.yaml")), Path::new("a/acme.kayako-migrate"));
        assert_eq!(beside(Path::new("plan.yaml")), Path::new("plan.kayako-migrate"));
        let name = MigrationId::new("acme").unwrap();
        let places = Places::shared(name, "redis://:s3cret@host/0".into(), "s3://b/p".into());
        assert!(!places.is_embedded());
        assert!(!format!("{places:?}").contains("s3cret"));
    }
}
