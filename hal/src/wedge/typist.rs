//! Keys to characters. Pure.
//!
//! | held | a key types |
//! |---|---|
//! | nothing, shift | what the [`Layout`] says |
//! | ctrl | the control character: `@` to `_` and `a` to `z`, lowest five bits; `Ctrl+]` is GS, 0x1D |
//! | alt, meta | nothing that could be told: the text is worthless |
//!
//! Enter is 0x0D and Tab 0x09, from either pad.
//!
//! Promises: a key that types nothing known is told as such, never left out of a text. Never: repeats a
//! character because a key is held: no scanner does, but a stuck key would.

use super::Layout;
use crate::keys::{Action, KeyEvent};

/// What a key came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// No character: a modifier, a release.
    Nothing,
    /// A character.
    Char(char),
    /// Something that types no character we know.
    Unknown,
}

/// `KEY_...`, `linux/input-event-codes.h`.
mod key {
    pub(super) const TAB: u16 = 15;
    pub(super) const ENTER: u16 = 28;
    pub(super) const KP_ENTER: u16 = 96;
    pub(super) const LEFT_CTRL: u16 = 29;
    pub(super) const LEFT_SHIFT: u16 = 42;
    pub(super) const RIGHT_SHIFT: u16 = 54;
    pub(super) const LEFT_ALT: u16 = 56;
    pub(super) const RIGHT_CTRL: u16 = 97;
    pub(super) const RIGHT_ALT: u16 = 100;
    pub(super) const LEFT_META: u16 = 125;
    pub(super) const RIGHT_META: u16 = 126;
}

const SHIFT: u8 = 0b0000_0011;
const CTRL: u8 = 0b0000_1100;
const OTHER: u8 = 0b1111_0000;

/// Follows the modifiers of one device.
#[derive(Clone, Debug)]
pub struct Typist {
    layout: Layout,
    /// One bit for each modifier that is down.
    held: u8,
}

impl Typist {
    /// A typist whose modifiers are all up.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self { layout, held: 0 }
    }

    /// What this key types.
    pub fn key(&mut self, event: KeyEvent) -> Stroke {
        let bit = modifier(event.code);
        match event.action {
            Action::Press if bit != 0 => self.held |= bit,
            Action::Release | Action::Cancel => self.held &= !bit,
            Action::Press => return self.press(event.code),
            Action::Repeat => {}
        }
        Stroke::Nothing
    }

    fn press(&self, code: u16) -> Stroke {
        let plain = match code {
            key::ENTER | key::KP_ENTER => Some('\r'),
            key::TAB => Some('\t'),
            _ => self.layout.character(code, self.held & SHIFT != 0),
        };
        let typed = match self.held {
            held if held & OTHER != 0 => None,
            held if held & CTRL != 0 => plain.and_then(control),
            _ => plain,
        };
        typed.map_or(Stroke::Unknown, Stroke::Char)
    }
}

fn modifier(code: u16) -> u8 {
    match code {
        key::LEFT_SHIFT => 1,
        key::RIGHT_SHIFT => 1 << 1,
        key::LEFT_CTRL => 1 << 2,
        key::RIGHT_CTRL => 1 << 3,
        key::LEFT_ALT => 1 << 4,
        key::RIGHT_ALT => 1 << 5,
        key::LEFT_META => 1 << 6,
        key::RIGHT_META => 1 << 7,
        _ => 0,
    }
}

fn control(plain: char) -> Option<char> {
    let byte = u8::try_from(plain).ok()?;
    matches!(byte, b'@'..=b'_' | b'a'..=b'z').then(|| char::from(byte & 0x1f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typed(keys: &[(u16, Action)]) -> Vec<Option<char>> {
        let mut typist = Typist::new(Layout::named("us").unwrap());
        let strokes =
            keys.iter().map(|(code, action)| typist.key(KeyEvent { at_us: 0, code: *code, action: *action }));
        strokes
            .filter_map(|stroke| match stroke {
                Stroke::Nothing => None,
                Stroke::Char(character) => Some(Some(character)),
                Stroke::Unknown => Some(None),
            })
            .collect()
    }

    const DOWN: Action = Action::Press;
    const UP: Action = Action::Release;

    #[test]
    fn shift_counts_while_either_of_the_two_is_down() {
        let keys = [
            (42, DOWN),
            (54, DOWN),
            (30, DOWN),
            (42, UP),
            (30, DOWN),
            (54, Action::Cancel),
            (30, DOWN),
            (30, UP),
        ];
        assert_eq!(typed(&keys), [Some('A'), Some('A'), Some('a')]);
    }

    #[test]
    fn gs_and_its_kin_come_as_ctrl() {
        // ], a, M, shift+6, shift+minus, shift+2, backslash; and a digit, which has no control character.
        let keys = [
            (29, DOWN),
            (27, DOWN),
            (30, DOWN),
            (50, DOWN),
            (42, DOWN),
            (7, DOWN),
            (12, DOWN),
            (3, DOWN),
            (42, UP),
            (43, DOWN),
            (3, DOWN),
        ];
        let expected = ['\u{1d}', '\u{1}', '\r', '\u{1e}', '\u{1f}', '\0', '\u{1c}'];
        let mut expected: Vec<_> = expected.into_iter().map(Some).collect();
        expected.push(None);
        assert_eq!(typed(&keys), expected);
    }

    #[test]
    fn a_held_key_types_once_and_an_unknown_one_is_told() {
        assert_eq!(typed(&[(30, DOWN), (30, Action::Repeat), (30, Action::Repeat), (30, UP)]), [Some('a')]);
        assert_eq!(
            typed(&[
                (58, DOWN),
                (183, DOWN),
                (100, DOWN),
                (30, DOWN),
                (100, UP),
                (28, DOWN),
                (96, DOWN),
                (15, DOWN)
            ]),
            [None, None, None, Some('\r'), Some('\r'), Some('\t')]
        );
    }

    proptest! {
        #[test]
        fn any_keys_are_survived(keys in prop::collection::vec((any::<u16>(), prop_oneof![Just(DOWN), Just(UP), Just(Action::Repeat), Just(Action::Cancel)]), 0..100)) {
            let presses = keys.iter().filter(|(code, action)| *action == DOWN && modifier(*code) == 0).count();
            prop_assert_eq!(typed(&keys).len(), presses);
        }
    }
}
