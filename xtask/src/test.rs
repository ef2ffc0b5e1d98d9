//! `cargo xtask test`: the whole check, real kernel devices and power cuts included, in one order, for a person
//! and for CI.
//!
//! Promises: the steps' own output stays visible; each step gets one line with its seconds; the
//! first failure stops the run and shows the command that repeats it; the last line is
//! `test: steps N, failed M`, where N counts the steps that ran.
//!
//! Never: goes on after a failure, hides a step it left out (`--fast` names them).

use crate::{
    packages::{self, Purpose},
    postgres, powercut,
    process::{Silent, cargo, succeeds, within},
    tidy, units, vm, workspace,
};
use anyhow::Result;
use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

/// A step that is a cargo command.
struct Step {
    name: &'static str,
    args: &'static [&'static str],
    /// Left out by `--fast`.
    thorough: bool,
}

const FMT: Step = Step { name: "fmt", args: &["fmt", "--all", "--check"], thorough: false };
const CLIPPY: Step = Step {
    name: "clippy",
    args: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    thorough: true,
};
/// What is flashed is another build than what stands on a desk.
const UNIT: Step = Step {
    name: "unit build",
    args: &[
        "clippy",
        "-p",
        "kiosk-app",
        "--no-default-features",
        "--features",
        "kms",
        "--",
        "-D",
        "warnings",
    ],
    thorough: true,
};
/// hal's PC/SC driver needs a library of the system, so that the steps for the workspace leave it out.
const EVERY_DRIVER: Step = Step {
    name: "clippy with pcsc",
    args: &[
        "clippy",
        "-p",
        "hal",
        "-p",
        "kiosk-vm",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ],
    thorough: true,
};
const PCSC_TESTS: Step = Step {
    name: "tests with pcsc",
    args: &["test", "-p", "hal", "--all-features", "--lib", "pcsc"],
    thorough: true,
};
/// Whole-system tests start our binaries; without this step they would start yesterday's.
const BINARIES: Step = Step { name: "build", args: &["build", "--workspace", "--bins"], thorough: false };
const NEXTEST: Step =
    Step { name: "tests", args: &["nextest", "run", "--workspace", "--no-fail-fast"], thorough: false };
const LIBTEST: Step = Step {
    name: "tests",
    args: &["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"],
    thorough: false,
};
const DOC: Step = Step { name: "doc tests", args: &["test", "--workspace", "--doc"], thorough: true };

/// No default feature switches the recorder on, so the workspace's tests know nothing of it.
const RECORDINGS: Step = Step {
    name: "recordings",
    args: &["test", "-p", "hal", "--features", "sim,recording", "--lib", "--test", "it", "record"],
    thorough: false,
};
const RECORDER: Step = Step {
    name: "recorder",
    args: &["test", "-p", "kiosk-app", "--features", "recording", "--lib", "hal_cli"],
    thorough: true,
};

/// The gateway's fail points are in no default build; without this step its abort at each step runs nowhere.
const FAILPOINTS: Step = Step {
    name: "gateway aborted at each step",
    args: &[
        "test",
        "-p",
        "kiosk-gateway",
        "--features",
        "failpoints",
        "--test",
        "it",
        "nothing_is_doubled::",
    ],
    thorough: true,
};

/// A step that is a command of ours; `--fast` leaves it out.
struct Whole {
    name: &'static str,
    again: &'static str,
    run: fn() -> Result<bool>,
}

/// The gateway's tests once more, on the database that a fleet uses, and with several gateways on it.
const FLEET: Whole =
    Whole { name: "gateway on PostgreSQL", again: "cargo xtask postgres", run: postgres::gateway };
const MACHINE: Whole = Whole { name: "vm hal", again: "cargo xtask vm hal", run: || vm::hal("") };
const UNITS: Whole = Whole { name: "units", again: "cargo xtask units", run: units::report };
const POWER: Whole = Whole { name: "powercut", again: "cargo xtask powercut --small", run: powercut::small };

/// How long cargo may take to say whether it has nextest.
const NEXTEST_PROBE_LIMIT: Duration = Duration::from_secs(30);

/// Installs what is missing, then runs the steps.
pub(crate) fn run(fast: bool, no_install: bool) -> Result<ExitCode> {
    let mut purposes = vec![Purpose::Build, Purpose::Text];
    if !fast {
        purposes.extend([Purpose::Machine, Purpose::Disk, Purpose::Server, Purpose::Network]);
    }
    if !packages::ensure(&purposes, no_install)? {
        return Ok(ExitCode::FAILURE);
    }
    let root = workspace::load()?.root;
    let nextest = within(NEXTEST_PROBE_LIMIT, &mut cargo(&["nextest", "--version"]))? == Silent::Succeeded;
    let tests = if nextest { NEXTEST } else { LIBTEST };
    let steps = every_step(tests);
    let mut ran = 0;
    for step in steps {
        if fast && step.thorough {
            println!("test: {} left out by --fast", step.name);
            continue;
        }
        ran += 1;
        if !run_step(&root, &step)? {
            return Ok(failed(ran));
        }
    }
    for whole in [UNITS, FLEET, MACHINE, POWER] {
        if fast {
            println!("test: {} left out by --fast", whole.name);
            continue;
        }
        ran += 1;
        if !timed(whole.name, whole.again, whole.run)? {
            return Ok(failed(ran));
        }
    }
    ran += 1;
    let clean = timed("tidy", "cargo xtask tidy", tidy::report)?;
    if !clean {
        return Ok(failed(ran));
    }
    println!("{}", closing_line(ran, 0));
    Ok(ExitCode::SUCCESS)
}

/// The steps that are cargo commands, in their order.
fn every_step(tests: Step) -> [Step; 11] {
    [FMT, CLIPPY, UNIT, EVERY_DRIVER, BINARIES, tests, FAILPOINTS, PCSC_TESTS, RECORDINGS, RECORDER, DOC]
}

fn run_step(root: &Path, step: &Step) -> Result<bool> {
    let again = format!("cargo {}", step.args.join(" "));
    println!("test: {}: {again}", step.name);
    timed(step.name, &again, || succeeds(cargo(step.args).current_dir(root)))
}

/// Runs a step and prints its line.
fn timed(name: &str, again: &str, step: impl FnOnce() -> Result<bool>) -> Result<bool> {
    let started = Instant::now();
    let passed = step()?;
    println!("{}", step_line(name, again, passed, started.elapsed()));
    Ok(passed)
}

fn step_line(name: &str, again: &str, passed: bool, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if passed {
        format!("test: {name} passed, {seconds:.1} s")
    } else {
        format!("test: {name} FAILED, {seconds:.1} s; to repeat it: {again}")
    }
}

fn failed(ran: usize) -> ExitCode {
    println!("{}", closing_line(ran, 1));
    ExitCode::FAILURE
}

fn closing_line(ran: usize, failed: usize) -> String {
    format!("test: steps {ran}, failed {failed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_shows_how_to_repeat_it() {
        let line = step_line("fmt", "cargo fmt", false, Duration::from_millis(1240));
        assert_eq!(line, "test: fmt FAILED, 1.2 s; to repeat it: cargo fmt");
        let passed = timed("x", "y", || Ok(false)).unwrap();
        assert!(!passed);
    }

    #[test]
    fn the_closing_line_counts_what_ran() {
        assert_eq!(closing_line(6, 0), "test: steps 6, failed 0");
        assert_eq!(closing_line(2, 1), "test: steps 2, failed 1");
    }

    #[test]
    fn fast_keeps_formatting_and_tests() {
        let all = every_step(NEXTEST);
        let kept: Vec<&str> = all.iter().filter(|s| !s.thorough).map(|s| s.name).collect();
        assert_eq!(kept, ["fmt", "build", "tests", "recordings"]);
    }

    /// What no default feature switches on is switched on by a step of its own.
    #[test]
    fn the_gateways_fail_points_are_switched_on() {
        let on = |step: &&Step| step.args.windows(2).any(|pair| pair == ["--features", "failpoints"]);
        assert_eq!(every_step(NEXTEST).iter().filter(on).count(), 1);
    }
}
