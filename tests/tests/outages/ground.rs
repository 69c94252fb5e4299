//! What all scenarios share: accounts, private servers, two of each service, and the judgement at the end.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, ensure};
use sandbox::SandboxConfig;
use sandbox::faults::{Rule, Schedule};
use serde_json::Value;
use system_tests::accounts::{Accounts, config, slow};
use system_tests::migration::{Migration, Shared};
use system_tests::processes::{PATIENCE, Process};
use system_tests::rules::Rules;
use system_tests::servers::{RabbitServer, RedisServer};
use system_tests::waiting::until;

/// Tickets of an account, unless `OUTAGES_TICKETS` says another number.
const TICKETS: u64 = 70;
/// Milliseconds that every call to a small account takes: long enough that an outage meets work on its way. A large account has work on
/// its way all the time.
const LATENCY: u64 = 25;
const LARGE: u64 = 500;
const LATENCY_OF_LARGE: u64 = 5;
/// What a ticket adds to the time after which a run counts as hanging.
const PATIENCE_PER_TICKET: Duration = Duration::from_millis(250);

/// The roles, two processes each.
pub(crate) const ROLES: [&str; 4] = ["coordinator", "extractor", "transformer", "loader"];

/// Servers that may be broken.
pub(crate) struct Servers {
    pub(crate) rabbit: RabbitServer,
    pub(crate) redis: RedisServer,
}

impl Servers {
    pub(crate) async fn start() -> Result<Self> {
        let (rabbit, redis) = tokio::try_join!(RabbitServer::start(), RedisServer::start())?;
        Ok(Self { rabbit, redis })
    }

    pub(crate) fn shared(&self) -> Shared {
        Shared { queue: self.rabbit.url(), ledger: self.redis.url() }
    }
}

fn tickets() -> u64 {
    std::env::var("OUTAGES_TICKETS").ok().and_then(|text| text.parse().ok()).unwrap_or(TICKETS)
}

/// Whether the accounts are larger than what fits between two commits.
pub(crate) fn is_large() -> bool {
    tickets() > LARGE
}

/// How long an event of a run may take before it counts as one that does not come.
pub(crate) fn patience() -> Duration {
    patience_with(tickets())
}

fn patience_with(tickets: u64) -> Duration {
    PATIENCE + PATIENCE_PER_TICKET * u32::try_from(tickets).unwrap_or(u32::MAX)
}

/// Accounts that answer slowly, so that there is a middle to break something in.
pub(crate) async fn accounts(seed: u64) -> Result<Accounts> {
    accounts_with(seed, |_| {}).await
}

/// The same, changed. Faults come on top of the slowness.
pub(crate) async fn accounts_with(seed: u64, change: impl FnOnce(&mut SandboxConfig)) -> Result<Accounts> {
    accounts_of(seed, 0, change).await
}

/// The same with so many tickets at least.
pub(crate) async fn accounts_of(
    seed: u64,
    at_least: u64,
    change: impl FnOnce(&mut SandboxConfig),
) -> Result<Accounts> {
    let mut config = config(seed, tickets().max(at_least));
    let latency = if is_large() { LATENCY_OF_LARGE } else { LATENCY };
    config.faults.kayako = slow(latency);
    config.faults.zendesk = slow(latency);
    change(&mut config);
    Accounts::open(config).await
}

/// Puts rules on top of the slowness.
pub(crate) fn misbehave(config: &mut SandboxConfig, seed: u64, kayako: Vec<Rule>, zendesk: Vec<Rule>) {
    for (schedule, rules) in [(&mut config.faults.kayako, kayako), (&mut config.faults.zendesk, zendesk)] {
        schedule.seed = seed;
        schedule.rules.extend(rules);
    }
}

/// Two of each service.
pub(crate) fn fleet(migration: &Migration<'_>) -> Result<Vec<Process>> {
    let labels = ROLES.iter().flat_map(|role| (1..=2).map(move |number| (*role, format!("{role}-{number}"))));
    labels.map(|(role, label)| migration.serve(role, &label)).collect()
}

/// A migration over these places.
pub(crate) fn migration(accounts: &Accounts, shared: Shared) -> Result<Migration<'_>> {
    limited(accounts, shared, "")
}

/// The same with more in its plan.
pub(crate) fn limited<'a>(accounts: &'a Accounts, shared: Shared, more: &str) -> Result<Migration<'a>> {
    let mut migration = Migration::new(accounts, Rules::default(), Some(shared), more)?;
    migration.killed = true;
    migration.patience = patience_with(accounts.company.size().tickets);
    Ok(migration)
}

/// Waits until so many cases are in Kayako.
pub(crate) async fn cases(accounts: &Accounts, at_least: usize) -> Result<()> {
    until(&format!("{at_least} cases in Kayako"), patience(), async || {
        Ok((accounts.cases() >= at_least).then_some(()))
    })
    .await
}

/// Waits until so many people have come into Kayako.
pub(crate) async fn people(accounts: &Accounts, at_least: usize) -> Result<()> {
    let before = accounts.before.users.len();
    until(&format!("{at_least} new people in Kayako"), patience(), async || {
        Ok((accounts.sandbox.kayako.counts().users >= before + at_least).then_some(()))
    })
    .await
}

/// Waits until nothing answers on a port.
pub(crate) async fn silent(port: u16) -> Result<()> {
    until("a server that is gone", PATIENCE, async || {
        Ok(TcpStream::connect(("127.0.0.1", port)).is_err().then_some(()))
    })
    .await
}

/// The sum of a column over all kinds of a table.
pub(crate) fn total(table: &Value, column: &str) -> u64 {
    let kinds = table["kinds"].as_object().into_iter().flat_map(|kinds| kinds.values());
    kinds.filter_map(|counts| counts[column].as_u64()).sum()
}

/// The run ends well, everything has arrived once, a further run creates nothing, nobody was written to.
pub(crate) async fn ends_well(
    migration: &mut Migration<'_>,
    run: &mut Process,
    services: Vec<Process>,
) -> Result<()> {
    let ended = run.ended().await?;
    ensure!(ended.code() == Some(0), "the run ended with {ended}: {}", run.document()?);
    judged(migration, services).await
}

/// The judgement on a run that has ended.
pub(crate) async fn judged(migration: &mut Migration<'_>, mut services: Vec<Process>) -> Result<()> {
    let accounts = migration.accounts;
    migration.arrived().await?;
    let run = migration.since.elapsed().as_secs();
    // What goes wrong is over; from here on every call counts.
    accounts.sandbox.kayako_server.set_faults(Schedule::default());
    accounts.sandbox.zendesk_server.set_faults(Schedule::default());
    accounts.sandbox.kayako_server.reset_counts();
    migration.carried_out(&["run", "--full"]).await?;
    let creating = accounts.creating_calls();
    ensure!(creating == 0, "a further run created: {:?}", accounts.sandbox.kayako_server.counts().calls);
    let compared = migration.done(&["verify", "--reconcile"]).await?;
    ensure!(compared["differences"] == serde_json::json!({}), "{compared}");
    let mails = accounts.sandbox.kayako.mails();
    ensure!(mails.is_empty(), "{} mails were sent", mails.len());
    for service in &services {
        service.terminate()?;
    }
    for service in &mut services {
        let status = service.ended().await?;
        ensure!(status.code() == Some(0), "{service:?} ended with {status}");
    }
    // A line of its own: `cargo test -- --nocapture` shows what a long run consisted of.
    println!(
        "\noutage passed: {}; seed {}; {} tickets; run {run} s, with the second run and the comparison {} s",
        std::thread::current().name().unwrap_or("-"),
        accounts.company.seed(),
        accounts.company.size().tickets,
        migration.since.elapsed().as_secs(),
    );
    Ok(())
}
