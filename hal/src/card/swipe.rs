//! A stripe reader that types: as a keyboard, or on a serial line.
//!
//! Each text is a card that came and went. What it typed is held until it is read, discarded or replaced.
//!
//! Promises: what is held is zeroed in each of these cases; a swipe the kernel lost a part of, or one that is
//! too long, is a card that cannot be read, never half a number. Never: knows a number; that is
//! [`super::library`]'s, after the payment card's refusal.

use super::{Canceller, CardError, CardReader, CardStatus, ReaderKind, Slot, Tracks, stripe};
use crate::{
    device::{Deadline, DeviceError},
    wedge::{Framed, TextSource},
};
use zeroize::Zeroizing;

/// A swipe reader over a text source.
pub struct SwipeReader {
    source: Box<dyn TextSource>,
    held: Option<Zeroizing<Vec<u8>>>,
    cards: u64,
    /// What it last said.
    said: Option<Slot>,
}

impl SwipeReader {
    /// A reader that types through `source`.
    #[must_use]
    pub fn new(source: Box<dyn TextSource>) -> Self {
        Self { source, held: None, cards: 0, said: None }
    }

    fn slot(&self) -> Slot {
        let status = if self.held.is_some() { CardStatus::Present } else { CardStatus::NoCard };
        Slot { status, cards: self.cards }
    }
}

impl CardReader for SwipeReader {
    fn kind(&self) -> ReaderKind {
        ReaderKind::Swipe
    }

    fn status(&mut self, _deadline: Deadline) -> Result<Slot, DeviceError> {
        self.said = Some(self.slot());
        Ok(self.slot())
    }

    fn wait_change(&mut self, deadline: Deadline) -> Result<Slot, DeviceError> {
        if self.said == Some(self.slot())
            && let Some(framed) = self.source.next(deadline)?
        {
            self.cards += 1;
            self.held = Some(match framed {
                Framed::Text(text) => text.bytes,
                Framed::Garbled(why) => {
                    tracing::warn!(?why, "a swipe is thrown away");
                    Zeroizing::default()
                }
            });
        }
        self.status(deadline)
    }

    fn canceller(&self) -> Option<Canceller> {
        self.source.canceller()
    }

    fn read_tracks(&mut self, _deadline: Deadline) -> Result<Tracks, CardError> {
        let held = self.held.take().ok_or(CardError::Torn)?;
        Ok(stripe::tracks(&held))
    }

    fn discard(&mut self) {
        self.held = None;
    }
}
