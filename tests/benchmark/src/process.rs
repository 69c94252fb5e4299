//! Processes and the kernel's figures about them.
//!
//! Constraint: read from `/proc` before the parent collects the child: an ended process keeps its processor time until then, but
//! not its peak memory, which is therefore looked at all the while (it only grows, so only the last moments can be missed).

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::PRODUCT;

/// How often peaks are looked at.
const LOOK: Duration = Duration::from_millis(40);
/// Ticks a second of the times in `/proc`: `USER_HZ`, 100 on every Linux architecture we build for.
const TICKS: f64 = 100.0;
/// How the product ends when some records failed (docs/cli.md).
const RECORDS_FAILED: i32 = 6;

/// What a process has used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Processor time in seconds, user and system.
    pub(crate) cpu: f64,
    /// Highest resident memory in KiB.
    pub(crate) peak_kib: u64,
}

/// A child; killed when dropped.
pub(crate) struct Worker {
    pub(crate) name: String,
    pub(crate) child: Child,
    usage: Usage,
}

/// A command that runs this very binary.
pub(crate) fn ourselves() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::current_exe().context("the benchmark's own binary")?))
}

/// A command that runs this binary as the product.
pub(crate) fn product() -> anyhow::Result<Command> {
    let mut command = ourselves()?;
    command.arg0(PRODUCT);
    Ok(command)
}

impl Worker {
    pub(crate) fn spawn(name: impl Into<String>, mut command: Command) -> anyhow::Result<Self> {
        let name = name.into();
        let child = command.spawn().with_context(|| format!("{name} does not start"))?;
        Ok(Self { name, child, usage: Usage::default() })
    }

    /// Starts it with its output in files `<name>.out` and `<name>.log` of a directory.
    pub(crate) fn spawn_into(
        directory: &Path,
        name: impl Into<String>,
        mut command: Command,
    ) -> anyhow::Result<Self> {
        let name = name.into();
        let file = |ending: &str| File::create(directory.join(format!("{name}.{ending}")));
        command.stdin(Stdio::null()).stdout(file("out")?).stderr(file("log")?);
        Self::spawn(name, command)
    }

    /// What it has used so far.
    pub(crate) fn usage(&mut self) -> Usage {
        let pid = self.child.id();
        if let Some(kib) = peak_kib(pid) {
            self.usage.peak_kib = self.usage.peak_kib.max(kib);
        }
        if let Some(stat) = Stat::of(pid) {
            self.usage.cpu = self.usage.cpu.max(stat.cpu);
        }
        self.usage
    }

    /// Whether it has ended (and was not collected yet).
    pub(crate) fn has_ended(&self) -> bool {
        Stat::of(self.child.id()).is_none_or(|stat| stat.state == 'Z')
    }

    /// Asks it to stop, as an orchestrator does.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        Ok(rustix::process::kill_process(pid, rustix::process::Signal::TERM)?)
    }

    /// Collects it; the usage is final. A run in which records failed is a run.
    fn collect(&mut self) -> anyhow::Result<Usage> {
        let usage = self.usage();
        let status = self.child.wait()?;
        if !status.success() && status.code() != Some(RECORDS_FAILED) {
            bail!("{} ended with {status}", self.name);
        }
        Ok(usage)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Ended or not: nothing of a measurement may outlive it, and RabbitMQ is the grandchild of a script. All of this fails
        // harmlessly on an ended process.
        for pid in descendants(self.child.id()) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits for the first of them, looking at all; fails if another one ends before.
pub(crate) async fn until_ended(first: &mut Worker, others: &mut [Worker]) -> anyhow::Result<Usage> {
    loop {
        first.usage();
        if first.has_ended() {
            return first.collect();
        }
        for other in &mut *others {
            other.usage();
            if other.has_ended() {
                bail!("{} ended before its work was done", other.name);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Asks all of them to stop and waits. Their usages, by name.
pub(crate) async fn stop(workers: Vec<Worker>) -> anyhow::Result<Vec<(String, Usage)>> {
    for worker in &workers {
        worker.terminate()?;
    }
    let mut usages = Vec::new();
    for mut worker in workers {
        while !worker.has_ended() {
            worker.usage();
            tokio::time::sleep(LOOK).await;
        }
        let usage = worker.collect()?;
        usages.push((worker.name.clone(), usage));
    }
    Ok(usages)
}

/// Processor seconds of this process so far.
pub(crate) fn own_cpu() -> f64 {
    Stat::of(std::process::id()).map_or(0.0, |stat| stat.cpu)
}

/// Processor seconds that the whole machine has spent so far. What is left after the measured processes is taken off was somebody
/// else's, and makes a measurement less worth.
pub(crate) fn machine_cpu() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    // proc(5): user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
    let ticks: Vec<f64> = fields.take(8).filter_map(|field| field.parse().ok()).collect();
    let idle: f64 = ticks.iter().skip(3).take(2).sum();
    (ticks.iter().sum::<f64>() - idle) / TICKS
}

/// Processor seconds of a process and everything below it.
pub(crate) fn tree_cpu(root: u32) -> f64 {
    let below = descendants(root);
    std::iter::once(root).chain(below).filter_map(Stat::of).map(|stat| stat.cpu).sum()
}

/// Everything below a process.
fn descendants(root: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let all: Vec<(u32, u32)> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, Stat::of(pid)?.parent)))
        .collect();
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(all.iter().filter(|(_, other)| *other == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.split_off(1)
}

struct Stat {
    state: char,
    parent: u32,
    cpu: f64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may hold blanks and brackets itself.
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        // proc(5): utime and stime are fields 14 and 15; the parent was field 4.
        let mut ticks = fields.skip(9).map(str::parse::<f64>);
        let cpu = (ticks.next()?.ok()? + ticks.next()?.ok()?) / TICKS;
        Some(Self { state, parent, cpu })
    }
}

fn peak_kib(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
