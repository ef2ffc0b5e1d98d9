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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        keys::code::{EV_KEY, EV_SYN, SYN_DROPPED, SYN_REPORT},
        wedge::{Layout, Terminator},
    };
    use proptest::prelude::*;
    use std::collections::{BTreeSet, VecDeque};

    /// A keyboard that is read in pieces, and what it holds after a loss.
    struct Pieces {
        pieces: VecDeque<Vec<Raw>>,
        held: BTreeSet<u16>,
    }

    impl KeySource for Pieces {
        fn read(&mut self, _deadline: Deadline) -> Result<Zeroizing<Vec<Raw>>, DeviceError> {
            let gone = || DeviceError::Gone("the end".to_owned());
            self.pieces.pop_front().map(Zeroizing::new).ok_or_else(gone)
        }

        fn held(&mut self) -> Result<BTreeSet<u16>, DeviceError> {
            Ok(self.held.clone())
        }

        fn canceller(&self) -> Option<Canceller> {
            None
        }
    }

    fn raw(kind: u16, code: u16, value: i32) -> Raw {
        Raw { at_us: 1, kind, code, value }
    }

    /// The keys of `text` in the US layout, with shift or ctrl where it takes one, each in its own report.
    fn keys(text: &str) -> Vec<Raw> {
        let us = Layout::named("us").unwrap();
        let mut raws = Vec::new();
        for character in text.chars() {
            let (modifier, key) = match character {
                '\r' => (None, 28),
                '\u{1d}' => (Some(29), us.key(']').unwrap().0),
                other => {
                    let (key, shift) = us.key(other).unwrap();
                    (shift.then_some(42), key)
                }
            };
            let down = modifier.into_iter().chain([key]).map(|code| (code, 1));
            let up = [key].into_iter().chain(modifier).map(|code| (code, 0));
            for (code, value) in down.chain(up) {
                raws.extend([raw(EV_KEY, code, value), raw(EV_SYN, SYN_REPORT, 0)]);
            }
        }
        raws
    }

    /// Every text until the keyboard ends, and how many were worthless.
    fn typed(pieces: VecDeque<Vec<Raw>>, held: BTreeSet<u16>) -> (Vec<String>, usize) {
        let typist = Typist::new(Layout::named("us").unwrap());
        let source = Box::new(Pieces { pieces, held });
        let mut text = KeyText::new(source, typist, Framer::new(Terminator::Any, 100));
        let (mut texts, mut worthless) = (Vec::new(), 0);
        loop {
            match text.next(Deadline::after(crate::wedge::KEY_GAP_MAX)) {
                Ok(Some(Framed::Text(text))) => texts.push(String::from_utf8(text.bytes.to_vec()).unwrap()),
                Ok(Some(Framed::Garbled(_))) => worthless += 1,
                Ok(None) => {}
                Err(_) => return (texts, worthless),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_typed_is_read_in_whatever_pieces_it_comes(texts in prop::collection::vec("[ -~\u{1d}]{1,12}", 1..4), size in 1_usize..40) {
            let raws: Vec<Raw> = texts.iter().flat_map(|text| keys(&format!("{text}\r"))).collect();
            let pieces = raws.chunks(size).map(<[Raw]>::to_vec).collect();
            prop_assert_eq!(typed(pieces, BTreeSet::new()), (texts, 0));
        }

        #[test]
        fn a_loss_anywhere_costs_whole_texts_and_makes_up_none(
            texts in prop::collection::vec("[ -~\u{1d}]{1,12}", 3), first in any::<prop::sample::Index>(), last in any::<prop::sample::Index>(),
        ) {
            let raws: Vec<Raw> = texts.iter().flat_map(|text| keys(&format!("{text}\r"))).collect();
            let (first, last) = (first.index(raws.len()), last.index(raws.len()));
            let (first, last) = (first.min(last), first.max(last));
            // Everything from `first` up to the report at or after `last` is lost.
            let end = last + raws[last..].iter().position(|raw| raw.kind == EV_SYN).unwrap();
            let mut held = BTreeSet::new();
            for raw in raws[..end].iter().filter(|raw| raw.kind == EV_KEY) {
                let _ = if raw.value == 1 { held.insert(raw.code) } else { held.remove(&raw.code) };
            }
            let mut seen = raws[..first].to_vec();
            seen.push(raw(EV_SYN, SYN_DROPPED, 0));
            seen.extend_from_slice(&raws[last..]);
            let (read, worthless) = typed(VecDeque::from([seen]), held);
            prop_assert_eq!(worthless, 1);
            let mut left = texts.iter();
            prop_assert!(read.iter().all(|text| left.any(|whole| whole == text)), "{read:?} of {texts:?}");
        }

        #[test]
        fn any_events_are_survived(raws in prop::collection::vec((0_u16..3, prop_oneof![0_u16..60, any::<u16>()], -1_i32..4), 0..100)) {
            let raws = raws.into_iter().map(|(kind, code, value)| raw(kind, code, value)).collect();
            let (texts, _) = typed(VecDeque::from([raws]), BTreeSet::new());
            prop_assert!(texts.iter().all(|text| (1..=100).contains(&text.len())));
        }
    }
}
