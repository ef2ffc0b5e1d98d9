//! `cargo xtask fuzz [TARGET] [--minutes N]`: bytes that a fuzzer thinks of, for every parser of hal.
//!
//! ```text
//! hal/fuzz/corpus/TARGET --read--> fuzzer --writes--> target/fuzz/corpus/TARGET, target/fuzz/TARGET.log
//!                                         \--finding-> hal/fuzz/artifacts/TARGET
//! ```
//!
//! The targets are the files in `hal/fuzz/fuzz_targets`; what they assert is in `hal/src/fuzz`.
//!
//! | status | means |
//! |---|---|
//! | 0 | no finding |
//! | 1 | a finding, or a target that could not run |
//! | 2 | no such target; cargo-fuzz or a nightly toolchain is not installed |
//!
//! Promises: one line a target; the last line is `fuzz: targets N, findings M, minutes T`. Never: installs
//! anything; changes the committed corpus.

use crate::{
    process::{Silent, succeeds, within},
    workspace,
};
use anyhow::{Context as _, Result};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

/// The status of a command line that was not understood, as clap's own.
const USAGE: u8 = 2;

/// How long a tool may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(30);

/// One input may take no longer, seconds; it is a finding then.
const INPUT_SECONDS_MAX: u32 = 10;

/// No input is longer: the committed corpora have no longer files either.
const INPUT_BYTES_MAX: u32 = 512;

/// Where everything is.
struct Place {
    crate_folder: PathBuf,
    built: PathBuf,
}

/// Fuzzes one target, or every one in turn.
pub(crate) fn run(target: Option<&str>, minutes: u32) -> Result<ExitCode> {
    let workspace = workspace::load()?;
    let place = Place { crate_folder: workspace.root.join("hal/fuzz"), built: workspace.target.join("fuzz") };
    let known = targets(&place.crate_folder.join("fuzz_targets"))?;
    let chosen: Vec<&String> = known.iter().filter(|name| target.is_none_or(|one| one == *name)).collect();
    if chosen.is_empty() {
        let target = target.unwrap_or_default();
        println!("fuzz: there is no target '{target}'; there are {}", known.join(", "));
        return Ok(ExitCode::from(USAGE));
    }
    if let Some(missing) = missing()? {
        println!("fuzz: {missing}");
        return Ok(ExitCode::from(USAGE));
    }
    if !succeeds(place.cargo_fuzz("build").args(target))? {
        println!("fuzz: the build failed");
        println!("{}", closing_line(0, 0, Duration::ZERO));
        return Ok(ExitCode::FAILURE);
    }
    let (started, mut findings, mut failed) = (Instant::now(), 0, 0);
    for name in &chosen {
        match place.fuzz(name, minutes)? {
            Outcome::Clean => {}
            Outcome::Finding => findings += 1,
            Outcome::Failed => failed += 1,
        }
    }
    println!("{}", closing_line(chosen.len() - failed, findings, started.elapsed()));
    Ok(if findings + failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The targets by the names of their files, in order.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if let Some(name) = path.file_stem().filter(|_| path.extension().is_some_and(|e| e == "rs")) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// What is not installed, and how to get it.
fn missing() -> Result<Option<String>> {
    let installed = |args: &[&str]| -> Result<bool> {
        Ok(within(VERSION_LIMIT, &mut nightly(args))? == Silent::Succeeded)
    };
    Ok(advice(installed(&["rustc", "--version"])?, installed(&["cargo", "fuzz", "--version"])?))
}

fn advice(nightly: bool, cargo_fuzz: bool) -> Option<String> {
    let (what, how) = match (nightly, cargo_fuzz) {
        (true, true) => return None,
        (true, false) => ("cargo-fuzz is", "cargo install cargo-fuzz --locked"),
        // Without a nightly nobody can say whether cargo-fuzz is there.
        (false, _) => (
            "a nightly toolchain is",
            "rustup toolchain install nightly --profile minimal && cargo install cargo-fuzz --locked",
        ),
    };
    Some(format!("{what} not installed; to have it: {how}"))
}

/// A program of the nightly toolchain, whichever toolchain runs us.
fn nightly(args: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]).args(args).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    command
}

/// How fuzzing one target ended.
enum Outcome {
    Clean,
    Finding,
    /// It ended without having fuzzed.
    Failed,
}

impl Place {
    fn cargo_fuzz(&self, verb: &str) -> Command {
        let mut command = nightly(&["cargo", "fuzz", verb, "--fuzz-dir"]);
        command.arg(&self.crate_folder).arg("--target-dir").arg(&self.built);
        command
    }

    fn fuzz(&self, name: &str, minutes: u32) -> Result<Outcome> {
        let (grown, log) = (self.built.join("corpus").join(name), self.built.join(format!("{name}.log")));
        fs::create_dir_all(&grown)?;
        let mut command = self.cargo_fuzz("run");
        // What is found goes to the first folder, the second is only read.
        command.arg(name).arg(&grown).arg(self.crate_folder.join("corpus").join(name)).arg("--");
        command.arg(format!("-max_total_time={}", minutes.saturating_mul(60)));
        command.arg(format!("-timeout={INPUT_SECONDS_MAX}")).arg(format!("-max_len={INPUT_BYTES_MAX}"));
        command.arg("-print_final_stats=1").stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&log).with_context(|| format!("cannot write {}", log.display()))?);
        let clean = succeeds(&mut command)?;
        let told = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let Some(told) = figures(&told) else {
            println!("fuzz: {name}: FAILED before the first input; see {}", log.display());
            return Ok(Outcome::Failed);
        };
        if clean {
            println!("fuzz: {name}: {told}");
            return Ok(Outcome::Clean);
        }
        let artifacts = self.crate_folder.join("artifacts").join(name);
        println!("fuzz: {name}: FINDING, {told}; see {} and {}", log.display(), artifacts.display());
        Ok(Outcome::Finding)
    }
}

/// What libFuzzer says it did: how many inputs, and the edges of the program they reached.
fn figures(log: &str) -> Option<String> {
    let number = |text: &str| text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
    let edges =
        log.lines().rev().find_map(|line| line.split_once(" cov: ").and_then(|(_, rest)| number(rest)))?;
    let ran = log.lines().rev().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let ran = ran.and_then(number).map_or_else(|| "not counted".to_owned(), |ran| ran.to_string());
    Some(format!("executions {ran}, edges {edges}"))
}

fn closing_line(targets: usize, findings: usize, took: Duration) -> String {
    format!("fuzz: targets {targets}, findings {findings}, minutes {:.0}", took.as_secs_f64() / 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "INFO: seed corpus: files: 4\n#5\tINITED cov: 90 ft: 91 corp: 4/40b\n\
                       #7\tNEW    cov: 101 ft: 120 corp: 5/60b lim: 4 exec/s: 0 rss: 40Mb\n\
                       Done 900 runs in 61 second(s)\nstat::number_of_executed_units: 900\n";

    #[test]
    fn the_figures_are_those_at_the_end() {
        assert_eq!(figures(LOG).unwrap(), "executions 900, edges 101");
        assert_eq!(
            figures("#5\tINITED cov: 90 ft: 91\n==1==ERROR").unwrap(),
            "executions not counted, edges 90"
        );
        assert_eq!(figures("error: no such file\n"), None);
    }

    #[test]
    fn what_is_missing_is_one_line_with_the_remedy() {
        assert_eq!(advice(true, true), None);
        let line = advice(true, false).unwrap();
        assert_eq!(line, "cargo-fuzz is not installed; to have it: cargo install cargo-fuzz --locked");
        for line in [advice(false, false).unwrap(), advice(false, true).unwrap()] {
            assert!(line.contains("rustup toolchain install nightly") && line.lines().count() == 1);
        }
    }

    #[test]
    fn an_unknown_target_is_refused_before_anything_is_built() {
        assert_eq!(run(Some("no-such-target"), 1).unwrap(), ExitCode::from(USAGE));
    }

    #[test]
    fn the_targets_are_those_of_the_crate() {
        let root = workspace::load().unwrap().root;
        let known = targets(&root.join("hal/fuzz/fuzz_targets")).unwrap();
        assert!(known.is_sorted() && known.contains(&"printer".to_owned()));
        let manifest = fs::read_to_string(root.join("hal/fuzz/Cargo.toml")).unwrap();
        for name in known {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        }
        assert!(targets(Path::new("no/such/folder")).is_err());
    }

    #[test]
    fn the_closing_line_counts_what_ran() {
        let line = closing_line(6, 0, Duration::from_secs(3607));
        assert_eq!(line, "fuzz: targets 6, findings 0, minutes 60");
    }
}
