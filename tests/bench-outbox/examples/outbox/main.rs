//! What the outbox costs beside a bare append, SQLite, redb and fjall, as `engine: figure value unit` lines:
//! driven by `cargo xtask bench outbox`.
//!
//! `outbox [--quick] [--dir DIR] [--only PHASE]`; DIR is on the disk that is measured, by default a fresh folder below the
//! temporary one. Device bytes are counted on a loop device with ext4 inside DIR, which needs root.
//!
//! | figure | unit | of |
//! |---|---|---|
//! | `one_p50`, `one_p99`, `one_rate` | us, records/s | one caller, one record of 2 KiB at a time |
//! | `many_p50`, `many_p99`, `many_rate` | us, records/s | 32 callers; the rate is the median turn's |
//! | `device_bytes` | bytes/record | one caller, closing included |
//! | `disk_full`, `disk_drained` | MiB | 100,000 records in, and all out again; the others after they compacted |
//! | `open_first`, `open_memory` | ms, MiB | the full store in a process of its own, to the first record in hand |
//! | `rebuild`, `rebuild_memory` | ms, MiB | the same without sled's folder |
//! | `steady_disk` | MiB | the most while 200,000 records come and go |
//!
//! Promises: every figure is of this run; the last line and the exit status hold the goals against them.

mod disk;
mod engines;
mod figures;
mod phases;
mod store;

use anyhow::{Result, bail};
use figures::Figures;
use phases::{Dose, QUICK, WHOLE};
use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Phases, in this order.
const PHASES: [(&str, Phase); 4] = [
    ("latency", phases::latency),
    ("bytes", phases::device_bytes),
    ("full", phases::full),
    ("steady", phases::steady),
];

type Phase = fn(&Path, Dose, &mut Figures) -> Result<()>;

fn main() -> Result<ExitCode> {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    if let ["open", engine, home] = words.as_slice() {
        phases::open_and_tell(engine, Path::new(home))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut dose, mut dir, mut only) = (WHOLE, env::temp_dir(), None);
    let mut rest = words.as_slice();
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        match *word {
            "--quick" => dose = QUICK,
            "--dir" | "--only" => {
                let Some((value, after)) = rest.split_first() else { bail!("{word} needs a value") };
                rest = after;
                if *word == "--dir" { dir = PathBuf::from(value) } else { only = Some(*value) }
            }
            _ => bail!("outbox [--quick] [--dir DIR] [--only PHASE]"),
        }
    }
    let home = tempfile::TempDir::new_in(dir)?;
    let mut figures = Figures::default();
    println!("bench: build {} profile", if cfg!(debug_assertions) { "debug" } else { "release" });
    for (name, phase) in PHASES {
        if only.is_none_or(|only| only == name) {
            phase(home.path(), dose, &mut figures)?;
        }
    }
    let goals = figures.goals();
    println!("{}", figures::line(&goals));
    Ok(if goals.iter().all(|(_, met)| *met) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
