//! Parts of a scan, joined. Pure.
//!
//! ```text
//! idle --part, continued--> joining --last part--> told --> idle
//!   |                          | too long, a report that is no part: told as garbled
//!   |                          v
//!   |                       worthless --last part, or silence--> idle
//!   `--last part--> told
//! ```
//!
//! Promises: each scan is told once, whole or as garbled; none is joined across a silence of [`PART_WAIT`];
//! at most [`SCAN_BYTES_MAX`] bytes are kept, zeroed once told. Never: reads a clock.

use super::{
    super::{Heard, SCAN_BYTES_MAX, ScanData, text::is_payment_card},
    layout::Part,
};
use crate::wedge::Aim;
use std::{collections::VecDeque, time::Duration};
use zeroize::{Zeroize as _, Zeroizing};

/// A scanner sends the next part of a scan long before.
pub const PART_WAIT: Duration = Duration::from_micros(WAIT_US);

const WAIT_US: u64 = 500_000;

/// The scan under way. Each call tells at most two things; they are had from [`Parts::next_heard`].
pub(crate) struct Parts {
    bytes: Zeroizing<Vec<u8>>,
    identifier: [u8; 3],
    begun_us: u64,
    /// When its last part came, while more are to come.
    last_us: Option<u64>,
    worthless: bool,
    told: VecDeque<Heard>,
}

impl Default for Parts {
    fn default() -> Self {
        // As much as it ever holds, so that no copy stays behind when it grows.
        let bytes = Zeroizing::new(Vec::with_capacity(SCAN_BYTES_MAX));
        let told = VecDeque::new();
        Self { bytes, identifier: [0; 3], begun_us: 0, last_us: None, worthless: false, told }
    }
}

impl Parts {
    /// A part came.
    pub(crate) fn take(&mut self, at_us: u64, part: &Part<'_>) {
        self.handle_timeout(at_us);
        if self.last_us.is_none() {
            (self.begun_us, self.identifier) = (at_us, part.identifier);
        }
        self.last_us = Some(at_us);
        if self.bytes.len() + part.data.len() > SCAN_BYTES_MAX {
            self.garble();
        }
        if !self.worthless {
            self.bytes.extend_from_slice(part.data);
        }
        if !part.continued {
            self.end();
        }
    }

    /// A report came that is no part: the scan it belongs to has a hole, and so is what follows up to its end.
    pub(crate) fn spoil(&mut self, at_us: u64) {
        self.handle_timeout(at_us);
        self.last_us = Some(at_us);
        self.garble();
    }

    /// Time passed. A silence of [`PART_WAIT`] ends the scan under way.
    pub(crate) fn handle_timeout(&mut self, now_us: u64) {
        if self.last_us.is_some_and(|last| now_us.saturating_sub(last) >= WAIT_US) {
            self.garble();
            self.end();
        }
    }

    /// When silence ends the scan under way, `CLOCK_MONOTONIC` in microseconds.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.last_us.map(|last| last.saturating_add(WAIT_US))
    }

    /// The oldest thing not yet taken.
    pub(crate) fn next_heard(&mut self) -> Option<Heard> {
        self.told.pop_front()
    }

    /// Told once for each scan.
    fn garble(&mut self) {
        self.bytes.zeroize();
        if !std::mem::replace(&mut self.worthless, true) {
            self.told.push_back(Heard::Garbled);
        }
    }

    /// The scan under way is complete.
    fn end(&mut self) {
        self.last_us = None;
        if !std::mem::take(&mut self.worthless) && !self.bytes.is_empty() {
            let (mut aim, mut data) = (Aim::split(&self.identifier).0, self.bytes.as_slice());
            if aim.is_none() {
                (aim, data) = Aim::split(data);
            }
            self.told.push_back(if is_payment_card(data) {
                Heard::PaymentCard
            } else {
                let data = ScanData::new(Zeroizing::new(data.to_vec()));
                Heard::Symbol { begun_us: self.begun_us, aim, data }
            });
        }
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONE: [u8; 3] = [0; 3];

    fn part(data: &[u8], continued: bool) -> Part<'_> {
        Part { identifier: *b"]Q0", data, continued }
    }

    /// What was told: data and symbology code, or that it was worthless.
    fn told(parts: &mut Parts) -> Vec<Option<(Vec<u8>, Option<u8>)>> {
        std::iter::from_fn(|| parts.next_heard())
            .map(|heard| match heard {
                Heard::Symbol { aim, data, .. } => Some((data.expose().to_vec(), aim.map(|aim| aim.code))),
                Heard::Garbled => None,
                Heard::PaymentCard => Some((b"refused".to_vec(), None)),
            })
            .collect()
    }

    fn some(data: &[u8], code: Option<u8>) -> Option<(Vec<u8>, Option<u8>)> {
        Some((data.to_vec(), code))
    }

    #[test]
    fn parts_are_joined_and_the_symbology_is_that_of_the_first() {
        let mut parts = Parts::default();
        parts.take(1, &part(b"12", true));
        parts.take(2, &Part { identifier: NONE, data: b"34", continued: false });
        parts.take(3, &Part { identifier: NONE, data: b"]C156", continued: false });
        parts.take(4, &Part { identifier: NONE, data: b"78", continued: false });
        let expected = [some(b"1234", Some(b'Q')), some(b"56", Some(b'C')), some(b"78", None)];
        assert_eq!(told(&mut parts), expected);
        assert_eq!(parts.poll_timeout(), None);
    }

    #[test]
    fn a_payment_cards_stripe_is_refused_in_however_many_parts() {
        let mut parts = Parts::default();
        parts.take(1, &part(b";411111111", true));
        parts.take(2, &part(b"1111111=2912?", false));
        assert_eq!(told(&mut parts), [some(b"refused", None)]);
    }

    #[test]
    fn a_missing_part_makes_the_scan_worthless_and_not_the_next() {
        let mut parts = Parts::default();
        parts.take(1, &part(b"12", true));
        assert_eq!(parts.poll_timeout(), Some(500_001));
        parts.take(500_001, &part(b"34", false));
        assert_eq!(told(&mut parts), [None, some(b"34", Some(b'Q'))]);
        parts.take(1, &part(b"12", true));
        parts.spoil(2);
        parts.take(3, &part(b"56", false));
        parts.take(4, &part(b"78", false));
        assert_eq!(told(&mut parts), [None, some(b"78", Some(b'Q'))]);
    }

    #[test]
    fn a_scan_without_end_is_told_once_and_forgotten_up_to_its_end() {
        let mut parts = Parts::default();
        let full = [b'1'; 56];
        for at in 0..200 {
            parts.take(at, &part(&full, true));
        }
        parts.take(200, &part(b"1", false));
        parts.take(201, &part(b"2", false));
        assert_eq!(told(&mut parts), [None, some(b"2", Some(b'Q'))]);
    }

    proptest! {
        #[test]
        fn any_parts_are_told_in_order_and_bounded(
            all in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..6), any::<bool>(), prop_oneof![3 => Just(1_u64), 1 => 0_u64..900_000]), 0..40),
        ) {
            let (mut parts, mut now, mut kept) = (Parts::default(), 1, Vec::new());
            for (data, continued, wait) in &all {
                now += wait;
                parts.take(now, &Part { identifier: NONE, data, continued: *continued });
                for _ in 0..2 {
                    if let Some(Heard::Symbol { begun_us, data, .. }) = parts.next_heard() {
                        prop_assert!(begun_us <= now);
                        kept.extend_from_slice(data.expose());
                    }
                }
                prop_assert!(parts.next_heard().is_none());
            }
            let mut came = all.iter().flat_map(|(data, _, _)| data);
            prop_assert!(kept.iter().all(|byte| came.any(|other| other == byte)));
        }
    }
}
