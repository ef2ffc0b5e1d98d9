//! The same citizen, with something going wrong: each story ends in the same counts, or says why not.

use super::{
    citizen::{Citizen, finish},
    report::Counts,
    stage::{Stage, report_street_problem},
};
use anyhow::{Context, Result, ensure};
use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

/// How long anything that must happen by itself may take.
const LIMIT: Duration = Duration::from_secs(30);

fn set(out: &Path) -> Result<Stage> {
    let mut stage = Stage::set(out, &["en", "fr", "cy", "ar"], &[report_street_problem()])?;
    stage.open_shell("1080x1920")?;
    Ok(stage)
}

/// `SIGKILL` hits the agent after the screen said *saved* and before anything was delivered.
pub(super) fn agent_killed(out: &Path) -> Result<ExitCode> {
    let mut stage = set(out)?;
    let mut citizen = Citizen::new(&mut stage, "fr")?;
    citizen.report_a_pothole()?;
    citizen.stage.link.set(false);
    citizen.touch("Accept and send")?;
    citizen.see("Saved on this kiosk, not sent yet")?;
    citizen.stage.kill_agent()?;
    citizen.stage.link.set(true);
    citizen.wait_until_delivered()?;
    citizen.leave()?;
    let counts = Counts::of(1, &stage.ledger.names());
    finish(&stage, counts, &[])
}

/// `SIGKILL` hits the gateway after the service acted and before it answered: nobody knows, so it asks.
pub(super) fn gateway_killed(out: &Path) -> Result<ExitCode> {
    let mut stage = set(out)?;
    stage.ledger.set_silent(true);
    let mut citizen = Citizen::new(&mut stage, "fr")?;
    citizen.report_a_pothole()?;
    citizen.touch("Accept and send")?;
    citizen.see("Saved on this kiosk, not sent yet")?;
    citizen.wait_until_delivered()?;
    citizen.stage.kill_gateway()?;
    citizen.stage.ledger.set_silent(false);
    citizen.see("Answered")?;
    let reference = citizen.stage.ledger.references().into_iter().next().context("no service request")?;
    citizen.see_text(&reference)?;
    citizen.leave()?;
    let counts = Counts::of(1, &stage.ledger.names());
    finish(&stage, counts, &[])
}

/// The gateway does not know the key that the envelope is sealed to.
pub(super) fn refused(out: &Path) -> Result<ExitCode> {
    let mut stage = Stage::set(out, &["en", "fr", "cy", "ar"], &[report_street_problem()])?;
    stage.change_the_gateways_keys()?;
    stage.open_shell("1080x1920")?;
    let mut citizen = Citizen::new(&mut stage, "fr")?;
    citizen.report_a_pothole()?;
    citizen.touch("Accept and send")?;
    citizen.see("A member of staff needs to look at this")?;
    citizen.see("The service could not take it.")?;
    citizen.see_text("key-unknown")?;
    citizen.picture("needs-staff")?;
    let claim = citizen.read_claim_code()?;
    citizen.touch("Finish")?;
    citizen.touch_attract()?;
    citizen.look_up_typed(&claim)?;
    citizen.see("A member of staff needs to look at this")?;
    citizen.see_text("key-unknown")?;
    citizen.leave()?;
    let start = Instant::now();
    let log = stage.out.join("logs/agent.log");
    while !std::fs::read_to_string(&log)?.contains("key-unknown") {
        ensure!(start.elapsed() < LIMIT, "the agent's log does not say why");
        std::thread::sleep(Duration::from_millis(50));
    }
    let delivered = stage.ledger.names().len();
    println!("demo: saved 1, delivered {delivered}, needs staff 1 (key-unknown)");
    Ok(if delivered == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
