//! The demo: gateway, agent and shell on this machine, and the world around them.
//!
//! ```text
//!  scripted citizen ──hand──> shell ──unix socket──> agent ──link (a switch)──> gateway ──> Open311
//!  (this process)             own process            own process                own process  (here)
//! ```
//!
//! Promises: the citizen touches the real screen by its accessible labels; what is counted at the end
//! is what the service received, not what anybody claimed.
//! Never: part of a unit's build (feature `demo`).

mod canary;
mod citizen;
pub mod drawer;
mod form_walk;
pub mod hand;
mod link;
#[expect(dead_code, reason = "the gateway's tests use more of it")]
mod open311;
pub(crate) mod pki;
mod processes;
pub mod remote;
mod report;
mod stage;
mod trouble;
mod words;

use anyhow::Result;
use std::{path::PathBuf, process::ExitCode};

/// `kiosk demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Let the scripted citizen do it, without a display.
    #[arg(long)]
    script: bool,
    /// Walk this GOV.UK/XGov form with generated answers instead.
    #[arg(long)]
    form: Option<PathBuf>,
    /// What goes wrong on the way.
    #[arg(long, value_enum, default_value_t = Scenario::Whole)]
    scenario: Scenario,
    /// Where everything goes.
    #[arg(long, default_value = "target/demo")]
    out: PathBuf,
}

/// What goes wrong in the scripted story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// The link is cut before the citizen submits, and comes back after the next one came.
    Whole,
    /// The agent is killed between *saved* and delivery.
    AgentKilled,
    /// The gateway is killed after the service acted and before it answered.
    GatewayKilled,
    /// The gateway refuses the envelope.
    Refused,
}

/// Runs the demo; the last line says what was saved, delivered, lost and doubled.
///
/// # Errors
/// When something could not be started or the citizen could not go on.
pub fn run(args: &Args) -> Result<ExitCode> {
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if let Some(form) = &args.form {
        form_walk::run(&args.out, form)
    } else if args.script || !has_display || args.scenario != Scenario::Whole {
        match args.scenario {
            Scenario::Whole => citizen::run(&args.out),
            Scenario::AgentKilled => trouble::agent_killed(&args.out),
            Scenario::GatewayKilled => trouble::gateway_killed(&args.out),
            Scenario::Refused => trouble::refused(&args.out),
        }
    } else {
        stage::window(&args.out)
    }
}

/// For the benches: the three roles, idle, with a headless shell.
pub use stage::{Stage, report_street_problem};
