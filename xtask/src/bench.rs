//! `cargo xtask bench NAME`: measurements by name, always of an optimised build.
//!
//! A bench is a line in [`BENCHES`]: which crates to build and what to run. The program's lines are
//! its result and pass through unchanged.
//!
//! Never: measures a debug build, judges a number.

use crate::{
    process::{become_program, cargo, succeeds},
    workspace,
};
use anyhow::Result;
use std::process::{Command, ExitCode};

/// Something that can be measured.
struct Bench {
    name: &'static str,
    about: &'static str,
    /// What is built, beside `cargo build --release`.
    build: &'static [&'static str],
    /// Below `target/release`.
    program: &'static str,
    args: &'static [&'static str],
}

const BENCHES: &[Bench] = &[SHELL, HAL, CYCLES, OUTBOX];

const SHELL: Bench = Bench {
    name: "shell",
    about: "time to first frame, time per page, memory of the touchscreen shell",
    build: &["-p", "kiosk-app", "-p", "kiosk-gateway"],
    program: "kiosk",
    args: &["bench", "shell"],
};

const HAL: Bench = Bench {
    name: "hal",
    about: "a receipt into bytes, a card to its ATR, a touch to its event, idle devices; all simulated",
    build: &["-p", "hal", "--features", "sim", "--example", "bench"],
    program: "examples/bench",
    args: &[],
};

const CYCLES: Bench = Bench {
    name: "cycles",
    about: "plug cycles of every simulated device and what they leave behind; `-- --full` for 100,000 of each",
    build: &["-p", "hal", "--features", "sim", "--example", "cycles"],
    program: "examples/cycles",
    args: &[],
};

const OUTBOX: Bench = Bench {
    name: "outbox",
    about: "latency, disk, memory and opening of the outbox beside a bare append, SQLite, redb and fjall",
    build: &["-p", "kiosk-bench-outbox", "--example", "outbox"],
    program: "examples/outbox",
    args: &[],
};

/// The status of a command line that was not understood, as clap's own.
const USAGE: u8 = 2;

/// Builds and runs the bench of that name, or lists the known ones.
pub(crate) fn run(name: Option<&str>, rest: &[String]) -> Result<ExitCode> {
    let Some(bench) = name.and_then(find) else {
        if let Some(name) = name {
            println!("bench: there is no bench named {name}");
        }
        print!("{}", listing());
        return Ok(ExitCode::from(USAGE));
    };
    let workspace = workspace::load()?;
    let mut build = vec!["build", "--release"];
    build.extend(bench.build);
    if !succeeds(cargo(&build).current_dir(&workspace.root))? {
        println!("bench: the build failed; to repeat it: cargo {}", build.join(" "));
        return Ok(ExitCode::FAILURE);
    }
    let binary = workspace.target.join("release").join(bench.program);
    become_program(Command::new(binary).args(bench.args).args(rest))
}

fn find(name: &str) -> Option<&'static Bench> {
    BENCHES.iter().find(|bench| bench.name == name)
}

fn listing() -> String {
    BENCHES.iter().map(|bench| format!("bench: {}: {}\n", bench.name, bench.about)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        assert!(find("no such bench").is_none());
        assert_eq!(run(Some("no such bench"), &[]).unwrap(), ExitCode::from(USAGE));
        for bench in BENCHES {
            assert!(listing().contains(bench.name));
            assert_eq!(find(bench.name).map(|b| b.program), Some(bench.program));
        }
    }
}
