//! Where one text ends and the next begins. Pure.
//!
//! ```text
//! idle --character--> text --terminator, or silence--> told --> idle
//!                      | too long, unknown key, loss: told as garbled
//!                      v
//!                    worthless --terminator, or silence--> idle
//! ```
//!
//! Promises: each text is told once, whole, or as [`Garble`]d; two texts are never joined across a silence
//! of [`KEY_GAP_MAX`]; at most `bytes_max` bytes are kept, zeroed once told. Never: reads a clock.

use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, fmt, time::Duration};
use zeroize::{Zeroize as _, Zeroizing};

/// No device is silent for so long within a text.
pub const KEY_GAP_MAX: Duration = Duration::from_micros(GAP_US);

const GAP_US: u64 = 100_000;

/// What ends a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Terminator {
    /// Enter, Tab or silence: for a device nobody set up.
    #[default]
    Any,
    /// Enter; a text that ends in silence is cut off and worthless. Tab is data.
    Enter,
    /// Tab; a text that ends in silence is cut off and worthless. Enter is data.
    Tab,
    /// Silence; Enter and Tab are data.
    Gap,
}

/// A whole text. Zeroed when dropped, hidden from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// When its first character came, `CLOCK_MONOTONIC` in microseconds.
    pub begun_us: u64,
    /// Without its terminator; UTF-8 from a keyboard, anything from a serial line.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}

/// Why a text is worthless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garble {
    /// More than `bytes_max`.
    TooLong,
    /// A key that types nothing we know.
    Unknown,
    /// The kernel lost a part of it.
    Lost,
    /// Its terminator did not come.
    CutOff,
}

/// What a device typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// A whole text.
    Text(Text),
    /// A text that is worthless; nothing of it is kept.
    Garbled(Garble),
}

/// Collects one device's characters. Each call tells at most two things; they are had from
/// [`Framer::next_framed`].
pub struct Framer {
    terminator: Terminator,
    bytes_max: usize,
    bytes: Zeroizing<Vec<u8>>,
    begun_us: u64,
    /// When something last came, while a text is under way.
    last_us: Option<u64>,
    worthless: bool,
    told: VecDeque<Framed>,
}

/// No character takes more bytes.
const UTF8_MAX: usize = 4;

impl Framer {
    /// For texts of up to `bytes_max` bytes, at least one character.
    #[must_use]
    pub fn new(terminator: Terminator, bytes_max: usize) -> Self {
        let bytes_max = bytes_max.max(UTF8_MAX);
        // As much as it ever holds, so that no copy stays behind when it grows.
        let bytes = Zeroizing::new(Vec::with_capacity(bytes_max));
        let told = VecDeque::new();
        Self { terminator, bytes_max, bytes, begun_us: 0, last_us: None, worthless: false, told }
    }

    /// A character came.
    pub fn character(&mut self, at_us: u64, character: char) {
        let mut utf8 = Zeroizing::new([0; UTF8_MAX]);
        let length = character.encode_utf8(&mut *utf8).len();
        self.take(at_us, utf8.get(..length).unwrap_or_default());
    }

    /// A byte came.
    pub fn byte(&mut self, at_us: u64, byte: u8) {
        self.take(at_us, &[byte]);
    }

    /// The text under way is worthless, and so is what follows up to its end.
    pub fn garble(&mut self, at_us: u64, why: Garble) {
        self.handle_timeout(at_us);
        if self.last_us.is_none() {
            self.begun_us = at_us;
        }
        self.last_us = Some(at_us);
        self.spoil(why);
    }

    /// Time passed. A silence of [`KEY_GAP_MAX`] ends the text under way.
    pub fn handle_timeout(&mut self, now_us: u64) {
        if self.last_us.is_none_or(|last| now_us.saturating_sub(last) < GAP_US) {
            return;
        }
        match self.terminator {
            Terminator::Any | Terminator::Gap => {}
            Terminator::Enter | Terminator::Tab => self.spoil(Garble::CutOff),
        }
        self.end();
    }

    /// When silence ends the text under way, `CLOCK_MONOTONIC` in microseconds.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.last_us.map(|last| last.saturating_add(GAP_US))
    }

    /// The oldest thing not yet taken.
    pub fn next_framed(&mut self) -> Option<Framed> {
        self.told.pop_front()
    }

    fn take(&mut self, at_us: u64, character: &[u8]) {
        self.handle_timeout(at_us);
        if self.is_end(character) {
            self.end();
            return;
        }
        if self.last_us.is_none() {
            self.begun_us = at_us;
        }
        self.last_us = Some(at_us);
        if self.bytes.len() + character.len() > self.bytes_max {
            self.spoil(Garble::TooLong);
        }
        if !self.worthless {
            self.bytes.extend_from_slice(character);
        }
    }

    fn is_end(&self, character: &[u8]) -> bool {
        let enter = matches!(character, b"\r" | b"\n");
        let tab = character == b"\t";
        match self.terminator {
            Terminator::Any => enter || tab,
            Terminator::Enter => enter,
            Terminator::Tab => tab,
            Terminator::Gap => false,
        }
    }

    /// Told once for each text.
    fn spoil(&mut self, why: Garble) {
        self.bytes.zeroize();
        if !std::mem::replace(&mut self.worthless, true) {
            self.told.push_back(Framed::Garbled(why));
        }
    }

    /// The text under way is complete.
    fn end(&mut self) {
        self.last_us = None;
        if !std::mem::take(&mut self.worthless) && !self.bytes.is_empty() {
            let text = Text { begun_us: self.begun_us, bytes: Zeroizing::new(self.bytes.to_vec()) };
            self.told.push_back(Framed::Text(text));
        }
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typed(framer: &mut Framer, at_us: u64, text: &str) {
        for character in text.chars() {
            framer.character(at_us, character);
        }
    }

    /// What was told: text, or why not.
    fn told(framer: &mut Framer) -> Vec<Result<String, Garble>> {
        std::iter::from_fn(|| framer.next_framed())
            .map(|framed| match framed {
                Framed::Text(text) => Ok(String::from_utf8(text.bytes.to_vec()).unwrap()),
                Framed::Garbled(why) => Err(why),
            })
            .collect()
    }

    fn ok(text: &str) -> Result<String, Garble> {
        Ok(text.to_owned())
    }

    #[test]
    fn two_texts_back_to_back_are_two() {
        let mut framer = Framer::new(Terminator::Any, 20);
        typed(&mut framer, 1, "one\rtwo\r\nthree\t\t");
        assert_eq!(told(&mut framer), [ok("one"), ok("two"), ok("three")]);
        assert_eq!(framer.poll_timeout(), None);
    }

    #[test]
    fn a_forgotten_terminator_never_joins_two_texts() {
        for (terminator, first) in [
            (Terminator::Any, ok("one")),
            (Terminator::Gap, ok("one")),
            (Terminator::Enter, Err(Garble::CutOff)),
            (Terminator::Tab, Err(Garble::CutOff)),
        ] {
            let mut framer = Framer::new(terminator, 20);
            typed(&mut framer, 5, "one");
            assert_eq!(framer.poll_timeout(), Some(100_005));
            framer.handle_timeout(100_004);
            assert_eq!(told(&mut framer), []);
            // Heard of by the clock, or by what comes next.
            typed(&mut framer, 100_005, "two");
            framer.handle_timeout(100_006);
            assert_eq!(told(&mut framer), std::slice::from_ref(&first));
            framer.handle_timeout(200_005);
            assert_eq!(told(&mut framer), [if first.is_ok() { ok("two") } else { first }]);
        }
    }

    #[test]
    fn what_is_no_terminator_is_data() {
        for (terminator, text, expected) in [
            (Terminator::Enter, "a\tb\r", "a\tb"),
            (Terminator::Tab, "a\rb\t", "a\rb"),
            (Terminator::Any, "a\u{1d}b\n", "a\u{1d}b"),
        ] {
            let mut framer = Framer::new(terminator, 20);
            typed(&mut framer, 1, text);
            assert_eq!(told(&mut framer), [ok(expected)]);
        }
        let mut framer = Framer::new(Terminator::Gap, 20);
        typed(&mut framer, 1, "%A?\r;1?\r");
        framer.handle_timeout(200_000);
        assert_eq!(told(&mut framer), [ok("%A?\r;1?\r")]);
    }

    #[test]
    fn a_worthless_text_is_told_once_and_forgotten_up_to_its_end() {
        let mut framer = Framer::new(Terminator::Any, 5);
        typed(&mut framer, 1, "123456789012345678901234567890\rnext\r");
        assert_eq!(told(&mut framer), [Err(Garble::TooLong), ok("next")]);
        typed(&mut framer, 1, "ab");
        framer.garble(2, Garble::Lost);
        framer.garble(2, Garble::Unknown);
        typed(&mut framer, 3, "cd\rnext\r");
        assert_eq!(told(&mut framer), [Err(Garble::Lost), ok("next")]);
        // A loss while nothing was under way may have been a whole text: silence is its end.
        framer.garble(10, Garble::Lost);
        typed(&mut framer, 100_010, "next\r");
        assert_eq!(told(&mut framer), [Err(Garble::Lost), ok("next")]);
    }

    #[test]
    fn a_text_has_the_time_of_its_first_character_and_no_debug() {
        let mut framer = Framer::new(Terminator::Any, 5);
        typed(&mut framer, 7, "21");
        typed(&mut framer, 90_000, "3\r");
        let Some(Framed::Text(text)) = framer.next_framed() else { panic!("no text") };
        assert_eq!(text.begun_us, 7);
        assert!(!format!("{text:?}").contains('2'));
    }

    proptest! {
        #[test]
        fn any_bytes_at_any_time_are_bounded_and_in_order(
            bytes in prop::collection::vec((prop_oneof![Just(b'\r'), Just(b'\t'), Just(b'a'), any::<u8>()], prop_oneof![4 => Just(0_u64), 1 => 0_u64..200_000]), 0..200),
            bytes_max in 0_usize..12,
            terminator in prop_oneof![Just(Terminator::Any), Just(Terminator::Enter), Just(Terminator::Tab), Just(Terminator::Gap)],
        ) {
            let mut framer = Framer::new(terminator, bytes_max);
            let mut now = 1;
            let mut kept = Vec::new();
            for (byte, wait) in &bytes {
                now += wait;
                framer.byte(now, *byte);
                for _ in 0..2 {
                    if let Some(Framed::Text(text)) = framer.next_framed() {
                        prop_assert!(!text.bytes.is_empty() && text.bytes.len() <= bytes_max.max(4));
                        prop_assert!(text.begun_us <= now);
                        kept.extend_from_slice(&text.bytes);
                    }
                }
                prop_assert!(framer.next_framed().is_none());
            }
            framer.handle_timeout(u64::MAX);
            prop_assert_eq!(framer.poll_timeout(), None);
            // What was kept is what came, in its order, some of it left out.
            let mut came = bytes.iter().map(|(byte, _)| byte);
            prop_assert!(kept.iter().all(|byte| came.any(|other| other == byte)));
        }
    }
}
