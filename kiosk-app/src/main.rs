//! `kiosk`: the shell, the agent and the demo in one binary.
//!
//! Exit codes: 0 done, 1 failed, 2 a file is wrong (one line on standard error names it).

use clap::{Parser, Subcommand};
use kiosk_app::config::StartError;
use std::{path::PathBuf, process::ExitCode};

/// Memory is overwritten when it is freed: an answer does not outlive the session in the heap.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// The public-service kiosk.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// The screen, the devices and the citizen's session; no network.
    Shell(kiosk_app::shell::Args),
    /// The outbox and the way to the gateway; no screen, no devices.
    Agent {
        /// The agent's configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// One page with a code, where the shell cannot be started.
    Fault(kiosk_app::fault::Args),
    /// What waits in the agent's outbox, and carrying it to the gateway by hand.
    Outbox {
        /// What to do.
        #[command(subcommand)]
        task: kiosk_app::outbox_cli::Task,
    },
    /// The devices of a kiosk: list, test, watch.
    Hal(kiosk_app::hal_cli::Args),
    /// Gateway, agent and shell on this machine, with simulated devices.
    #[cfg(feature = "demo")]
    Demo(kiosk_app::demo::Args),
    /// Measures and prints `name: figure value unit` lines.
    #[cfg(feature = "demo")]
    Bench(kiosk_app::bench::Args),
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("KIOSK_LOG").unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let done = match Cli::parse().role {
        Role::Shell(args) => kiosk_app::shell::run(args),
        Role::Agent { config } => kiosk_app::agent::run(&config).map(|()| ExitCode::SUCCESS),
        Role::Fault(args) => kiosk_app::fault::run(&args),
        Role::Outbox { task } => kiosk_app::outbox_cli::run(&task),
        Role::Hal(args) => kiosk_app::hal_cli::run(&args),
        #[cfg(feature = "demo")]
        Role::Demo(args) => kiosk_app::demo::run(&args),
        #[cfg(feature = "demo")]
        Role::Bench(args) => kiosk_app::bench::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(why) if why.is::<StartError>() => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
        Err(why) => {
            eprintln!("kiosk: {why:#}");
            ExitCode::FAILURE
        }
    }
}
