//! Reading a segment that may be damaged anywhere.
//!
//! A segment is frames one after the other, then zeroes. Where a frame does not check:
//!
//! * its header is good: step over exactly that record;
//! * its header is not: look for the next magic where a whole frame checks;
//! * nothing checks any more: everything up to the last byte that is not zero is damaged.
//!
//! Promises: every undamaged record is found whatever happened to its neighbours.
//! Never: guesses at a damaged record's content.

use super::frame::{self, Fault, Frame, MAGIC};

/// Bytes of a segment that hold no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Where they begin, in bytes from the start of the segment.
    pub(crate) offset: usize,
    /// How many they are.
    pub(crate) len: usize,
    /// What is wrong with them.
    pub(crate) reason: Reason,
}

impl Damage {
    /// What quarantine calls it.
    pub(crate) fn name(&self, segment: u64) -> String {
        format!("{}-{:08x}.{}", super::segment_name(segment), self.offset, self.reason.word())
    }
}

/// Why bytes went to quarantine; the extension of the file there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No frame begins here.
    Header,
    /// The segment ends inside the frame.
    Cut,
    /// The body's checksum does not fit.
    Body,
    /// Both checksums fit and the body still cannot be understood.
    Undecodable,
    /// The record is good and the file it names is gone.
    Missing,
}

impl Reason {
    /// The word in logs and file names.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Cut => "cut",
            Self::Body => "body",
            Self::Undecodable => "undecodable",
            Self::Missing => "missing",
        }
    }
}

/// What a walk over a segment found.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Where the last frame or damage ends: the first byte free for writing.
    pub(crate) end: usize,
    /// Everything that was stepped over.
    pub(crate) damage: Vec<Damage>,
}

/// Calls `each` with the place of every good frame, in order; `each` says when it cannot understand one.
pub(crate) fn walk(bytes: &[u8], mut each: impl FnMut(usize, &Frame<'_>) -> Result<(), Reason>) -> Walk {
    let mut found = Walk::default();
    while let Some(rest) = bytes.get(found.end..).filter(|rest| !is_blank(rest)) {
        let (len, damaged) = match frame::parse(rest) {
            Ok(frame) => (frame.bytes.len(), each(found.end, &frame).err()),
            Err(Fault::Body { len }) => (len, Some(Reason::Body)),
            Err(Fault::Cut) => (to_next(rest), Some(Reason::Cut)),
            Err(Fault::Header) => (to_next(rest), Some(Reason::Header)),
        };
        if let Some(reason) = damaged {
            found.damage.push(Damage { offset: found.end, len, reason });
        }
        found.end += len;
    }
    found
}

/// Whether nothing was ever written here. A frame begins with a byte that is not zero, so the whole
/// rest is looked at only once, or where there is damage.
fn is_blank(rest: &[u8]) -> bool {
    rest.iter().all(|&byte| byte == 0)
}

/// Bytes from the start of `rest` to the next frame that checks, or to the last byte that is not zero.
fn to_next(rest: &[u8]) -> usize {
    let used = rest.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    let starts = rest.windows(MAGIC.len()).enumerate().skip(1).filter(|(_, window)| *window == MAGIC);
    let whole = |&at: &usize| rest.get(at..).is_some_and(|bytes| frame::parse(bytes).is_ok());
    starts.map(|(at, _)| at).find(whole).unwrap_or(used)
}

#[cfg(test)]
mod tests {
    use super::super::frame::Kind;
    use super::*;
    use proptest::prelude::*;

    fn segment(bodies: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for (number, body) in (1..).zip(bodies) {
            starts.push(bytes.len());
            bytes.extend(frame::encode(Kind::Put, number, &[0; 32], body));
        }
        starts.push(bytes.len());
        bytes.resize(bytes.len() + 512, 0);
        (bytes, starts)
    }

    fn numbers(bytes: &[u8]) -> (Vec<u64>, Walk) {
        let mut seen = Vec::new();
        let walk = walk(bytes, |_, frame| {
            seen.push(frame.number);
            Ok(())
        });
        (seen, walk)
    }

    fn bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..12)
    }

    proptest! {
        #[test]
        fn a_whole_segment_is_read_to_its_end(bodies in bodies()) {
            let (bytes, starts) = segment(&bodies);
            let (seen, walk) = numbers(&bytes);
            prop_assert_eq!(seen.len(), bodies.len());
            prop_assert_eq!((walk.end, walk.damage.len()), (*starts.last().unwrap(), 0));
        }

        #[test]
        fn one_damaged_place_costs_one_record(bodies in bodies(), at: usize, bit in 0..8_u8) {
            let (mut bytes, starts) = segment(&bodies);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let (seen, walk) = numbers(&bytes);
            let hit = starts.windows(2).position(|pair| (pair[0]..pair[1]).contains(&at));
            let expected: Vec<u64> = (1..).zip(0..bodies.len()).filter(|(_, n)| Some(*n) != hit).map(|(number, _)| number).collect();
            prop_assert_eq!(seen, expected);
            prop_assert_eq!(walk.damage.len(), 1);
            let damage = walk.damage[0];
            prop_assert!((damage.offset..damage.offset + damage.len).contains(&at));
        }

        #[test]
        fn a_cut_segment_keeps_what_is_whole(bodies in bodies(), at: usize) {
            let (mut bytes, starts) = segment(&bodies);
            bytes.truncate(at % bytes.len());
            let (seen, _) = numbers(&bytes);
            let whole = starts.iter().skip(1).filter(|&&end| end <= bytes.len()).count();
            prop_assert_eq!(seen.len(), whole);
        }

        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            let (_, walk) = numbers(&bytes);
            prop_assert!(walk.end <= bytes.len());
        }
    }
}
