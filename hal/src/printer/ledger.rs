//! What is known of a printer beyond the line to it: which process id was last, and how many answers are owed.
//!
//! Promises: an id is used again only after 9999 others; an answer that is owed stays owed when the line is
//! lost and found. Never: outlives the program; a new one begins at random, and takes one answer for owed.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// Process ids have four digits.
const IDS: u32 = 10_000;

/// Clones are the same ledger.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Entries>);

#[derive(Debug)]
struct Entries {
    last: AtomicU32,
    /// Answers to `GS r`, in order of the questions.
    owed: AtomicU32,
}

/// Ids from 0001, for who prints once or repeats a recording.
impl Default for Ledger {
    fn default() -> Self {
        Self::after(0)
    }
}

impl Ledger {
    /// Ids that begin at random: the printer may still answer what an earlier program asked.
    #[must_use]
    pub fn anew() -> Self {
        let random = RandomState::new().build_hasher().finish() % u64::from(IDS);
        Self::after(u32::try_from(random).unwrap_or(0))
    }

    fn after(last: u32) -> Self {
        Self(Arc::new(Entries { last: AtomicU32::new(last), owed: AtomicU32::new(1) }))
    }

    /// The next process id, four digits.
    pub(super) fn next_id(&self) -> [u8; 4] {
        let number = (self.0.last.fetch_add(1, Ordering::AcqRel) + 1) % IDS;
        let mut id = *b"0000";
        format!("{number:04}").bytes().zip(&mut id).for_each(|(digit, place)| *place = digit);
        id
    }

    /// Whether an answer to `GS r` is still to come.
    pub(super) fn owes(&self) -> bool {
        self.0.owed.load(Ordering::Acquire) > 0
    }

    /// `GS r` was sent, or may have been.
    pub(super) fn asked(&self) {
        let _ = self.0.owed.fetch_add(1, Ordering::AcqRel);
    }

    /// Its answer came.
    pub(super) fn answered(&self) {
        let one_less = |owed: u32| owed.checked_sub(1);
        // Below zero it was no answer.
        let _ = self.0.owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less);
    }

    /// Nothing more will come.
    pub(super) fn settled(&self) {
        self.0.owed.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_on_across_clones_and_round() {
        let ledger = Ledger::default();
        assert_eq!((ledger.next_id(), ledger.clone().next_id()), (*b"0001", *b"0002"));
        let last = Ledger::after(IDS - 1);
        assert_eq!((last.next_id(), last.next_id()), (*b"0000", *b"0001"));
    }

    #[test]
    fn a_new_ledger_begins_anywhere() {
        let firsts: std::collections::BTreeSet<_> = (0..20).map(|_| Ledger::anew().next_id()).collect();
        assert!(firsts.len() > 10, "{firsts:?}");
    }
}
