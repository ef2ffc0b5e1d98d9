//! One card reader from open to loss: what each change means.
//!
//! ```text
//! Empty --card--> Unread --armed, read--> Done --removal_wait--> Done, forgotten
//!   ^               |                      |
//!   +----taken------+----------------------+
//! ```
//!
//! Promises: every card is told as inserted and removed, in this order, even when both happened between
//! two looks. Never: reads a card twice, or one that was forgotten.

use super::{
    Arming, CardError, CardReader, CardStatus, Event, Options, ReaderKind, Slot,
    gate::{Shared, tell},
    payment,
};
use crate::{
    device::{Deadline, DeviceError, EventSink, Health, Trouble},
    keeper::HealthLine,
};
use std::time::Duration;

/// A reader that says nothing for so long is asked whether it is still there.
const IDLE_WAIT: Duration = Duration::from_secs(60);

/// A reader whose wait cannot be cancelled is asked this often whether the gate changed.
const SLICE_WAIT: Duration = Duration::from_millis(250);

/// Reading a card takes no longer.
const READ_WAIT: Duration = Duration::from_secs(5);

/// Asking for the status takes no longer.
const STATUS_WAIT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Card {
    Empty,
    Unread,
    Done,
}

pub(super) struct Session<'a> {
    options: Options,
    shared: &'a Shared,
    sink: &'a EventSink,
    line: &'a mut HealthLine,
    card: Card,
    /// As counted by the reader; `None` before the first look.
    cards: Option<u64>,
    /// When the card in the reader counts as forgotten; `None` without one, or once it was told.
    forgotten_at: Option<Deadline>,
    /// Whether the reader ever answered.
    answered: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        options: Options,
        shared: &'a Shared,
        sink: &'a EventSink,
        line: &'a mut HealthLine,
    ) -> Self {
        let (card, cards) = (Card::Empty, None);
        Self { options, shared, sink, line, card, cards, forgotten_at: None, answered: false }
    }

    pub(super) fn worked(&self) -> bool {
        self.answered
    }

    /// The reader is gone, and with it the card.
    pub(super) fn lost(&mut self) {
        if self.card != Card::Empty {
            self.leave();
        }
    }

    /// Runs until stopped (`Ok`) or the reader fails.
    pub(super) fn serve(&mut self, reader: &mut dyn CardReader) -> Result<(), DeviceError> {
        let mut slot = reader.status(Deadline::after(STATUS_WAIT))?;
        self.answered = true;
        let slice = if reader.canceller().is_some() { IDLE_WAIT } else { SLICE_WAIT };
        while !self.shared.gate.stop.raised() {
            self.look(slot, reader);
            if let (Card::Unread, Some(arming)) = (self.card, self.shared.gate.armed()) {
                self.read(arming, reader)?;
            }
            self.check_forgotten();
            let wait = self.forgotten_at.map_or_else(|| Deadline::after(slice), |at| at.at_most(slice));
            slot = reader.wait_change(wait)?;
        }
        Ok(())
    }

    fn look(&mut self, slot: Slot, reader: &mut dyn CardReader) {
        self.shared.show(slot.status);
        match slot.status {
            CardStatus::Error => self.line.degraded(Trouble::NeedsReset),
            CardStatus::NoCard | CardStatus::Present | CardStatus::Mute => self.line.set(Health::Ready),
            CardStatus::Absent => {}
        }
        let here = matches!(slot.status, CardStatus::Present | CardStatus::Mute);
        let another = self.cards.is_some_and(|cards| cards != slot.cards);
        self.cards = Some(slot.cards);
        if self.card != Card::Empty && (another || !here) {
            self.leave();
        }
        if another && !here {
            self.tell(Event::Inserted);
            match self.shared.gate.armed() {
                Some(_) => self.tell(Event::Torn),
                None => self.drop_card(reader),
            }
            self.tell(Event::Removed);
        }
        if self.card == Card::Empty && here {
            self.arrive(slot.status, reader);
        }
    }

    fn arrive(&mut self, status: CardStatus, reader: &mut dyn CardReader) {
        self.tell(Event::Inserted);
        self.card = Card::Unread;
        if status == CardStatus::Mute {
            self.tell(Event::Mute);
            self.done();
        } else if !self.shared.gate.is_open_for(reader.begun_us()) {
            // A swipe that began for the screen before is no answer to this one.
            self.drop_card(reader);
            self.forgotten_at = Some(Deadline::after(self.options.removal_wait));
        }
    }

    fn leave(&mut self) {
        self.card = Card::Empty;
        self.forgotten_at = None;
        self.tell(Event::Removed);
    }

    /// Nobody asked for this card now; one that stays in may still be asked for.
    fn drop_card(&mut self, reader: &mut dyn CardReader) {
        self.shared.gate.count_dropped();
        self.tell(Event::Dropped);
        if reader.kind() == ReaderKind::Swipe {
            reader.discard();
            if self.card == Card::Unread {
                self.card = Card::Done;
            }
        }
    }

    fn read(&mut self, arming: Arming, reader: &mut dyn CardReader) -> Result<(), DeviceError> {
        let begun_us = reader.begun_us();
        let event = match reader.read_identifier(Deadline::after(READ_WAIT)) {
            Ok(card) if payment::is_payment_number(card.number.expose()) => Event::RefusedPaymentCard,
            Ok(card) => {
                let gate = &self.shared.gate;
                let open = match begun_us {
                    Some(begun_us) => gate.close_for(begun_us),
                    None => gate.close(arming).then_some(arming),
                };
                open.map_or(Event::Dropped, |arming| Event::Read { arming, card })
            }
            Err(CardError::Payment) => Event::RefusedPaymentCard,
            Err(CardError::Torn) => Event::Torn,
            Err(CardError::Mute) => Event::Mute,
            Err(CardError::Device(error @ DeviceError::Gone(_))) => return Err(error),
            Err(CardError::Unreadable(_) | CardError::NoNumber) => Event::Unreadable,
            Err(CardError::Device(error)) => {
                tracing::warn!(%error, "a card could not be read");
                Event::Unreadable
            }
        };
        self.tell(event);
        self.done();
        Ok(())
    }

    /// Nobody needs this card any more.
    fn done(&mut self) {
        self.card = Card::Done;
        self.forgotten_at = Some(Deadline::after(self.options.removal_wait));
    }

    fn check_forgotten(&mut self) {
        if self.forgotten_at.is_some_and(Deadline::passed) {
            self.forgotten_at = None;
            // A card that waited for an armed gate all this time belongs to somebody who left.
            self.card = Card::Done;
            self.tell(Event::Forgotten);
        }
    }

    fn tell(&self, event: Event) {
        tell(self.sink, event);
    }
}
