//! The driver: what is in the slot, power, commands.
//!
//! ```text
//! interrupt: present, changed --\
//! reply: active, inactive, absent -> present, how many cards since the opening
//! ```
//!
//! A card seen to come or go by a reply is told again by the interrupt end point; that one message is not
//! counted a second time (`owed`).
//!
//! Promises: a swapped card is seen as another, never spoken to as the one before; the card has no power
//! after the reader is closed. Never: gives a card power before it is asked to.

use super::{
    carry::{Way, slot_error},
    descriptor::Level,
    frame::{Body, Command, Icc, Notice, Outcome, Reply, SlotError},
    identify,
    link::{Link, STRAYS_MAX},
    pipe::{CcidPipe, Told},
    setup,
};
use crate::{
    card::{
        Atr, Canceller, CardBytes, CardError, CardRead, CardReader, CardStatus, ReaderKind, Slot,
        chip::atr::Offer,
    },
    device::{Deadline, DeviceError},
};
use std::time::Duration;

/// A reader without an interrupt end point is asked this often what is in its slot.
const POLL_WAIT: Duration = Duration::from_millis(250);

/// The slot's status takes no longer (ACR122U needs up to a second, then there may be an abort).
const ASK_WAIT: Duration = Duration::from_millis(1500);

/// Giving power and reading the answer to reset takes no longer.
const POWER_WAIT: Duration = Duration::from_secs(3);

/// A reader that is closed gets this long to take the card's power away.
const CLOSE_WAIT: Duration = Duration::from_millis(300);

/// Room for a message of the interrupt end point: 128 slots.
const NOTICE_MAX: usize = 64;

/// An open CCID reader.
pub struct CcidReader {
    link: Link,
    kind: ReaderKind,
    present: bool,
    cards: u64,
    /// The interrupt end point will tell what a reply already told.
    owed: bool,
    /// The reader told of a hardware error.
    broken: bool,
    /// The card of this number says nothing.
    mute: Option<u64>,
    /// The card was given power, and it was not seen to lose it.
    powered: bool,
    /// The way to it, while it answers.
    way: Option<Way>,
    /// What was last said.
    said: Slot,
}

impl CcidReader {
    /// Takes over `pipe`, whose reader a card is presented to as `kind` says.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] when it exchanges single characters; whatever keeps it from saying what
    /// is in its slot.
    pub fn open(pipe: Box<dyn CcidPipe>, kind: ReaderKind, deadline: Deadline) -> Result<Self, DeviceError> {
        if pipe.descriptor().level == Level::Character {
            return Err(DeviceError::Unsupported("readers that exchange characters"));
        }
        let owed = pipe.has_notices();
        let said = Slot { status: CardStatus::NoCard, cards: 0 };
        let mut reader = Self {
            link: Link::new(pipe),
            kind,
            present: false,
            cards: 0,
            owed,
            broken: false,
            mute: None,
            powered: false,
            way: None,
            said,
        };
        let there = reader.ask(deadline)?;
        reader.observe(there != Icc::Absent);
        reader.owed = owed;
        Ok(reader)
    }

    fn slot(&mut self) -> Slot {
        let status = match self.present {
            _ if self.broken => CardStatus::Error,
            false => CardStatus::NoCard,
            true if self.mute == Some(self.cards) => CardStatus::Mute,
            true => CardStatus::Present,
        };
        self.said = Slot { status, cards: self.cards };
        self.said
    }

    fn ask(&mut self, deadline: Deadline) -> Result<Icc, DeviceError> {
        let reply = self.link.exchange(&Command::SlotStatus, ASK_WAIT, deadline)?;
        match reply.outcome {
            Outcome::Failed(SlotError::BadField(5)) => {
                Err(DeviceError::Unsupported("readers without a slot"))
            }
            Outcome::Done | Outcome::Failed(_) | Outcome::MoreTime(_) => {
                self.broken = false;
                Ok(reply.icc)
            }
        }
    }

    /// What a reply says of the slot.
    fn observe(&mut self, present: bool) {
        if present != self.present {
            self.owed = self.link.pipe.has_notices();
            self.turn(present);
        }
    }

    fn turn(&mut self, present: bool) {
        (self.way, self.powered) = (None, false);
        self.present = present;
        self.cards += u64::from(present);
    }

    /// What the interrupt end point says of it.
    fn hear(&mut self, notice: Notice) -> Result<(), DeviceError> {
        let (present, changed) = match notice {
            Notice::HardwareError => {
                tracing::warn!("the card reader tells of a hardware error");
                (self.broken, self.way) = (true, None);
                return Ok(());
            }
            Notice::SlotChange { present, changed } => (present, changed),
        };
        self.broken = false;
        let owed = std::mem::take(&mut self.owed);
        if present != self.present {
            self.turn(present);
        } else if changed && !owed {
            // It went and another came, or one came and went. The one that has power is still the same.
            let same = present
                && self.powered
                && !self.link.descriptor.activates()
                && self.ask(Deadline::after(ASK_WAIT))? == Icc::Active;
            if !same {
                (self.way, self.powered) = (None, false);
                self.cards += 1;
            }
        }
        Ok(())
    }

    /// One supply after another until the card answers.
    fn power(&mut self, deadline: Deadline) -> Result<Atr, CardError> {
        let mut failed = CardError::Mute;
        for supply in self.link.descriptor.supplies() {
            let reply = self.link.exchange(&Command::PowerOn(supply), POWER_WAIT, deadline)?;
            match reply {
                Reply { icc: Icc::Absent, .. } => return Err(CardError::Torn),
                Reply { outcome: Outcome::Done, body: Body::Data { data, .. }, .. } => {
                    match Atr::new(data.expose().to_vec()) {
                        Some(atr) => return Ok(atr),
                        None => failed = CardError::Mute,
                    }
                }
                Reply { outcome: Outcome::Failed(error), .. } => failed = slot_error(error),
                Reply { .. } => failed = DeviceError::Nonsense("another kind of reply".to_owned()).into(),
            }
            if matches!(failed, CardError::Device(DeviceError::Busy)) {
                return Err(failed);
            }
            let off = self.link.exchange(&Command::PowerOff, ASK_WAIT, deadline)?;
            if off.icc == Icc::Absent {
                return Err(CardError::Torn);
            }
        }
        Err(failed)
    }

    fn start(&mut self, deadline: Deadline) -> Result<Atr, CardError> {
        self.powered = true;
        let atr = self.power(deadline)?;
        let offer = Offer::parse(atr.bytes()).map_err(|error| {
            tracing::debug!(%error, "a card is taken for mute");
            CardError::Mute
        })?;
        let protocol =
            setup::plan(&self.link.descriptor, &offer)?.carry_out(&mut self.link, &offer, deadline)?;
        self.way = Some(Way::new(&self.link.descriptor, &offer, protocol)?);
        Ok(atr)
    }

    /// What a failure says once the slot was looked at: readers report a card that is pulled out as parity,
    /// hardware or silence first, and some never answer what it was asked last.
    fn explain(&mut self, error: CardError, deadline: Deadline) -> CardError {
        match error {
            CardError::Device(
                DeviceError::Gone(_) | DeviceError::Unsupported(_) | DeviceError::NotExclusive(_),
            ) => {}
            // Nothing is left to ask in.
            CardError::Device(DeviceError::TimedOut) if deadline.passed() => {}
            CardError::Torn => self.observe(false),
            CardError::Mute
            | CardError::Device(
                DeviceError::Busy | DeviceError::Denied(_) | DeviceError::Nonsense(_) | DeviceError::TimedOut,
            )
            | CardError::Payment
            | CardError::Unreadable(_)
            | CardError::NoNumber => match self.ask(deadline) {
                Ok(Icc::Absent) => {
                    self.observe(false);
                    return CardError::Torn;
                }
                Ok(Icc::Active | Icc::Inactive) => {}
                Err(gone @ DeviceError::Gone(_)) => return gone.into(),
                Err(unasked) => tracing::debug!(%unasked, "the slot's status after a failure is not known"),
            },
        }
        if matches!(error, CardError::Mute) {
            (self.mute, self.way) = (Some(self.cards), None);
        }
        error
    }
}

impl CardReader for CcidReader {
    fn kind(&self) -> ReaderKind {
        self.kind
    }

    fn status(&mut self, deadline: Deadline) -> Result<Slot, DeviceError> {
        let there = self.ask(deadline)?;
        self.observe(there != Icc::Absent);
        Ok(self.slot())
    }

    /// Waits on the interrupt end point. A reader that said nothing is asked at the end, which may take a
    /// second and a half more; one without that end point is asked every quarter second.
    fn wait_change(&mut self, deadline: Deadline) -> Result<Slot, DeviceError> {
        let notices = self.link.pipe.has_notices();
        let (before, mut strays) = (self.said, 0);
        while self.slot() == before {
            let mut message = [0; NOTICE_MAX];
            let wait = if notices { deadline } else { deadline.at_most(POLL_WAIT) };
            match self.link.pipe.notice(&mut message, wait)? {
                Told::Cancelled => return Ok(self.slot()),
                Told::Nothing => {
                    let there = self.ask(Deadline::after(ASK_WAIT))?;
                    self.observe(there != Icc::Absent);
                }
                Told::Notice(count) => match Notice::parse(message.get(..count).unwrap_or_default()) {
                    Ok(notice) => self.hear(notice)?,
                    Err(error) => {
                        tracing::warn!(%error, "a notice of the card reader is dropped");
                        strays += 1;
                        if strays > STRAYS_MAX {
                            return Err(DeviceError::Nonsense("notices of no kind".to_owned()));
                        }
                    }
                },
            }
            if deadline.passed() {
                break;
            }
        }
        Ok(self.slot())
    }

    fn canceller(&self) -> Option<Canceller> {
        Some(self.link.pipe.canceller())
    }

    fn read_identifier(&mut self, deadline: Deadline) -> Result<CardRead, CardError> {
        identify::read(self, deadline)
    }

    fn power_on(&mut self, deadline: Deadline) -> Result<Atr, CardError> {
        self.way = None;
        match self.start(deadline) {
            Ok(atr) => {
                self.observe(true);
                self.mute = None;
                Ok(atr)
            }
            Err(error) => Err(self.explain(error, deadline)),
        }
    }

    /// A command to the chip that [`Self::power_on`] gave power; [`CardError::Torn`] once it is another.
    fn transmit(&mut self, apdu: &[u8], deadline: Deadline) -> Result<CardBytes, CardError> {
        let Some(mut way) = self.way.take() else { return Err(CardError::Torn) };
        match way.transmit(&mut self.link, apdu, deadline) {
            Ok(answer) => {
                self.way = Some(way);
                Ok(answer)
            }
            Err(error) => {
                // After a command without end nobody knows what the card will say next.
                let in_step = !matches!(error, CardError::Device(DeviceError::TimedOut));
                self.way = Some(way).filter(|_| in_step);
                Err(self.explain(error, deadline))
            }
        }
    }
}

impl Drop for CcidReader {
    fn drop(&mut self) {
        if self.powered {
            let off = self.link.exchange(&Command::PowerOff, CLOSE_WAIT, Deadline::after(CLOSE_WAIT));
            if let Err(error) = off {
                tracing::debug!(%error, "the card keeps its power");
            }
        }
    }
}
