//! RabbitMQ and Redis: those that are named, or private ones on free loopback ports that end with the benchmark.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::options::Options;
use crate::process::{self, Worker};

/// Where Debian and its relatives put the servers, beside the search path.
const PLACES: [&str; 3] = ["/usr/lib/rabbitmq/bin", "/usr/sbin", "/usr/bin"];
/// RabbitMQ starts within half a minute even on one busy core.
const START: Duration = Duration::from_mins(1);

/// Both, and the processes of those that are ours.
pub(crate) struct Brokers {
    pub(crate) queue: String,
    pub(crate) ledger: String,
    rabbit: Option<Worker>,
    redis: Option<Worker>,
}

/// Bytes in Redis that a migration occupies.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RedisBytes {
    /// Rows, by `MEMORY USAGE`.
    pub(crate) rows: u64,
    /// The index of natural keys (e-mails, names).
    pub(crate) natural: u64,
    /// Counters, documents, locks.
    pub(crate) rest: u64,
    /// What the server uses in all.
    pub(crate) used: u64,
}

impl Brokers {
    /// Uses the named ones, starts the others.
    pub(crate) async fn open(options: &Options, directory: &Path) -> anyhow::Result<Self> {
        let redis = options.ledger.is_none().then(|| start_redis(directory)).transpose()?;
        let rabbit = options.queue.is_none().then(|| start_rabbit(directory)).transpose()?;
        let named = |url: &Option<String>| url.clone().unwrap_or_default();
        let ledger = redis
            .as_ref()
            .map_or_else(|| named(&options.ledger), |(port, _)| format!("redis://127.0.0.1:{port}/0"));
        let queue = rabbit.as_ref().map_or_else(
            || named(&options.queue),
            |(port, _)| format!("amqp://guest:guest@127.0.0.1:{port}/%2f"),
        );
        for (port, worker) in redis.iter().chain(&rabbit) {
            answers(*port, worker).await?;
        }
        let ours = |started: Option<(u16, Worker)>| started.map(|(_, worker)| worker);
        Ok(Self { queue, ledger, rabbit: ours(rabbit), redis: ours(redis) })
    }

    /// Processor seconds of both since they were started; `None` if either is not ours.
    pub(crate) fn cpu(&self) -> Option<(f64, f64)> {
        let of = |worker: &Worker| process::tree_cpu(worker.child.id());
        Some((of(self.rabbit.as_ref()?), of(self.redis.as_ref()?)))
    }

    /// What a migration occupies in Redis.
    pub(crate) async fn redis_bytes(&self, migration: &str) -> anyhow::Result<RedisBytes> {
        let mut connection =
            redis::Client::open(self.ledger.as_str())?.get_multiplexed_async_connection().await?;
        let mut bytes = RedisBytes { used: used(&mut connection).await?, ..RedisBytes::default() };
        let mut cursor = 0_u64;
        loop {
            let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
                .arg(cursor)
                .arg(&["MATCH", &format!("*:{migration}}}:*"), "COUNT", "1000"])
                .query_async(&mut connection)
                .await?;
            for key in keys {
                let size: Option<u64> = redis::cmd("MEMORY")
                    .arg(&["USAGE", &key, "SAMPLES", "0"])
                    .query_async(&mut connection)
                    .await?;
                let name = key.split_once("}:").map_or("", |(_, name)| name);
                let place = match name.split(':').next().unwrap_or_default() {
                    "rows1" => &mut bytes.rows,
                    "natural1" => &mut bytes.natural,
                    _ => &mut bytes.rest,
                };
                *place += size.unwrap_or(0);
            }
            if next == 0 {
                return Ok(bytes);
            }
            cursor = next;
        }
    }
}

async fn used(connection: &mut redis::aio::MultiplexedConnection) -> anyhow::Result<u64> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(connection).await?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.and_then(|bytes| bytes.trim().parse().ok()).context("Redis does not tell its memory")
}

fn start_redis(directory: &Path) -> anyhow::Result<(u16, Worker)> {
    let port = free_port()?;
    let mut command = Command::new(server("redis-server")?);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--appendonly", "yes", "--save", ""]);
    command.arg("--dir").arg(directory);
    Ok((port, Worker::spawn_into(directory, "redis", command)?))
}

/// Everything below one directory and on ports of its own: nothing is shared with an instance that may be running here.
fn start_rabbit(directory: &Path) -> anyhow::Result<(u16, Worker)> {
    let port = free_port()?;
    let config = directory.join("rabbitmq.conf");
    let lines = format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\nloopback_users = none\ndisk_free_limit.absolute = 50MB\n"
    );
    fs::write(&config, lines)?;
    let mut command = Command::new(server("rabbitmq-server")?);
    command
        .env("HOME", directory)
        .env("RABBITMQ_NODENAME", format!("benchmark{}@localhost", std::process::id()))
        .env("RABBITMQ_DIST_PORT", free_port()?.to_string())
        .env("RABBITMQ_CONFIG_FILE", config)
        .env("RABBITMQ_MNESIA_BASE", directory.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", directory.join("rabbit-log"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", directory.join("plugins"));
    Ok((port, Worker::spawn_into(directory, "rabbitmq", command)?))
}

fn server(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = PLACES.iter().map(PathBuf::from).chain(std::env::split_paths(&path));
    places.map(|place| place.join(name)).find(|file| file.is_file()).with_context(|| {
        format!("{name} is not installed; install it, or name running servers with --queue and --ledger")
    })
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

async fn answers(port: u16, worker: &Worker) -> anyhow::Result<()> {
    let began = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if worker.has_ended() || began.elapsed() > START {
            bail!("{} did not start", worker.name);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
