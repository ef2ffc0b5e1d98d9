//! A stripe reader through which a card is pulled: one that types, as a keyboard or on a serial line, or one
//! that sends reports ([`super::hid`]).
//!
//! Each swipe is a card that came and went. What it said is held until it is read, discarded or replaced.
//!
//! Promises: what is held is zeroed in each of these cases; a swipe that was lost in part, or is too long, is
//! a card that cannot be read, never half a number. Never: knows a number; that is [`super::library`]'s, after
//! the payment card's refusal.

use super::{Canceller, CardError, CardReader, CardStatus, ReaderKind, Slot, Tracks, stripe};
use crate::{
    device::{Deadline, DeviceError},
    input::now_us,
    wedge::{Framed, TextSource},
};

/// Where swipes come from.
pub trait Swipes: Send {
    /// Waits for a swipe until cancelled or `deadline`; it may return nothing earlier. With it comes when it
    /// began, `CLOCK_MONOTONIC` in microseconds; for what tells only its end, that. One that cannot be read has
    /// no tracks.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when unplugged.
    fn next_swipe(&mut self, deadline: Deadline) -> Result<Option<(u64, Tracks)>, DeviceError>;

    /// What ends [`Self::next_swipe`].
    fn canceller(&self) -> Option<Canceller>;
}

/// Swipes that are typed.
struct Typed(Box<dyn TextSource>);

impl Swipes for Typed {
    fn next_swipe(&mut self, deadline: Deadline) -> Result<Option<(u64, Tracks)>, DeviceError> {
        Ok(self.0.next(deadline)?.map(|framed| match framed {
            Framed::Text(text) => (text.begun_us, stripe::tracks(&text.bytes)),
            Framed::Garbled(why) => {
                tracing::warn!(?why, "a swipe is thrown away");
                (now_us(), Tracks::default())
            }
        }))
    }

    fn canceller(&self) -> Option<Canceller> {
        self.0.canceller()
    }
}

/// A swipe reader.
pub struct SwipeReader {
    source: Box<dyn Swipes>,
    /// When it began, and what it said.
    held: Option<(u64, Tracks)>,
    cards: u64,
    /// What it last said.
    said: Option<Slot>,
}

impl SwipeReader {
    /// A reader that types through `source`.
    #[must_use]
    pub fn new(source: Box<dyn TextSource>) -> Self {
        Self::over(Box::new(Typed(source)))
    }

    /// A reader whose swipes come from `source`.
    #[must_use]
    pub fn over(source: Box<dyn Swipes>) -> Self {
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
            && let Some(swipe) = self.source.next_swipe(deadline)?
        {
            self.cards += 1;
            self.held = Some(swipe);
        }
        self.status(deadline)
    }

    fn canceller(&self) -> Option<Canceller> {
        self.source.canceller()
    }

    fn read_tracks(&mut self, _deadline: Deadline) -> Result<Tracks, CardError> {
        self.held.take().map(|(_, tracks)| tracks).ok_or(CardError::Torn)
    }

    fn begun_us(&self) -> Option<u64> {
        self.held.as_ref().map(|(begun_us, _)| *begun_us)
    }

    fn discard(&mut self) {
        self.held = None;
    }
}
