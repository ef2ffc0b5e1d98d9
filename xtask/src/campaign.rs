//! `cargo xtask campaign HARM`: an outbox is harmed many times, and the last line says what it cost.
//!
//! | harm | what | small dose | `--full` |
//! |---|---|---|---|
//! | `flips` | one bit of a closed outbox | 40 | 1,000 |
//! | `kills` | `kill -9` at every named step and at random | 40 | 1,000 |
//! | `model` | random calls, crashes and full disks, beside a map and a second engine | 40 | 1,000 |
//!
//! `cargo xtask test` gives the small doses too, from the tests of `kiosk-outbox`.
//!
//! Never: judges; the exit status and the last line are the campaign's own.

use crate::{
    process::{become_program, cargo, succeeds},
    workspace,
};
use anyhow::Result;
use std::process::{Command, ExitCode};

/// What is done to an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Harm {
    /// Single bits of a closed outbox are flipped.
    Flips,
    /// A process that works is killed.
    Kills,
    /// Random calls, crashes and full disks, compared with a model and another engine.
    Model,
}

impl Harm {
    fn dose(self, full: bool) -> u64 {
        match (self, full) {
            (Self::Flips | Self::Kills | Self::Model, true) => 1_000,
            (Self::Flips | Self::Kills | Self::Model, false) => 40,
        }
    }
}

const EXAMPLE: [&str; 6] = ["build", "--release", "-p", "kiosk-outbox", "--example", "campaign"];
/// The model reaches below the outbox's handle, so it is one of its unit tests.
const MODEL: [&str; 7] = ["test", "--release", "--quiet", "-p", "kiosk-outbox", "--lib", "oracle::"];

/// Builds with optimisation and runs it.
pub(crate) fn run(harm: Harm, full: bool, seed: Option<u64>) -> Result<ExitCode> {
    let workspace = workspace::load()?;
    let dose = harm.dose(full).to_string();
    let name = match harm {
        Harm::Flips => "flips",
        Harm::Kills => "kills",
        Harm::Model => return model(&workspace.root, &dose, seed),
    };
    if !succeeds(cargo(&EXAMPLE).current_dir(&workspace.root))? {
        println!("campaign: the build failed; to repeat it: cargo {}", EXAMPLE.join(" "));
        return Ok(ExitCode::FAILURE);
    }
    let mut command = Command::new(workspace.target.join("release/examples/campaign"));
    command.args([name, &dose]).args(seed.map(|seed| seed.to_string()));
    become_program(&mut command)
}

fn model(root: &std::path::Path, cases: &str, seed: Option<u64>) -> Result<ExitCode> {
    let mut test = cargo(&MODEL);
    test.current_dir(root).env("KIOSK_OUTBOX_MODEL_CASES", cases);
    if let Some(seed) = seed {
        test.env("KIOSK_OUTBOX_MODEL_SEED", seed.to_string());
    }
    let passed = succeeds(&mut test)?;
    println!("model: cases {cases}, failed {}", u8::from(!passed));
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_dose_is_what_is_published() {
        for harm in [Harm::Flips, Harm::Kills, Harm::Model] {
            assert_eq!(harm.dose(true), 1_000);
            assert!(harm.dose(false) < 100);
        }
    }
}
