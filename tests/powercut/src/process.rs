//! The two kinds of child: this program again, with a pipe to the parent.
//!
//! Promises: a child ends with its parent, and is waited for. Never: waits without a limit.

use crate::{store::Kind, workload::Workload};
use anyhow::{Context as _, Result, bail};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// A child and its lines.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
}

/// Called by a child, before anything else.
pub(crate) fn follow_parent() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot follow the parent's end")
}

impl Process {
    /// Starts `role` on a store in `dir`; `stdin` is all it will read; what it logs goes to `log`.
    pub(crate) fn start(
        role: &str,
        dir: &Path,
        (workload, kind): (&Workload, Kind),
        extra: &[String],
        stdin: String,
        log: &File,
    ) -> Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg(role)
            .arg(dir)
            .args(["--workload", workload.name, "--store", kind.name()])
            .args(extra)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone()?)
            .spawn()
            .context("no process for it")?;
        let mut input = child.stdin.take().context("no pipe to it")?;
        let output = child.stdout.take().context("no pipe from it")?;
        let (told, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    break;
                }
            }
        });
        // A child that ended early shows by its silence.
        thread::spawn(move || drop(input.write_all(stdin.as_bytes())));
        Ok(Self { child, lines })
    }

    /// Hears lines until one is `last`.
    ///
    /// # Errors
    /// When the child ends or `limit` passes before.
    pub(crate) fn hear_until(&self, last: &str, limit: Duration, mut each: impl FnMut(&str)) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line == last => return Ok(()),
                Ok(line) => each(&line),
                Err(RecvTimeoutError::Disconnected) => bail!("it ended before it said `{last}`"),
                Err(RecvTimeoutError::Timeout) => bail!("no `{last}` within {} s", limit.as_secs()),
            }
        }
    }

    /// Hears lines until none came for `quiet`, or `limit` passed; false when the child has ended.
    pub(crate) fn hear_out(&self, quiet: Duration, limit: Duration, mut each: impl FnMut(&str)) -> bool {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            match self.lines.recv_timeout(quiet) {
                Ok(line) => each(&line),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    /// Sends SIGKILL; it may still wait for its drive.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot end it")
    }

    /// Waits until it is gone.
    pub(crate) fn wait(mut self) -> Result<bool> {
        Ok(self.child.wait().context("cannot wait for it")?.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Harmless when it was waited for: the standard library remembers.
        drop(self.child.kill());
    }
}
