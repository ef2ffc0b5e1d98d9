//! The answer to reset, taken apart. Pure.
//!
//! ```text
//! TS  T0     [TA1] [TB1] [TC1] [TD1] [TA2] ...        K historical bytes  [TCK]
//!     Y1|K    Fi|Di        N     Y2|T  specific mode
//! ```
//!
//! TDi says which bytes follow and for which protocol. TCK is there unless T=0 alone is offered.
//!
//! Source: ISO/IEC 7816-3:2006, sections 8.2 and 8.3; T=0 bytes 10.2, T=1 bytes 11.4.
//!
//! Promises: what is left out has the standard's default. Never: panics; believes a wrong TCK.

use super::super::CardBytes;

/// TA1 when it is left out: Fi 372, Di 1.
pub const DEFAULT_FIDI: u8 = 0x11;

/// How bits are to be read; the reader already did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// TS `3B`.
    Direct,
    /// TS `3F`.
    Inverse,
}

/// How a T=1 block is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// One byte, exclusive or.
    Lrc,
    /// Two bytes.
    Crc,
}

/// TA2: the card speaks one protocol only until it is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Specific {
    /// T.
    pub protocol: u8,
    /// Speed as the reader knows it by itself, not as TA1 says.
    pub implicit: bool,
}

/// What a card offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Of TS.
    pub convention: Convention,
    /// T numbers in the card's order, without 15; never empty.
    pub protocols: Vec<u8>,
    /// TA1: index of Fi in the high, of Di in the low half.
    pub fidi: u8,
    /// TC1: extra guard time in etu; 255 is the shortest.
    pub guard: u8,
    /// TA2.
    pub specific: Option<Specific>,
    /// TC2: WI of T=0.
    pub wi: u8,
    /// T=1: how many bytes of information the card takes in a block.
    pub ifsc: u8,
    /// T=1: block waiting integer.
    pub bwi: u8,
    /// T=1: character waiting integer.
    pub cwi: u8,
    /// T=1: how blocks are checked.
    pub check: Check,
    /// Historical bytes.
    pub historical: CardBytes,
}

/// Bytes that are no answer to reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AtrError {
    /// TS is neither `3B` nor `3F`.
    #[error("an answer to reset begins with another byte")]
    Ts,
    /// Bytes it announces are not there.
    #[error("an answer to reset is cut short")]
    Short,
    /// Bytes follow it.
    #[error("an answer to reset is followed by other bytes")]
    Long,
    /// Its check byte is wrong.
    #[error("an answer to reset has a wrong check byte")]
    Tck,
}

impl Offer {
    /// Takes an answer to reset apart.
    ///
    /// # Errors
    /// See [`AtrError`].
    pub fn parse(atr: &[u8]) -> Result<Self, AtrError> {
        let mut rest = atr.iter().copied();
        let convention = match rest.next() {
            Some(0x3B) => Convention::Direct,
            Some(0x3F) => Convention::Inverse,
            Some(_) => return Err(AtrError::Ts),
            None => return Err(AtrError::Short),
        };
        let t0 = rest.next().ok_or(AtrError::Short)?;
        let mut offer = Self::plain(convention);
        let (mut level, mut follows, mut protocol, mut only_t0) = (1_u8, t0 >> 4, 0_u8, true);
        let mut t1_seen = None;
        loop {
            let mut byte = |bit: u8| match follows & bit {
                0 => Ok(None),
                _ => rest.next().map(Some).ok_or(AtrError::Short),
            };
            let (a, b, c, d) = (byte(1)?, byte(2)?, byte(4)?, byte(8)?);
            // Bytes for T=1 count where its TD first says so, from the third group on.
            let t1 = level > 2 && protocol == 1 && *t1_seen.get_or_insert(level) == level;
            offer.take(level, t1, [a, b, c]);
            let Some(d) = d else { break };
            protocol = d & 0x0F;
            only_t0 &= protocol == 0;
            if protocol != 15 && !offer.protocols.contains(&protocol) {
                offer.protocols.push(protocol);
            }
            follows = d >> 4;
            level = level.saturating_add(1);
        }
        if offer.protocols.is_empty() {
            offer.protocols.push(0);
        }
        let count = usize::from(t0 & 0x0F);
        let historical: Vec<u8> = rest.by_ref().take(count).collect();
        let complete = historical.len() == count;
        offer.historical = CardBytes::new(historical);
        let check = rest.next();
        match (complete, check, rest.next()) {
            (false, _, _) => Err(AtrError::Short),
            (true, None, _) if only_t0 => Ok(offer),
            (true, None, _) => Err(AtrError::Short),
            (true, Some(_), Some(_)) => Err(AtrError::Long),
            (true, Some(_), None) if atr.iter().skip(1).fold(0, |sum, byte| sum ^ byte) == 0 => Ok(offer),
            (true, Some(_), None) => Err(if only_t0 { AtrError::Long } else { AtrError::Tck }),
        }
    }

    fn plain(convention: Convention) -> Self {
        Self {
            convention,
            protocols: Vec::new(),
            fidi: DEFAULT_FIDI,
            guard: 0,
            specific: None,
            wi: 10,
            ifsc: 32,
            bwi: 4,
            cwi: 13,
            check: Check::Lrc,
            historical: CardBytes::new(Vec::new()),
        }
    }

    fn take(&mut self, level: u8, t1: bool, [a, b, c]: [Option<u8>; 3]) {
        match level {
            1 => {
                self.fidi = a.unwrap_or(self.fidi);
                self.guard = c.unwrap_or(self.guard);
            }
            2 => {
                self.specific = a.map(|a| Specific { protocol: a & 0x0F, implicit: a & 0x10 != 0 });
                self.wi = c.filter(|wi| *wi != 0).unwrap_or(self.wi);
            }
            _ if t1 => {
                self.ifsc = a.filter(|size| (1..=254).contains(size)).unwrap_or(self.ifsc);
                if let Some(b) = b {
                    (self.bwi, self.cwi) = (b >> 4, b & 0x0F);
                }
                if c.is_some_and(|c| c & 1 != 0) {
                    self.check = Check::Crc;
                }
            }
            _ => {}
        }
    }

    /// Fi and Di of an index byte such as TA1; `None` for the reserved ones.
    #[must_use]
    pub fn factors(fidi: u8) -> Option<(u32, u32)> {
        let fi = match fidi >> 4 {
            0 | 1 => 372,
            2 => 558,
            3 => 744,
            4 => 1116,
            5 => 1488,
            6 => 1860,
            9 => 512,
            10 => 768,
            11 => 1024,
            12 => 1536,
            13 => 2048,
            _ => return None,
        };
        let di = match fidi & 0x0F {
            1 => 1,
            2 => 2,
            3 => 4,
            4 => 8,
            5 => 16,
            6 => 32,
            7 => 64,
            8 => 12,
            9 => 20,
            _ => return None,
        };
        Some((fi, di))
    }

    /// How long a card that speaks `protocol` may stay silent, in milliseconds, at a clock in kHz: WT of
    /// T=0 (10.2), BWT of T=1 (11.4.3).
    #[must_use]
    pub fn waiting_ms(&self, protocol: u8, clock_khz: u32) -> u64 {
        let clock = u64::from(clock_khz.max(1));
        let (fi, _) = Self::factors(self.fidi).unwrap_or((372, 1));
        if protocol == 1 {
            // 11 etu are at most 11 * 2048 clocks.
            (((960 * 372) << self.bwi.min(9)) + 11 * 2048_u64).div_ceil(clock)
        } else {
            (960 * u64::from(self.wi) * u64::from(fi)).div_ceil(clock)
        }
    }

    /// Whether the reader made it up for a card without contacts: PC/SC part 3, section 3.1.3.2.3.
    #[must_use]
    pub fn is_contactless(atr: &[u8]) -> bool {
        matches!(atr, [0x3B, t0, 0x80, 0x01, ..] if t0 >> 4 == 8)
    }

    /// Whether it is of a memory card without contacts, which takes no APDU (same section: `80 4F 0C` and
    /// the identifier of the PC/SC workgroup).
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.historical.expose().starts_with(&[0x80, 0x4F, 0x0C, 0xA0, 0, 0, 3, 6])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The answer of a contactless memory card, PC/SC part 3: a MIFARE Classic 1K.
    const CLASSIC: [u8; 20] =
        [0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0, 0, 3, 6, 3, 0, 1, 0, 0, 0, 0, 0x6A];

    #[test]
    fn a_real_card_of_two_protocols_with_crc() {
        // OsEID: TA1 96, TD1 80, TD2 71, TA3 FE, TB3 65, TC3 01.
        let atr = [0x3B, 0xD5, 0x96, 2, 0x80, 0x71, 0xFE, 0x65, 1, 0x4F, 0x73, 0x45, 0x49, 0x44, 0x5E];
        let offer = Offer::parse(&atr).unwrap();
        assert_eq!((offer.convention, offer.protocols.as_slice()), (Convention::Direct, [0, 1].as_slice()));
        assert_eq!((offer.fidi, offer.guard, offer.ifsc, offer.bwi, offer.cwi), (0x96, 2, 254, 6, 5));
        assert_eq!((offer.check, offer.historical.expose()), (Check::Crc, b"OsEID".as_slice()));
        assert_eq!(Offer::factors(0x96), Some((512, 32)));
        let mut wrong = atr;
        wrong[14] ^= 1;
        assert_eq!(Offer::parse(&wrong), Err(AtrError::Tck));
        assert_eq!(Offer::parse(&atr[..14]), Err(AtrError::Short));
    }

    #[test]
    fn a_plain_t0_card_has_no_check_byte_and_the_defaults() {
        let offer = Offer::parse(&[0x3F, 0x02, 0x14, 0x50]).unwrap();
        assert_eq!((offer.convention, offer.protocols.as_slice()), (Convention::Inverse, [0].as_slice()));
        assert_eq!((offer.fidi, offer.wi, offer.ifsc, offer.check), (0x11, 10, 32, Check::Lrc));
        assert_eq!(Offer::parse(&[0x3B, 0x02, 0x14, 0x50, 1]), Err(AtrError::Long));
        assert_eq!(Offer::parse(&[0x03, 0]), Err(AtrError::Ts));
        // 960 * 10 * 372 clocks at 4 MHz, rounded up.
        assert_eq!(offer.waiting_ms(0, 4000), 893);
        assert_eq!(offer.waiting_ms(1, 4000), 1435);
    }

    #[test]
    fn specific_mode_and_a_contactless_card() {
        let offer = Offer::parse(&[0x3B, 0x90, 0x94, 0x91, 0x81, 0x31, 0xF8, 0x65, 0xB8]);
        // TA1 94, TD1 91, TA2 81, TD2 31, TA3 F8, TB3 65.
        assert_eq!(offer.unwrap().specific, Some(Specific { protocol: 1, implicit: false }));
        let classic = Offer::parse(&CLASSIC).unwrap();
        assert!(classic.is_memory() && Offer::is_contactless(&CLASSIC));
        assert!(!Offer::is_contactless(&[0x3B, 0x02, 0x14, 0x50]));
    }

    proptest! {
        #[test]
        fn any_answer_is_survived(mut atr: Vec<u8>, clock: u32) {
            drop(Offer::parse(&atr));
            if let Some(first) = atr.first_mut() {
                *first = 0x3B;
            }
            if let Ok(offer) = Offer::parse(&atr) {
                prop_assert!(!offer.protocols.is_empty() && offer.historical.expose().len() <= 15);
                prop_assert!((1..=254).contains(&offer.ifsc));
                prop_assert!(offer.waiting_ms(0, clock) > 0 && offer.waiting_ms(1, clock) > 0);
                for cut in 0..atr.len() - 1 {
                    // Only a check byte nobody needed may be missing.
                    prop_assert!(Offer::parse(&atr[..cut]).is_err());
                }
            }
        }
    }
}
