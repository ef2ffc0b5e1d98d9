//! Card readers: the trait, what a card says, the input gate.
//!
//! Words after XFS4IoT `CardReader` and UnifiedPOS `MSR`/`SmartCardRW`.
//!
//! ```text
//!             inserted, removed, mute, torn, forgotten: always
//! reader -> thread ------------------------------------------------------------> sink
//!             \-> payment card? refused, zeroed ; gate armed? delivered, once -> sink
//!                                                else dropped, counted
//! ```
//!
//! Promises: a card's data leaves only while the gate is armed, once for each [`CardHandle::arm`]; a
//! payment card's data never leaves; a card read once is not read again before it was taken out; what a
//! card said is zeroed when dropped and never shown by `Debug`.
//!
//! Never: writes a card; logs what one said; takes a number for proof of who holds the card.

pub mod ccid;
pub mod chip;
mod gate;
pub mod hid;
pub mod library;
pub mod payment;
#[cfg(feature = "pcsc")]
pub mod pcsc;
mod session;
pub mod stripe;
mod swipe;
pub mod track;

pub use crate::gate::{Arming, Canceller};
pub use gate::{CardHandle, Options, spawn};
pub use swipe::{SwipeReader, Swipes};

use crate::device::{Deadline, DeviceError};
use serde::{Deserialize, Serialize};
use std::fmt;
use track::TrackFault;
use zeroize::Zeroizing;

/// Text from a card. Zeroed when dropped, hidden from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct CardData(Zeroizing<String>);

impl CardData {
    /// Takes over `text`.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text itself. Callers copy it only into something that zeroes too.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CardData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardData(..)")
    }
}

/// Bytes from a chip. Zeroed when dropped, hidden from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct CardBytes(Zeroizing<Vec<u8>>);

impl CardBytes {
    /// Takes over `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for CardBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardBytes(..)")
    }
}

/// What a chip says when it gets power, ISO 7816-3 section 8: 2 to 33 bytes, first `3B` or `3F`.
#[derive(Clone, PartialEq, Eq)]
pub struct Atr(CardBytes);

impl Atr {
    /// An answer to reset, or nothing when the bytes cannot be one.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        let bytes = CardBytes::new(bytes);
        let known = matches!(bytes.expose().first(), Some(0x3B | 0x3F));
        (known && (2..=33).contains(&bytes.expose().len())).then_some(Self(bytes))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.expose()
    }
}

impl fmt::Debug for Atr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Atr(..)")
    }
}

/// How a card is presented; the screen asks for it in different words (XFS4IoT capability `type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReaderKind {
    /// Pulled through a slot.
    Swipe,
    /// Put in and pulled out by hand.
    Dip,
    /// Put in by hand, held until released.
    LatchedDip,
    /// Drawn in by a motor.
    Motor,
    /// Held against a spot.
    Contactless,
}

/// What is in the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardStatus {
    /// No reader.
    Absent,
    /// A reader, no card.
    NoCard,
    /// A card.
    Present,
    /// A card that says nothing: the wrong way round.
    Mute,
    /// The reader itself is broken.
    Error,
}

/// What a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Now.
    pub status: CardStatus,
    /// Cards since the reader was opened: a card swapped between two looks is seen by this.
    pub cards: u64,
}

/// The stripe as the head gave it.
#[derive(Clone, PartialEq, Eq)]
pub enum RawTrack {
    /// Characters from start to end sentinel, the reader checked parity and LRC itself.
    Text(Zeroizing<String>),
    /// Bits in the order they passed the head, the first in bit 0 of the first byte.
    Bits(Zeroizing<Vec<u8>>),
    /// The reader itself could not decode it. What it gives of it, mostly nothing, is good for a refusal only.
    Faulty(Zeroizing<String>),
}

/// The tracks of one card; a track without flux changes is `None`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tracks {
    /// ISO 7811-2 track 1.
    pub one: Option<RawTrack>,
    /// ISO 7811-2 track 2.
    pub two: Option<RawTrack>,
    /// ISO 7811-2 track 3.
    pub three: Option<RawTrack>,
}

impl fmt::Debug for Tracks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracks(..)")
    }
}

impl fmt::Debug for RawTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawTrack(..)")
    }
}

/// Where on the card a number was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The magnetic stripe.
    Stripe,
    /// A chip with contacts.
    Chip,
    /// A chip without contacts; its serial number proves nothing, it can be copied.
    Contactless,
}

/// What an armed reader delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardRead {
    /// Where it was.
    pub source: Source,
    /// The identifier.
    pub number: CardData,
}

/// Why a card was not read.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// Pulled out while it was read.
    #[error("the card was pulled out too early")]
    Torn,
    /// It says nothing.
    #[error("the card does not answer")]
    Mute,
    /// It looks like a payment card; what was read is gone.
    #[error("this is a payment card")]
    Payment,
    /// The stripe is damaged.
    #[error("the stripe cannot be read")]
    Unreadable(#[from] TrackFault),
    /// It can be read and bears no identifier we know.
    #[error("the card bears no number")]
    NoNumber,
    /// The reader failed.
    #[error("the card reader failed")]
    Device(#[from] DeviceError),
}

/// One card reader, open. Calls a reader cannot do return [`DeviceError::Unsupported`].
pub trait CardReader: Send {
    /// How a card is presented to it.
    fn kind(&self) -> ReaderKind;

    /// What it sees now.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when unplugged.
    fn status(&mut self, deadline: Deadline) -> Result<Slot, DeviceError>;

    /// Waits until the reader sees something else than it last said, until cancelled, or until `deadline`;
    /// says what it sees then.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when unplugged.
    fn wait_change(&mut self, deadline: Deadline) -> Result<Slot, DeviceError>;

    /// What ends [`Self::wait_change`]; a reader without one is asked again every quarter second.
    fn canceller(&self) -> Option<Canceller> {
        None
    }

    /// The card's identifier; by default what its stripe says.
    ///
    /// # Errors
    /// See [`CardError`].
    fn read_identifier(&mut self, deadline: Deadline) -> Result<CardRead, CardError> {
        let tracks = self.read_tracks(deadline)?;
        let number = library::number(&tracks)?;
        Ok(CardRead { source: Source::Stripe, number })
    }

    /// The stripe.
    ///
    /// # Errors
    /// See [`CardError`].
    fn read_tracks(&mut self, _deadline: Deadline) -> Result<Tracks, CardError> {
        Err(DeviceError::Unsupported("this reader has no magnetic head").into())
    }

    /// Gives the chip power.
    ///
    /// # Errors
    /// See [`CardError`].
    fn power_on(&mut self, _deadline: Deadline) -> Result<Atr, CardError> {
        Err(DeviceError::Unsupported("this reader has no chip contacts").into())
    }

    /// Sends a command APDU (ISO 7816-4 section 5) and returns the response with its status word.
    ///
    /// # Errors
    /// See [`CardError`].
    fn transmit(&mut self, _apdu: &[u8], _deadline: Deadline) -> Result<CardBytes, CardError> {
        Err(DeviceError::Unsupported("this reader has no chip contacts").into())
    }

    /// When the swipe that is held began, `CLOCK_MONOTONIC` in microseconds; nothing for a card that stays in
    /// the reader, which is there for whoever asks while it is.
    fn begun_us(&self) -> Option<u64> {
        None
    }

    /// Forgets what the reader holds of a card nobody asked for.
    fn discard(&mut self) {}
}

/// What a card reader tells by itself.
#[derive(Debug)]
pub enum Event {
    /// A card came.
    Inserted,
    /// It left.
    Removed,
    /// It was read; `arming` says for which [`CardHandle::arm`].
    Read {
        /// As returned by [`CardHandle::arm`]; one that was disarmed since is stale and to be dropped.
        arming: Arming,
        /// What it says.
        card: CardRead,
    },
    /// It looks like a payment card: nothing of it was kept. The gate stays armed.
    RefusedPaymentCard,
    /// It says nothing: the wrong way round. The gate stays armed.
    Mute,
    /// It was pulled out while it was read. The gate stays armed.
    Torn,
    /// It is damaged or bears no number we know. The gate stays armed.
    Unreadable,
    /// It is still in, [`Options::removal_wait`] after anybody had use for it.
    Forgotten,
    /// It came while nobody had asked for one; nothing of it was kept.
    Dropped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_card() {
        let number = CardData::new(Zeroizing::new("21234000012345".to_owned()));
        let read = CardRead { source: Source::Stripe, number: number.clone() };
        let tracks =
            Tracks { two: Some(RawTrack::Text(Zeroizing::new(";2123?".into()))), ..Tracks::default() };
        let atr = Atr::new(vec![0x3B, 0x21, 0x23]);
        let text = format!("{number:?} {read:?} {tracks:?} {:?} {atr:?}", CardBytes::new(vec![21, 23]));
        assert!(!text.contains("21") && !text.contains("23"), "{text}");
    }

    #[test]
    fn an_answer_to_reset_has_its_first_byte_and_length() {
        assert!(Atr::new(vec![0x3B]).is_none());
        assert!(Atr::new(vec![0x00; 4]).is_none());
        assert!(Atr::new(vec![0x3F; 34]).is_none());
        assert_eq!(Atr::new(vec![0x3F; 33]).unwrap().bytes().len(), 33);
    }
}
