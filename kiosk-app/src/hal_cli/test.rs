//! `kiosk hal test`: tries devices, in three levels, and learns keypads.
//!
//! Promises: what is printed on paper is told with the proof it has; a person who does nothing costs each limit
//! once. Never: tries a device that another class was named for.

use super::{
    console::Console,
    which::{Chosen, ClassName, Which},
};
use anyhow::{Context as _, Result};
use hal::{
    Class,
    factory::{self, Site},
    keypad::{self, KEY_WAIT, Question},
    selftest::{self, Level, Outcome, Step, Target},
};
use serde_json::{Map, Value, json};
use std::{fs::OpenOptions, io::Write as _, path::PathBuf, time::Duration};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Only devices of this class.
    #[arg(value_enum)]
    class: Option<ClassName>,
    #[command(flatten)]
    which: Which,
    /// How much is tried: internal asks, external prints and reads what is in, interactive needs your hands.
    #[arg(long, value_enum, default_value = "internal")]
    level: LevelName,
    /// Seconds for each thing you are asked to do.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    wait: u64,
    /// Instead of a test, asks for each key of the keypad and writes its map to this new file.
    #[arg(long, value_name = "FILE")]
    learn: Option<PathBuf>,
}

/// After UnifiedPOS `CheckHealth`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LevelName {
    Internal,
    External,
    Interactive,
}

impl From<LevelName> for Level {
    fn from(name: LevelName) -> Self {
        match name {
            LevelName::Internal => Self::Internal,
            LevelName::External => Self::External,
            LevelName::Interactive => Self::Interactive,
        }
    }
}

#[derive(Default)]
struct Tally {
    failed: usize,
    incomplete: usize,
}

pub(super) fn run(args: &Args, site: &Site, console: &mut Console<'_>) -> Result<bool> {
    let class = args.class.map(Class::from).or(args.learn.is_some().then_some(Class::Keypad));
    let chosen = args.which.choose(class)?;
    let targets = chosen.targets(class)?;
    if let Some(file) = &args.learn {
        if class != Some(Class::Keypad) {
            return Err(chosen.wrong("--learn", "only a keypad is learned").into());
        }
        return learn(file, &chosen, site, console);
    }
    let how = (Level::from(args.level), Duration::from_secs(args.wait));
    let mut tally = Tally::default();
    for target in &targets {
        one(target, &chosen, site, how, console, &mut tally)?;
    }
    let well = tally.failed == 0;
    let passed = targets.len() - tally.failed - tally.incomplete;
    let figures = [
        ("devices", targets.len()),
        ("passed", passed),
        ("not wholly tried", tally.incomplete),
        ("failed", tally.failed),
    ];
    console.summary("test", well, &figures)?;
    Ok(well)
}

fn one(
    target: &Target,
    chosen: &Chosen,
    site: &Site,
    how: (Level, Duration),
    console: &mut Console<'_>,
    tally: &mut Tally,
) -> Result<()> {
    let mut asked = Ok(());
    let mut ask = |prompt| {
        if asked.is_ok() {
            asked = console.ask(prompt, how.1);
        }
    };
    let report = selftest::run(target, &chosen.config, site, how, &mut ask);
    asked?;
    let report = report.map_err(|error| chosen.refused(&error))?;
    tally.failed += usize::from(report.failed());
    tally.incomplete += usize::from(report.incomplete() && !report.failed());
    report.steps.iter().try_for_each(|step| tell(target, step, console))
}

fn tell(target: &Target, step: &Step, console: &mut Console<'_>) -> Result<()> {
    let (outcome, code) = match &step.outcome {
        Outcome::Passed => ("passed", None),
        Outcome::Failed(code) => ("failed", Some(code.as_str())),
        Outcome::NotDone(code) => ("not-done", Some(*code)),
    };
    let (class, selector) = (target.class.name(), target.selector.to_string());
    let mut text = format!("{class} {selector}: {}: {outcome}", step.name);
    if let Some(code) = code {
        text.push_str(&format!(" ({code})"));
    }
    for (name, value) in &step.facts {
        text.push_str(&format!(", {name} {value}"));
    }
    let facts: Map<String, Value> =
        step.facts.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    let object = json!({
        "class": class, "selector": selector, "step": step.name, "outcome": outcome, "code": code,
        "facts": facts,
    });
    console.say("step", &text, object)
}

/// Asks for each key and writes the map down.
fn learn(file: &PathBuf, chosen: &Chosen, site: &Site, console: &mut Console<'_>) -> Result<bool> {
    let config = chosen.config.keypad.as_ref().context("a keypad was chosen")?;
    let mut open = factory::key_source(config, site).map_err(|error| chosen.refused(&error))?;
    let name = file.file_stem().map_or("keypad".into(), |stem| stem.to_string_lossy());
    // Before anybody presses a key: a file that is there already is not overwritten.
    let fresh = OpenOptions::new().write(true).create_new(true).open(file);
    let mut fresh = fresh.map_err(|error| crate::config::StartError::new(file, "", error))?;
    let mut asked = Ok(());
    let mut ask = |question| {
        if asked.is_ok() {
            asked = put(question, console);
        }
    };
    let learned = open().and_then(|mut source| keypad::learn(&name, source.as_mut(), &mut ask));
    asked?;
    let well = match learned {
        Ok(map) => {
            fresh.write_all(map.as_bytes()).with_context(|| format!("writing {}", file.display()))?;
            let text = format!("{}: key map written; name it as map in [devices.keypad]", file.display());
            console.say("file", &text, json!({ "file": file, "what": "map", "size": map.len() }))?;
            true
        }
        Err(error) => {
            drop(std::fs::remove_file(file));
            let text = format!("keypad {}: nothing learned: {error}", config.selector);
            let object = json!({
                "class": "keypad", "selector": config.selector.to_string(), "step": "learn",
                "outcome": "failed", "code": error.to_string(), "facts": {},
            });
            console.say("step", &text, object)?;
            false
        }
    };
    console.summary(
        "test",
        well,
        &[("keypads learned", usize::from(well)), ("failed", usize::from(!well))],
    )?;
    Ok(well)
}

fn put(question: Question, console: &mut Console<'_>) -> Result<()> {
    match question {
        Question::Press(key) => {
            let words = format!("press {}, or wait when there is none", key.name());
            console.prompt("press-key", Some(key.name()), &words, KEY_WAIT)
        }
        Question::Again { key, was } => {
            let words = format!("that is {} already; press {}", was.name(), key.name());
            console.prompt("press-again", Some(key.name()), &words, KEY_WAIT)
        }
        Question::LeftOut(key) => {
            console.prompt("left-out", Some(key.name()), &format!("{} is left out", key.name()), KEY_WAIT)
        }
    }
}
