//! A T=1 block. Pure.
//!
//! ```text
//! NAD  PCB              LEN     INF         LRC, or CRC high, CRC low
//! 00   0NM00000 I       0..254  LEN bytes
//!      100N00ee R
//!      11r000kk S
//! ```
//!
//! Source: ISO/IEC 7816-3:2006, section 11.3. The standard leaves the CRC open; this is the one that the
//! free drivers and cards agree on: polynomial `8408` reflected, from `FFFF`, not inverted, high byte first.
//!
//! Promises: what is encoded parses back the same. Never: panics; uses a node address but 0.

use super::super::CardBytes;
use super::atr::Check;
use zeroize::Zeroizing;

/// The longest information field.
pub const INFO_MAX: usize = 254;

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A part of an APDU.
    I {
        /// N(S).
        seq: bool,
        /// M: more parts follow.
        more: bool,
        /// The part.
        data: CardBytes,
    },
    /// An acknowledgement, or a wish to hear a block again.
    R {
        /// N(R): the block expected next.
        seq: bool,
        /// What was wrong.
        wrong: Wrong,
    },
    /// About the line itself.
    S {
        /// Whether it answers one.
        response: bool,
        /// What it is about.
        kind: Supervisory,
    },
}

/// What was wrong with the last block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing.
    Nothing,
    /// A check byte or a parity bit.
    Check,
    /// Something else, or it did not come.
    Other,
}

/// What an S-block is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervisory {
    /// Begin numbers anew.
    Resynch,
    /// The sender takes so many bytes of information in a block.
    Ifs(u8),
    /// Give up this chain.
    Abort,
    /// Wait so many times longer.
    Wtx(u8),
}

/// Bytes that are no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The check bytes do not agree.
    #[error("a block has a wrong check byte")]
    Check,
    /// Length, address or kind cannot be.
    #[error("a block has no right shape")]
    Shape,
}

impl Block {
    /// The block as sent.
    #[must_use]
    pub fn encode(&self, check: Check) -> Zeroizing<Vec<u8>> {
        let (pcb, info): (u8, &[u8]) = match self {
            Self::I { seq, more, data } => (u8::from(*seq) << 6 | u8::from(*more) << 5, data.expose()),
            Self::R { seq, wrong } => {
                let wrong = match wrong {
                    Wrong::Nothing => 0,
                    Wrong::Check => 1,
                    Wrong::Other => 2,
                };
                (0x80 | u8::from(*seq) << 4 | wrong, &[])
            }
            Self::S { response, kind } => {
                let (code, info): (u8, &[u8]) = match kind {
                    Supervisory::Resynch => (0, &[]),
                    Supervisory::Ifs(size) => (1, std::slice::from_ref(size)),
                    Supervisory::Abort => (2, &[]),
                    Supervisory::Wtx(times) => (3, std::slice::from_ref(times)),
                };
                (0xC0 | u8::from(*response) << 5 | code, info)
            }
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(5 + info.len()));
        // Callers cut information to `INFO_MAX`.
        bytes.extend_from_slice(&[0, pcb, u8::try_from(info.len()).unwrap_or(u8::MAX)]);
        bytes.extend_from_slice(info);
        match check {
            Check::Lrc => {
                let sum = lrc(&bytes);
                bytes.push(sum);
            }
            Check::Crc => {
                let sum = crc(&bytes);
                bytes.extend_from_slice(&sum.to_be_bytes());
            }
        }
        bytes
    }

    /// A block heard.
    ///
    /// # Errors
    /// See [`BlockError`].
    pub fn parse(bytes: &[u8], check: Check) -> Result<Self, BlockError> {
        let tail = match check {
            Check::Lrc => 1,
            Check::Crc => 2,
        };
        let (body, sum) = bytes
            .len()
            .checked_sub(tail)
            .and_then(|at| bytes.split_at_checked(at))
            .ok_or(BlockError::Shape)?;
        let &[nad, pcb, length, ref info @ ..] = body else { return Err(BlockError::Shape) };
        let right = match check {
            Check::Lrc => [lrc(body)].as_slice() == sum,
            Check::Crc => crc(body).to_be_bytes().as_slice() == sum,
        };
        if !right {
            return Err(BlockError::Check);
        }
        if nad != 0 || usize::from(length) != info.len() || info.len() > INFO_MAX {
            return Err(BlockError::Shape);
        }
        let bit = |mask: u8| pcb & mask != 0;
        match (pcb, info) {
            (pcb, _) if pcb & 0x9F == 0 => {
                Ok(Self::I { seq: bit(0x40), more: bit(0x20), data: CardBytes::new(info.to_vec()) })
            }
            (pcb, []) if pcb & 0xEC == 0x80 => {
                let wrong = match pcb & 3 {
                    0 => Wrong::Nothing,
                    1 => Wrong::Check,
                    _ => Wrong::Other,
                };
                Ok(Self::R { seq: bit(0x10), wrong })
            }
            (0xC0 | 0xE0, []) => Ok(Self::S { response: bit(0x20), kind: Supervisory::Resynch }),
            (0xC1 | 0xE1, [size @ 1..=254]) => {
                Ok(Self::S { response: bit(0x20), kind: Supervisory::Ifs(*size) })
            }
            (0xC2 | 0xE2, []) => Ok(Self::S { response: bit(0x20), kind: Supervisory::Abort }),
            (0xC3 | 0xE3, [times]) => Ok(Self::S { response: bit(0x20), kind: Supervisory::Wtx(*times) }),
            _ => Err(BlockError::Shape),
        }
    }
}

fn lrc(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |sum: u16, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x8408 } else { sum >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn i(seq: bool, more: bool, data: &[u8]) -> Block {
        Block::I { seq, more, data: CardBytes::new(data.to_vec()) }
    }

    /// Blocks a card and the libccid driver exchanged, from the OsEID project's published log.
    #[test]
    fn blocks_with_crc_seen_on_a_real_line() {
        let seen = |block: &Block, bytes: &[u8]| {
            assert_eq!(block.encode(Check::Crc).as_slice(), bytes);
            assert_eq!(Block::parse(bytes, Check::Crc).as_ref(), Ok(block));
        };
        let ifs = |response| Block::S { response, kind: Supervisory::Ifs(0xFE) };
        seen(&ifs(false), &[0, 0xC1, 1, 0xFE, 0x54, 0x4E]);
        seen(&ifs(true), &[0, 0xE1, 1, 0xFE, 0x57, 0x75]);
        seen(&i(false, false, &[0, 0xA4, 0, 0, 0]), &[0, 0, 5, 0, 0xA4, 0, 0, 0, 0xB8, 0xDA]);
        seen(&Block::R { seq: true, wrong: Wrong::Nothing }, &[0, 0x90, 0, 0x20, 0x6E]);
        seen(&Block::R { seq: false, wrong: Wrong::Nothing }, &[0, 0x80, 0, 0xB5, 0xFF]);
        seen(
            &i(true, true, &[0, 2, 0x8A, 1, 0xAA, 0x90, 0]),
            &[0, 0x60, 7, 0, 2, 0x8A, 1, 0xAA, 0x90, 0, 0xA6, 0x33],
        );
    }

    #[test]
    fn blocks_with_lrc_have_the_bits_of_the_standard() {
        let lrc = |block: Block| block.encode(Check::Lrc).to_vec();
        assert_eq!(lrc(i(true, false, &[0x90, 0])), [0, 0x40, 2, 0x90, 0, 0xD2]);
        assert_eq!(lrc(Block::R { seq: true, wrong: Wrong::Check }), [0, 0x91, 0, 0x91]);
        assert_eq!(lrc(Block::S { response: true, kind: Supervisory::Wtx(3) }), [0, 0xE3, 1, 3, 0xE1]);
        assert_eq!(lrc(Block::S { response: false, kind: Supervisory::Resynch }), [0, 0xC0, 0, 0xC0]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let parse = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes.push(bytes.iter().fold(0, |sum, byte| sum ^ byte));
            Block::parse(&bytes, Check::Lrc)
        };
        for wrong in [
            &[1, 0, 0][..],
            &[0, 0, 1],
            &[0, 0x01, 0],
            &[0, 0x80, 1, 0],
            &[0, 0xC1, 1, 0],
            &[0, 0xC1, 1, 255],
            &[0, 0xC4, 0],
            &[0],
        ] {
            assert_eq!(parse(wrong), Err(BlockError::Shape), "{wrong:?}");
        }
        assert_eq!(Block::parse(&[0, 0x80, 0, 0x81], Check::Lrc), Err(BlockError::Check));
        assert_eq!(Block::parse(&[], Check::Crc), Err(BlockError::Shape));
    }

    proptest! {
        #[test]
        fn blocks_come_back_and_a_flipped_bit_is_found(
            bytes: Vec<u8>, seq: bool, more: bool, data in prop::collection::vec(any::<u8>(), 0..255),
            at: prop::sample::Index, bit in 0..8,
        ) {
            for check in [Check::Lrc, Check::Crc] {
                drop(Block::parse(&bytes, check));
                let block = i(seq, more, &data);
                let mut wire = block.encode(check).to_vec();
                prop_assert_eq!(Block::parse(&wire, check), Ok(block));
                let at = at.index(wire.len());
                wire[at] ^= 1_u8 << bit;
                prop_assert!(Block::parse(&wire, check).is_err());
            }
        }
    }
}
