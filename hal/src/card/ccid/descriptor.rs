//! The CCID functional descriptor: what a reader can do. Pure.
//!
//! ```text
//! 0 36h  1 21h  2 bcdCCID  4 bMaxSlotIndex  5 bVoltageSupport  6 dwProtocols  10 dwDefaultClock kHz
//! 14 dwMaximumClock  18 bNumClockSupported  19 dwDataRate  23 dwMaxDataRate  27 bNumDataRates
//! 28 dwMaxIFSD  32 dwSynchProtocols  36 dwMechanical  40 dwFeatures  44 dwMaxCCIDMessageLength
//! 48 bClassGetResponse  49 bClassEnvelope  50 wLcdLayout  52 bPINSupport  53 bMaxCCIDBusySlots
//! ```
//!
//! Source: USB CCID rev. 1.1, section 5.1. Never: panics.

use super::frame::{HEADER, Voltage};

/// Bytes of a descriptor.
pub const LENGTH: usize = 54;

/// bDescriptorType.
const TYPE: u8 = 0x21;

/// The shortest message every reader must take: a header and a short TPDU.
const MESSAGE_MIN: usize = HEADER + 261;

/// The longest message believed: a header and an extended APDU.
const MESSAGE_MAX: usize = HEADER + 65_544;

/// What a reader exchanges with the host (dwFeatures, bits 16 to 18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Single characters.
    Character,
    /// T=0 commands or T=1 blocks.
    Tpdu,
    /// APDUs of up to 261 bytes.
    ShortApdu,
    /// APDUs of any length, in parts.
    ExtendedApdu,
}

/// What a reader can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// What it exchanges.
    pub level: Level,
    /// Bit 0 5 V, bit 1 3 V, bit 2 1.8 V.
    pub voltages: u8,
    /// Bit n for T=n.
    pub protocols: u32,
    /// kHz.
    pub clock_khz: u32,
    /// Fastest line to a card, bit/s.
    pub rate_max: u32,
    /// Longest T=1 information field it takes from a card.
    pub ifsd_max: u32,
    /// The longest message, header and all.
    pub message_max: usize,
    /// dwFeatures, as sent.
    pub features: u32,
}

impl Descriptor {
    /// Reads a descriptor; `None` when the bytes are none.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LENGTH] = bytes.get(..LENGTH)?.try_into().ok()?;
        if bytes.first().copied().map(usize::from) != Some(LENGTH) || bytes.get(1) != Some(&TYPE) {
            return None;
        }
        let long = |at: usize| {
            bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes)
        };
        let features = long(40);
        let level = match features & 0x7_0000 {
            0 => Level::Character,
            0x1_0000 => Level::Tpdu,
            0x2_0000 => Level::ShortApdu,
            0x4_0000 => Level::ExtendedApdu,
            _ => return None,
        };
        Some(Self {
            level,
            voltages: bytes.get(5).copied().unwrap_or_default(),
            protocols: long(6),
            clock_khz: long(10),
            rate_max: long(23),
            ifsd_max: long(28),
            // Some readers announce less than they take (SCM: 263); a short TPDU must fit.
            message_max: usize::try_from(long(44)).unwrap_or(MESSAGE_MAX).clamp(MESSAGE_MIN, MESSAGE_MAX),
            features,
        })
    }

    /// The descriptor among the extra bytes of an interface or an end point, where others may precede it.
    #[must_use]
    pub fn find(extra: &[u8]) -> Option<Self> {
        let mut rest = extra;
        while let Some(&length) = rest.first() {
            if let Some(found) = Self::parse(rest) {
                return Some(found);
            }
            rest = rest.get(usize::from(length).max(1)..)?;
        }
        None
    }

    /// The supplies to try, in this order.
    #[must_use]
    pub fn supplies(&self) -> Vec<Voltage> {
        if self.features & 0x8 != 0 {
            return vec![Voltage::Auto];
        }
        let steps = [(1, Voltage::Five), (2, Voltage::Three), (4, Voltage::OneEight)];
        let able = steps.iter().filter(|(bit, _)| self.voltages & bit != 0).map(|(_, step)| *step);
        let able: Vec<_> = able.collect();
        if able.is_empty() { vec![Voltage::Auto] } else { able }
    }

    /// Gives a card power when it comes (`0x4`).
    #[must_use]
    pub fn activates(&self) -> bool {
        self.features & 0x4 != 0
    }

    /// Sets its parameters by the answer to reset (`0x2`).
    #[must_use]
    pub fn configures(&self) -> bool {
        self.features & 0x2 != 0
    }

    /// Agrees with the card on protocol and speed all by itself (`0x40`).
    #[must_use]
    pub fn negotiates(&self) -> bool {
        self.features & 0x40 != 0
    }

    /// Agrees with the card on the parameters we set (`0x80`).
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.features & 0x80 != 0
    }

    /// Tells a T=1 card its own field size (`0x400`).
    #[must_use]
    pub fn tells_ifsd(&self) -> bool {
        self.features & 0x400 != 0
    }
}

/// A descriptor for the reader's side.
#[must_use]
pub fn encode(features: u32, voltages: u8, message_max: u32) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let mut put = |at: usize, value: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    };
    put(0, &[0x36, TYPE, 0x10, 0x01, 0, voltages]);
    put(6, &3_u32.to_le_bytes());
    put(10, &4_000_u32.to_le_bytes());
    put(14, &4_000_u32.to_le_bytes());
    put(19, &10_752_u32.to_le_bytes());
    put(23, &344_086_u32.to_le_bytes());
    put(28, &254_u32.to_le_bytes());
    put(40, &features.to_le_bytes());
    put(44, &message_max.to_le_bytes());
    put(48, &[0xFF, 0xFF, 0, 0, 0, 1]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn levels_supplies_and_features_are_read() {
        let short = Descriptor::parse(&encode(0x2_04BA, 7, 271)).unwrap();
        assert_eq!((short.level, short.supplies()), (Level::ShortApdu, vec![Voltage::Auto]));
        assert!(short.configures() && short.agrees() && short.tells_ifsd() && !short.negotiates());
        let tpdu = Descriptor::parse(&encode(0x1_0000, 5, 263)).unwrap();
        assert_eq!((tpdu.level, tpdu.message_max), (Level::Tpdu, 271));
        assert_eq!(tpdu.supplies(), vec![Voltage::Five, Voltage::OneEight]);
        assert_eq!(Descriptor::parse(&encode(0x1_0000, 0, 271)).unwrap().supplies(), vec![Voltage::Auto]);
        assert!(Descriptor::parse(&encode(0x4_0004, 1, u32::MAX)).unwrap().activates());
        assert!(Descriptor::parse(&encode(0x6_0000, 1, 271)).is_none(), "two levels at once");
    }

    #[test]
    fn it_is_found_behind_other_descriptors() {
        let mut extra = vec![3, 0x41, 0];
        extra.extend_from_slice(&encode(0x4_0000, 1, 271));
        assert_eq!(Descriptor::find(&extra).unwrap().level, Level::ExtendedApdu);
        assert_eq!(Descriptor::find(&extra[..20]), None);
        assert_eq!(Descriptor::find(&[0, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, features: u32, voltages: u8, cut in 0..LENGTH) {
            let _ = Descriptor::find(&bytes);
            let whole = encode(features, voltages, 271);
            prop_assert_eq!(Descriptor::parse(&whole[..cut]), None);
            if let Some(read) = Descriptor::parse(&whole) {
                prop_assert!((MESSAGE_MIN..=MESSAGE_MAX).contains(&read.message_max));
                prop_assert!(!read.supplies().is_empty());
            }
        }
    }
}
