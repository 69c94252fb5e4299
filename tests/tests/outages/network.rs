//! The network between the services and their stores: cut, slow, half-open.

use std::time::Duration;

use anyhow::Result;
use system_tests::migration::Shared;
use system_tests::proxy::{Network, Proxy};
use tokio::time::sleep;

use crate::ground::{Servers, accounts, cases, ends_well, fleet, migration, people};

/// How long a disturbance lasts: longer than a lease of the scaled protocol (2 s), so that work in hand is taken over.
const DISTURBED: Duration = Duration::from_secs(4);

/// A run whose ways to both stores are disturbed like this, once among people and once among cases.
async fn disturbed(seed: u64, network: Network) -> Result<()> {
    let servers = Servers::start().await?;
    let (rabbit, redis) =
        (Proxy::before(servers.rabbit.port()).await?, Proxy::before(servers.redis.port()).await?);
    let shared = Shared {
        queue: format!("amqp://guest:guest@127.0.0.1:{}/%2f", rabbit.port()),
        ledger: format!("redis://127.0.0.1:{}/0", redis.port()),
    };
    let accounts = accounts(seed).await?;
    let mut migration = migration(&accounts, shared)?;
    let services = fleet(&migration)?;
    let mut run = migration.start(&["run", "--full"])?;
    people(&accounts, 3).await?;
    for proxy in [&rabbit, &redis] {
        proxy.set(network);
        sleep(DISTURBED).await;
        proxy.set(Network::Fine);
    }
    cases(&accounts, 5).await?;
    rabbit.set(network);
    redis.set(network);
    sleep(DISTURBED).await;
    rabbit.set(Network::Fine);
    redis.set(Network::Fine);
    ends_well(&mut migration, &mut run, services).await?;
    migration.passed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_is_cut() -> Result<()> {
    disturbed(121, Network::Cut).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_is_slow() -> Result<()> {
    disturbed(122, Network::Slow(Duration::from_millis(80))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_is_half_open() -> Result<()> {
    disturbed(123, Network::Silent).await
}
