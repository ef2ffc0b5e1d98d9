//! Running other programs: in the foreground, for their output, within a limit, or in our place.
//!
//! Promises: a program's own lines reach the terminal unchanged; a program that outlives its limit
//! is ended and named.
//!
//! Never: a shell in between, so no argument is ever quoted or split.

use anyhow::{Context as _, Result, bail};
use std::{
    ffi::OsString,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How often a program with a limit is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The cargo that runs us, or the one in the path.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|us| us.uid() == 0)
}

/// Whether the program ran and returned 0; its output goes where ours goes.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let program = command.get_program().to_owned();
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    Ok(status.success())
}

/// The program's standard output, when it returned 0; its standard error goes where ours goes.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_owned();
    String::from_utf8(bytes_of(command)?).with_context(|| format!("{} wrote no UTF-8", program.display()))
}

/// As [`output_of`], for output that is no text.
pub(crate) fn bytes_of(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_owned();
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        bail!("{} ended with {}", program.display(), output.status);
    }
    Ok(output.stdout)
}

/// How a silent program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silent {
    /// It returned 0.
    Succeeded,
    /// It returned something else.
    Failed,
    /// It was still running at its limit and was ended.
    OutOfTime,
    /// There is no such program.
    NoProgram,
}

/// Runs a program without showing its output, for at most `limit`.
pub(crate) fn within(limit: Duration, command: &mut Command) -> Result<Silent> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Silent::NoProgram),
        Err(error) => return Err(error).context("cannot run a program"),
    };
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() { Silent::Succeeded } else { Silent::Failed });
        }
        if started.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(Silent::OutOfTime);
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Becomes the program, so that its exit status and its signals are ours. Returns only on failure.
pub(crate) fn become_program(command: &mut Command) -> Result<ExitCode> {
    let program = command.get_program().to_owned();
    let error = command.exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_past_its_limit_is_ended() {
        let started = Instant::now();
        let ended =
            within(Duration::from_millis(100), Command::new("tail").args(["-f", "/dev/null"])).unwrap();
        assert_eq!(ended, Silent::OutOfTime);
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn endings_are_told_apart() {
        let limit = Duration::from_secs(10);
        assert_eq!(within(limit, &mut Command::new("true")).unwrap(), Silent::Succeeded);
        assert_eq!(within(limit, &mut Command::new("false")).unwrap(), Silent::Failed);
        assert_eq!(within(limit, &mut Command::new("no-such-program-here")).unwrap(), Silent::NoProgram);
    }

    #[test]
    fn output_of_a_failing_program_is_an_error() {
        assert_eq!(output_of(Command::new("echo").arg("a b")).unwrap(), "a b\n");
        assert!(output_of(&mut Command::new("false")).is_err());
    }
}
