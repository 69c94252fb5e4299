//! `preflight`: what would go wrong, before anything is written.
//!
//! Constraints: only reads both accounts; looks at everything it can reach and reports it together; what could not be
//! looked at is said, never taken for good. A refresh token that is good for one use is spent by looking, so its
//! successor goes into the migration's ledger.

mod findings;
mod mapping;

use std::sync::Arc;

use clap::Args;
use kayako::OpenGate;
use model::plan::Plan;
use runtime::Context;
use serde_json::json;
use sources::{LocalPace, PaceSettings, Source};

use crate::accounts::{self, Tokens, Wires};
use crate::commands::run::{owner, refuse_strangers};
use crate::exit::Exit;
use crate::failure::{Code, Failure};
use crate::output::complain;
use crate::places::{PlaceArguments, Places};
use crate::shell::{Shell, timing};
use crate::survey::{self, SourceSurvey, TargetSurvey};
use findings::{Finding, Severity};

/// Checks plan, secrets, both accounts and this machine, and lists what passes, what to look at and what blocks a run
///
/// Nothing is written to either account. If the plan names an OAuth refresh token, looking uses it up: its successor is
/// kept, encrypted, in the migration's ledger, which is created if need be. A directory given with --blobs is created,
/// too. Exit code 0 if nothing blocks; otherwise 3 for credentials, 4 for unreachable accounts, else 7.
#[derive(Debug, Args)]
pub(crate) struct PreflightArguments {
    #[command(flatten)]
    places: PlaceArguments,
}

/// Runs it.
pub(crate) async fn run(arguments: &PreflightArguments, shell: &Shell) -> Result<Exit, Failure> {
    let plan = arguments.places.read_plan()?;
    let places = arguments.places.of(&plan);
    let mut findings = vec![Finding::pass("plan", format!("migration \"{}\", no problems", plan.name))];
    findings.extend(of_this_machine(shell, &plan, &places));
    let source = open_source(shell, &plan, &places).await;
    let (source, seen_source) = match source {
        Ok(source) => {
            let seen = SourceSurvey::read(source.as_ref()).await;
            (Some(source), seen)
        }
        Err(failure) => (None, Err(failure)),
    };
    let seen_target = read_target(shell, &plan).await;
    match &seen_source {
        Ok(survey) => findings.push(findings::source_account(survey)),
        Err(failure) => findings.push(Finding::failed("source", failure)),
    }
    match &seen_target {
        Ok(survey) => findings.extend(findings::target_account(&plan, survey)),
        Err(failure) => findings.push(Finding::failed("target", failure)),
    }
    if let (Some(source), Ok(survey)) = (&source, &seen_source)
        && survey::uses_names(&plan)
    {
        findings.push(match survey::resolve(&plan, source.as_ref(), &survey.catalogue).await {
            Ok(_) => Finding::pass("names", "everything the plan names exists at the source"),
            Err(failure) => Finding::failed("names", &failure),
        });
    }
    match (&seen_source, &seen_target) {
        (Ok(source), Ok(target)) => findings.extend(mapping::compare(&plan, source, target)),
        _ => findings.push(Finding::warn(
            "mapping",
            "agents, teams, statuses and fields were not compared, because an account could not be read",
            "repair what blocks above, then run preflight again",
        )),
    }
    Ok(tell(shell, &findings))
}

fn tell(shell: &Shell, findings: &[Finding]) -> Exit {
    for finding in findings {
        shell.output.say(finding.to_string());
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (pass, warn, block) = (count(Severity::Pass), count(Severity::Warn), count(Severity::Block));
    shell.output.say(format!("{pass} pass, {warn} warn, {block} block"));
    shell.output.document(&json!({ "pass": pass, "warn": warn, "block": block, "findings": findings }));
    let blocks: Vec<Exit> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Block)
        .map(|finding| finding.exit)
        .collect();
    // The first cause first: with wrong credentials nothing else can be known.
    let exit = [Exit::Credentials, Exit::Unreachable].into_iter().find(|exit| blocks.contains(exit));
    match exit {
        Some(exit) => exit,
        None if blocks.is_empty() => Exit::Ok,
        None => {
            if !shell.output.json {
                let code = Code::PreflightBlocked;
                complain(&format!(
                    "{}; code: {} (docs/errors.md#{})",
                    code.advice(),
                    code.name(),
                    code.name()
                ));
            }
            Exit::Refused
        }
    }
}

/// What needs no account.
fn of_this_machine(shell: &Shell, plan: &Plan, places: &Places) -> Vec<Finding> {
    let mut findings = Vec::new();
    let times = shell.scale(plan).and_then(|scale| timing(plan, scale));
    findings.push(match times {
        Ok(times) => Finding::pass(
            "times",
            format!("a write whose answer is lost is looked for after {} s", times.quiet.as_secs_f64()),
        ),
        Err(failure) => Finding::failed("times", &failure),
    });
    findings.push(match refuse_strangers(plan) {
        Ok(()) => {
            Finding::pass("silence", "the target is on this machine, where no mail can reach a customer")
        }
        Err(failure) => Finding::failed("silence", &failure),
    });
    findings.push(findings::room(shell, plan, places));
    findings
}

async fn open_source(shell: &Shell, plan: &Plan, places: &Places) -> Result<Arc<dyn Source>, Failure> {
    let model::plan::Source::Zendesk(zendesk) = &plan.source;
    let pace = LocalPace::new(PaceSettings {
        share: zendesk.share,
        configured: zendesk.requests_per_minute.map(std::num::NonZeroU32::get),
        ..PaceSettings::default()
    });
    let one_use = matches!(
        &zendesk.auth,
        model::plan::ZendeskAuth::OAuth(access) if access.oauth.refresh_token.is_some()
    );
    if !one_use {
        return accounts::source(plan, &shell.variables, Arc::new(pace), &Tokens::Own, &Wires::network());
    }
    // A refresh token is good for one use: what it is exchanged for must be where the run finds it.
    let ledger = places.create_ledger().await?;
    let context: Context = shell.context()?;
    let owner = owner(&context);
    let tokens = Tokens::Shared { ledger: &ledger, context: &context, owner: &owner };
    accounts::source(plan, &shell.variables, Arc::new(pace), &tokens, &Wires::network())
}

async fn read_target(shell: &Shell, plan: &Plan) -> Result<TargetSurvey, Failure> {
    let timing = timing(plan, shell.scale(plan)?)?;
    let client = accounts::target(plan, &shell.variables, &timing, Arc::new(OpenGate), &Wires::network())?;
    TargetSurvey::read(&client).await
}
