//! A faithful Kayako and Zendesk over HTTP on loopback, with fault injection: for the demo, our tests, and users' own CI.
//!
//! Constraints. Depends on none of the project's other crates, so that a mistake in a client cannot hide in the account it is
//! tested against. Everything comes from a seed. Nothing listens beyond loopback.
//!
//! Both accounts have a control API below `/_sandbox/` on their own port, without login:
//! [`server`] serves `calls`, `calls/reset` and `faults` for both; [`kayako`] and [`zendesk`] add their own.

pub mod clock;
pub mod faults;
pub mod kayako;
pub mod population;
pub mod seed;
pub mod server;
pub mod zendesk;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::faults::Schedule;
use crate::seed::{Company, Size};
use crate::server::Server;

/// Both accounts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxConfig {
    /// Seed of the choice of people who exist in Kayako beforehand. [`SandboxConfig::new`] gives it to everything else, too.
    pub seed: u64,
    /// Port of the Kayako account on 127.0.0.1; 0 = any free one.
    pub kayako_port: u16,
    /// Port of the Zendesk account on 127.0.0.1; 0 = any free one.
    pub zendesk_port: u16,
    /// The Kayako account.
    pub kayako: kayako::Config,
    /// The Zendesk account.
    pub zendesk: zendesk::Config,
    /// What goes wrong.
    pub faults: FaultSchedules,
    /// Share (0 to 1) of the Zendesk account's end users who exist in Kayako beforehand, under other names and values.
    pub existing_share: f64,
    /// So many agents, the last ones, do not exist in Kayako; all others do.
    pub missing_agents: usize,
}

/// One fault schedule for each account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultSchedules {
    /// For calls to Kayako.
    pub kayako: Schedule,
    /// For calls to Zendesk.
    pub zendesk: Schedule,
}

impl SandboxConfig {
    /// A company of the given size, everything from one seed, friendly, without faults.
    pub fn new(seed: u64, size: Size) -> Self {
        let mut config = Self {
            seed,
            kayako_port: 0,
            zendesk_port: 0,
            kayako: kayako::Config { seed, ..kayako::Config::default() },
            zendesk: zendesk::Config { company: Company::new(seed, size), ..zendesk::Config::default() },
            faults: FaultSchedules::default(),
            existing_share: 0.3,
            missing_agents: 0,
        };
        config.faults.kayako.seed = seed;
        config.faults.zendesk.seed = seed;
        config
    }
}

impl Default for SandboxConfig {
    /// The demo's sample company.
    fn default() -> Self {
        Self::new(1, Size::sample())
    }
}

/// Why the sandbox could not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The port is taken, or loopback is not to be had.
    #[error("cannot listen on 127.0.0.1 for the {account} account")]
    Listen {
        /// `kayako` or `zendesk`.
        account: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The Kayako account refuses what it should hold.
    #[error("the kayako account cannot be opened")]
    Account(#[from] kayako::AccountError),
}

/// Two accounts being served in the current tokio runtime.
pub struct Sandbox {
    /// Base URL of the Kayako account, without a slash at the end.
    pub kayako_url: String,
    /// Base URL of the Zendesk account, without a slash at the end.
    pub zendesk_url: String,
    /// The Kayako account from inside the process.
    pub kayako: kayako::Account,
    /// The Zendesk account from inside the process.
    pub zendesk: zendesk::Account,
    /// The server of the Kayako account: its faults and call counts.
    pub kayako_server: Server,
    /// The server of the Zendesk account: its faults and call counts.
    pub zendesk_server: Server,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Sandbox");
        shown
            .field("kayako_url", &self.kayako_url)
            .field("zendesk_url", &self.zendesk_url)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Opens both accounts, fills Kayako with the people who exist beforehand, and serves.
    pub async fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        let (kayako, zendesk, config) = open(config)?;
        let serve = async |account, port, router, schedule| {
            let refuse = |source| SandboxError::Listen { account, source };
            let listener =
                TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.map_err(refuse)?;
            Server::start(listener, router, schedule).map_err(refuse)
        };
        let kayako_server =
            serve("kayako", config.kayako_port, kayako.router(), config.faults.kayako).await?;
        let zendesk_server =
            serve("zendesk", config.zendesk_port, zendesk.router(), config.faults.zendesk).await?;
        let url =
            |server: &Server| server.address().map(|address| format!("http://{address}")).unwrap_or_default();
        let (kayako_url, zendesk_url) = (url(&kayako_server), url(&zendesk_server));
        kayako.set_base_url(&kayako_url);
        Ok(Self { kayako_url, zendesk_url, kayako, zendesk, kayako_server, zendesk_server })
    }

    /// The same without ports: for callers in this process, by [`Server::answer`].
    pub fn without_ports(config: SandboxConfig) -> Result<Self, SandboxError> {
        let (kayako, zendesk, config) = open(config)?;
        let kayako_server = Server::without_port(kayako.router(), config.faults.kayako);
        let zendesk_server = Server::without_port(zendesk.router(), config.faults.zendesk);
        // Ports of this machine on which nothing ever listens: who calls them over the network is refused.
        let (kayako_url, zendesk_url) = ("http://127.0.0.1:1".to_owned(), "http://127.0.0.1:2".to_owned());
        kayako.set_base_url(&kayako_url);
        Ok(Self { kayako_url, zendesk_url, kayako, zendesk, kayako_server, zendesk_server })
    }

    /// Closes all connections and waits until nothing runs any more.
    pub async fn shutdown(&self) {
        futures::join!(self.kayako_server.shutdown(), self.zendesk_server.shutdown());
    }
}

/// Both accounts, not served yet.
fn open(config: SandboxConfig) -> Result<(kayako::Account, zendesk::Account, SandboxConfig), SandboxError> {
    let kayako = kayako::Account::new(&config.kayako)?;
    population::fill(&kayako, &config)?;
    let zendesk = zendesk::Account::new(config.zendesk.clone());
    Ok((kayako, zendesk, config))
}

/// Locks, also after a panic elsewhere: a sandbox goes on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
