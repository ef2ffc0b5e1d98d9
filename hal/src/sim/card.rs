//! A simulated dip reader with a magnetic head.
//!
//! It gives what a head gives: the bits of each track with clocking zeros, sentinels, parity and LRC, as
//! fast as the hand pulls, and nothing when the card is the wrong way round.
//!
//! Promises: waits on a condition, uses no processor while idle. Never: a ready number.

use super::world::World;
use crate::{
    card::{
        Canceller, CardError, CardReader, CardStatus, RawTrack, ReaderKind, Slot, Tracks,
        track::{self, Track, TrackFault},
    },
    device::{Deadline, DeviceError},
};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Zeros in front of and behind the data of a track, as on a real stripe.
const CLOCKING_BITS: usize = 22;

/// A card for the simulated reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardKind {
    /// A library card with this number on track 2.
    Library {
        /// Digits.
        number: String,
    },
    /// A payment card with this number on tracks 1 and 2.
    Payment {
        /// Digits.
        number: String,
    },
    /// A card that shows the head its back.
    WrongWayRound,
    /// A library card with a scratch across its stripe.
    Damaged,
    /// A card with a blank stripe.
    Blank,
}

/// The reader and the card in it.
#[derive(Default)]
pub(super) struct CardSim {
    kind: Option<CardKind>,
    cards: u64,
    cancelled: bool,
    pub(super) held: bool,
    pub(super) reading: bool,
    pub(super) pulled: bool,
}

impl CardSim {
    pub(super) fn insert(&mut self, kind: CardKind) {
        self.kind = Some(kind);
        self.cards += 1;
    }

    pub(super) fn pull(&mut self) {
        self.kind = None;
    }

    fn slot(&self) -> Slot {
        let status = match self.kind {
            None => CardStatus::NoCard,
            Some(CardKind::WrongWayRound) => CardStatus::Mute,
            Some(
                CardKind::Library { .. } | CardKind::Payment { .. } | CardKind::Damaged | CardKind::Blank,
            ) => CardStatus::Present,
        };
        Slot { status, cards: self.cards }
    }
}

/// Connects to the reader.
///
/// # Errors
/// [`DeviceError::Gone`] while its cable is pulled.
pub fn open(world: &World) -> Result<Box<dyn CardReader>, DeviceError> {
    if world.change(|things| things.card.pulled) {
        return Err(unplugged());
    }
    Ok(Box::new(SimReader { world: world.clone(), said: None }))
}

fn unplugged() -> DeviceError {
    DeviceError::Gone("the simulated card reader is unplugged".to_owned())
}

struct SimReader {
    world: World,
    /// What it last said.
    said: Option<Slot>,
}

impl CardReader for SimReader {
    fn kind(&self) -> ReaderKind {
        ReaderKind::Dip
    }

    fn status(&mut self, _deadline: Deadline) -> Result<Slot, DeviceError> {
        let slot = self.world.change(|things| (!things.card.pulled).then(|| things.card.slot()));
        self.said = slot;
        slot.ok_or_else(unplugged)
    }

    fn wait_change(&mut self, deadline: Deadline) -> Result<Slot, DeviceError> {
        let said = self.said;
        let news = self.world.wait(deadline.left(), |things| {
            let reader = &mut things.card;
            let cancelled = std::mem::take(&mut reader.cancelled);
            (cancelled || reader.pulled || Some(reader.slot()) != said).then_some(())
        });
        tracing::trace!(changed = news.is_some(), "simulated card reader");
        self.status(deadline)
    }

    fn canceller(&self) -> Option<Canceller> {
        let world = self.world.clone();
        Some(Arc::new(move || world.change(|things| things.card.cancelled = true)))
    }

    fn read_tracks(&mut self, deadline: Deadline) -> Result<Tracks, CardError> {
        let begun = self.world.change(|things| {
            things.card.reading = true;
            (things.card.kind.clone(), things.card.cards)
        });
        let passed = self.world.wait(deadline.left(), |things| {
            let reader = &things.card;
            let same = reader.kind.is_some() && reader.cards == begun.1;
            (reader.pulled || !same || !reader.held).then_some((reader.pulled, same))
        });
        self.world.change(|things| things.card.reading = false);
        match (passed, begun.0) {
            (None, _) => Err(DeviceError::TimedOut.into()),
            (Some((true, _)), _) => Err(unplugged().into()),
            (Some((false, false)), _) | (_, None) => Err(CardError::Torn),
            (Some((false, true)), Some(kind)) => stripe(&kind),
        }
    }
}

/// What the head picks up.
fn stripe(kind: &CardKind) -> Result<Tracks, CardError> {
    let blank = Tracks::default();
    Ok(match kind {
        CardKind::Library { number } => Tracks { two: Some(bits(Track::Two, number)?), ..blank },
        CardKind::Payment { number } => {
            let one = Zeroizing::new(format!("B{number}^PUBLIC/JEAN Q^29122010000000000"));
            let two = Zeroizing::new(format!("{number}=29122010000000000"));
            Tracks { one: Some(bits(Track::One, &one)?), two: Some(bits(Track::Two, &two)?), three: None }
        }
        CardKind::Damaged => {
            let RawTrack::Bits(mut scratched) = bits(Track::Two, "21234000012347")? else {
                return Err(TrackFault::Blank.into());
            };
            let middle = scratched.len() / 2;
            if let Some(byte) = scratched.get_mut(middle) {
                *byte ^= 0b0001_0000;
            }
            Tracks { two: Some(RawTrack::Bits(scratched)), ..blank }
        }
        CardKind::WrongWayRound => return Err(CardError::Mute),
        CardKind::Blank => blank,
    })
}

fn bits(track: Track, content: &str) -> Result<RawTrack, TrackFault> {
    track::encode(track, content, CLOCKING_BITS).map(RawTrack::Bits)
}
