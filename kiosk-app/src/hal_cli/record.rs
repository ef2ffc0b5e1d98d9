//! `kiosk hal record`: the test page, or a test card, as a recording that replays in a driver's tests.
//!
//! Promises: without a test card's name only the printer is recorded; the file is new and whole, or not there.
//! Never: records a kiosk at work; see [`hal::recording`].

use super::{console::Console, which::Which};
use crate::config::StartError;
use anyhow::Result;
use hal::{
    Class,
    card::ReaderKind,
    factory::{self, Site},
    recording::{
        Recording, TestCard,
        session::{print_page, read_card},
    },
    selftest::Prompt,
};
use serde_json::json;
use std::{path::PathBuf, time::Duration};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The file to write; it must not be there yet.
    file: PathBuf,
    #[command(flatten)]
    which: Which,
    /// Records the card reader instead of the printer, with a card that is nobody's, under this name.
    #[arg(long, value_name = "NAME")]
    test_card: Option<String>,
    /// Seconds for the page, or for presenting the card.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    wait: u64,
}

pub(super) fn run(args: &Args, site: &Site, console: &mut Console<'_>) -> Result<bool> {
    if args.file.exists() {
        return Err(StartError::new(&args.file, "", "is there already; nothing is overwritten").into());
    }
    let limit = Duration::from_secs(args.wait);
    let recorded = match &args.test_card {
        Some(name) => card(args, name, site, limit, console)?,
        None => page(args, site, limit)?,
    };
    let figures = match recorded {
        Ok((recording, (well, told))) => {
            recording.save(&args.file).map_err(|error| StartError::new(&args.file, "", error))?;
            let calls = recording.len();
            let text = format!("{}: {calls} calls recorded, {told}", args.file.display());
            console.say("file", &text, json!({ "file": args.file, "what": "recording", "size": calls }))?;
            [("recorded", 1), ("calls", calls), ("failed", usize::from(!well))]
        }
        Err(why) => {
            let object = json!({ "file": null, "what": "recording", "size": 0, "why": why });
            console.say("file", &format!("not recorded: {why}"), object)?;
            [("recorded", 0), ("calls", 0), ("failed", 1)]
        }
    };
    let well = figures.iter().all(|(name, figure)| *name != "failed" || *figure == 0);
    console.summary("record", well, &figures)?;
    Ok(well)
}

/// Whether the device did what was recorded well, and a word about it.
type Outcome = (bool, String);

/// Or why there is nothing to write.
type Recorded = Result<(Recording, Outcome), String>;

fn page(args: &Args, site: &Site, limit: Duration) -> Result<Recorded> {
    let chosen = args.which.choose(Some(Class::ReceiptPrinter))?;
    let Some(config) = &chosen.config.printer else {
        let why = "no printer is configured; a card reader is recorded with --test-card NAME only";
        return Err(chosen.wrong("devices.printer", why).into());
    };
    let (mut open, _) = factory::printer_line(config, site).map_err(|error| chosen.refused(&error))?;
    let line = match open() {
        Ok(line) => line,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let recorded = print_page(line, &config.profile, limit);
    Ok(recorded.map_err(|error| error.to_string()).map(|(recording, outcome)| {
        let told = match &outcome {
            Ok(proof) => format!("page {proof:?}").to_lowercase(),
            Err(error) => format!("page not printed: {error}"),
        };
        (recording, (outcome.is_ok(), told))
    }))
}

fn card(
    args: &Args,
    name: &str,
    site: &Site,
    limit: Duration,
    console: &mut Console<'_>,
) -> Result<Recorded> {
    let chosen = args.which.choose(Some(Class::CardReader))?;
    let test_card = TestCard::named(name).map_err(|error| chosen.wrong("--test-card", error))?;
    let Some(config) = &chosen.config.card_reader else {
        return Err(chosen.wrong("devices.card_reader", "no card reader is configured").into());
    };
    let mut open = factory::chip_pipe(config, site).map_err(|error| chosen.refused(&error))?;
    let pipe = match open() {
        Ok(pipe) => pipe,
        Err(error) => return Ok(Err(error.to_string())),
    };
    console.ask(Prompt::PresentCard, limit)?;
    let kind = config.presented.unwrap_or(ReaderKind::Dip);
    let recorded = read_card(pipe, kind, &test_card, limit);
    Ok(recorded.map_err(|error| error.to_string()).map(|(recording, outcome)| {
        let told = match &outcome {
            Ok(_) => "card read".to_owned(),
            Err(error) => format!("card not read: {error}"),
        };
        (recording, (outcome.is_ok(), told))
    }))
}
