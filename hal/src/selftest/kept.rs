//! Devices that are tried as the shell keeps them: document and barcode scanners, keypads, pointers.
//!
//! Promises: what a scan says is dropped unread, of a key only that it was the one that was asked for. Never:
//! arms a gate before a person was asked.

use super::{Corner, Level, Outcome, Prompt, Step, Target, Trial, spell};
use crate::{
    device::{Class, Deadline, Event, Health},
    document::{self, ScanId},
    factory::{self, Config, ConfigError, Devices, Site},
    keypad::{self, KeyMap, NavKey},
    pointer, scanner,
};
use std::{
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

/// A device says how it is within this.
const OPEN_WAIT: Duration = Duration::from_secs(4);

/// A page of the document scanner, which gives up by itself before.
const SCAN_WAIT: Duration = Duration::from_secs(35);

/// Events that wait.
const EVENTS_MAX: usize = 256;

/// A touch this near to a corner is in it, as a part of the screen.
const CORNER: f32 = 0.25;

/// Keys a hand can press; the jack's come with a plug.
fn keys(map: &KeyMap) -> Vec<NavKey> {
    let has = |key: &NavKey| map.codes(*key).next().is_some();
    let jack = |key: &NavKey| matches!(key, NavKey::JackIn | NavKey::JackOut);
    NavKey::ALL.into_iter().filter(|key| has(key) && !jack(key)).collect()
}

/// The device alone, and what it says.
struct Bench {
    devices: Devices,
    events: Receiver<Event>,
}

impl Bench {
    /// The first event that `wanted` picks before `limit`.
    fn until<T>(&self, limit: Duration, mut wanted: impl FnMut(Event) -> Option<T>) -> Option<T> {
        let deadline = Deadline::after(limit);
        loop {
            let event = self.events.recv_timeout(deadline.left()).ok()?;
            if let Some(found) = wanted(event) {
                return Some(found);
            }
        }
    }
}

pub(super) fn run(
    target: &Target,
    config: &Config,
    site: &Site,
    mut trial: Trial<'_>,
) -> Result<Vec<Step>, ConfigError> {
    let alone = alone(target, config);
    let (sink, events) = sync_channel(EVENTS_MAX);
    let bench = Bench { devices: factory::open(&alone, site, &sink)?, events };
    drop(sink);
    if !opens(&bench, &mut trial) {
        return Ok(trial.steps);
    }
    match target.class {
        Class::DocumentScanner => sheet(&bench, &mut trial),
        Class::Scanner => hand(&mut trial, "code", |trial| code(&bench, trial)),
        Class::Keypad => {
            let map = alone.keypad.as_ref().and_then(|keypad| KeyMap::named(&keypad.map).ok());
            let keys = map.as_ref().map(keys).unwrap_or_default();
            hand(&mut trial, "key", |trial| press(&bench, &keys, trial));
        }
        Class::Pointer => hand(&mut trial, "touch", |trial| touch(&bench, trial)),
        Class::ReceiptPrinter | Class::CardReader => {}
    }
    Ok(trial.steps)
}

/// A config with nothing but the target.
fn alone(target: &Target, config: &Config) -> Config {
    let mut alone = Config::default();
    match target.class {
        Class::DocumentScanner => alone.document_scanner.clone_from(&config.document_scanner),
        Class::Scanner => alone.scanner.clone_from(&config.scanner),
        Class::Keypad => alone.keypad.clone_from(&config.keypad),
        Class::Pointer => alone.pointers.extend(config.pointers.get(target.index).cloned()),
        Class::ReceiptPrinter | Class::CardReader => {}
    }
    alone
}

/// The first health that is not *opening*.
fn opens(bench: &Bench, trial: &mut Trial<'_>) -> bool {
    let outcome = bench.until(OPEN_WAIT, |event| match event {
        Event::Health { health: Health::Opening, .. } => None,
        Event::Health { health: Health::Ready, .. } => Some(Outcome::Passed),
        Event::Health { health: Health::Degraded(troubles), .. } => {
            let troubles: Vec<_> = troubles.iter().map(|trouble| trouble.code()).collect();
            Some(Outcome::Failed(troubles.join("+")))
        }
        Event::Health { health: Health::Absent, .. } => Some(Outcome::Failed("gone".to_owned())),
        Event::Health { health: Health::Faulted(code), .. } => Some(Outcome::Failed(code.to_owned())),
        Event::Printer(_)
        | Event::Card(_)
        | Event::Document(_)
        | Event::Pointer(_)
        | Event::Scanner(_)
        | Event::Keypad(_) => None,
    });
    let outcome = outcome.unwrap_or_else(|| Outcome::Failed("timed-out".to_owned()));
    let opened = outcome == Outcome::Passed;
    trial.step("open", outcome, Vec::new());
    opened
}

/// What only a person can do.
fn hand(trial: &mut Trial<'_>, step: &'static str, act: impl FnOnce(&mut Trial<'_>)) {
    match trial.level {
        Level::Internal => {}
        Level::External => trial.not_done(step, "needs-a-person"),
        Level::Interactive => act(trial),
    }
}

fn sheet(bench: &Bench, trial: &mut Trial<'_>) {
    let Some(scanner) = &bench.devices.document else { return };
    if trial.level == Level::Internal {
        return;
    }
    if trial.level == Level::Interactive && scanner.status() == document::Sheet::Absent {
        trial.ask(Prompt::LaySheet);
        let placed = bench.until(trial.limit, |event| {
            matches!(event, Event::Document(document::Event::SheetPlaced)).then_some(())
        });
        if placed.is_none() {
            trial.failed("sheet", "not-seen");
            return;
        }
    }
    let id = ScanId(0);
    if let Err(error) = scanner.scan(id) {
        trial.failed("sheet", super::code(&error));
        return;
    }
    let done = bench.until(SCAN_WAIT, |event| match event {
        Event::Document(document::Event::Done { id: done, outcome }) if done == id => Some(outcome),
        Event::Health { .. }
        | Event::Printer(_)
        | Event::Card(_)
        | Event::Document(_)
        | Event::Pointer(_)
        | Event::Scanner(_)
        | Event::Keypad(_) => None,
    });
    match done {
        Some(Ok(page)) => {
            let facts = [("pages", page.pages.to_string()), ("bytes", page.bytes.len().to_string())];
            trial.passed("sheet", facts.to_vec());
        }
        Some(Err(document::ScanError::NoSheet)) if trial.level == Level::External => {
            trial.not_done("sheet", "no-sheet");
        }
        Some(Err(document::ScanError::NoSheet)) => trial.failed("sheet", "no-sheet"),
        Some(Err(document::ScanError::Device(error))) => trial.failed("sheet", super::code(&error)),
        None => trial.failed("sheet", "timed-out"),
    }
}

fn code(bench: &Bench, trial: &mut Trial<'_>) {
    let Some(scanner) = &bench.devices.scanner else { return };
    // First the gate: whoever is quick is not asked twice.
    scanner.arm();
    trial.ask(Prompt::ShowCode);
    let heard = bench.until(trial.limit, |event| match event {
        Event::Scanner(scanner::Event::Read { scan, .. }) => Some(Ok(scan)),
        Event::Scanner(scanner::Event::Garbled) => Some(Err("garbled")),
        Event::Scanner(scanner::Event::RefusedPaymentCard) => Some(Err("payment-card")),
        Event::Health { .. }
        | Event::Printer(_)
        | Event::Card(_)
        | Event::Document(_)
        | Event::Pointer(_)
        | Event::Scanner(scanner::Event::Dropped)
        | Event::Keypad(_) => None,
    });
    match heard {
        Some(Ok(scan)) => {
            let symbology = scan.aim.map_or("not-told".to_owned(), |aim| spell(aim.symbology()));
            let facts = [("symbology", symbology), ("bytes", scan.data.expose().len().to_string())];
            trial.passed("code", facts.to_vec());
        }
        Some(Err(why)) => trial.failed("code", why),
        None => trial.failed("code", "not-seen"),
    }
}

fn press(bench: &Bench, keys: &[NavKey], trial: &mut Trial<'_>) {
    let mut missing = Vec::new();
    for key in keys {
        trial.ask(Prompt::PressKey(key.name()));
        let pressed = bench.until(trial.limit, |event| {
            let Event::Keypad(event) = event else { return None };
            (event.key == *key && event.kind == keypad::Kind::Press).then_some(())
        });
        if pressed.is_none() {
            missing.push(key.name());
        }
    }
    let seen = vec![("keys", format!("{} of {}", keys.len() - missing.len(), keys.len()))];
    let outcome = match missing.is_empty() {
        true => Outcome::Passed,
        false => Outcome::Failed(format!("not-seen: {}", missing.join(", "))),
    };
    trial.step("key", outcome, seen);
}

fn touch(bench: &Bench, trial: &mut Trial<'_>) {
    let corners = [
        (Corner::UpperLeft, 0.0, 0.0),
        (Corner::UpperRight, 1.0, 0.0),
        (Corner::LowerRight, 1.0, 1.0),
        (Corner::LowerLeft, 0.0, 1.0),
    ];
    for (corner, x, y) in corners {
        trial.ask(Prompt::TouchCorner(corner));
        let landed = bench.until(trial.limit, |event| {
            let Event::Pointer(event) = event else { return None };
            (event.kind == pointer::Kind::Down).then_some((event.x, event.y))
        });
        match landed {
            Some((at_x, at_y)) if (at_x - x).abs() <= CORNER && (at_y - y).abs() <= CORNER => {}
            Some((at_x, at_y)) => {
                let seen = format!("{at_x:.2} {at_y:.2}");
                let why = Outcome::Failed(format!("elsewhere: {}", spell(corner)));
                trial.step("touch", why, vec![("at", seen)]);
                return;
            }
            None => {
                trial.failed("touch", format!("not-seen: {}", spell(corner)));
                return;
            }
        }
    }
    trial.passed("touch", vec![("corners", corners.len().to_string())]);
}
