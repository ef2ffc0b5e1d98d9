//! What pcscd says of a reader, as a slot. Pure.
//!
//! ```text
//! low word   flags: UNKNOWN, UNAVAILABLE, EMPTY, PRESENT, MUTE, ...
//! high word  how often a card was put in or pulled out, modulo 65,536
//! ```
//!
//! Source: pcsc-lite, `SCardGetStatusChange`. Promises: two changes between two looks are seen by the count.

use crate::{
    card::{CardStatus, Slot},
    device::DeviceError,
};
use pcsc::State;

/// What was last seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The count then; `None` before the first look.
    count: Option<u16>,
    present: bool,
    cards: u64,
}

impl Seen {
    /// Takes what pcscd says now.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when the reader is.
    pub(super) fn look(&mut self, flags: State, count: u32) -> Result<Slot, DeviceError> {
        if flags.intersects(State::UNKNOWN | State::UNAVAILABLE) {
            return Err(DeviceError::Gone("pcscd has this reader no more".to_owned()));
        }
        let present = flags.contains(State::PRESENT);
        let count = u16::try_from(count & 0xFFFF).unwrap_or_default();
        let turns = self.count.map_or(0, |before| u64::from(count.wrapping_sub(before)));
        // Cards come and go in turn: of an odd number of changes the first is the other one.
        let came = match (self.count, self.present, present) {
            (None, _, _) | (_, false, true) => turns.div_ceil(2).max(u64::from(present)),
            (_, true, true) | (_, false, false) | (_, true, false) => turns / 2,
        };
        *self = Self { count: Some(count), present, cards: self.cards + came };
        let status = match present {
            false => CardStatus::NoCard,
            true if flags.contains(State::MUTE) => CardStatus::Mute,
            true => CardStatus::Present,
        };
        Ok(Slot { status, cards: self.cards })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reader_that_is_gone_is_no_slot() {
        for flags in [State::UNKNOWN, State::UNAVAILABLE | State::CHANGED] {
            assert!(matches!(Seen::default().look(flags, 0), Err(DeviceError::Gone(_))));
        }
    }

    #[test]
    fn a_card_swapped_between_two_looks_is_another() {
        let mut seen = Seen::default();
        let mut look = |flags, count| seen.look(flags, count).unwrap();
        assert_eq!(look(State::PRESENT, 7), Slot { status: CardStatus::Present, cards: 1 });
        assert_eq!(look(State::PRESENT | State::INUSE, 7).cards, 1);
        assert_eq!(look(State::PRESENT, 9).cards, 2);
        assert_eq!(look(State::EMPTY, 10), Slot { status: CardStatus::NoCard, cards: 2 });
        assert_eq!(look(State::EMPTY, 12).cards, 3);
        assert_eq!(look(State::PRESENT | State::MUTE, 13), Slot { status: CardStatus::Mute, cards: 4 });
    }

    proptest! {
        #[test]
        fn cards_are_counted_as_they_come(turns in prop::collection::vec(0_u32..9, 1..50), first: u16) {
            let (mut seen, mut count, mut present, mut cards) = (Seen::default(), u32::from(first), false, 0_u64);
            let flags = |present| if present { State::PRESENT } else { State::EMPTY };
            seen.look(flags(false), count).unwrap();
            for turns in turns {
                for _ in 0..turns {
                    present = !present;
                    cards += u64::from(present);
                    count = (count + 1) & 0xFFFF;
                }
                prop_assert_eq!(seen.look(flags(present), count).unwrap().cards, cards);
            }
        }

        #[test]
        fn any_flags_are_survived(flags: u32, count: u32) {
            drop(Seen::default().look(State::from_bits_retain(flags.into()), count));
        }
    }
}
