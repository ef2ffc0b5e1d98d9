//! The demo's child processes: started, awaited, ended by their own handle.
//!
//! Promises: none outlives the demo, however it ends: the kernel kills them with it (prctl(2),
//! `PR_SET_PDEATHSIG`, set by setpriv(1) of util-linux); each writes its log to its own file.

use anyhow::{Context, Result, bail};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a role may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// Between looks at whether it is.
const READY_LOOK: Duration = Duration::from_millis(20);

/// Becomes the program that follows, with the same process id.
const END_WITH_PARENT: [&str; 4] = ["setpriv", "--pdeathsig", "KILL", "--"];

/// One running role; ended when dropped.
pub(super) struct Role {
    name: &'static str,
    command: Command,
    child: Child,
    log: PathBuf,
}

impl Role {
    /// Starts `program` with `args`; standard error goes to `<logs>/<name>.log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(name: &'static str, program: &Path, args: &[&str], logs: &Path) -> Result<Self> {
        Self::start_in(name, program, args, &[], logs)
    }

    /// As [`Self::start`], with these variables in its environment.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start_in(
        name: &'static str,
        program: &Path,
        args: &[&str],
        environment: &[(&str, &str)],
        logs: &Path,
    ) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new(END_WITH_PARENT[0]);
        command
            .args(&END_WITH_PARENT[1..])
            .arg(program)
            .args(args)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        Ok(Self { name, command, child, log })
    }

    /// Kills it (`SIGKILL`: it cannot tidy up) and leaves it dead.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing")?;
        self.child.wait().context("waiting for its end")?;
        Ok(())
    }

    /// Starts it again as it was started before.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start_again(&mut self) -> Result<()> {
        self.child = self.command.spawn().with_context(|| format!("starting {} again", self.name))?;
        Ok(())
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// With the role's last words, when it ends or is not ready in time.
    pub(super) fn wait_until(&mut self, ready: impl Fn() -> bool) -> Result<()> {
        let start = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.name, self.last_words());
            }
            if start.elapsed() > READY_LIMIT {
                bail!("{} is not ready after {READY_LIMIT:?}: {}", self.name, self.last_words());
            }
            std::thread::sleep(READY_LOOK);
        }
        Ok(())
    }

    /// The process id.
    #[must_use]
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn wait(&mut self) -> Result<std::process::ExitStatus> {
        Ok(self.child.wait()?)
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().next_back().unwrap_or("(it said nothing)").to_owned()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // Already ended is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
