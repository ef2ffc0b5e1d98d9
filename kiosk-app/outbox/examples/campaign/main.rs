//! Harm done to an outbox on purpose, and the count of what it cost: driven by `cargo xtask campaign`.
//!
//! | command | harm | last line |
//! |---|---|---|
//! | `flips N [SEED]` | one bit flipped in a closed outbox of 2,000 records, N times | `flips: flips N, panics 0, lost 0, quarantined Q, doubled 0` |
//! | `kills N [SEED]` | `kill -9` of a process that saves and delivers, at every named step and at random, N times | `kills: kills N, steps S, unreached 0, lost 0, doubled 0` |
//!
//! Promises: the exit status says what the last line says; the seed is printed, and gives the same harm again
//! (the same moment only for a named step).
//! Never: leaves a file behind.

mod flips;
mod kills;
mod stock;
mod worker;

use anyhow::{Context as _, Result, anyhow, bail};
use std::{env, path::Path, process::Command, process::ExitCode};

/// Records in the store whose bits are flipped.
const RECORDS: u64 = 2_000;

fn main() -> Result<ExitCode> {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let good = match words.as_slice() {
        ["flips", rest @ ..] => {
            let (count, seed) = dose(rest)?;
            let found = flips::run(count, RECORDS, seed)?;
            println!("{}", found.line());
            found.is_good()
        }
        ["kills", rest @ ..] => {
            let (count, seed) = dose(rest)?;
            let me = env::current_exe()?;
            let found = kills::run(count, seed, &|dir, base| {
                let mut child = Command::new(&me);
                child.arg("work").arg(dir).arg(base.to_string());
                child
            })?;
            println!("{}", found.line());
            found.is_good()
        }
        ["work", dir, base] => {
            worker::work(Path::new(dir), base.parse()?)?;
            true
        }
        _ => bail!("campaign: flips N [SEED] or kills N [SEED]"),
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How often, and from which seed.
fn dose(words: &[&str]) -> Result<(u64, u64)> {
    let count = words.first().context("how often is missing")?.parse().context("how often is no number")?;
    let seed = match words.get(1) {
        Some(word) => word.parse().context("the seed is no number")?,
        None => getrandom::u64().map_err(|error| anyhow!("no chance: {error}"))?,
    };
    println!("campaign: seed {seed}");
    Ok((count, seed))
}
