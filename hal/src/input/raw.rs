//! `struct input_event` out of the kernel's bytes. Pure.
//!
//! ```text
//! | seconds, a long | microseconds, a long | type u16 | code u16 | value i32 |     all in host order
//! ```
//!
//! Promises: never panics; what is left over at the end is no event. Never: knows what an event means.

use zeroize::{Zeroize, Zeroizing};

/// Event types and codes, `linux/input-event-codes.h`.
pub mod code {
    #![expect(missing_docs, reason = "the kernel's names")]
    pub const EV_SYN: u16 = 0;
    pub const EV_KEY: u16 = 1;
    pub const EV_REL: u16 = 2;
    pub const EV_ABS: u16 = 3;
    pub const SYN_REPORT: u16 = 0;
    pub const SYN_DROPPED: u16 = 3;
    pub const REL_X: u16 = 0;
    pub const REL_Y: u16 = 1;
    pub const ABS_X: u16 = 0;
    pub const ABS_Y: u16 = 1;
    pub const ABS_MT_SLOT: u16 = 0x2f;
    pub const ABS_MT_POSITION_X: u16 = 0x35;
    pub const ABS_MT_POSITION_Y: u16 = 0x36;
    pub const ABS_MT_TRACKING_ID: u16 = 0x39;
    pub const BTN_LEFT: u16 = 0x110;
    pub const BTN_TOUCH: u16 = 0x14a;
    pub const KEY_MAX: u16 = 0x2ff;
}

/// One `struct input_event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Zeroize)]
pub struct Raw {
    /// Its time stamp, microseconds.
    pub at_us: u64,
    /// `EV_...`.
    pub kind: u16,
    /// `SYN_...`, `ABS_...`, `BTN_...`, `KEY_...`.
    pub code: u16,
    /// Its value.
    pub value: i32,
}

/// A `long` of the kernel's.
const WORD: usize = size_of::<usize>();

/// The size of a `struct input_event`.
pub(crate) const RAW_BYTES: usize = 2 * WORD + 8;

/// The events in `bytes`; stamped by the kernel, unless `now_us` says otherwise.
pub(crate) fn parse(bytes: &[u8], now_us: Option<u64>) -> Zeroizing<Vec<Raw>> {
    let mut raws = Zeroizing::new(Vec::with_capacity(bytes.len() / RAW_BYTES));
    raws.extend(bytes.chunks_exact(RAW_BYTES).filter_map(|event| one(event, now_us)));
    raws
}

fn one(event: &[u8], now_us: Option<u64>) -> Option<Raw> {
    let (seconds, rest) = event.split_first_chunk::<WORD>()?;
    let (micros, rest) = rest.split_first_chunk::<WORD>()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let (code, rest) = rest.split_first_chunk()?;
    let word = |bytes| u64::try_from(usize::from_ne_bytes(bytes)).unwrap_or(u64::MAX);
    let stamp = || word(*seconds).saturating_mul(1_000_000).saturating_add(word(*micros));
    Some(Raw {
        at_us: now_us.unwrap_or_else(stamp),
        kind: u16::from_ne_bytes(*kind),
        code: u16::from_ne_bytes(*code),
        value: i32::from_ne_bytes(*rest.first_chunk()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(raw: Raw) -> Vec<u8> {
        let word = |number: u64| usize::try_from(number).unwrap().to_ne_bytes();
        let mut bytes = [word(raw.at_us / 1_000_000), word(raw.at_us % 1_000_000)].concat();
        bytes.extend([raw.kind.to_ne_bytes(), raw.code.to_ne_bytes()].concat());
        bytes.extend(raw.value.to_ne_bytes());
        bytes
    }

    #[test]
    fn an_event_has_the_size_of_the_kernels() {
        // 24 bytes where a long has 64 bits, 16 where it has 32.
        assert_eq!(RAW_BYTES, if WORD == 8 { 24 } else { 16 });
    }

    proptest! {
        #[test]
        fn events_are_read_as_written_and_half_an_event_is_none(
            at_us in 0_u64..1 << 40, kind: u16, code: u16, value: i32, cut in 0_usize..RAW_BYTES,
        ) {
            let raw = Raw { at_us, kind, code, value };
            let mut two = bytes(raw);
            two.extend(bytes(Raw { at_us: at_us + 1, ..raw }));
            let read = |bytes: &[u8], now| parse(bytes, now).to_vec();
            prop_assert_eq!(read(&two, None), [raw, Raw { at_us: at_us + 1, ..raw }]);
            prop_assert_eq!(read(&two[..RAW_BYTES + cut], None), [raw]);
            prop_assert_eq!(read(&two[..RAW_BYTES], Some(7)), [Raw { at_us: 7, ..raw }]);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            prop_assert_eq!(parse(&bytes, None).len(), bytes.len() / RAW_BYTES);
        }
    }
}
