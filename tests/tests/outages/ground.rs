//! What all scenarios share: accounts, private servers, two of each service, and the judgement at the end.

use std::net::TcpStream;

use anyhow::{Result, ensure};
use system_tests::accounts::{Accounts, config, slow};
use system_tests::migration::{Migration, Shared};
use system_tests::processes::{PATIENCE, Process};
use system_tests::rules::Rules;
use system_tests::servers::{RabbitServer, RedisServer};
use system_tests::waiting::until;

/// Tickets of an account, unless `OUTAGES_TICKETS` says another number.
const TICKETS: u64 = 70;
/// Milliseconds that every call takes: long enough that an outage meets work on its way.
const LATENCY: u64 = 25;

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

/// Accounts that answer slowly, so that there is a middle to break something in.
pub(crate) async fn accounts(seed: u64) -> Result<Accounts> {
    let tickets = std::env::var("OUTAGES_TICKETS").ok().and_then(|text| text.parse().ok()).unwrap_or(TICKETS);
    let mut config = config(seed, tickets);
    config.faults.kayako = slow(LATENCY);
    config.faults.zendesk = slow(LATENCY);
    Accounts::open(config).await
}

/// Two of each service.
pub(crate) fn fleet(migration: &Migration<'_>) -> Result<Vec<Process>> {
    let labels = ROLES.iter().flat_map(|role| (1..=2).map(move |number| (*role, format!("{role}-{number}"))));
    labels.map(|(role, label)| migration.serve(role, &label)).collect()
}

/// A migration over these places.
pub(crate) fn migration(accounts: &Accounts, shared: Shared) -> Result<Migration<'_>> {
    let mut migration = Migration::new(accounts, Rules::default(), Some(shared), "")?;
    migration.killed = true;
    Ok(migration)
}

/// Waits until so many cases are in Kayako.
pub(crate) async fn cases(accounts: &Accounts, at_least: usize) -> Result<()> {
    until(&format!("{at_least} cases in Kayako"), PATIENCE, async || {
        Ok((accounts.cases() >= at_least).then_some(()))
    })
    .await
}

/// Waits until so many people have come into Kayako.
pub(crate) async fn people(accounts: &Accounts, at_least: usize) -> Result<()> {
    let before = accounts.before.users.len();
    until(&format!("{at_least} new people in Kayako"), PATIENCE, async || {
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
    Ok(())
}
