//! What the trees hold, in CBOR; no row is above 8 KiB.
//!
//! Promises: the same facts give the same bytes, so that two engines can be compared.
//! Never: holds a sealed request or a receipt; those stay in the journal, at [`Place`].

use super::kv::{KvError, Tree};
use crate::journal::{
    Place,
    record::{Facts, from_cbor, to_cbor},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A row of [`Tree::Queue`]: waits for the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waits {
    /// What is remembered.
    pub(crate) facts: Facts,
    /// Where the envelope lies.
    pub(crate) put: Place,
}

/// A row of [`Tree::Dead`]: waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dead {
    /// What is remembered.
    pub(crate) facts: Facts,
    /// Where the envelope lies; nowhere when it was damaged.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// A row's bytes.
pub(crate) fn to_row<T: Serialize>(tree: Tree, row: &T) -> Result<Vec<u8>, KvError> {
    to_cbor(row).ok_or(KvError::Row(tree.name()))
}

/// A row from its bytes.
pub(crate) fn from_row<T: DeserializeOwned>(tree: Tree, bytes: &[u8]) -> Result<T, KvError> {
    from_cbor(bytes).ok_or(KvError::Row(tree.name()))
}

/// A number key's value.
pub(crate) fn to_number(tree: Tree, bytes: &[u8]) -> Result<u64, KvError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| KvError::Row(tree.name()))
}
