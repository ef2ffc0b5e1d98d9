//! Power cuts of a block device under the outbox: `cargo xtask powercut`.
//!
//! ```text
//! this process:  FUSE drive -> loop device -> ext4
//!                                              ^ outbox in a child, which says on a pipe what it was promised
//! ```
//!
//! | file | owns |
//! |---|---|
//! | [`disk`], [`server`], [`machine`] | what the drive holds, how the kernel reaches it, mounts |
//! | [`workload`], [`store`], [`writer`] | what the kiosk is doing, on what, and the process that does it |
//! | [`checker`], [`promise`] | the process that looks afterwards, and the verdict |
//! | [`run`], [`tally`], [`process`] | cut after cut, the figures, children with a limit |
//! | [`possible`] | whether this machine lets us |
//!
//! Promises: the last line and the exit status say the same; where it cannot run it fails and says why; when it
//! ends, in whatever way, nothing of it stays mounted. Never: skips; touches what is not its own.

mod checker;
mod disk;
mod machine;
mod possible;
mod process;
mod promise;
mod run;
mod server;
mod store;
mod tally;
mod workload;
mod writer;

use crate::{machine::Machine, run::Run, store::Kind, tally::Tally, workload::Workload};
use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};
use std::{
    fs::{self, File},
    path::PathBuf,
    process::ExitCode,
};

/// Power cuts of a block device under the outbox.
#[derive(Parser)]
#[command(name = "kiosk-powercut")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Looks whether it can run here, then runs in a mount namespace of its own.
    Run(Options),
    /// The same, already in there.
    #[command(hide = true)]
    Inside(Options),
    /// The process that is at work.
    #[command(hide = true)]
    Write {
        dir: PathBuf,
        #[command(flatten)]
        on: On,
        #[arg(long)]
        base: u64,
    },
    /// The process that looks.
    #[command(hide = true)]
    Check {
        dir: PathBuf,
        #[command(flatten)]
        on: On,
    },
}

#[derive(Args)]
struct On {
    #[arg(long, value_parser = named)]
    workload: &'static Workload,
    #[arg(long)]
    store: Kind,
}

#[derive(Args)]
struct Options {
    /// Where mount points, the log and images of faults go.
    #[arg(long)]
    folder: PathBuf,
    /// Power cuts, spread over the workloads.
    #[arg(long, default_value_t = 300)]
    cuts: u64,
    /// What repeats a run; without it one is drawn, and printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Only this workload.
    #[arg(long, value_parser = named)]
    only: Option<&'static Workload>,
    /// Cut under a store that is known to lose, and want the loss to be seen.
    #[arg(long = "break", value_name = "STORE", value_parser = losing, conflicts_with = "small")]
    broken: Option<Kind>,
    /// Two cuts of each workload, then both broken stores.
    #[arg(long, conflicts_with_all = ["cuts", "only"])]
    small: bool,
}

/// Cuts of each workload, and under each broken store, in the small dose.
const SMALL: u64 = 2;

/// Before the reason.
const CANNOT: &str = "cannot run";

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Task::Run(_) => possible::ensure().and_then(|()| possible::move_inside()).context(CANNOT),
        Task::Inside(options) => inside(&options),
        Task::Write { dir, on, base } => {
            logged();
            writer::run(&dir, on.workload, on.store, base).map(|()| true)
        }
        Task::Check { dir, on } => {
            logged();
            checker::run(&dir, on.workload, on.store).map(|()| true)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("powercut: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn named(name: &str) -> Result<&'static Workload, String> {
    let names: Vec<&str> = workload::ALL.iter().map(|workload| workload.name).collect();
    workload::named(name).ok_or_else(|| format!("there are {}", names.join(", ")))
}

fn losing(name: &str) -> Result<Kind, String> {
    let kind = [Kind::Journal, Kind::Sled].into_iter().find(|kind| kind.name() == name);
    kind.ok_or_else(|| "there are journal, sled".to_owned())
}

fn logged() {
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
}

/// Runs it all; whether every promise held, and every loss that had to be seen was.
fn inside(options: &Options) -> Result<bool> {
    fs::create_dir_all(&options.folder).with_context(|| options.folder.display().to_string())?;
    let seed = options.seed.unwrap_or_else(|| u64::from(fastrand::u32(..)));
    println!("powercut: seed {seed}; children log to {}", options.folder.join(LOG).display());
    let mut machine = Machine::new(&options.folder).context(CANNOT)?;
    if let Some(kind) = options.broken {
        return broken(&mut machine, options, kind, seed, options.cuts);
    }
    let chosen: Vec<&Workload> =
        options.only.map_or_else(|| workload::ALL.iter().collect(), |only| vec![only]);
    let cuts = if options.small { SMALL * count(&chosen)? } else { options.cuts };
    let tally = spread(&mut machine, options, Kind::Outbox, seed, &chosen, cuts)?;
    if !options.small {
        println!("powercut: {tally}");
        return Ok(tally.is_clean());
    }
    let mut seen = 0;
    for kind in [Kind::Journal, Kind::Sled] {
        seen += u8::from(broken(&mut machine, options, kind, seed, SMALL * 2)?);
    }
    println!("powercut: {tally}, broken stores noticed {seen} of 2");
    Ok(tally.is_clean() && seen == 2)
}

/// The children's log, in the run's folder.
const LOG: &str = "log.txt";

/// Cuts under a broken store; whether the loss was seen.
fn broken(machine: &mut Machine, options: &Options, kind: Kind, seed: u64, cuts: u64) -> Result<bool> {
    let only_saves = |workload: &&Workload| workload.enders == 0;
    let chosen: Vec<&Workload> = match options.only {
        Some(only) if kind == Kind::Sled && !only_saves(&only) => {
            bail!("sled alone ends nothing; {} does: take growing or paced", only.name)
        }
        Some(only) => vec![only],
        None => workload::ALL.iter().filter(only_saves).collect(),
    };
    let tally = spread(machine, options, kind, seed, &chosen, cuts)?;
    println!("powercut broken {}: lost {} (wanted > 0)", kind.name(), tally.lost);
    Ok(tally.lost > 0)
}

/// Shares the cuts out among the workloads, earlier ones first.
fn spread(
    machine: &mut Machine,
    options: &Options,
    kind: Kind,
    seed: u64,
    chosen: &[&Workload],
    cuts: u64,
) -> Result<Tally> {
    let folder = &options.folder;
    let log = File::create(folder.join(LOG)).context("the log cannot be written")?;
    let run = Run { folder, kind, seed, log };
    let mut sum = Tally::default();
    for (at, workload) in (0_u64..).zip(chosen) {
        let share = cuts / count(chosen)? + u64::from(at < cuts % count(chosen)?);
        let started = std::time::Instant::now();
        let tally = run.workload(machine, workload, share)?;
        let Tally { promised, again, rebuilt, quarantined, .. } = tally;
        println!(
            "powercut: {} {}: {tally}; promised {promised}, cut again while opening {again}, rebuilt {rebuilt}, damaged places {quarantined}, {:.0} s",
            kind.name(),
            workload.name,
            started.elapsed().as_secs_f64()
        );
        sum += tally;
    }
    if kind == Kind::Outbox && sum.is_clean() && sum.promised == 0 {
        bail!("nothing was promised before any cut, so nothing is proven; take more cuts");
    }
    if !sum.is_clean() && kind == Kind::Outbox {
        let only = options.only.map_or_else(String::new, |only| format!(" --only {}", only.name));
        println!("powercut: to repeat it: cargo xtask powercut --seed {seed} --cuts {cuts}{only}");
    }
    Ok(sum)
}

fn count(chosen: &[&Workload]) -> Result<u64> {
    Ok(u64::try_from(chosen.len())?.max(1))
}
