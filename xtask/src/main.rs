//! The project's commands: `cargo xtask test | tidy | packages | demo | audit | bench | campaign | fuzz |
//! image | peers | powercut | units | vm`.
//!
//! Promises: what a command prints last is what happened; a check that did not run says so; every
//! exit status below is one a script can act on.
//!
//! | status | means |
//! |---|---|
//! | 0 | done, nothing found |
//! | 1 | a step failed, a finding, or a missing system package that was not installed |
//! | 2 | the command line was not understood, or a tool that is not ours to install is missing (`fuzz`) |
//! | other | what the program that was run returned (`demo`, `bench`, `campaign`, `powercut`) |
//!
//! Never: a dependency of a product crate; a step that another command does differently.

mod audit;
mod bench;
mod campaign;
mod demo;
mod fuzz;
mod image;
mod packages;
mod peers;
mod postgres;
mod powercut;
mod process;
mod test;
mod tidy;
mod units;
mod vm;
mod workspace;

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// `cargo xtask`, the project's commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Formatting, lints, tests, documentation tests, the gateway on PostgreSQL,
    /// `vm hal`, power cuts and tidy; stops at the first failure.
    Test {
        /// Leave out the lints, the documentation tests, PostgreSQL, the virtual machine and the power cuts.
        #[arg(long)]
        fast: bool,
        /// Stop and list system packages that are missing instead of installing them.
        #[arg(long)]
        no_install: bool,
    },
    /// The house rules that a program can check.
    Tidy,
    /// Which system packages are missing, and installs them.
    Packages {
        /// Only list them; the exit status is 1 when one is missing.
        #[arg(long)]
        no_install: bool,
    },
    /// Builds the kiosk and the gateway and shows them at work, without hardware.
    Demo {
        /// No window: a scripted citizen, and a report of what happened.
        #[arg(long)]
        script: bool,
        /// A form to publish as one more service.
        #[arg(long, value_name = "FILE")]
        form: Option<PathBuf>,
        /// Stop and list system packages that are missing instead of installing them.
        #[arg(long)]
        no_install: bool,
        /// An optimised build.
        #[arg(long)]
        release: bool,
        /// Handed to `kiosk demo` as they are.
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Known vulnerabilities, licences, banned crates and sources.
    Audit,
    /// Feeds every parser of hal with what a fuzzer thinks of; needs cargo-fuzz and a nightly toolchain.
    Fuzz {
        /// Only this one, such as `printer`.
        target: Option<String>,
        /// How long for each target.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
        minutes: u32,
    },
    /// Builds a disk image to flash from Debian's packages and this workspace; as root, or where users have
    /// namespaces.
    Image(image::Options),
    /// Lets programs we did not write check our bytes, our pictures and our simulated printer.
    Peers,
    /// Builds with optimisation and measures; without a name it lists what can be measured.
    Bench {
        /// What to measure.
        name: Option<String>,
        /// Handed to the bench as they are.
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// The gateway's tests on a PostgreSQL server of their own, with several gateways on one database.
    Postgres {
        /// Stop and list system packages that are missing instead of installing them.
        #[arg(long)]
        no_install: bool,
    },
    /// Cuts the power of a simulated drive under the outbox, and counts what was lost; as root.
    Powercut(powercut::Options),
    /// Does harm to an outbox, again and again, and counts what it cost.
    Campaign {
        /// Which harm.
        harm: campaign::Harm,
        /// The dose that is published, not the small one.
        #[arg(long)]
        full: bool,
        /// Where chance begins; the seed of an earlier run repeats it.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Asks Debian 13's systemd, udev and nft what they think of what is installed on a unit.
    Units,
    /// Part of `units`: whether anything answers at an address.
    #[command(hide = true)]
    Knock {
        /// Host and port.
        address: std::net::SocketAddr,
    },
    /// In a virtual machine (QEMU): drivers against devices a kernel pretends to have, or the image as it is flashed.
    Vm {
        /// What to run.
        guest: vm::Guest,
        /// Only scenarios whose name contains this, such as `touch::`.
        filter: Option<String>,
        /// Which image is booted; for `boot` only.
        #[arg(long)]
        board: Option<image::Board>,
        /// Stop and list system packages that are missing instead of installing them.
        #[arg(long)]
        no_install: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Task::Test { fast, no_install } => test::run(fast, no_install),
        Task::Tidy => tidy::run(),
        Task::Packages { no_install } => packages::run(no_install),
        Task::Demo { script, form, no_install, release, rest } => {
            demo::run(&demo::Options { script, form, no_install, release, rest })
        }
        Task::Audit => audit::run(),
        Task::Fuzz { target, minutes } => fuzz::run(target.as_deref(), minutes),
        Task::Image(options) => image::run(&options),
        Task::Peers => peers::run(),
        Task::Bench { name, rest } => bench::run(name.as_deref(), &rest),
        Task::Postgres { no_install } => postgres::run(no_install),
        Task::Powercut(options) => powercut::run(&options),
        Task::Campaign { harm, full, seed } => campaign::run(harm, full, seed),
        Task::Units => units::run(),
        Task::Knock { address } => Ok(units::knock(address)),
        Task::Vm { guest, filter, board, no_install } => vm::run(guest, filter.as_deref(), board, no_install),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
