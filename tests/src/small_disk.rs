//! A disk of a given size that a test may fill and empty again.
//!
//! Constraints: needs no rights and leaves nothing behind. The disk is a memory file system in a mount namespace of its own, which
//! ends with the last process in it; only processes started by [`SmallDisk::launcher`] see it. Where the system lets nobody make such
//! a namespace, opening one fails and says so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command as Background};

/// What takes all the room.
const BALLAST: &str = "ballast";
/// Ways into a namespace of one's own: for everybody, and for who is privileged where everybody is not let.
const WAYS: [&[&str]; 2] = [&["--user", "--map-root-user", "--mount"], &["--mount"]];

/// A small disk. Gone when it is dropped and the processes in it have ended.
#[derive(Debug)]
pub struct SmallDisk {
    holder: Child,
    of_everybody: bool,
    directory: PathBuf,
    at: PathBuf,
}

impl SmallDisk {
    /// A disk of so many KiB at `at`, for processes that work in `directory`. Both must exist.
    pub async fn open(directory: &Path, at: &Path, kib: u64) -> Result<Self> {
        let mut refused = Vec::new();
        for way in WAYS {
            let mut unshare = Background::new("unshare");
            unshare.args(way).args([
                "sh",
                "-c",
                "mount -t tmpfs -o size=$1k none \"$0\" && echo ready && exec cat",
            ]);
            unshare.arg(at).arg(kib.to_string());
            unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
            let mut holder = unshare.spawn().context("`unshare` of util-linux cannot be started")?;
            let said = holder.stdout.as_mut().context("what the disk's holder says")?;
            let mut line = String::new();
            BufReader::new(said).read_line(&mut line).await?;
            if line.trim() == "ready" {
                let of_everybody = way.contains(&"--user");
                return Ok(Self { holder, of_everybody, directory: directory.to_owned(), at: at.to_owned() });
            }
            let output = holder.wait_with_output().await?;
            refused.push(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        anyhow::bail!(
            "this test needs a small disk; the system makes none without user namespaces or the right to mount: {}",
            refused.join("; ")
        )
    }

    /// What starts a process that sees the disk.
    pub fn launcher(&self) -> Result<Vec<String>> {
        let holder = self.holder.id().context("the disk's holder has ended")?.to_string();
        let mut launcher = vec!["nsenter".to_owned(), "--target".to_owned(), holder, "--mount".to_owned()];
        if self.of_everybody {
            launcher.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        // Another namespace begins at its root; `exec` keeps the process the one that is killed.
        let directory = self.directory.display().to_string();
        launcher.extend(["sh", "-c", "cd \"$0\" && exec \"$@\""].map(str::to_owned));
        launcher.push(directory);
        Ok(launcher)
    }

    /// Takes all the room that is left.
    pub fn fill(&self) -> Result<()> {
        // The last block of the ballast does not fit: that is the point.
        self.shell("cat /dev/zero > \"$1\" 2>/dev/null; test -s \"$1\"")
    }

    /// Gives the room back.
    pub fn empty(&self) -> Result<()> {
        self.shell("rm \"$1\"")
    }

    /// Bytes in use.
    pub fn used(&self) -> Result<u64> {
        let output = self.inside("df --block-size=1 --output=used \"$2\"")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .last()
            .and_then(|line| line.trim().parse().ok())
            .with_context(|| format!("df says: {text}"))
    }

    fn shell(&self, script: &str) -> Result<()> {
        let output = self.inside(script)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "`{script}` ended with {}: {said}", output.status);
        Ok(())
    }

    fn inside(&self, script: &str) -> Result<std::process::Output> {
        let launcher = self.launcher()?;
        let (program, before) = launcher.split_first().context("a launcher")?;
        let mut command = Command::new(program);
        command.args(before).args(["sh", "-c", script, "sh"]).arg(self.at.join(BALLAST)).arg(&self.at);
        Ok(command.output()?)
    }
}
