//! `cargo xtask powercut`: power cuts under the outbox, in `target/powercut`.
//!
//! The program is `tests/powercut`; it says what it does and what it found. Here it is built, with the broken
//! stores that show it can fail, and started as root.
//!
//! Never: counts a run that could not begin as passed.

use crate::{
    packages::{self, Purpose},
    process::{become_program, cargo, succeeds},
    workspace::{self, Workspace},
};
use anyhow::{Result, bail};
use std::{
    ffi::OsString,
    fs,
    process::{Command, ExitCode},
};

/// The crate and its binary.
const NAME: &str = "kiosk-powercut";
const BUILD: [&str; 6] = ["build", "--quiet", "-p", NAME, "--features", "broken"];
/// The command line of the step in `cargo xtask test`.
const SMALL: &str = "--small";

/// What `cargo xtask powercut` takes, as the program does.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Power cuts, spread over the workloads (300).
    #[arg(long)]
    cuts: Option<u64>,
    /// Repeats a run; without it one is drawn, and printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Only this workload: growing, paced, drain, attachments, roll-over, rebuild or full.
    #[arg(long, value_name = "WORKLOAD")]
    only: Option<String>,
    /// Cut under a store known to lose, journal or sled, and want the loss to be seen.
    #[arg(long = "break", value_name = "STORE", conflicts_with = "small")]
    broken: Option<String>,
    /// Two cuts of each workload, then both broken stores: the step of `cargo xtask test`.
    #[arg(long, conflicts_with_all = ["cuts", "only"])]
    small: bool,
    /// Stop and list system packages that are missing instead of installing them.
    #[arg(long)]
    no_install: bool,
}

impl Options {
    fn arguments(&self) -> Vec<String> {
        let named = |name: &str, value: Option<String>| value.map(|value| format!("{name}={value}"));
        let values = [
            named("--cuts", self.cuts.map(|cuts| cuts.to_string())),
            named("--seed", self.seed.map(|seed| seed.to_string())),
            named("--only", self.only.clone()),
            named("--break", self.broken.clone()),
            self.small.then(|| SMALL.to_owned()),
        ];
        values.into_iter().flatten().collect()
    }
}

/// `cargo xtask powercut`; the exit status is the program's.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if !packages::ensure(&[Purpose::Build, Purpose::Disk], options.no_install)? {
        return Ok(ExitCode::FAILURE);
    }
    become_program(program(&workspace::load()?)?.args(options.arguments()))
}

/// The small dose; whether every promise held and every broken store was noticed.
pub(crate) fn small() -> Result<bool> {
    succeeds(program(&workspace::load()?)?.arg(SMALL))
}

/// Builds it; started as root, with `sudo` where that is needed.
fn program(workspace: &Workspace) -> Result<Command> {
    if !succeeds(cargo(&BUILD).current_dir(&workspace.root))? {
        bail!("the build failed; to repeat it: cargo {}", BUILD.join(" "));
    }
    let binary = workspace.target.join("debug").join(NAME).into_os_string();
    let prefix = packages::privilege_here().into_iter().flatten().map(OsString::from);
    let mut words = prefix.chain([binary]);
    let mut command = Command::new(words.next().unwrap_or_default());
    // Made here, so that it belongs to whoever asked and goes with the rest of `target`.
    let folder = workspace.target.join("powercut");
    fs::create_dir_all(&folder)?;
    command.args(words).arg("run").arg("--folder").arg(folder);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_told_what_the_command_was() {
        let options = Options {
            cuts: Some(14),
            seed: Some(7),
            only: Some("full".into()),
            broken: None,
            small: false,
            no_install: true,
        };
        assert_eq!(options.arguments(), ["--cuts=14", "--seed=7", "--only=full"]);
        let small = Options { cuts: None, seed: None, only: None, small: true, ..options };
        assert_eq!(small.arguments(), [SMALL]);
    }
}
