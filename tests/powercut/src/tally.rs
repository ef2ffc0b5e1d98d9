//! The figures of a run.
//!
//! Promises: [`Tally::is_clean`] and the line say the same. Never: forgets a fault because it has told enough of them.

use crate::promise::Fault;
use std::{fmt, ops::AddAssign};

/// Faults that get a line of their own, in each workload.
const TOLD_MAX: u64 = 5;

/// What came of a number of cuts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Power cuts.
    pub(crate) cuts: u64,
    /// Envelopes that were promised, each counted once in a drive's life.
    pub(crate) promised: u64,
    /// Promised and gone, or damaged and shown to staff.
    pub(crate) lost: u64,
    /// There, with other bytes or half of them.
    pub(crate) torn: u64,
    /// There again.
    pub(crate) doubled: u64,
    /// Stores that did not open, or whose process ended by itself.
    pub(crate) unopenable: u64,
    /// Of the cuts, those after which nobody looked before the next.
    pub(crate) again: u64,
    /// Openings that rebuilt the state from the journal.
    pub(crate) rebuilt: u64,
    /// Damaged places that opening set aside.
    pub(crate) quarantined: u64,
    /// Drives with a fault.
    pub(crate) images: u64,
}

impl Tally {
    /// Whether every promise held.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.torn + self.doubled + self.unopenable == 0
    }

    /// Counts a fault.
    pub(crate) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Lost => self.lost += 1,
            Fault::Torn => self.torn += 1,
            Fault::Doubled => self.doubled += 1,
        }
    }

    /// Whether the fault that was just counted gets a line.
    pub(crate) fn told(&self) -> bool {
        self.lost + self.torn + self.doubled <= TOLD_MAX
    }

    /// Takes in what opening said: `rebuilt quarantined`.
    pub(crate) fn opened(&mut self, numbers: &str) {
        let mut numbers = numbers.split(' ').map(|number| number.parse().unwrap_or(0));
        self.rebuilt += numbers.next().unwrap_or(0);
        self.quarantined += numbers.next().unwrap_or(0);
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.promised += other.promised;
        self.lost += other.lost;
        self.torn += other.torn;
        self.doubled += other.doubled;
        self.unopenable += other.unopenable;
        self.again += other.again;
        self.rebuilt += other.rebuilt;
        self.quarantined += other.quarantined;
        self.images += other.images;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cuts, lost, torn, doubled, unopenable, .. } = self;
        write!(f, "cuts {cuts}, lost {lost}, torn {torn}, doubled {doubled}, unopenable {unopenable}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_of_any_kind_is_not_clean() {
        let clean = Tally { cuts: 9, promised: 3, rebuilt: 1, ..Tally::default() };
        assert!(clean.is_clean());
        assert_eq!(clean.to_string(), "cuts 9, lost 0, torn 0, doubled 0, unopenable 0");
        for fault in [Fault::Lost, Fault::Torn, Fault::Doubled] {
            let mut tally = clean;
            tally.fault(fault);
            assert!(!tally.is_clean());
        }
        let mut sum = Tally { unopenable: 1, ..clean };
        sum += clean;
        assert_eq!((sum.cuts, sum.is_clean()), (18, false));
    }
}
