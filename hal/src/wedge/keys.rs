//! Text from a keyboard-like device.
//!
//! Promises: after a loss in the kernel's buffer the text under way is thrown away, and what follows up to
//! its end; a modifier that went down unseen counts as up. Never: passes a key on.

use super::{Framed, Framer, Garble, Stroke, TextSource, Typist, until};
use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    input::now_us,
    keys::{Fed, KeySource, Raw, Tracker},
};
use zeroize::Zeroizing;

/// A keyboard, and the text under way on it.
pub struct KeyText {
    source: Box<dyn KeySource>,
    tracker: Tracker,
    typist: Typist,
    framer: Framer,
    /// Read and not yet looked at from `next_raw` on.
    raws: Zeroizing<Vec<Raw>>,
    next_raw: usize,
}

impl KeyText {
    /// Text from `source` as `typist` understands it, cut by `framer`.
    #[must_use]
    pub fn new(source: Box<dyn KeySource>, typist: Typist, framer: Framer) -> Self {
        let (tracker, raws) = (Tracker::default(), Zeroizing::default());
        Self { source, tracker, typist, framer, raws, next_raw: 0 }
    }

    fn take(&mut self, raw: Raw) -> Result<(), DeviceError> {
        match self.tracker.feed(raw) {
            Fed::More => {}
            Fed::Key(event) => match self.typist.key(event) {
                Stroke::Nothing => {}
                Stroke::Char(character) => self.framer.character(event.at_us, character),
                Stroke::Unknown => self.framer.garble(event.at_us, Garble::Unknown),
            },
            Fed::Lost => {
                tracing::warn!("keys were lost; the text under way is thrown away");
                self.framer.garble(raw.at_us, Garble::Lost);
                for event in self.tracker.sync(raw.at_us, &self.source.held()?) {
                    // What came up types nothing.
                    let _ = self.typist.key(event);
                }
            }
        }
        Ok(())
    }
}

impl TextSource for KeyText {
    fn next(&mut self, deadline: Deadline) -> Result<Option<Framed>, DeviceError> {
        loop {
            if let Some(framed) = self.framer.next_framed() {
                return Ok(Some(framed));
            }
            if let Some(raw) = self.raws.get(self.next_raw).copied() {
                self.next_raw += 1;
                self.take(raw)?;
                continue;
            }
            self.raws = self.source.read(until(deadline, self.framer.poll_timeout()))?;
            self.next_raw = 0;
            if self.raws.is_empty() {
                self.framer.handle_timeout(now_us());
                return Ok(self.framer.next_framed());
            }
        }
    }

    fn canceller(&self) -> Option<Canceller> {
        self.source.canceller()
    }
}
