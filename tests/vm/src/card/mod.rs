//! A chip card reader on the machine's USB port, QEMU's `usb-ccid`, and a card that is not ours, libcacard's.
//!
//! ```text
//! hal's CCID driver -- libusb -- xhci_hcd -- usb-ccid (T=0, blocks of TPDU) -- libcacard
//! ```
//!
//! Every hand on them is outside of the machine ([`crate::outside`]); times are counted from the moment
//! the kernel shows the reader to whoever looks.

pub(crate) mod opinion;
#[cfg(feature = "pcsc")]
pub(crate) mod pcsc;
mod rig;

use crate::{
    around::Held,
    heard::Heard,
    outside::{Hand, hand},
};
use anyhow::{Context as _, Result, ensure};
use hal::{
    Class, Health,
    card::{CardError, CardReader, CardStatus, Event, ReaderKind},
    device::DeviceError,
    factory,
};
use rig::{
    FOUND_AGAIN, NAME_BYTES, SELECT, SELECTOR, command, number_of, open, reader, ready, soon, spoken_to,
    told, until_it_fails, until_shown,
};
use std::{thread, time::Instant};

/// Pulled and put back so often.
const ROUNDS: usize = 4;

/// Plugged in and out so often.
const CYCLES: usize = 8;

/// What the card is and what it answers: its answer to reset names it, a name it has is found, the answer to
/// that is fetched, one it has not is refused.
pub(crate) fn answers_what_it_is() -> Result<()> {
    hand(Hand::Start)?;
    let mut reader = reader()?;
    let slot = reader.status(soon())?;
    ensure!(slot.status == CardStatus::Present, "{slot:?} with a card in");
    let atr = reader.power_on(soon())?;
    let named = atr.bytes().windows(NAME_BYTES.len()).any(|bytes| bytes == NAME_BYTES);
    ensure!(named, "an answer to reset without a name: {:02x?}", atr.bytes());
    let found = command(&mut reader, &SELECT)?;
    ensure!(found.len() > 2 && found.ends_with(&[0x90, 0]), "SELECT ended with {found:02x?}");
    let unknown = command(&mut reader, &[0, 0xA4, 4, 0, 2, 0xC5, 0xC5, 0])?;
    ensure!(unknown.ends_with(&[0x6A, 0x82]), "an unknown name ended with {unknown:02x?}");
    for round in 0..ROUNDS {
        ensure!(command(&mut reader, &SELECT)? == found, "another answer in round {round}");
    }
    Ok(())
}

/// The reader is listed, comes up, and says that there is a card; a card that bears no number of ours is told
/// as such; what nobody asked for is not read.
pub(crate) fn is_listed_and_told() -> Result<()> {
    hand(Hand::Start)?;
    until_shown()?;
    let listed = factory::list();
    let of_ours = listed.iter().find(|found| found.selector.to_string().starts_with(SELECTOR));
    let right = of_ours.is_some_and(|found| found.driver == "ccid" && found.class == Class::CardReader);
    ensure!(right, "not listed: {listed:?}");
    let (devices, mut heard) = open()?;
    heard.health(&Health::Ready)?;
    told(&mut heard, "a card", |event| matches!(event, Event::Inserted))?;
    told(&mut heard, "a card nobody asked for", |event| matches!(event, Event::Dropped))?;
    let card = devices.card.as_ref().context("no card reader")?;
    ensure!(card.kind() == Some(ReaderKind::Dip), "{:?}", card.kind());
    let _arming = card.arm();
    told(&mut heard, "a card without a number", |event| matches!(event, Event::Unreadable))?;
    hand(Hand::CardOut)?;
    told(&mut heard, "no card", |event| matches!(event, Event::Removed))?;
    ensure!(card.dropped() == 1, "{} cards dropped", card.dropped());
    Ok(())
}

/// Each card is told as put in and as pulled out, in this order, and each is spoken to afresh.
pub(crate) fn pulled_and_put_back() -> Result<()> {
    hand(Hand::Start)?;
    let mut reader = reader()?;
    let mut before = reader.status(soon())?;
    for round in 0..ROUNDS {
        spoken_to(&mut reader)?;
        hand(Hand::CardOut)?;
        let gone = reader.wait_change(soon())?;
        ensure!(gone.status == CardStatus::NoCard, "{gone:?} in round {round} after the card was pulled");
        let torn = reader.transmit(&SELECT, soon());
        ensure!(matches!(torn, Err(CardError::Torn)), "{torn:?} of a card that is not there");
        hand(Hand::CardIn)?;
        let back = reader.wait_change(soon())?;
        ensure!(back.status == CardStatus::Present, "{back:?} in round {round} after the card was put in");
        ensure!(back.cards == before.cards + 1, "{before:?}, then {back:?}: not one card more");
        before = back;
    }
    Ok(())
}

/// The card is pulled while one command follows another: each is answered in whole, the one that is not says
/// why, and the card that is put in next is read as if nothing had been.
pub(crate) fn pulled_mid_command() -> Result<()> {
    hand(Hand::Start)?;
    let mut reader = reader()?;
    for round in 0..ROUNDS {
        let right = spoken_to(&mut reader)?;
        let pulled = thread::spawn(|| hand(Hand::CardOut));
        let error = until_it_fails(&mut reader, &right)?;
        ensure!(matches!(error, CardError::Torn), "{error:?} in round {round}, and not torn");
        pulled.join().ok().context("the hand is lost")??;
        let slot = reader.status(soon())?;
        ensure!(slot.status == CardStatus::NoCard, "{slot:?} in round {round} without a card");
        hand(Hand::CardIn)?;
        let back = reader.wait_change(soon())?;
        ensure!(back.status == CardStatus::Present, "{back:?} in round {round} with a card");
    }
    spoken_to(&mut reader).map(drop)
}

/// The reader's plug is pulled and put back within a second: found again within three, with the card in it.
pub(crate) fn reader_back_within_a_second() -> Result<()> {
    hand(Hand::Start)?;
    until_shown()?;
    let (_devices, mut heard) = open()?;
    heard.health(&Health::Ready)?;
    told(&mut heard, "a card", |event| matches!(event, Event::Inserted))?;
    for round in 0..ROUNDS {
        let before = number_of()?;
        let pulled = Instant::now();
        hand(Hand::ReaderOut)?;
        hand(Hand::ReaderIn)?;
        hand(Hand::CardIn)?;
        ensure!(pulled.elapsed().as_secs() < 1, "the hand took {} ms", pulled.elapsed().as_millis());
        told(&mut heard, "a card that went with the reader", |event| matches!(event, Event::Removed))?;
        let shown = until_shown()?;
        ensure!(number_of()? != before, "the kernel noticed nothing in round {round}");
        ready(&mut heard, shown)?;
        told(&mut heard, "the card in it", |event| matches!(event, Event::Inserted))?;
        let took = shown.elapsed();
        ensure!(took < FOUND_AGAIN, "found again after {} ms", took.as_millis());
    }
    Ok(())
}

/// The reader's plug is pulled while one command follows another: the call ends with the reader gone, long
/// before its deadline.
pub(crate) fn reader_pulled_mid_command() -> Result<()> {
    for round in 0..ROUNDS {
        hand(Hand::Start)?;
        let mut reader = reader()?;
        let right = spoken_to(&mut reader)?;
        let pulled = thread::spawn(|| hand(Hand::ReaderOut));
        let error = until_it_fails(&mut reader, &right)?;
        // The card may go before the plug does.
        let gone = |reader: &mut dyn CardReader| matches!(reader.status(soon()), Err(DeviceError::Gone(_)));
        let explained = matches!(error, CardError::Device(DeviceError::Gone(_)))
            || (matches!(error, CardError::Torn) && gone(&mut reader));
        ensure!(explained, "{error:?} of a reader that is unplugged, round {round}");
        pulled.join().ok().context("the hand is lost")??;
    }
    Ok(())
}

/// However often reader and card are pulled, no thread and no open file is left behind.
pub(crate) fn hot_plugging_leaks_nothing() -> Result<()> {
    hand(Hand::Start)?;
    until_shown()?;
    let (_devices, mut heard) = open()?;
    let mut counts = Vec::new();
    for _ in 0..CYCLES {
        heard.health(&Health::Ready)?;
        told(&mut heard, "a card", |event| matches!(event, Event::Inserted))?;
        counts.push(Held::now()?);
        hand(Hand::ReaderOut)?;
        gone(&mut heard)?;
        hand(Hand::Start)?;
    }
    Held::same_throughout(&counts)
}

fn gone(heard: &mut Heard) -> Result<()> {
    told(heard, "no card", |event| matches!(event, Event::Removed))?;
    heard.health(&Health::Absent).map(drop)
}
