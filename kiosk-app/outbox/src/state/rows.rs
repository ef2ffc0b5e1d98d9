//! What the trees hold; no row is above 8 KiB. All numbers are big-endian.
//!
//! ```text
//! facts  order 8, id 16, claim 32, hash 32, made_ms 8, service 1 + n, 1 + file (sha256 32, len 8) or 0
//! place  segment 8, offset 4, len 4
//! waits  facts, place
//! kept   facts, place, at_ms 8
//! dead   facts, 1 + place where the envelope lies or 0, place of the ending, number 8, code 2 + n, detail 2 + n
//! ```
//!
//! Promises: the same facts give the same bytes, so that two engines can be compared.
//! Never: holds a sealed request or a receipt; those stay in the journal, at [`Place`].

use super::kv::{KvError, Tree};
use crate::journal::{
    Place,
    record::{Facts, FileRef},
};
use kiosk_core::{claim::ClaimDigest, ids::EnvelopeId};

/// A row of [`Tree::Queue`]: waits for the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    /// What is remembered.
    pub(crate) facts: Facts,
    /// Where the envelope lies.
    pub(crate) put: Place,
}

/// A row of [`Tree::Dead`]: waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dead {
    /// What is remembered.
    pub(crate) facts: Facts,
    /// Where the envelope lies, whole or damaged; nowhere when only sled remembered it.
    pub(crate) put: Option<Place>,
    /// Where the ending lies.
    pub(crate) ended: Place,
    /// The ending's number.
    pub(crate) number: u64,
    /// A short code.
    pub(crate) code: String,
    /// One plain sentence.
    pub(crate) detail: String,
}

/// A row of [`Tree::Receipts`]: the gateway has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// What is remembered.
    pub(crate) facts: Facts,
    /// Where the ending and with it the receipt lies.
    pub(crate) ended: Place,
    /// When, milliseconds since 1970.
    pub(crate) at_ms: u64,
}

/// A row of [`Tree::Ids`]: which tree to look in, and the key there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// [`Tree::Queue`], by order.
    Queue(u64),
    /// [`Tree::Dead`], by order.
    Dead(u64),
    /// [`Tree::Receipts`], by the ending's number.
    Receipts(u64),
}

impl Spot {
    /// One byte for the tree, eight for the key.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let (tag, key) = match self {
            Self::Queue(order) => (b'q', order),
            Self::Dead(order) => (b'd', order),
            Self::Receipts(number) => (b'r', number),
        };
        [&[tag][..], &key.to_be_bytes()].concat()
    }

    /// Reads [`Self::to_bytes`] back.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, KvError> {
        let wrong = KvError::Row(Tree::Ids.name());
        let Some((tag, key)) = bytes.split_first() else { return Err(wrong) };
        let Ok(key) = key.try_into().map(u64::from_be_bytes) else { return Err(wrong) };
        match tag {
            b'q' => Ok(Self::Queue(key)),
            b'd' => Ok(Self::Dead(key)),
            b'r' => Ok(Self::Receipts(key)),
            _ => Err(wrong),
        }
    }
}

/// A row of [`Tree::Tries`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// Failed attempts so far.
    pub(crate) attempts: u32,
    /// Not before this, milliseconds since 1970.
    pub(crate) not_before_ms: u64,
}

impl Tries {
    /// Attempts, then the time, big-endian.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [&self.attempts.to_be_bytes()[..], &self.not_before_ms.to_be_bytes()].concat()
    }

    /// Reads [`Self::to_bytes`] back.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, KvError> {
        let split = bytes.split_at_checked(4).and_then(|(attempts, time)| {
            Some(Self {
                attempts: u32::from_be_bytes(attempts.try_into().ok()?),
                not_before_ms: u64::from_be_bytes(time.try_into().ok()?),
            })
        });
        split.ok_or(KvError::Row(Tree::Tries.name()))
    }
}

/// What a tree holds.
pub(crate) trait Row: Sized {
    /// Appends its bytes; `None` when it has none.
    fn write(&self, out: &mut Vec<u8>) -> Option<()>;
    /// Reads it back from the front.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

impl Row for Waits {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        write_facts(&self.facts, out)?;
        write_place(self.put, out)
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { facts: read_facts(bytes)?, put: read_place(bytes)? })
    }
}

impl Row for Kept {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        write_facts(&self.facts, out)?;
        write_place(self.ended, out)?;
        out.extend_from_slice(&self.at_ms.to_be_bytes());
        Some(())
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (facts, ended) = (read_facts(bytes)?, read_place(bytes)?);
        Some(Self { facts, ended, at_ms: u64::from_be_bytes(take(bytes)?) })
    }
}

impl Row for Dead {
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        write_facts(&self.facts, out)?;
        out.push(u8::from(self.put.is_some()));
        self.put.map_or(Some(()), |put| write_place(put, out))?;
        write_place(self.ended, out)?;
        out.extend_from_slice(&self.number.to_be_bytes());
        for text in [&self.code, &self.detail] {
            out.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        Some(())
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let facts = read_facts(bytes)?;
        let put = match take(bytes)? {
            [0] => None,
            [1] => Some(read_place(bytes)?),
            [_] => return None,
        };
        let (ended, number) = (read_place(bytes)?, u64::from_be_bytes(take(bytes)?));
        let mut text = || {
            let len = u16::from_be_bytes(take(bytes)?);
            read_text(bytes, usize::from(len))
        };
        let (code, detail) = (text()?, text()?);
        Some(Self { facts, put, ended, number, code, detail })
    }
}

fn write_facts(facts: &Facts, out: &mut Vec<u8>) -> Option<()> {
    let service = facts.service.as_str().as_bytes();
    out.extend_from_slice(&facts.order.to_be_bytes());
    out.extend_from_slice(facts.id.as_bytes());
    out.extend_from_slice(&facts.claim.0);
    out.extend_from_slice(&facts.hash);
    out.extend_from_slice(&facts.made_ms.to_be_bytes());
    out.push(u8::try_from(service.len()).ok()?);
    out.extend_from_slice(service);
    out.push(u8::from(facts.file.is_some()));
    if let Some(file) = facts.file {
        out.extend_from_slice(&file.sha256);
        out.extend_from_slice(&file.len.to_be_bytes());
    }
    Some(())
}

fn read_facts(bytes: &mut &[u8]) -> Option<Facts> {
    let order = u64::from_be_bytes(take(bytes)?);
    let id = EnvelopeId::from_bytes(take(bytes)?);
    let (claim, hash) = (ClaimDigest(take(bytes)?), take(bytes)?);
    let made_ms = u64::from_be_bytes(take(bytes)?);
    let [len] = take(bytes)?;
    let service = read_text(bytes, usize::from(len))?.parse().ok()?;
    let file = match take(bytes)? {
        [0] => None,
        [1] => Some(FileRef { sha256: take(bytes)?, len: u64::from_be_bytes(take(bytes)?) }),
        [_] => return None,
    };
    Some(Facts { order, id, service, claim, hash, made_ms, file })
}

fn write_place(place: Place, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&place.segment.to_be_bytes());
    out.extend_from_slice(&u32::try_from(place.offset).ok()?.to_be_bytes());
    out.extend_from_slice(&u32::try_from(place.len).ok()?.to_be_bytes());
    Some(())
}

fn read_place(bytes: &mut &[u8]) -> Option<Place> {
    let segment = u64::from_be_bytes(take(bytes)?);
    let (offset, len) = (u32::from_be_bytes(take(bytes)?), u32::from_be_bytes(take(bytes)?));
    Some(Place { segment, offset: u64::from(offset), len: u64::from(len) })
}

fn read_text(bytes: &mut &[u8], len: usize) -> Option<String> {
    let (text, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(std::str::from_utf8(text).ok()?.to_owned())
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

/// A row's bytes.
pub(crate) fn to_row<T: Row>(tree: Tree, row: &T) -> Result<Vec<u8>, KvError> {
    let mut bytes = Vec::new();
    row.write(&mut bytes).ok_or(KvError::Row(tree.name()))?;
    Ok(bytes)
}

/// A row from bytes that end where it ends.
pub(crate) fn from_row<T: Row>(tree: Tree, mut bytes: &[u8]) -> Result<T, KvError> {
    let row = T::read(&mut bytes).filter(|_| bytes.is_empty());
    row.ok_or(KvError::Row(tree.name()))
}

/// A number key's value.
pub(crate) fn to_number(tree: Tree, bytes: &[u8]) -> Result<u64, KvError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| KvError::Row(tree.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place() -> impl Strategy<Value = Place> {
        (any::<u64>(), any::<u32>(), any::<u32>()).prop_map(|(segment, offset, len)| Place {
            segment,
            offset: u64::from(offset),
            len: u64::from(len),
        })
    }

    fn facts() -> impl Strategy<Value = Facts> {
        let numbers = (any::<u64>(), any::<[u8; 16]>(), any::<[u8; 32]>(), any::<[u8; 32]>(), any::<u64>());
        let file = proptest::option::of((any::<[u8; 32]>(), any::<u64>()));
        (numbers, "[a-z]{1,20}", file).prop_map(|((order, id, claim, hash, made_ms), service, file)| Facts {
            order,
            id: EnvelopeId::from_bytes(id),
            service: service.parse().unwrap(),
            claim: ClaimDigest(claim),
            hash,
            made_ms,
            file: file.map(|(sha256, len)| FileRef { sha256, len }),
        })
    }

    fn there_and_back<T: Row + PartialEq + std::fmt::Debug>(row: &T) {
        let bytes = to_row(Tree::Queue, row).unwrap();
        assert_eq!(&from_row::<T>(Tree::Queue, &bytes).unwrap(), row);
        for cut in 0..bytes.len() {
            assert!(from_row::<T>(Tree::Queue, &bytes[..cut]).is_err());
        }
        assert!(from_row::<T>(Tree::Queue, &[bytes, vec![0]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn a_row_reads_back_and_a_cut_one_does_not(
            facts in facts(), put in proptest::option::of(place()), ended in place(), number: u64, code in ".{0,20}", detail in ".{0,60}"
        ) {
            there_and_back(&Waits { facts: facts.clone(), put: ended });
            there_and_back(&Kept { facts: facts.clone(), ended, at_ms: number });
            there_and_back(&Dead { facts, put, ended, number, code, detail });
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            let _ = from_row::<Waits>(Tree::Queue, &bytes);
            let _ = from_row::<Kept>(Tree::Receipts, &bytes);
            let _ = from_row::<Dead>(Tree::Dead, &bytes);
        }
    }
}
