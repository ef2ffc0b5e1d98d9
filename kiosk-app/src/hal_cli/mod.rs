//! `kiosk hal`: the devices of a kiosk in a technician's hands.
//!
//! ```text
//! kiosk hal list   --config shell.toml                    what is configured, what is plugged in, counters
//! kiosk hal test   --config shell.toml --level external   tries each device; prints the test page
//! kiosk hal test   keypad --selector /dev/input/event3 --learn ours.toml
//! kiosk hal watch  --config shell.toml --seconds 30       events and health as they come
//! kiosk hal record page.rec --config shell.toml           the test page, byte by byte (feature `recording`)
//! ```
//! A device is named as in a config ([`hal::selector`]). The shell must not run meanwhile: it has the devices.
//!
//! With `--json` each line is an object; `kind` says which:
//!
//! | kind | fields |
//! |---|---|
//! | `device` | `class`, `selector`, `driver` or null, `configured`, `health` (`present`, `denied`, `not-found`, `not-looked-for`, `simulated`), `name` or null, `why` or null, `key`, `counters` {name: count} |
//! | `counters` | `key`, `counters`: of a device that is gone; or `why`: the file cannot be used |
//! | `prompt` | `ask` (`present-card`, `take-card`, `show-code`, `press-key`, `press-again`, `left-out`, `touch-corner`, `lay-sheet`, `open-cover`, `close-cover`), `what` or null, `seconds` |
//! | `step` | `class`, `selector`, `step`, `outcome` (`passed`, `failed`, `not-done`), `code` or null, `facts` {name: text} |
//! | `health` | `at_ms` since the start, `class`, `health`, `codes` |
//! | `event` | `at_ms`, `class`, `event`, `facts` {name: text} |
//! | `file` | `file`, or null and `why`; `what` (`map`, `recording`), `size` in bytes or calls |
//! | `summary` | `command`, `ok`, and the figures of the last line; always the last |
//!
//! Exit codes: 0 well, 1 a device failed or is not there, 2 the config, the file or the command line is wrong.
//!
//! Promises: the last line is a summary that says the same as the exit code; what could not be tried is counted
//! in it. Never: shows a card's number, a stripe, a scanned text or which text key was pressed.

mod console;
mod list;
#[cfg(feature = "recording")]
mod record;
mod test;
mod watch;
mod which;

use console::Console;
use hal::factory::Site;
use std::{io::Write, process::ExitCode};

/// `kiosk hal`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// One JSON object a line, for programs.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Lists devices: configured, plugged in, or both; with their counters.
    List(list::Args),
    /// Tests devices.
    Test(test::Args),
    /// Tells events and health as they come, until Ctrl-C.
    Watch(watch::Args),
    /// Records the test page, or a test card, for a driver's tests.
    #[cfg(feature = "recording")]
    Record(record::Args),
}

/// Runs on this machine's devices, and on simulated ones in a world of its own.
///
/// # Errors
/// [`StartError`](crate::config::StartError) for anything wrong with config, file or command line.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    #[cfg(feature = "demo")]
    let site = Site { world: Some(hal::sim::World::new()) };
    #[cfg(not(feature = "demo"))]
    let site = Site::default();
    let well = run_in(args, &site, &mut std::io::stdout())?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs at `site` and writes to `out`; whether every device was well.
///
/// # Errors
/// As [`run`].
pub fn run_in(args: &Args, site: &Site, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mut console = Console::new(out, args.json);
    match &args.command {
        Command::List(args) => list::run(args, &mut console),
        Command::Test(args) => test::run(args, site, &mut console),
        Command::Watch(args) => watch::run(args, site, &mut console),
        #[cfg(feature = "recording")]
        Command::Record(args) => record::run(args, site, &mut console),
    }
}

#[cfg(test)]
mod feature_tests;
#[cfg(test)]
#[cfg(feature = "demo")]
mod tests;
