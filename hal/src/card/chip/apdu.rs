//! The command APDU, taken apart. Pure.
//!
//! ```text
//! 1   CLA INS P1 P2
//! 2S  CLA INS P1 P2 Le             2E  CLA INS P1 P2 00 Le Le
//! 3S  CLA INS P1 P2 Lc data        3E  CLA INS P1 P2 00 Lc Lc data
//! 4S  CLA INS P1 P2 Lc data Le     4E  CLA INS P1 P2 00 Lc Lc data Le Le
//! ```
//!
//! Source: ISO/IEC 7816-3:2006, section 12.1. Never: panics; shows data by `Debug`.

use super::super::CardBytes;
use zeroize::Zeroizing;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apdu {
    /// CLA, INS, P1, P2.
    pub header: [u8; 4],
    /// The data.
    pub data: CardBytes,
    /// Ne, how many bytes are wanted at most; `None` when none are.
    pub expected: Option<u32>,
}

/// Why a command cannot be sent, or its answer not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApduError {
    /// No case fits the bytes.
    #[error("the bytes are no command APDU")]
    Shape,
    /// More than 255 bytes of data for a reader or protocol that takes short commands only.
    #[error("the command is longer than this reader and card take")]
    TooLong,
    /// An answer without status word.
    #[error("the card's answer has no status word")]
    NoStatus,
    /// The card always has one more part.
    #[error("the card's answer has no end")]
    Endless,
}

impl Apdu {
    /// Takes a command apart.
    ///
    /// # Errors
    /// [`ApduError::Shape`]
    pub fn parse(bytes: &[u8]) -> Result<Self, ApduError> {
        let (header, body) = bytes.split_first_chunk::<4>().ok_or(ApduError::Shape)?;
        let (data, expected): (&[u8], _) = match body {
            [] => (&[], None),
            [le] => (&[], Some(short(*le))),
            [0, high, low] => (&[], Some(long(*high, *low))),
            [0, high, low, rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                match rest.split_at_checked(length).ok_or(ApduError::Shape)? {
                    ([], _) => return Err(ApduError::Shape),
                    (data, []) => (data, None),
                    (data, [high, low]) => (data, Some(long(*high, *low))),
                    (_, [_] | [_, _, _, ..]) => return Err(ApduError::Shape),
                }
            }
            [length, rest @ ..] => {
                match rest.split_at_checked(usize::from(*length)).ok_or(ApduError::Shape)? {
                    ([], _) => return Err(ApduError::Shape),
                    (data, []) => (data, None),
                    (data, [le]) => (data, Some(short(*le))),
                    (_, [_, _, ..]) => return Err(ApduError::Shape),
                }
            }
        };
        Ok(Self { header: *header, data: CardBytes::new(data.to_vec()), expected })
    }

    /// The command in short form; more than 256 bytes wanted become 256, the rest is asked for later.
    ///
    /// # Errors
    /// [`ApduError::TooLong`]
    pub fn short(&self) -> Result<Zeroizing<Vec<u8>>, ApduError> {
        let mut bytes = Zeroizing::new(self.header.to_vec());
        bytes.reserve_exact(2 + self.data.expose().len());
        if !self.data.expose().is_empty() {
            bytes.push(u8::try_from(self.data.expose().len()).map_err(|_| ApduError::TooLong)?);
            bytes.extend_from_slice(self.data.expose());
        }
        bytes.extend(self.expected.map(short_le));
        Ok(bytes)
    }

    /// The command in short form when it fits, else in extended form.
    #[must_use]
    pub fn whole(&self) -> Zeroizing<Vec<u8>> {
        let data = self.data.expose();
        if let (Ok(bytes), true) = (self.short(), self.expected.is_none_or(|wanted| wanted <= 256)) {
            return bytes;
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(9 + data.len()));
        bytes.extend_from_slice(&self.header);
        bytes.push(0);
        if let (Ok(length), false) = (u16::try_from(data.len()), data.is_empty()) {
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(data);
        }
        if let Some(wanted) = self.expected {
            // 65,536 is written as zero.
            bytes.extend_from_slice(&u16::try_from(wanted).unwrap_or(0).to_be_bytes());
        }
        bytes
    }
}

/// Le for that many bytes; 256 and more are written as zero.
#[must_use]
pub fn short_le(wanted: u32) -> u8 {
    u8::try_from(wanted).unwrap_or(0)
}

fn short(le: u8) -> u32 {
    if le == 0 { 256 } else { u32::from(le) }
}

fn long(high: u8, low: u8) -> u32 {
    match u16::from_be_bytes([high, low]) {
        0 => 65_536,
        wanted => u32::from(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_case_is_known_by_its_length() {
        let parse = |bytes: &[u8]| {
            let apdu = Apdu::parse(bytes)?;
            Ok((apdu.data.expose().to_vec(), apdu.expected))
        };
        assert_eq!(parse(&[0, 0xA4, 0, 0]), Ok((vec![], None)));
        assert_eq!(parse(&[0, 0xB0, 0, 0, 0]), Ok((vec![], Some(256))));
        assert_eq!(parse(&[0, 0xD6, 0, 0, 2, 7, 8]), Ok((vec![7, 8], None)));
        assert_eq!(parse(&[0, 0xA4, 4, 0, 1, 9, 5]), Ok((vec![9], Some(5))));
        assert_eq!(parse(&[0, 0xB0, 0, 0, 0, 1, 0]), Ok((vec![], Some(256))));
        assert_eq!(parse(&[0, 0xB0, 0, 0, 0, 0, 0]), Ok((vec![], Some(65_536))));
        assert_eq!(parse(&[0, 0xD6, 0, 0, 0, 0, 1, 7]), Ok((vec![7], None)));
        assert_eq!(parse(&[0, 0xD6, 0, 0, 0, 0, 1, 7, 1, 1]), Ok((vec![7], Some(257))));
        for wrong in
            [&[0, 0xA4, 0][..], &[0, 0xA4, 4, 0, 3, 9], &[0, 0xA4, 4, 0, 1, 9, 5, 5], &[0, 1, 2, 3, 0, 1]]
        {
            assert_eq!(parse(wrong), Err(ApduError::Shape), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_commands_come_back(
            bytes: Vec<u8>, header: [u8; 4], data in prop::collection::vec(any::<u8>(), 0..600),
            expected in prop::option::of(1_u32..=65_536),
        ) {
            drop(Apdu::parse(&bytes));
            let apdu = Apdu { header, data: CardBytes::new(data), expected };
            prop_assert_eq!(Apdu::parse(&apdu.whole()), Ok(apdu.clone()));
            prop_assert_eq!(apdu.short().is_ok(), apdu.data.expose().len() < 256);
        }
    }
}
