//! `quickstart`: a whole migration between two sample accounts in this process, with proofs.
//!
//! Constraints: nothing but this program is needed and nothing outside one directory and loopback is touched; the runs are the same
//! code as any other run, only the waiting times are scaled down, which loopback allows and the output says.

mod ground;
mod proof;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use coordinator::{Commands, Status};
use model::run::RunMode;
use runtime::Shutdown;
use sandbox::seed::{Company, Size};
use sandbox::zendesk::Limits;
use sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use crate::commands::report;
use crate::commands::run::{GRACE, Order, in_one_process, open_source};
use crate::exit::Exit;
use crate::failure::{Code, Failure};
use crate::following::Ending;
use crate::output::progress::Progress;
use crate::output::{document, table};
use crate::shell::Shell;
use ground::Ground;
use proof::Proofs;

/// One minute of the real protocol takes three seconds here: a request may take 1.5 s and the quiet period is 6 s, enough for two
/// accounts on the same machine even when it is busy.
const SCALE: f64 = 0.05;
/// Calls a minute that the sample Zendesk account allows: more than this machine can make.
const UNLIMITED: u32 = 1_000_000;

/// Tries everything on two sample accounts: a demo, the full migration, and the proof that a second one writes nothing
///
/// Starts a sample Zendesk and a sample Kayako account in this process (30 % of the customers exist in Kayako beforehand), moves 20
/// random tickets, then everything, then everything again. Needs nothing else and leaves the plan and the reports behind.
#[derive(Debug, Args)]
pub(crate) struct QuickstartArguments {
    /// Tickets in the sample Zendesk account; people and organizations grow along
    #[arg(long, value_name = "NUMBER", default_value_t = 150, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    tickets: u64,
    /// Where plan, state and reports are left; must be empty or from an earlier quickstart
    #[arg(long, value_name = "DIR", default_value = "quickstart.kayako-migrate")]
    dir: PathBuf,
    /// Seed of the sample accounts and of the demo's draw
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Keeps both accounts running afterwards until Ctrl-C, to look at them or to try other commands on the plan
    #[arg(long)]
    keep: bool,
}

/// Runs it.
pub(crate) async fn run(arguments: &QuickstartArguments, shell: &Shell) -> Result<Exit, Failure> {
    let config = configuration(arguments);
    let credentials = ground::Credentials::of(&config);
    let sandbox = Sandbox::start(config).await.map_err(|error| {
        Failure::new(Code::Internal, "the sample accounts cannot be started").because(error)
    })?;
    let shown = show(arguments, shell, &sandbox, &credentials).await;
    if arguments.keep && shown.is_ok() {
        keep(shell, &sandbox).await?;
    }
    sandbox.shutdown().await;
    shown
}

fn configuration(arguments: &QuickstartArguments) -> SandboxConfig {
    let mut config = SandboxConfig::new(arguments.seed, Size::sample());
    if arguments.tickets != Size::sample().tickets {
        config.zendesk.company = Company::new(arguments.seed, Size::tickets(arguments.tickets));
    }
    config.existing_share = 0.3;
    // Told in every answer. An account that tells no limits is read at the smallest plan's pace, which takes minutes.
    config.zendesk.limits = Limits {
        account: UNLIMITED,
        incremental: UNLIMITED,
        incremental_cursor: UNLIMITED,
        tickets: UNLIMITED,
        tickets_deep: UNLIMITED,
        ticket_fields: UNLIMITED,
        attachments: UNLIMITED,
    };
    // The accounts' own minutes are as short as the protocol's.
    (config.kayako.time_scale, config.zendesk.time_scale) = (SCALE, SCALE);
    config
}

async fn show(
    arguments: &QuickstartArguments,
    shell: &Shell,
    sandbox: &Sandbox,
    credentials: &ground::Credentials,
) -> Result<Exit, Failure> {
    let ground = Ground::prepare(&arguments.dir, sandbox, credentials)?;
    shell
        .output
        .say(format!("A sample Zendesk account with {} tickets: {}", arguments.tickets, sandbox.zendesk_url));
    shell.output.say(format!(
        "A sample Kayako account, 30 % of the customers are there already: {}",
        sandbox.kayako_url
    ));
    shell.output.say(format!(
        "Waiting times are scaled to {SCALE} of the real ones, which only accounts on this machine allow.\n"
    ));
    let ledger = ground.places.create_ledger().await?;
    let blobs = ground.places.open_blobs(shell)?;
    let source = open_source(shell, &ground.plan, SCALE, &ledger)?;
    let order = |mode, seed| Order {
        plan: ground.plan.clone(),
        mode,
        seed,
        scale: SCALE,
        ledger: ledger.clone(),
        blobs: blobs.clone(),
        variables: &shell.variables,
        source: Some(Arc::clone(&source)),
    };
    let steps = [
        ("demo", "1. A demo: 20 random tickets and what they need", RunMode::Demo),
        ("full", "2. The full migration", RunMode::Full),
        ("again", "3. The full migration once more", RunMode::Full),
    ];
    let mut runs = serde_json::Map::new();
    let mut directories = Vec::new();
    let mut proofs = Proofs::default();
    for (name, title, mode) in steps {
        shell.output.say(title);
        sandbox.kayako_server.reset_counts();
        let seed = (mode == RunMode::Demo).then_some(arguments.seed);
        let Some(status) = carry_out(shell, &order(mode, seed)).await? else {
            shell.output.say("Stopped.");
            return Ok(Exit::Interrupted);
        };
        shell.output.say(table::counts(shell.output, &status.counts));
        let directory = report::directory(&ground.places, status.run.number);
        // At once: a later run that selects the same records counts them as its own.
        report::write(&ledger, &blobs, &ground.places.migration, &status.run, &directory).await?;
        shell.output.say(format!("Reports: {}\n", directory.display()));
        proofs.after(name, &status, sandbox, arguments.tickets);
        runs.insert(name.to_owned(), document::status(&status, None));
        directories.push(directory);
    }
    conclude(shell, &ground, &proofs, &Value::Object(runs), &directories)
}

/// One run; `None` if the process was told to stop.
async fn carry_out(shell: &Shell, order: &Order<'_>) -> Result<Option<Status>, Failure> {
    let progress = Progress::new(shell.output);
    let ending = in_one_process(shell, order, &progress).await;
    progress.clear();
    match ending? {
        Ending::Finished(status) => Ok(Some(status)),
        Ending::Stopped(_) => Ok(None),
        ending => {
            // A halt of a sample account is never expected; it must not stay behind for the next try.
            Commands::new(order.ledger.clone()).cancel().await.ok();
            ending.verdict().map(|_| None)
        }
    }
}

fn conclude(
    shell: &Shell,
    ground: &Ground,
    proofs: &Proofs,
    runs: &Value,
    reports: &[PathBuf],
) -> Result<Exit, Failure> {
    for proof in proofs.as_slice() {
        let mark = if proof.holds { "ok    " } else { "BROKEN" };
        shell.output.say(format!("{mark}  {}: {}", proof.claim, proof.seen));
    }
    let plan = ground.plan_file.display();
    shell.output.say(format!(
        "\nLeft behind: the plan {plan}, and the state beside it. Try\n  kayako-migrate explain 1 --plan {plan}\n  \
         kayako-migrate status --plan {plan}\nFor your own accounts: kayako-migrate init"
    ));
    shell.output.document(&json!({
        "plan": ground.plan_file,
        "runs": runs,
        "proofs": proofs.as_slice(),
        "reports": reports,
    }));
    match proofs.broken() {
        0 => Ok(Exit::Ok),
        broken => Err(Failure::new(Code::NotProven, format!("{broken} of the claims above do not hold"))),
    }
}

async fn keep(shell: &Shell, sandbox: &Sandbox) -> Result<(), Failure> {
    shell.output.say(format!(
        "\nBoth accounts keep running until Ctrl-C. What arrived: curl {}/_sandbox/export/cases",
        sandbox.kayako_url
    ));
    let shutdown = Shutdown::new(shell.context()?, GRACE);
    shutdown.listen_to_signals()?;
    shutdown.draining().begun().await;
    Ok(())
}
