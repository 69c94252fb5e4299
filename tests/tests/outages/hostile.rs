//! Accounts that misbehave over a whole run of services, in every way that the sandbox knows, by seeded chance.

use std::fs;

use anyhow::{Result, ensure};
use sandbox::faults::{Fault, Rule, When};
use sandbox::server::CallCounts;
use system_tests::accounts::{Accounts, rule};

use crate::ground::{Servers, accounts_with, ends_well, fleet, migration, misbehave, people};

/// `Retry-After` of the longest storm: 600 s at the scale of the tests (0.05). The header has whole seconds and is not scaled by the
/// product; the accounts' own waiting times are.
const STORM: u64 = 30;

/// A part of the calls, by chance.
fn some(method: &str, path: &str, share: f64, fault: Fault) -> Rule {
    rule(method, path, When::Probability(share), fault)
}

/// The same, so many times at most: what stops a class of calls for all replicas must not stop it for the whole of a large run.
fn storm(method: &str, path: &str, share: f64, retry_after: u64, times: u64) -> Rule {
    Rule { times: Some(times), ..some(method, path, share, Fault::RateLimit { retry_after }) }
}

fn throttled(method: &str, path: &str, nth: u64, retry_after: u64) -> Rule {
    rule(method, path, When::Nth(nth), Fault::RateLimit { retry_after })
}

fn kayako() -> Vec<Rule> {
    let api = "/api/v1/";
    vec![
        throttled("POST", "/api/v1/bulk/", 3, STORM),
        storm("POST", "/api/v1/bulk/", 0.2, 2, 3),
        storm("GET", api, 0.02, 1, 4),
        storm("PUT", api, 0.05, 5, 2),
        storm("POST", "/api/v1/files", 0.1, 3, 2),
        some("POST", "/api/v1/bulk/", 0.04, Fault::ErrorBefore),
        some("POST", "/api/v1/bulk/", 0.04, Fault::ErrorAfter),
        some("POST", "/api/v1/bulk/", 0.04, Fault::DropBefore),
        some("POST", "/api/v1/bulk/", 0.04, Fault::DropAfter),
        some("POST", "/api/v1/bulk/", 0.04, Fault::HtmlAfter),
        some("POST", "/api/v1/bulk/", 0.04, Fault::Truncated),
        some("POST", "/api/v1/bulk/", 0.2, Fault::Late { ms: 1_200 }),
        some("", api, 0.01, Fault::ErrorBefore),
        some("", api, 0.01, Fault::ErrorAfter),
        some("", api, 0.01, Fault::DropBefore),
        some("", api, 0.01, Fault::DropAfter),
        some("", api, 0.01, Fault::HtmlBefore),
        some("", api, 0.01, Fault::HtmlAfter),
        some("", api, 0.01, Fault::NotJson),
        some("", api, 0.01, Fault::Truncated),
        some("", api, 0.005, Fault::ExpireSessions),
    ]
}

fn source() -> Vec<Rule> {
    let (api, files) = ("/api/v2/", "/attachments/");
    vec![
        throttled("GET", api, 60, STORM),
        storm("GET", api, 0.02, 1, 20),
        storm("GET", files, 0.05, 2, 5),
        some("GET", api, 0.02, Fault::ErrorBefore),
        some("GET", api, 0.02, Fault::ErrorAfter),
        some("GET", api, 0.02, Fault::DropBefore),
        some("GET", api, 0.02, Fault::DropAfter),
        some("GET", api, 0.02, Fault::HtmlBefore),
        some("GET", api, 0.02, Fault::NotJson),
        some("GET", api, 0.02, Fault::Truncated),
        some("GET", files, 0.05, Fault::ErrorBefore),
        some("GET", files, 0.05, Fault::DropAfter),
        some("GET", files, 0.05, Fault::HtmlBefore),
        some("GET", files, 0.05, Fault::Truncated),
    ]
}

/// Every kind of fault that can be told by the status has met the run.
fn met(account: &str, counts: &CallCounts) -> Result<()> {
    let of = |wanted: u16| -> u64 {
        counts.calls.values().flatten().filter(|(status, _)| **status == wanted).map(|(_, calls)| calls).sum()
    };
    let (dropped, throttled, errors, html) = (of(0), of(429), of(500), of(502));
    println!(
        "{account}: of {} calls {throttled} were throttled, {dropped} dropped, {errors} answered 500, {html} HTML",
        counts.total
    );
    for (what, calls) in
        [("429", throttled), ("a dropped connection", dropped), ("500", errors), ("HTML", html)]
    {
        ensure!(calls > 0, "no call to {account} met {what}: {:?}", counts.calls);
    }
    Ok(())
}

async fn survived(accounts: &Accounts, what: &[&str]) -> Result<()> {
    let servers = Servers::start().await?;
    let mut migration = migration(accounts, servers.shared())?;
    // A limit that is not known is learned from the first refusal and kept for an hour: from refusals by chance, far too low a one.
    let plan = migration.path("plan.yaml");
    let limited =
        fs::read_to_string(&plan)?.replace("reserve: 0.0", "reserve: 0.0, requests_per_minute: 60000");
    fs::write(&plan, limited)?;
    // Half a minute of it is a storm that stops all writing.
    migration.patience *= 3;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    people(accounts, 3).await?;
    let ended = run.ended().await?;
    ensure!(ended.code() == Some(0), "the run ended with {ended}: {}", run.document()?);
    if what.contains(&"Kayako") {
        met("Kayako", &accounts.sandbox.kayako_server.counts())?;
    }
    if what.contains(&"the source") {
        met("the source", &accounts.sandbox.zendesk_server.counts())?;
    }
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kayako_misbehaves_in_every_way() -> Result<()> {
    let accounts = accounts_with(161, |config| {
        misbehave(config, 161, kayako(), vec![]);
        let switches = &mut config.kayako.switches;
        (switches.visibility_delay_ms, switches.session_max_calls) = (400, 300);
        (switches.dead_session_status, switches.files_die_with_session) = (454, true);
        (switches.job_pending_ms, switches.job_base_ms, switches.job_item_ms) = (60, 60, 2);
        (switches.job_dies_every, switches.job_passes_over_every) = (7, 23);
    })
    .await?;
    survived(&accounts, &["Kayako"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_misbehaves_in_every_way() -> Result<()> {
    let accounts = accounts_with(162, |config| misbehave(config, 162, vec![], source())).await?;
    survived(&accounts, &["the source"]).await
}
