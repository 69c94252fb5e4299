//! Accounts that misbehave: whatever they do, the run comes to its end and everything has arrived once.

use std::time::Duration;

use anyhow::{Result, ensure};
use sandbox::faults::{Fault, Rule, Schedule, When};
use system_tests::accounts::{Accounts, config, rule};
use system_tests::migration::Migration;
use tokio::time::sleep;

/// Limits a rule: the storm passes.
fn times(rule: Rule, times: u64) -> Rule {
    Rule { times: Some(times), ..rule }
}

/// A whole migration under fire; fails if the faults never met it.
async fn arrives(seed: u64, kayako: Vec<Rule>, zendesk: Vec<Rule>) -> Result<()> {
    let mut config = config(seed, 60);
    config.faults.kayako = Schedule { seed, rules: kayako };
    config.faults.zendesk = Schedule { seed, rules: zendesk };
    let accounts = Accounts::open(config).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.carried_out(&["run", "--full"]).await?;
    migration.arrived().await?;
    let servers =
        [("Kayako", &accounts.sandbox.kayako_server), ("Zendesk", &accounts.sandbox.zendesk_server)];
    for (account, server) in servers {
        let counts = server.counts();
        // Status 0 is a dropped connection. Bodies that are no JSON come with 200 and cannot be counted here.
        let struck = |status: &u16| matches!(status, 0 | 429 | 500..);
        let hits: u64 =
            counts.calls.values().flatten().filter(|(status, _)| struck(status)).map(|(_, n)| n).sum();
        println!("{account}: {hits} of {} calls went wrong", counts.total);
        ensure!(hits > 0, "no fault ever met the run on {account}'s side: {:?}", counts.calls);
    }
    migration.passed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_are_no_json_and_proxies_that_answer_html() -> Result<()> {
    let zendesk = vec![
        times(rule("GET", "/api/v2/incremental/", When::EveryNth(3), Fault::NotJson), 3),
        times(rule("GET", "/api/v2/tickets/", When::EveryNth(9), Fault::NotJson), 5),
        times(rule("GET", "/api/v2/users/", When::EveryNth(11), Fault::HtmlBefore), 3),
        times(rule("GET", "/api/v2/tickets/", When::EveryNth(13), Fault::Truncated), 4),
        // Nothing but its length tells such an answer from a customer's file.
        times(rule("GET", "/zdusercontent/", When::EveryNth(2), Fault::NotJson), 4),
    ];
    let kayako = vec![
        times(rule("GET", "/api/v1/users", When::EveryNth(5), Fault::HtmlBefore), 3),
        times(rule("POST", "/api/v1/bulk/", When::Nth(2), Fault::HtmlAfter), 1),
        times(rule("POST", "/api/v1/bulk/cases", When::Nth(1), Fault::HtmlBefore), 1),
        times(rule("GET", "/api/v1/jobs", When::EveryNth(4), Fault::NotJson), 3),
        times(rule("POST", "/api/v1/files", When::EveryNth(5), Fault::Truncated), 3),
    ];
    arrives(61, kayako, zendesk).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_throttled_answers() -> Result<()> {
    let throttled = Fault::RateLimit { retry_after: 1 };
    // Mostly writes: each throttled read lowers what the run believes that it may read, for long.
    let kayako = vec![
        times(rule("POST", "/api/v1/bulk/", When::EveryNth(2), throttled), 4),
        times(rule("POST", "/api/v1/files", When::EveryNth(4), throttled), 3),
        times(rule("GET", "/api/v1/cases", When::Nth(12), throttled), 1),
    ];
    let zendesk = vec![
        times(rule("GET", "/api/v2/tickets/", When::EveryNth(13), throttled), 3),
        times(rule("GET", "/attachments/", When::EveryNth(9), throttled), 2),
    ];
    arrives(62, kayako, zendesk).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_drop_before_and_after_the_effect() -> Result<()> {
    let kayako = vec![
        times(rule("POST", "/api/v1/bulk/users", When::Nth(1), Fault::DropAfter), 1),
        times(rule("POST", "/api/v1/bulk/cases", When::Nth(1), Fault::DropAfter), 1),
        times(rule("POST", "/api/v1/bulk/cases", When::Nth(2), Fault::DropBefore), 1),
        times(rule("POST", "/api/v1/bulk/organizations", When::Nth(1), Fault::ErrorAfter), 1),
        times(rule("POST", "/api/v1/users/", When::EveryNth(6), Fault::DropAfter), 3),
        times(rule("GET", "/api/", When::EveryNth(17), Fault::DropBefore), 4),
    ];
    let zendesk = vec![times(rule("GET", "/", When::EveryNth(29), Fault::DropBefore), 6)];
    arrives(63, kayako, zendesk).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_end_and_objects_that_show_late() -> Result<()> {
    let mut config = config(64, 60);
    let switches = &mut config.kayako.switches;
    switches.visibility_delay_ms = 400;
    switches.dead_session_status = 454;
    switches.files_die_with_session = true;
    switches.session_max_calls = 60;
    (switches.job_pending_ms, switches.job_base_ms) = (60, 60);
    let accounts = Accounts::open(config).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    let mut run = migration.start(&["run", "--full"])?;
    // All sessions at once, again and again, while the run goes on.
    let expiring = async {
        loop {
            sleep(Duration::from_secs(2)).await;
            accounts.sandbox.kayako.expire_sessions();
        }
    };
    let ended = tokio::select! {
        ended = run.ended() => ended?,
        () = expiring => unreachable!("it never ends"),
    };
    ensure!(ended.code() == Some(0), "the run ended with {ended}: {}", run.document()?);
    let logins = accounts.sandbox.kayako_server.counts().calls.get("GET /api/v1/session").cloned();
    ensure!(logins.is_some_and(|logins| logins.values().sum::<u64>() > 2), "no session ever ended");
    migration.arrived().await?;
    migration.carried_out(&["run", "--full"]).await?;
    migration.arrived().await?;
    migration.passed();
    Ok(())
}

/// Kayako is away for longer than any single call is tried again; the run waits and goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_away_for_a_while() -> Result<()> {
    let accounts = Accounts::open(config(65, 40)).await?;
    let migration = Migration::in_one_process(&accounts)?;
    let mut run = migration.start(&["run", "--full"])?;
    let before = accounts.before.users.len();
    system_tests::waiting::until("people in Kayako", system_tests::processes::PATIENCE, async || {
        Ok((accounts.sandbox.kayako.counts().users > before).then_some(()))
    })
    .await?;
    accounts.sandbox.kayako.set_outage(true);
    accounts.sandbox.kayako_server.reset_counts();
    system_tests::waiting::until("refused calls", system_tests::processes::PATIENCE, async || {
        Ok((accounts.sandbox.kayako_server.counts().total > 8).then_some(()))
    })
    .await?;
    accounts.sandbox.kayako.set_outage(false);
    let ended = run.ended().await?;
    ensure!(ended.code() == Some(0), "the run ended with {ended}: {}", run.document()?);
    migration.arrived().await?;
    migration.passed();
    Ok(())
}

/// The host of the attachments is away for longer than any single call is tried again. No case goes without its files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_had_for_a_while_arrive_all_the_same() -> Result<()> {
    let mut config = config(67, 60);
    let away = rule("GET", "/attachments/", When::Always, Fault::ErrorBefore);
    config.faults.zendesk = Schedule { seed: 67, rules: vec![away] };
    let accounts = Accounts::open(config).await?;
    let mut migration = Migration::in_one_process(&accounts)?;
    migration.environment = vec![("RUST_LOG", "warn".to_owned())];
    let mut run = migration.start(&["run", "--full"])?;
    system_tests::waiting::until(
        "a file that is given up for now",
        system_tests::processes::PATIENCE,
        async || {
            let log = run.log()?;
            Ok(["(a file)", "a file could not be fetched"]
                .iter()
                .any(|line| log.contains(line))
                .then_some(()))
        },
    )
    .await?;
    accounts.sandbox.zendesk_server.set_faults(Schedule::default());
    let ended = run.ended().await?;
    ensure!(ended.code() == Some(0), "the run ended with {ended}: {}", run.document()?);
    migration.arrived().await?;
    migration.passed();
    Ok(())
}

/// An answer is lost, and before the loader looks for what it wrote, a second object of the same record appears, as from a request that
/// took effect late: the oldest stays, the other goes to the trash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_appears_twice_is_there_once_in_the_end() -> Result<()> {
    let mut config = config(66, 40);
    let lost = times(rule("POST", "/api/v1/bulk/cases", When::Nth(1), Fault::DropAfter), 1);
    config.faults.kayako = Schedule { seed: 66, rules: vec![lost] };
    let accounts = Accounts::open(config).await?;
    let migration = Migration::in_one_process(&accounts)?;
    let mut run = migration.start(&["run", "--full"])?;
    let first = system_tests::waiting::until("a case", system_tests::processes::PATIENCE, async || {
        Ok(accounts.sandbox.kayako.cases(0, 1).into_iter().next())
    })
    .await?;
    let twin = serde_json::json!({"cases": [{"subject": first.subject, "contents": "again", "legacy_id": first.legacy_id,
        "requester_id": first.requester.id, "channel": "NOTE"}]});
    accounts.kayako.api("POST", "bulk/cases", Some(&twin)).await?;
    let ended = run.ended().await?;
    ensure!(ended.code() == Some(0), "the run ended with {ended}: {}", run.document()?);
    let (active, trashed): (Vec<_>, Vec<_>) =
        accounts.sandbox.kayako.cases(0, 200).into_iter().partition(|case| case.state == "ACTIVE");
    ensure!(active.len() == accounts.expected_cases(), "{} active cases", active.len());
    ensure!(trashed.len() == 1 && trashed[0].legacy_id == first.legacy_id, "in the trash: {trashed:?}");
    ensure!(trashed[0].id > first.id, "the oldest stays");
    migration.passed();
    Ok(())
}
