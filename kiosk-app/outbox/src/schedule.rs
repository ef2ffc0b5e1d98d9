//! Whose turn it is: pure, and told the time.
//!
//! ```text
//!            add, or not_before <= now          take
//!   later ---------------------------> due ------------> in hand
//!     ^                                 ^  hand_ms_max passed |
//!     |                                 +---------------------+
//!     +------------------------------------ later ------------+
//! ```
//!
//! Promises: the oldest due ones first; one that is in hand is not given out again, until its holder has
//! kept it longer than [`HAND_MS_MAX`] (sending twice is harmless, stranding is not).
//! Never: reads a clock.

use std::collections::{BTreeMap, BTreeSet};

/// How long a taker may keep an envelope before it is given out again.
pub(crate) const HAND_MS_MAX: u64 = 10 * 60_000;

/// No wait is longer; one that seems to be was set while the clock ran ahead, and is over.
pub(crate) const WAIT_MS_MAX: u64 = 24 * 3_600_000;

/// The turns of queued envelopes, by their order.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    due: BTreeSet<u64>,
    later: BTreeSet<(u64, u64)>,
    not_before: BTreeMap<u64, u64>,
    in_hand: BTreeMap<u64, u64>,
}

impl Schedule {
    /// Due at once; one that is already here stays as it is.
    pub(crate) fn add(&mut self, order: u64) {
        if !self.not_before.contains_key(&order) && !self.in_hand.contains_key(&order) {
            self.due.insert(order);
        }
    }

    /// Not before this, milliseconds since 1970; whoever had it in hand has not any longer.
    pub(crate) fn later(&mut self, order: u64, not_before_ms: u64) {
        self.leave(order);
        self.later.insert((not_before_ms, order));
        self.not_before.insert(order, not_before_ms);
    }

    /// Gone from the queue.
    pub(crate) fn leave(&mut self, order: u64) {
        self.due.remove(&order);
        self.in_hand.remove(&order);
        if let Some(not_before_ms) = self.not_before.remove(&order) {
            self.later.remove(&(not_before_ms, order));
        }
    }

    /// Hands out up to `limit`, oldest first.
    pub(crate) fn take(&mut self, limit: usize, now_ms: u64) -> Vec<u64> {
        while let Some(&(not_before_ms, order)) = self.later.first().filter(|(time, _)| *time <= now_ms) {
            self.later.remove(&(not_before_ms, order));
            self.not_before.remove(&order);
            self.due.insert(order);
        }
        while let Some(order) = self.stranded(now_ms) {
            self.leave(order);
            self.due.insert(order);
        }
        let kept_too_long = |since: &u64| now_ms.saturating_sub(*since) > HAND_MS_MAX;
        self.due.extend(self.in_hand.extract_if(.., |_, since| kept_too_long(since)).map(|(order, _)| order));
        let taken: Vec<u64> = self.due.iter().copied().take(limit).collect();
        for &order in &taken {
            self.due.remove(&order);
            self.in_hand.insert(order, now_ms);
        }
        taken
    }

    /// One that waits longer than anything may.
    fn stranded(&self, now_ms: u64) -> Option<u64> {
        let limit = now_ms.saturating_add(WAIT_MS_MAX);
        self.later.last().filter(|(time, _)| *time > limit).map(|(_, order)| *order)
    }

    /// Not taken after all.
    pub(crate) fn give_back(&mut self, order: u64) {
        if self.in_hand.remove(&order).is_some() {
            self.due.insert(order);
        }
    }

    /// When something is due next; `now_ms` when something is already.
    pub(crate) fn next_due(&self, now_ms: u64) -> Option<u64> {
        if !self.due.is_empty() || self.stranded(now_ms).is_some() {
            return Some(now_ms);
        }
        self.later.first().map(|&(not_before_ms, _)| not_before_ms.max(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_set_by_a_clock_that_ran_ahead_is_over() {
        let mut schedule = Schedule::default();
        schedule.later(1, 500 + WAIT_MS_MAX);
        schedule.later(2, 501 + WAIT_MS_MAX);
        assert_eq!(schedule.next_due(500), Some(500));
        assert_eq!(schedule.take(9, 500), [2]);
        assert_eq!(schedule.next_due(500), Some(500 + WAIT_MS_MAX));
    }

    #[test]
    fn the_oldest_due_one_goes_first_and_only_once() {
        let mut schedule = Schedule::default();
        [3, 1, 2].into_iter().for_each(|order| schedule.add(order));
        assert_eq!(schedule.take(2, 100), [1, 2]);
        schedule.later(1, 150);
        assert_eq!(schedule.take(9, 100), [3]);
        assert_eq!(schedule.next_due(100), Some(150));
        assert!(schedule.take(9, 149).is_empty());
        assert_eq!(schedule.take(9, 150), [1]);
        assert_eq!(schedule.next_due(150), None);
    }

    #[test]
    fn what_was_kept_too_long_is_given_out_again() {
        let mut schedule = Schedule::default();
        schedule.add(1);
        assert_eq!(schedule.take(9, 5), [1]);
        assert!(schedule.take(9, 5 + HAND_MS_MAX).is_empty());
        assert_eq!(schedule.take(9, 6 + HAND_MS_MAX), [1]);
        schedule.leave(1);
        assert!(schedule.take(9, u64::MAX).is_empty());
    }
}
