//! Private servers that a test may kill, lose and start again: RabbitMQ and Redis on loopback ports of their own.
//!
//! Constraints: nothing is shared with an instance that runs here already; a server that is dropped is gone, with all that it kept.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::waiting::until;

/// Where Debian and its relatives put the servers, beside the search path.
const PLACES: [&str; 3] = ["/usr/lib/rabbitmq/bin", "/usr/sbin", "/usr/bin"];
/// RabbitMQ starts within half a minute even on one busy core.
const START: Duration = Duration::from_mins(2);

/// A server in a process group of its own, so that it can be killed with everything it has started.
#[derive(Debug)]
struct Running {
    child: Child,
}

impl Running {
    fn start(mut command: Command, log: &Path) -> Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let file = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = command.spawn().with_context(|| format!("{command:?} cannot be started"))?;
        Ok(Self { child })
    }

    /// As the kernel does when memory runs out: the whole group at once.
    fn kill(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A RabbitMQ of the test's own.
#[derive(Debug)]
pub struct RabbitServer {
    directory: TempDir,
    port: u16,
    dist: u16,
    node: String,
    running: Option<Running>,
}

impl RabbitServer {
    /// Starts one and waits until it answers.
    pub async fn start() -> Result<Self> {
        let (port, dist) = (free_port()?, free_port()?);
        let directory = tempfile::tempdir()?;
        let node = format!("km{}-{port}@localhost", std::process::id());
        let mut server = Self { directory, port, dist, node, running: None };
        server.again().await?;
        Ok(server)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it; what is on its disk stays.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again on the same port, over what it had on disk.
    pub async fn again(&mut self) -> Result<()> {
        let directory = self.directory.path();
        let config = directory.join("rabbitmq.conf");
        let lines = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\nloopback_users = none\ndisk_free_limit.absolute = 50MB\n",
            self.port
        );
        fs::write(&config, lines)?;
        let mut command = Command::new(installed("rabbitmq-server")?);
        command
            .env("HOME", directory)
            .env("RABBITMQ_NODENAME", &self.node)
            .env("RABBITMQ_DIST_PORT", self.dist.to_string())
            .env("RABBITMQ_CONFIG_FILE", &config)
            .env("RABBITMQ_MNESIA_BASE", directory.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", directory.join("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", directory.join("plugins"))
            .env("RABBITMQ_PID_FILE", directory.join("pid"));
        let running = Running::start(command, &directory.join("out.log"))?;
        self.running = Some(running);
        answers("RabbitMQ", self.port).await
    }
}

impl RabbitServer {
    /// Says so much about itself, or is told to behave otherwise: `rabbitmqctl` with these arguments. What it prints.
    pub fn control(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(installed("rabbitmqctl")?);
        // The cookie that lets it in lies in the server's home.
        command.env("HOME", self.directory.path()).args(["--quiet", "--node", &self.node]).args(arguments);
        let output = command.output().context("rabbitmqctl cannot be started")?;
        let (said, complaint) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(
            output.status.success(),
            "rabbitmqctl {arguments:?} ended with {}: {complaint}",
            output.status
        );
        Ok(said.into_owned())
    }

    /// Messages in all queues, also those that consumers hold.
    pub fn messages(&self) -> Result<u64> {
        let listed = self.control(&["list_queues", "--no-table-headers", "messages"])?;
        Ok(listed.lines().filter_map(|line| line.trim().parse::<u64>().ok()).sum())
    }

    /// Whether it raises the memory alarm, in which it takes no more messages.
    pub fn alarm(&self, raised: bool) -> Result<()> {
        let watermark = if raised { "0.0" } else { "0.4" };
        self.control(&["set_vm_memory_high_watermark", watermark]).map(drop)
    }

    /// The alarms in force, in the server's words; empty if there is none.
    pub fn alarms(&self) -> Result<String> {
        Ok(self.control(&["eval", "rabbit_alarm:get_alarms()."])?.trim().trim_matches(['[', ']']).to_owned())
    }
}

/// A Redis of the test's own that keeps an append-only file, synced every second as the product demands.
#[derive(Debug)]
pub struct RedisServer {
    directory: TempDir,
    port: u16,
    running: Option<Running>,
}

impl RedisServer {
    /// Starts one and waits until it answers.
    pub async fn start() -> Result<Self> {
        let mut server = Self { directory: tempfile::tempdir()?, port: free_port()?, running: None };
        server.again().await?;
        Ok(server)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it; what is on its disk stays.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again on the same port, over what it had on disk.
    pub async fn again(&mut self) -> Result<()> {
        let mut command = Command::new(installed("redis-server")?);
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "everysec"]);
        command.arg("--dir").arg(self.data());
        fs::create_dir_all(self.data())?;
        self.running = Some(Running::start(command, &self.directory.path().join("out.log"))?);
        answers("Redis", self.port).await
    }

    /// A copy of what is on disk now: what a later crash may fall back to.
    pub fn snapshot(&self) -> Result<TempDir> {
        let copy = tempfile::tempdir()?;
        copied(&self.data(), copy.path())?;
        Ok(copy)
    }

    /// Puts an earlier state of the disk in place of the present one. The server must be down.
    pub fn restore(&self, earlier: &TempDir) -> Result<()> {
        ensure!(self.running.is_none(), "a running Redis would write over it");
        fs::remove_dir_all(self.data())?;
        fs::create_dir_all(self.data())?;
        copied(earlier.path(), &self.data())
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

fn copied(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copied(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn installed(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = PLACES.iter().map(PathBuf::from).chain(std::env::split_paths(&path));
    let found = places.map(|place| place.join(name)).find(|file| file.is_file());
    found.with_context(|| format!("{name} is not installed; these tests need one that they may kill"))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

async fn answers(what: &str, port: u16) -> Result<()> {
    let what = format!("{what} to answer");
    until(&what, START, async || Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok().map(drop))).await
}
