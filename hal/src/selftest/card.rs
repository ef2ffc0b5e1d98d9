//! A card reader: its slot, and a card somebody puts in.
//!
//! Promises: of a chip card the answer to reset is told, of a stripe which tracks it has and how long they are.
//! Never: tells a number, a name or a track; sends a command to a chip.

use super::{Level, Prompt, Step, Trial, code, spell};
use crate::{
    card::{CardError, CardReader, CardStatus, RawTrack, ReaderKind, Slot},
    device::{Deadline, DeviceError},
    factory::{self, CardConfig, ConfigError, Site},
};
use std::time::Duration;

/// Asking what is in the slot.
const ASK_WAIT: Duration = Duration::from_secs(2);

/// Power, or the stripe.
const READ_WAIT: Duration = Duration::from_secs(5);

pub(super) fn run(config: &CardConfig, site: &Site, mut trial: Trial<'_>) -> Result<Vec<Step>, ConfigError> {
    let mut open = factory::card_reader(config, site)?;
    let mut reader = match open() {
        Ok(reader) => reader,
        Err(error) => {
            trial.failed("open", code(&error));
            return Ok(trial.steps);
        }
    };
    trial.passed("open", vec![("kind", spell(reader.kind()))]);
    let slot = match reader.status(Deadline::after(ASK_WAIT)) {
        Ok(slot) if matches!(slot.status, CardStatus::Error | CardStatus::Absent) => {
            trial.failed("status", spell(slot.status));
            return Ok(trial.steps);
        }
        Ok(slot) => slot,
        Err(error) => {
            trial.failed("status", code(&error));
            return Ok(trial.steps);
        }
    };
    trial.passed("status", vec![("slot", spell(slot.status))]);
    let here = matches!(slot.status, CardStatus::Present | CardStatus::Mute);
    match trial.level {
        Level::Internal => {}
        Level::External if here => look(reader.as_mut(), &mut trial),
        Level::External => trial.not_done("card", "no-card"),
        Level::Interactive => {
            if presented(reader.as_mut(), slot, &mut trial) {
                look(reader.as_mut(), &mut trial);
                removed(reader.as_mut(), &mut trial);
            }
        }
    }
    Ok(trial.steps)
}

/// A card comes that was not there before.
fn presented(reader: &mut dyn CardReader, before: Slot, trial: &mut Trial<'_>) -> bool {
    trial.ask(Prompt::PresentCard);
    let comes = |slot: Slot| slot.cards != before.cards && slot.status != CardStatus::NoCard;
    // A stripe pulled through is past before anybody looks.
    let swiped = |slot: Slot| slot.cards != before.cards;
    let swipe = reader.kind() == ReaderKind::Swipe;
    match until(reader, trial.limit, |slot| comes(slot) || (swipe && swiped(slot))) {
        Ok(true) => trial.passed("card", Vec::new()),
        Ok(false) => trial.failed("card", "not-seen"),
        Err(error) => trial.failed("card", code(&error)),
    }
    trial.steps.last().is_some_and(|step| step.outcome == super::Outcome::Passed)
}

fn removed(reader: &mut dyn CardReader, trial: &mut Trial<'_>) {
    if reader.kind() == ReaderKind::Swipe {
        return;
    }
    trial.ask(Prompt::TakeCard);
    match until(reader, trial.limit, |slot| slot.status == CardStatus::NoCard) {
        Ok(true) => trial.passed("removal", Vec::new()),
        Ok(false) => trial.failed("removal", "not-seen"),
        Err(error) => trial.failed("removal", code(&error)),
    }
}

/// Waits until the reader sees what is wanted; false when `limit` passed first.
fn until(
    reader: &mut dyn CardReader,
    limit: Duration,
    wanted: impl Fn(Slot) -> bool,
) -> Result<bool, DeviceError> {
    let deadline = Deadline::after(limit);
    let mut slot = reader.status(Deadline::after(ASK_WAIT))?;
    while !wanted(slot) {
        if deadline.passed() {
            return Ok(false);
        }
        slot = reader.wait_change(deadline)?;
    }
    Ok(true)
}

/// The answer to reset, or the stripe where there are no contacts.
fn look(reader: &mut dyn CardReader, trial: &mut Trial<'_>) {
    match reader.power_on(Deadline::after(READ_WAIT)) {
        Ok(atr) => {
            let hex = atr.bytes().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ");
            trial.passed("atr", vec![("atr", hex)]);
        }
        Err(CardError::Device(DeviceError::Unsupported(_))) => stripe(reader, trial),
        Err(error) => trial.failed("atr", card_code(&error)),
    }
}

fn stripe(reader: &mut dyn CardReader, trial: &mut Trial<'_>) {
    match reader.read_tracks(Deadline::after(READ_WAIT)) {
        Ok(tracks) => {
            let seen = [("track-1", &tracks.one), ("track-2", &tracks.two), ("track-3", &tracks.three)];
            let facts = seen.map(|(name, track)| (name, track.as_ref().map_or("none".to_owned(), length)));
            trial.passed("stripe", facts.to_vec());
        }
        Err(CardError::Device(DeviceError::Unsupported(_))) => trial.not_done("stripe", "no-head"),
        Err(error) => trial.failed("stripe", card_code(&error)),
    }
}

fn length(track: &RawTrack) -> String {
    match track {
        RawTrack::Bits(bits) => format!("{} bits", bits.len()),
        RawTrack::Text(text) => format!("{} characters", text.chars().count()),
        RawTrack::Faulty(_) => "undecodable".to_owned(),
    }
}

fn card_code(error: &CardError) -> String {
    match error {
        CardError::Torn => "torn".to_owned(),
        CardError::Mute => "mute".to_owned(),
        CardError::Payment => "payment-card".to_owned(),
        CardError::Unreadable(_) => "unreadable".to_owned(),
        CardError::NoNumber => "no-number".to_owned(),
        CardError::Device(error) => code(error),
    }
}
