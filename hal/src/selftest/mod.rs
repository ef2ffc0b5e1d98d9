//! Self-tests: does a device work, in three levels, as UnifiedPOS `CheckHealth` has them.
//!
//! | level | printer | chip card reader | document scanner | scanner, keypad, pointer |
//! |---|---|---|---|---|
//! | [`Level::Internal`]: asks the device, changes nothing | status, identity | slot | opens | opens |
//! | [`Level::External`]: does what shows outside | and the test page | and the card that is in | and the sheet that is in | as above |
//! | [`Level::Interactive`]: needs a hand | and the cover | and a card put in | and a sheet laid in | a code, each key, four corners |
//!
//! A test is a list of [`Step`]s, each with codes and figures, never with what a person entered: of a card its
//! answer to reset, of a code its kind and length.
//!
//! Promises: every wait ends by a limit that has a name; a step that could not be made is [`Outcome::NotDone`]
//! with a reason, never passed; *printed* is said with the proof it has. Never: says words; keeps anything.

mod card;
mod kept;
mod printer;

pub use printer::page;

use crate::{
    device::{Class, DeviceError},
    factory::{Config, ConfigError, Site},
    selector::Selector,
};
use std::time::Duration;

/// How much of a device is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Asks the device; nothing shows outside.
    #[default]
    Internal,
    /// Does what shows outside, such as printing the test page.
    External,
    /// Needs a person at the device.
    Interactive,
}

/// What a person is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Put a card in, pull one through, or hold one there.
    PresentCard,
    /// Take it out again.
    TakeCard,
    /// Hold any code under the scanner.
    ShowCode,
    /// Press this key, [`crate::keypad::NavKey::name`].
    PressKey(&'static str),
    /// Touch this corner.
    TouchCorner(Corner),
    /// Lay a sheet in.
    LaySheet,
    /// Open the printer's cover.
    OpenCover,
    /// Close it.
    CloseCover,
}

/// A corner of the screen as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corner {
    /// Upper left.
    UpperLeft,
    /// Upper right.
    UpperRight,
    /// Lower right.
    LowerRight,
    /// Lower left.
    LowerLeft,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// Not as it should: a code, such as `gone`, `not-seen`, `paper-out`.
    Failed(String),
    /// It could not be tried on this device or at this level: a code, such as `no-card`.
    NotDone(&'static str),
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which: `open`, `status`, `identity`, `print`, `cover`, `card`, `atr`, `stripe`, `removal`, `sheet`,
    /// `code`, `key`, `touch`.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen: a name and a code or a figure.
    pub facts: Vec<(&'static str, String)>,
}

/// What became of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which device.
    pub target: Target,
    /// What was tried, in this order.
    pub steps: Vec<Step>,
}

impl Report {
    /// Whether a step failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.outcome, Outcome::Failed(_)))
    }

    /// Whether a step could not be made.
    #[must_use]
    pub fn incomplete(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.outcome, Outcome::NotDone(_)))
    }
}

/// One configured device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What it is.
    pub class: Class,
    /// How the config names it.
    pub selector: Selector,
    /// Which of several pointers, from 0; else 0.
    index: usize,
}

/// Every device of a config, in the order they are opened.
#[must_use]
pub fn targets(config: &Config) -> Vec<Target> {
    let one = |class, selector: Option<&Selector>| {
        selector.map(|selector| Target { class, selector: selector.clone(), index: 0 })
    };
    let single = [
        one(Class::ReceiptPrinter, config.printer.as_ref().map(|c| &c.selector)),
        one(Class::CardReader, config.card_reader.as_ref().map(|c| &c.selector)),
        one(Class::DocumentScanner, config.document_scanner.as_ref().map(|c| &c.selector)),
        one(Class::Scanner, config.scanner.as_ref().map(|c| &c.selector)),
        one(Class::Keypad, config.keypad.as_ref().map(|c| &c.selector)),
    ];
    let pointers = config.pointers.iter().enumerate();
    let pointers =
        pointers.map(|(index, c)| Target { class: Class::Pointer, selector: c.selector.clone(), index });
    single.into_iter().flatten().chain(pointers).collect()
}

/// Tests one device of `config` up to `level`; `limit` is for each thing a person is asked for through `ask`.
///
/// # Errors
/// What is wrong with the device's table: the device was not tried.
pub fn run(
    target: &Target,
    config: &Config,
    site: &Site,
    (level, limit): (Level, Duration),
    ask: &mut dyn FnMut(Prompt),
) -> Result<Report, ConfigError> {
    let trial = Trial { level, limit, ask, steps: Vec::new() };
    let steps = match (target.class, &config.printer, &config.card_reader) {
        (Class::ReceiptPrinter, Some(printer), _) => printer::run(printer, site, trial)?,
        (Class::CardReader, _, Some(card)) => card::run(card, site, trial)?,
        (
            Class::ReceiptPrinter
            | Class::CardReader
            | Class::DocumentScanner
            | Class::Pointer
            | Class::Scanner
            | Class::Keypad,
            _,
            _,
        ) => kept::run(target, config, site, trial)?,
    };
    Ok(Report { target: target.clone(), steps })
}

/// A test under way.
struct Trial<'a> {
    level: Level,
    limit: Duration,
    ask: &'a mut dyn FnMut(Prompt),
    steps: Vec<Step>,
}

impl Trial<'_> {
    fn step(&mut self, name: &'static str, outcome: Outcome, facts: Vec<(&'static str, String)>) {
        self.steps.push(Step { name, outcome, facts });
    }

    fn passed(&mut self, name: &'static str, facts: Vec<(&'static str, String)>) {
        self.step(name, Outcome::Passed, facts);
    }

    fn failed(&mut self, name: &'static str, code: impl Into<String>) {
        self.step(name, Outcome::Failed(code.into()), Vec::new());
    }

    fn not_done(&mut self, name: &'static str, code: &'static str) {
        self.step(name, Outcome::NotDone(code), Vec::new());
    }

    fn ask(&mut self, prompt: Prompt) {
        (self.ask)(prompt);
    }
}

/// A device error as a code, with what the system said behind it.
fn code(error: &DeviceError) -> String {
    match error {
        DeviceError::Gone(why) => format!("gone: {why}"),
        DeviceError::TimedOut => "timed-out".to_owned(),
        DeviceError::Busy => "busy".to_owned(),
        DeviceError::NotExclusive(why) => format!("not-exclusive: {why}"),
        DeviceError::Denied(what) => format!("denied: {what}"),
        DeviceError::Nonsense(why) => format!("nonsense: {why}"),
        DeviceError::Unsupported(what) => format!("unsupported: {what}"),
    }
}

/// An enum's value as a code, such as `LatchedDip` as `latched-dip`.
fn spell(value: impl std::fmt::Debug) -> String {
    let mut code = String::new();
    for letter in format!("{value:?}").chars() {
        if letter.is_ascii_uppercase() && !code.is_empty() {
            code.push('-');
        }
        code.push(letter.to_ascii_lowercase());
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{card::ReaderKind, printer::Paper};

    #[test]
    fn values_are_spelt_as_codes() {
        assert_eq!(spell(Paper::Jammed), "jammed");
        assert_eq!(spell(ReaderKind::LatchedDip), "latched-dip");
    }

    #[test]
    fn every_configured_device_is_a_target() {
        let text = "[devices.keypad]\nselector = '/dev/k'\nmap = 'arrows'\n\
                    [[devices.pointer]]\nselector = '/dev/a'\n[[devices.pointer]]\nselector = '/dev/b'";
        let targets = targets(&Config::from_toml(text).unwrap());
        let named: Vec<_> = targets.iter().map(|t| (t.class, t.selector.to_string(), t.index)).collect();
        let expected =
            [(Class::Keypad, "/dev/k", 0), (Class::Pointer, "/dev/a", 0), (Class::Pointer, "/dev/b", 1)];
        assert_eq!(named, expected.map(|(class, selector, index)| (class, selector.to_owned(), index)));
    }
}
