//! `plan check` and `plan schema`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use model::plan::Plan;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::places;
use crate::shell::Shell;

/// Checks a plan, or prints the schema of plans
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists everything that is wrong with a plan, each with its place and its fix
    ///
    /// Looks at the file only. `preflight` compares it with both accounts.
    Check {
        /// The plan
        #[arg(default_value = "plan.yaml", value_name = "FILE")]
        file: PathBuf,
    },
    /// Prints the JSON Schema of plans, for editors
    ///
    /// In most editors one line at the top of a plan is enough:
    /// # yaml-language-server: $schema=plan.schema.json
    Schema,
}

/// Runs it.
pub(crate) fn run(arguments: &PlanArguments, shell: &Shell) -> Result<Exit, Failure> {
    match &arguments.action {
        Action::Check { file } => {
            let plan = places::read_plan(file)?;
            shell.output.say(format!(
                "{} is a good plan: migration {}, {} to {}",
                file.display(),
                plan.name,
                plan.source.url(),
                plan.target.url
            ));
            shell.output.document(&json!({ "valid": true, "name": plan.name, "hash": plan.hash() }));
        }
        Action::Schema => {
            let schema = Plan::schema();
            if shell.output.json {
                shell.output.document(&schema);
            } else {
                // Cannot fail: it is a JSON value already.
                shell.output.say(serde_json::to_string_pretty(&schema).unwrap_or_default());
            }
        }
    }
    Ok(Exit::Ok)
}
