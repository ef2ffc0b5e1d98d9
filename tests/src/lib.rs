//! Whole-system tests: the real binaries, driven from outside.
//!
//! Each suite is named after a promise. What a suite needs is built by `cargo xtask test` before the
//! tests run; a binary that is missing fails the test that needs it.
//!
//! Never: sleeps, or reaches into a process other than by what a user has: files, arguments, exit codes.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A run of one of our binaries.
pub struct Run {
    /// What it printed on standard output.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
}

impl Run {
    /// The last line on standard output.
    #[must_use]
    pub fn last_line(&self) -> &str {
        self.stdout.lines().next_back().unwrap_or_default()
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { stdout: text(&output.stdout), stderr: text(&output.stderr), code: output.status.code() }
    }
}

/// One of our binaries, from the folder that this test was built into.
///
/// # Panics
/// When it was not built: `cargo xtask test` does so first, or `cargo build --workspace --bins`.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    let folder = here.ancestors().nth(2).unwrap_or(Path::new("."));
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing; build it with: cargo build --workspace --bins", path.display());
    path
}

/// Runs a binary to its end, without a display.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn run(name: &str, args: &[&str]) -> Run {
    let mut command = Command::new(binary(name));
    command.args(args).stdin(Stdio::null()).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    match command.output() {
        Ok(output) => output.into(),
        Err(error) => panic!("{name} does not start: {error}"),
    }
}
