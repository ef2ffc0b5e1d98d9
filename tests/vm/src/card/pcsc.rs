//! hal's PC/SC driver on the system's pcscd, its CCID driver, and the same reader and card.

use super::{
    opinion::services,
    rig::{FOUND_AGAIN, SELECT, command, open_as, reader, ready, soon, told, until_shown},
};
use crate::{
    others,
    outside::{Hand, hand},
};
use anyhow::{Context as _, Result, ensure};
use hal::{
    Class, Deadline, Health,
    card::{
        CardError, CardReader as _, CardStatus, Event, ReaderKind,
        pcsc::{PcscReader, list},
    },
    factory,
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// pcscd calls QEMU's reader by its list of readers, libccid's `Info.plist`; 08e6:4433 begins so.
const READER: &str = "Gemalto Gemplus USB SmartCard Reader 433";

/// Pulled and put back so often.
const ROUNDS: usize = 3;

/// A bell ends a wait within this.
const BELL_LIMIT: Duration = Duration::from_secs(2);

/// A wait that is to be ended.
const LONG: Duration = Duration::from_secs(30);

fn open_reader() -> Result<PcscReader> {
    let mut reader = PcscReader::open(READER, ReaderKind::Dip, soon())?;
    if reader.status(soon())?.status == CardStatus::NoCard {
        reader.wait_change(soon())?;
    }
    Ok(reader)
}

/// Over pcscd and over hal's own CCID driver the card says the same; the reader is listed both ways.
pub(crate) fn same_answers_as_over_usb() -> Result<()> {
    hand(Hand::Start)?;
    let mut usb = reader()?;
    let (atr, found) = (usb.power_on(soon())?, command(&mut usb, &SELECT)?);
    drop(usb);
    let _services = services()?;
    let mut reader = open_reader()?;
    ensure!(reader.power_on(soon())? == atr, "another answer to reset");
    for round in 0..ROUNDS {
        let answer = reader.transmit(&SELECT, soon()).with_context(|| format!("SELECT {round}"))?;
        ensure!(answer.expose() == found, "{:02x?}, over USB {found:02x?}", answer.expose());
    }
    let listed = factory::list();
    let known = listed.iter().find(|found| found.driver == "pcsc");
    ensure!(known.is_some_and(|found| found.class == Class::CardReader), "not listed: {listed:?}");
    Ok(())
}

/// pcscd tells of each card; one that was pulled is torn, the next is read.
pub(crate) fn pulled_and_put_back() -> Result<()> {
    hand(Hand::Start)?;
    let _services = services()?;
    let mut reader = open_reader()?;
    let mut cards = reader.status(soon())?.cards;
    for round in 0..ROUNDS {
        reader.power_on(soon()).with_context(|| format!("power in round {round}"))?;
        hand(Hand::CardOut)?;
        let torn = reader.transmit(&SELECT, soon());
        ensure!(matches!(torn, Err(CardError::Torn)), "{torn:?} of a card that is not there");
        let gone = reader.status(soon())?;
        ensure!(gone.status == CardStatus::NoCard, "{gone:?} in round {round} without a card");
        hand(Hand::CardIn)?;
        let back = reader.wait_change(soon())?;
        ensure!(back.status == CardStatus::Present, "{back:?} in round {round} with a card");
        ensure!(back.cards == cards + 1, "{cards} cards, then {}", back.cards);
        cards = back.cards;
    }
    Ok(())
}

/// pcscd is killed under an open reader and started again: the loss is told, and the reader serves again.
pub(crate) fn pcscd_killed_and_started_again() -> Result<()> {
    hand(Hand::Start)?;
    let (_udev, mut pcscd) = services()?;
    let (devices, mut heard) = open_as(&format!("pcsc:{READER}"))?;
    heard.health(&Health::Ready)?;
    told(&mut heard, "the card", |event| matches!(event, Event::Inserted))?;
    for _ in 0..ROUNDS {
        pcscd.kill()?;
        told(&mut heard, "the card gone", |event| matches!(event, Event::Removed))?;
        heard.health(&Health::Absent)?;
        pcscd = others::pcscd()?;
        ready(&mut heard, Instant::now())?;
        told(&mut heard, "the card again", |event| matches!(event, Event::Inserted))?;
        let card = devices.card.as_ref().context("no card reader")?;
        card.arm();
        told(&mut heard, "a card without a number", |event| matches!(event, Event::Unreadable))?;
        card.disarm();
    }
    Ok(())
}

/// The reader's plug is pulled and put back: told as absent, found again within three seconds of pcscd
/// having it.
pub(crate) fn reader_unplugged_and_back() -> Result<()> {
    hand(Hand::Start)?;
    let _services = services()?;
    let selector = format!("pcsc:{READER}");
    let (_devices, mut heard) = open_as(&selector)?;
    heard.health(&Health::Ready)?;
    for _ in 0..ROUNDS {
        hand(Hand::ReaderOut)?;
        heard.health(&Health::Absent)?;
        hand(Hand::Start)?;
        until_shown()?;
        let deadline = Deadline::after(others::PROGRAM_LIMIT);
        while list().is_empty() {
            ensure!(!deadline.passed(), "pcscd does not find the reader again");
            thread::park_timeout(Duration::from_millis(50));
        }
        let shown = Instant::now();
        heard.health(&Health::Ready)?;
        ensure!(shown.elapsed() < FOUND_AGAIN, "found again after {} ms", shown.elapsed().as_millis());
    }
    Ok(())
}

/// A wait for a card ends at once when it is cancelled, before or while it waits.
pub(crate) fn a_wait_is_cancelled() -> Result<()> {
    hand(Hand::Start)?;
    let _services = services()?;
    let mut reader = open_reader()?;
    let bell = reader.canceller().context("nothing to cancel with")?;
    for round in 0..ROUNDS {
        let begun = Instant::now();
        bell();
        reader.wait_change(Deadline::after(LONG))?;
        ensure!(begun.elapsed() < BELL_LIMIT, "rung before: {} ms", begun.elapsed().as_millis());
        let (begun, far) = (Instant::now(), bell.clone());
        let ringer = thread::spawn(move || {
            thread::park_timeout(Duration::from_millis(100));
            far();
        });
        reader.wait_change(Deadline::after(LONG))?;
        ensure!(begun.elapsed() < BELL_LIMIT, "rung in round {round}: {} ms", begun.elapsed().as_millis());
        ringer.join().ok().context("the ringer is lost")?;
    }
    Ok(())
}
