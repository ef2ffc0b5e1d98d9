//! Codes to named keys: one key may have several codes, and two of them may be down at once. Pure.
//!
//! Promises: a key goes down with the first of its codes and comes up with the last; for each key `Press`,
//! then one `Release` or `Cancel`, for any codes whatever. Never: reads a clock.

use super::{Event, KeyMap, Kind, NavKey};
use crate::keys::{Action, KeyEvent};
use std::collections::{BTreeMap, BTreeSet};

/// Follows the keys of one keypad.
pub struct Keys {
    map: KeyMap,
    /// The codes that hold a key down; a key without any is up.
    down: BTreeMap<NavKey, BTreeSet<u16>>,
}

impl Keys {
    /// A keypad nobody touches yet.
    #[must_use]
    pub fn new(map: KeyMap) -> Self {
        Self { map, down: BTreeMap::new() }
    }

    /// What this code means, if it means something new.
    pub fn key(&mut self, event: KeyEvent) -> Option<Event> {
        let key = self.map.key(event.code)?;
        let codes = self.down.entry(key).or_default();
        let was_down = !codes.is_empty();
        let kind = match event.action {
            Action::Press => {
                codes.insert(event.code);
                Kind::Press
            }
            Action::Release => {
                codes.remove(&event.code);
                Kind::Release
            }
            Action::Cancel => {
                codes.remove(&event.code);
                Kind::Cancel
            }
            Action::Repeat => return None,
        };
        let changed = was_down == codes.is_empty();
        changed.then_some(Event { at_us: event.at_us, key, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arrows() -> Keys {
        Keys::new(KeyMap::named("arrows").unwrap())
    }

    fn told(keys: &mut Keys, events: &[(u16, Action)]) -> Vec<(NavKey, Kind)> {
        let event =
            |(code, action): &(u16, Action)| keys.key(KeyEvent { at_us: 1, code: *code, action: *action });
        events.iter().filter_map(event).map(|event| (event.key, event.kind)).collect()
    }

    #[test]
    fn two_codes_of_one_key_are_one_press() {
        let (up, pad_8) = (103, 72);
        let events = [
            (up, Action::Press),
            (pad_8, Action::Press),
            (up, Action::Repeat),
            (up, Action::Release),
            (pad_8, Action::Release),
        ];
        assert_eq!(told(&mut arrows(), &events), [(NavKey::Up, Kind::Press), (NavKey::Up, Kind::Release)]);
    }

    #[test]
    fn a_code_the_map_does_not_have_is_nothing() {
        assert_eq!(
            told(&mut arrows(), &[(30, Action::Press), (30, Action::Release), (0xffff, Action::Press)]),
            []
        );
    }

    proptest! {
        #[test]
        fn any_codes_give_well_formed_presses(
            events in prop::collection::vec((prop_oneof![100_u16..110, 70_u16..80, any::<u16>()], prop_oneof![Just(Action::Press), Just(Action::Repeat), Just(Action::Release), Just(Action::Cancel)]), 0..100),
        ) {
            let mut down = BTreeSet::new();
            for (key, kind) in told(&mut arrows(), &events) {
                let fits = match kind {
                    Kind::Press => down.insert(key),
                    Kind::Release | Kind::Cancel => down.remove(&key),
                };
                prop_assert!(fits);
            }
        }
    }
}
