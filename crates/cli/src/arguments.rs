//! The command line. Each command's own arguments are in its file.

use clap::{Parser, Subcommand};

use crate::commands::{
    control, explain, init, plan, preflight, quickstart, report, run, serve, status, verify,
};

const EXAMPLES: &str = "\
Begin here
  kayako-migrate quickstart                 a whole migration between two sample accounts, in half a minute
  kayako-migrate init                       writes plan.yaml for your own accounts, with suggested mappings
  kayako-migrate preflight                  what would go wrong, before anything is written
  kayako-migrate run --demo                 moves 20 random tickets and what they need
  kayako-migrate run --full                 moves everything; stop it whenever you like, the same command goes on

Look at it
  kayako-migrate status --watch             progress, rate, what it waits for
  kayako-migrate report                     CSV and JSON: migrated, failed, skipped, with links and reasons
  kayako-migrate explain 4711               the whole history of one ticket

Files and state
  Commands read plan.yaml in the current directory (or --plan FILE). The state of a migration lies beside the plan in
  plan.kayako-migrate/ (or --state DIR), or in Redis with --ledger. Nothing is ever written to the source.

Exit codes
  0 done, 1 internal, 2 usage or plan, 3 credentials or rights, 4 unreachable, 5 halted or cancelled, 6 finished with failed
  records, 7 refused by a safety rule, 8 not in this state, 130 interrupted. Each failure has a code explained in docs/errors.md.";

/// Moves a whole help desk into Kayako, record by record, exactly once
#[derive(Debug, Parser)]
#[command(name = "kayako-migrate", version, after_help = EXAMPLES, max_term_width = 120)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Prints the result as JSON on standard output (stable, see docs/cli.md) instead of tables and sentences
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What is logged to standard error, as in RUST_LOG [default: warn; quickstart: error; serve: info]
    #[arg(long, global = true, value_name = "DIRECTIVES")]
    pub(crate) log: Option<String>,
    /// Length of all waiting times relative to the real ones, against accounts on this machine only
    #[arg(long, global = true, hide = true, env = "KAYAKO_MIGRATE_TIME_SCALE", value_name = "FACTOR")]
    pub(crate) time_scale: Option<f64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Quickstart(quickstart::QuickstartArguments),
    Init(init::InitArguments),
    Preflight(preflight::PreflightArguments),
    Run(run::RunArguments),
    Status(status::StatusArguments),
    Pause(control::PauseArguments),
    Resume(control::ResumeArguments),
    Cancel(control::CancelArguments),
    Report(report::ReportArguments),
    Explain(explain::ExplainArguments),
    Verify(verify::VerifyArguments),
    Serve(serve::ServeArguments),
    Plan(plan::PlanArguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Arguments::command().debug_assert();
    }
}
