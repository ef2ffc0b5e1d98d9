//! One record's frame: how a journal record lies on the disk.
//!
//! ```text
//! offset  bytes
//!      0      4  magic "KOB1"
//!      4      1  kind: 1 put, 2 settled, 3 dead, 4 withdrawn, 5 filed
//!      5      3  zero
//!      8      4  body length in bytes
//!     12      8  record number, rising through the whole journal; numbers may be left out; reused only where
//!                the frame that had one is damaged beyond its header
//!     20     32  SHA-256 of the previous record's whole frame; zeroes in the very first
//!     52      4  CRC32C (RFC 3720 appendix B.4) of bytes 0 to 51
//!     56      n  body
//!   56+n      4  CRC32C of the body
//! ```
//!
//! All numbers are big-endian. The header has a checksum of its own so that a damaged body still says
//! how long it is, and the reader steps over exactly one record.
//!
//! Promises: [`parse`] takes any bytes and never panics.
//! Never: looks into a body.

use kiosk_core::wire::SEALED_BYTES_MAX;
use sha2::{Digest, Sha256};

/// The first four bytes of every frame.
pub(crate) const MAGIC: [u8; 4] = *b"KOB1";
/// Bytes before the body.
pub(crate) const HEADER_BYTES: usize = 56;
/// Bytes around the body.
pub(crate) const OVERHEAD_BYTES: usize = HEADER_BYTES + 4;
/// The largest body: a sealed request, and room for what travels with it.
pub(crate) const BODY_BYTES_MAX: usize = SEALED_BYTES_MAX + 4096;

const CHECKED_BYTES: usize = HEADER_BYTES - 4;

/// SHA-256 of a frame: what the next record carries.
pub(crate) type Link = [u8; 32];

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An envelope was saved.
    Put,
    /// The gateway signed for it.
    Settled,
    /// A person has to look at it.
    Dead,
    /// It was refused after all; whoever sent it was told so.
    Withdrawn,
    /// An envelope was saved, its sealed request in a file of its own.
    Filed,
}

impl Kind {
    /// The byte on the disk.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Put => 1,
            Self::Settled => 2,
            Self::Dead => 3,
            Self::Withdrawn => 4,
            Self::Filed => 5,
        }
    }

    /// Reads [`Self::code`] back.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Put, Self::Settled, Self::Dead, Self::Withdrawn, Self::Filed]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// A frame whose two checksums fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// [`Kind::code`], or one this version does not know.
    pub(crate) kind: u8,
    /// The record number.
    pub(crate) number: u64,
    /// SHA-256 of the frame before this one.
    pub(crate) prev: Link,
    /// The body.
    pub(crate) body: &'a [u8],
    /// The whole frame.
    pub(crate) bytes: &'a [u8],
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No magic, a wrong header checksum or an impossible length.
    Header,
    /// A good header that promises more bytes than there are.
    Cut,
    /// A good header over a damaged body; the frame would have this many bytes.
    Body {
        /// Bytes to step over.
        len: usize,
    },
}

/// Lays a record out. The body must not be longer than [`BODY_BYTES_MAX`].
pub(crate) fn encode(kind: Kind, number: u64, prev: &Link, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(body.len() + OVERHEAD_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[kind.code(), 0, 0, 0]);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(prev);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(&crc32c::crc32c(body).to_be_bytes());
    bytes
}

/// The body's length, from a header that checks; `None` for one that does not.
pub(crate) fn body_len(header: &[u8]) -> Option<usize> {
    let checked = header.get(..CHECKED_BYTES)?;
    let crc = array(header, CHECKED_BYTES).map(u32::from_be_bytes)?;
    let len = array(header, 8).map(u32::from_be_bytes).and_then(|len| usize::try_from(len).ok())?;
    (checked.starts_with(&MAGIC) && crc32c::crc32c(checked) == crc && len <= BODY_BYTES_MAX).then_some(len)
}

/// The record number, from a header that checks, whatever the body is.
pub(crate) fn number(header: &[u8]) -> Option<u64> {
    body_len(header)?;
    array(header, 12).map(u64::from_be_bytes)
}

/// Reads the frame at the start of `bytes`; what follows it is not looked at.
pub(crate) fn parse(bytes: &[u8]) -> Result<Frame<'_>, Fault> {
    let len = body_len(bytes).ok_or(Fault::Header)?;
    let kind = array::<1>(bytes, 4).map(|[code]| code).ok_or(Fault::Header)?;
    let number = array(bytes, 12).map(u64::from_be_bytes).ok_or(Fault::Header)?;
    let prev = array(bytes, 20).ok_or(Fault::Header)?;
    let whole = bytes.get(..len + OVERHEAD_BYTES).ok_or(Fault::Cut)?;
    let body = whole.get(HEADER_BYTES..HEADER_BYTES + len).ok_or(Fault::Cut)?;
    let body_crc = array(whole, HEADER_BYTES + len).map(u32::from_be_bytes).ok_or(Fault::Cut)?;
    if crc32c::crc32c(body) != body_crc {
        return Err(Fault::Body { len: whole.len() });
    }
    Ok(Frame { kind, number, prev, body, bytes: whole })
}

/// The hash the next record carries.
pub(crate) fn link(frame: &[u8]) -> Link {
    Sha256::digest(frame).into()
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_reads_back(number: u64, prev: Link, body: Vec<u8>, rest: Vec<u8>) {
            let mut bytes = encode(Kind::Put, number, &prev, &body);
            let len = bytes.len();
            bytes.extend(rest);
            let frame = parse(&bytes).unwrap();
            prop_assert_eq!((frame.kind, frame.number, frame.prev), (1, number, prev));
            prop_assert_eq!((frame.body, frame.bytes.len()), (body.as_slice(), len));
        }

        #[test]
        fn any_bytes_are_refused_not_panicked_at(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn one_flipped_bit_is_noticed(body in proptest::collection::vec(any::<u8>(), 0..200), at: usize, bit in 0..8_u8) {
            let mut bytes = encode(Kind::Settled, 7, &[3; 32], &body);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(parse(&bytes).is_err());
        }

        #[test]
        fn a_cut_frame_is_noticed(body: Vec<u8>, at: usize) {
            let bytes = encode(Kind::Dead, 7, &[3; 32], &body);
            prop_assert!(parse(&bytes[..at % bytes.len()]).is_err());
        }
    }

    #[test]
    fn the_checksum_is_crc32c() {
        // RFC 3720 appendix B.4: 32 bytes of zeroes, and 32 bytes of ones.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(&[0xff; 32]), 0x62a8_ab43);
    }
}
