//! Which key does what: raw evdev events to [`KeyEvent`]s. Pure.
//!
//! Source: the kernel's `Documentation/input/event-codes.rst`: `EV_KEY` has the value 1 for a press, 0 for a
//! release, 2 for a repeat; after `SYN_DROPPED` everything up to the next `SYN_REPORT` is worthless.
//!
//! After a loss the tracker asks which keys are down ([`Fed::Lost`], [`Tracker::sync`]): a key that was told
//! as pressed and is up by now is cancelled. A key that went down unseen is not told, and neither is its
//! release: nothing is invented.
//!
//! Promises: for each key `Press`, then `Repeat`s, then one `Release` or `Cancel`, for any input whatever.
//! Never: reads a clock, a device.

use super::{Action, KeyEvent, Raw, code};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// What [`Tracker::feed`] made of a raw event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fed {
    /// Nothing yet.
    More,
    /// A key.
    Key(KeyEvent),
    /// Events were lost: text under way is worthless, and [`Tracker::sync`] is due before the next event.
    Lost,
}

/// Follows the keys of one device.
pub struct Tracker {
    /// By code: told as pressed, not yet as let go.
    down: Zeroizing<[bool; CODES]>,
    /// Between `SYN_DROPPED` and `SYN_REPORT`.
    dropping: bool,
}

const CODES: usize = code::KEY_MAX as usize + 1;

impl Default for Tracker {
    fn default() -> Self {
        Self { down: Zeroizing::new([false; CODES]), dropping: false }
    }
}

impl Tracker {
    /// Takes one raw event.
    pub fn feed(&mut self, raw: Raw) -> Fed {
        match (raw.kind, raw.code) {
            (code::EV_SYN, code::SYN_DROPPED) => self.dropping = true,
            (code::EV_SYN, code::SYN_REPORT) if self.dropping => {
                self.dropping = false;
                return Fed::Lost;
            }
            (code::EV_KEY, _) if !self.dropping => return self.key(raw),
            _ => {}
        }
        Fed::More
    }

    fn key(&mut self, raw: Raw) -> Fed {
        let Some(down) = self.down.get_mut(usize::from(raw.code)) else { return Fed::More };
        let (told, action) = match raw.value {
            0 => (std::mem::take(down), Action::Release),
            1 => (!std::mem::replace(down, true), Action::Press),
            2 => (*down, Action::Repeat),
            _ => return Fed::More,
        };
        if !told {
            return Fed::More;
        }
        Fed::Key(KeyEvent { at_us: raw.at_us, code: raw.code, action })
    }

    /// Brings the tracker in line with the keys that are `held` after a loss; with none once the device is
    /// gone. Returns the keys that came up unseen.
    #[must_use]
    pub fn sync(&mut self, at_us: u64, held: &BTreeSet<u16>) -> Vec<KeyEvent> {
        self.dropping = false;
        let mut cancelled = Vec::new();
        for (code, down) in (0..).zip(self.down.iter_mut()) {
            if *down && !held.contains(&code) {
                *down = false;
                cancelled.push(KeyEvent { at_us, code, action: Action::Cancel });
            }
        }
        cancelled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(kind: u16, code: u16, value: i32) -> Raw {
        Raw { at_us: 5, kind, code, value }
    }

    fn told(tracker: &mut Tracker, raws: &[(u16, u16, i32)]) -> Vec<(u16, Action)> {
        raws.iter()
            .filter_map(|(kind, code, value)| match tracker.feed(raw(*kind, *code, *value)) {
                Fed::Key(event) => Some((event.code, event.action)),
                Fed::More | Fed::Lost => None,
            })
            .collect()
    }

    #[test]
    fn a_key_goes_down_repeats_and_comes_up() {
        let events = [(1, 30, 1), (0, 0, 0), (1, 30, 2), (1, 30, 0), (1, 30, 0), (1, 30, 2)];
        let expected = [(30, Action::Press), (30, Action::Repeat), (30, Action::Release)];
        assert_eq!(told(&mut Tracker::default(), &events), expected);
    }

    #[test]
    fn a_loss_cancels_what_came_up_and_invents_nothing() {
        let mut tracker = Tracker::default();
        assert_eq!(told(&mut tracker, &[(1, 30, 1), (1, 31, 1), (0, 3, 0), (1, 32, 1)]).len(), 2);
        assert_eq!(tracker.feed(raw(0, 0, 0)), Fed::Lost);
        // 30 came up unseen, 31 is still down, 33 went down unseen.
        let cancelled = tracker.sync(9, &BTreeSet::from([31, 33]));
        assert_eq!(cancelled, [KeyEvent { at_us: 9, code: 30, action: Action::Cancel }]);
        assert_eq!(told(&mut tracker, &[(1, 33, 0), (1, 31, 0)]), [(31, Action::Release)]);
    }

    #[test]
    fn a_code_the_kernel_does_not_have_is_passed_over() {
        assert_eq!(told(&mut Tracker::default(), &[(1, 0x300, 1), (1, 0xffff, 1), (4, 4, 30)]), []);
    }

    #[test]
    fn debug_shows_no_code() {
        let event = KeyEvent { at_us: 1, code: 30, action: Action::Press };
        assert_eq!(format!("{event:?}"), "KeyEvent(Press at 1 us)");
    }

    proptest! {
        #[test]
        fn any_events_give_well_formed_keys(
            raws in prop::collection::vec((0_u16..3, prop_oneof![0_u16..6, any::<u16>()], prop_oneof![-1_i32..4, any::<i32>()]), 0..200),
            held in prop::collection::btree_set(0_u16..6, 0..4),
        ) {
            let mut tracker = Tracker::default();
            let mut down = BTreeSet::new();
            let mut check = |event: KeyEvent| match event.action {
                Action::Press => down.insert(event.code),
                Action::Repeat => down.contains(&event.code),
                Action::Release | Action::Cancel => down.remove(&event.code),
            };
            for (kind, code, value) in raws {
                match tracker.feed(raw(kind, code, value)) {
                    Fed::More => {}
                    Fed::Key(event) => prop_assert!(check(event)),
                    Fed::Lost => for event in tracker.sync(6, &held) {
                        prop_assert!(check(event));
                    },
                }
            }
            for event in tracker.sync(7, &BTreeSet::new()) {
                prop_assert!(check(event));
            }
            prop_assert!(down.is_empty());
        }
    }
}
