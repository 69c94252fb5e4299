//! The network between the services and the two accounts: cut, slow, half-open.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use system_tests::proxy::{Network, Proxy};
use tokio::time::sleep;

use crate::ground::{Servers, accounts, cases, ends_well, fleet, migration, people};

/// How long a disturbance lasts: longer than any single call is repeated in the scaled protocol (6 s), and than a circuit is closed (3 s).
const DISTURBED: Duration = Duration::from_secs(8);
/// The same where requests are held up on their way and take effect in the end: that must be within the quiet period (6 s), on which the
/// guarantee rests.
const HELD_UP: Duration = Duration::from_secs(5);

/// A run whose ways to the accounts are disturbed like this: to each among people, to both among cases.
async fn disturbed(seed: u64, network: Network) -> Result<()> {
    let lasting = if network == Network::Silent { HELD_UP } else { DISTURBED };
    let servers = Servers::start().await?;
    let mut accounts = accounts(seed).await?;
    let kayako = Proxy::before(accounts.sandbox.kayako_server.address().context("a port")?.port()).await?;
    let zendesk = Proxy::before(accounts.sandbox.zendesk_server.address().context("a port")?.port()).await?;
    accounts.kayako_url = format!("http://127.0.0.1:{}", kayako.port());
    accounts.zendesk_url = format!("http://127.0.0.1:{}", zendesk.port());
    let mut migration = migration(&accounts, servers.shared())?;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    people(&accounts, 3).await?;
    for proxy in [&zendesk, &kayako] {
        proxy.set(network);
        sleep(lasting).await;
        proxy.set(Network::Fine);
    }
    cases(&accounts, 5).await?;
    zendesk.set(network);
    kayako.set(network);
    sleep(lasting).await;
    zendesk.set(Network::Fine);
    kayako.set(Network::Fine);
    ends_well(&mut migration, &mut run, services).await?;
    for (name, proxy) in [("Kayako", &kayako), ("the source", &zendesk)] {
        println!("the network to {name} was disturbed {} times", proxy.struck());
        ensure!(proxy.struck() > 0, "no call to {name} met a disturbed network");
    }
    migration.passed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_to_the_accounts_is_cut() -> Result<()> {
    disturbed(141, Network::Cut).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_to_the_accounts_is_slow() -> Result<()> {
    disturbed(142, Network::Slow(Duration::from_millis(300))).await
}

/// What was sent while nothing passed arrives afterwards, when its sender has long given it up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_to_the_accounts_is_half_open() -> Result<()> {
    disturbed(143, Network::Silent).await
}
