//! When a device says more than any hand or laser can: a stuck key, a broken cable, an attack. Pure.
//!
//! ```text
//! calm -- more than `most` within a window --> storming -- a whole window of silence --> calm
//! ```
//!
//! Promises: at most `most` are let through in a window. Never: reads a clock.

/// How long what was said is counted, and how long it has to be silent again, microseconds.
const WINDOW_US: u64 = 1_000_000;

/// Counts what one device says.
#[derive(Clone, Debug)]
pub struct Storm {
    most: u32,
    count: u32,
    /// When the window began.
    since_us: u64,
    /// When something was last said.
    last_us: u64,
    raging: bool,
}

impl Storm {
    /// At most `most` in a second are ordinary.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { most, count: 0, since_us: 0, last_us: 0, raging: false }
    }

    /// Something was said; whether it is to be let through.
    pub fn lets_through(&mut self, at_us: u64) -> bool {
        self.handle_timeout(at_us);
        self.last_us = self.last_us.max(at_us);
        if at_us.saturating_sub(self.since_us) >= WINDOW_US {
            (self.since_us, self.count) = (at_us, 0);
        }
        self.count = self.count.saturating_add(1);
        self.raging |= self.count > self.most;
        !self.raging
    }

    /// Time passed; whether it is storming now.
    pub fn handle_timeout(&mut self, now_us: u64) -> bool {
        self.raging &= now_us.saturating_sub(self.last_us) < WINDOW_US;
        self.raging
    }

    /// When the storm is over unless something is said again, `CLOCK_MONOTONIC` in microseconds.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.raging.then(|| self.last_us.saturating_add(WINDOW_US))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_storm_is_shut_out_until_a_second_of_silence() {
        let mut storm = Storm::new(3);
        let let_through: Vec<bool> = (0..5).map(|n| storm.lets_through(5_000_000 + n)).collect();
        assert_eq!(let_through, [true, true, true, false, false]);
        assert!(!storm.lets_through(5_900_000) && !storm.lets_through(6_800_000));
        assert_eq!(storm.poll_timeout(), Some(7_800_000));
        assert!(storm.handle_timeout(7_799_999));
        assert!(!storm.handle_timeout(7_800_000));
        assert_eq!(storm.poll_timeout(), None);
        assert!(storm.lets_through(7_800_001));
    }

    proptest! {
        #[test]
        fn what_is_let_through_is_bounded(most in 1_u32..6, steps in prop::collection::vec(0_u64..400_000, 0..200)) {
            let mut storm = Storm::new(most);
            let mut now = 10_000_000;
            let mut through = Vec::new();
            for step in steps {
                now += step;
                if storm.lets_through(now) {
                    through.push(now);
                }
            }
            for first in &through {
                let within = through.iter().filter(|at| (*first..first + WINDOW_US).contains(*at)).count();
                prop_assert!(within <= 2 * usize::try_from(most).unwrap(), "{through:?}");
            }
        }
    }
}
