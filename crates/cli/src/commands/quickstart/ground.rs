//! The directory of a quickstart: plan, secrets of the sample accounts, state, reports.
//!
//! Constraint: the sample accounts are new each time, so the state of an earlier quickstart would be a lie and is removed; nothing is
//! removed from a directory that no quickstart has made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::plan::Plan;
use sandbox::{Sandbox, SandboxConfig, zendesk};

use crate::failure::{Code, Failure};
use crate::places::Places;

/// Marks a directory that a quickstart has made.
const MARK: &str = ".quickstart";
const PLAN: &str = "plan.yaml";
const STATE: &str = "plan.kayako-migrate";
const SECRETS: &str = "secrets";

/// Of the sample accounts; no secrets, but the plan names secrets all the same, as every plan does.
pub(crate) struct Credentials {
    kayako_email: String,
    kayako_password: String,
    zendesk_email: String,
    zendesk_token: String,
}

impl Credentials {
    pub(crate) fn of(config: &SandboxConfig) -> Self {
        let auth = &config.zendesk.auth;
        Self {
            kayako_email: config.kayako.email.clone(),
            kayako_password: config.kayako.password.clone(),
            zendesk_email: auth.email.clone(),
            zendesk_token: auth.api_token.clone().unwrap_or_else(|| zendesk::API_TOKEN.to_owned()),
        }
    }
}

/// A prepared directory.
pub(crate) struct Ground {
    pub(crate) plan: Plan,
    pub(crate) plan_file: PathBuf,
    pub(crate) places: Places,
}

impl Ground {
    /// Empties what an earlier quickstart left and writes the plan.
    pub(crate) fn prepare(
        directory: &Path,
        sandbox: &Sandbox,
        credentials: &Credentials,
    ) -> Result<Self, Failure> {
        let unusable = |error| Failure::file("the directory", directory, error);
        clear(directory)?;
        fs::create_dir_all(directory.join(SECRETS)).map_err(unusable)?;
        fs::write(directory.join(MARK), "made by kayako-migrate quickstart\n").map_err(unusable)?;
        let whole = fs::canonicalize(directory).map_err(unusable)?;
        let token_file = whole.join(SECRETS).join("zendesk-token");
        let password_file = whole.join(SECRETS).join("kayako-password");
        fs::write(&token_file, &credentials.zendesk_token).map_err(unusable)?;
        fs::write(&password_file, &credentials.kayako_password).map_err(unusable)?;
        let secret = |path: &Path| serde_json::json!(format!("file:{}", path.display())).to_string();
        let yaml = format!(
            "# Two sample accounts of a quickstart; they exist only while it runs (with --keep: until Ctrl-C).\nversion: 1\n\
             name: quickstart\nsource:\n  kind: zendesk\n  url: \"{}\"\n  auth: {{ email: \"{}\", api_token: {} }}\ntarget:\n  \
             url: \"{}\"\n  email: \"{}\"\n  password: {}\n",
            sandbox.zendesk_url,
            credentials.zendesk_email,
            secret(&token_file),
            sandbox.kayako_url,
            credentials.kayako_email,
            secret(&password_file),
        );
        let plan = Plan::parse(&yaml)
            .map_err(|problems| Failure::plan("the plan of the sample accounts is not good", problems))?;
        let plan_file = directory.join(PLAN);
        fs::write(&plan_file, yaml).map_err(unusable)?;
        let places = Places::in_directory(plan.name.clone(), directory.join(STATE));
        Ok(Self { plan, plan_file, places })
    }
}

/// Removes what an earlier quickstart left. Refuses any other directory that is not empty.
fn clear(directory: &Path) -> Result<(), Failure> {
    let unusable = |error| Failure::file("the directory", directory, error);
    let empty = match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(unusable(error)),
    };
    if empty {
        return Ok(());
    }
    if !directory.join(MARK).exists() {
        let sentence = format!("{} is not empty and not from an earlier quickstart", directory.display());
        return Err(Failure::new(Code::Usage, sentence).advise("name an empty directory with --dir"));
    }
    for made in [STATE, SECRETS] {
        match fs::remove_dir_all(directory.join(made)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_a_quickstart_made_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("mine.txt"), "keep me").unwrap();
        assert_eq!(clear(directory.path()).unwrap_err().code, Code::Usage);
        fs::write(directory.path().join(MARK), "").unwrap();
        fs::create_dir(directory.path().join(STATE)).unwrap();
        clear(directory.path()).unwrap();
        assert!(!directory.path().join(STATE).exists());
        assert!(directory.path().join("mine.txt").exists());
    }
}
