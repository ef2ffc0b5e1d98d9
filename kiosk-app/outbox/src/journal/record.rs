//! What a record's body says.
//!
//! | kind | body |
//! |---|---|
//! | put | order, `u64` big-endian, then the [`Envelope`] in CBOR (RFC 8949) |
//! | filed | order, then one [`Filed`] in CBOR; the sealed request is in a file, see [`crate::files`] |
//! | settled, dead | one [`Ending`] in CBOR |
//! | withdrawn | a CBOR array of envelope ids |
//!
//! A record that is carried into a newer segment keeps its body; only its frame is new. So `order` and
//! `Ending::number` are the record numbers of the first writing, for ever.
//!
//! Promises: an ending says everything a claim lookup needs, without the put before it.
//! Never: opens an envelope.

use super::frame::Kind;
use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, ServiceId},
    wire::Envelope,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

const ORDER_BYTES: usize = 8;

/// The longest sealed request that lies in the journal itself, in bytes; a longer one has a file of its own.
pub(crate) const INLINE_BYTES_MAX: usize = 8 << 10;

/// What is remembered of an envelope without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Its place in the queue.
    pub(crate) order: u64,
    /// Its id.
    pub(crate) id: EnvelopeId,
    /// Where it goes.
    pub(crate) service: ServiceId,
    /// How the citizen finds it.
    pub(crate) claim: ClaimDigest,
    /// SHA-256 of the envelope's CBOR: tells a repetition from a reuse of the id.
    #[serde(with = "serde_bytes")]
    pub(crate) hash: [u8; 32],
    /// When it was submitted, milliseconds since 1970.
    pub(crate) made_ms: u64,
    /// The file of its sealed request, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<FileRef>,
}

/// A file named after what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRef {
    /// SHA-256 of its bytes.
    #[serde(with = "serde_bytes")]
    pub(crate) sha256: [u8; 32],
    /// How many they are.
    pub(crate) len: u64,
}

/// An envelope whose sealed request is in a file.
#[derive(Serialize, Deserialize)]
struct Filed {
    /// [`Facts::hash`]: of the whole envelope, its sealed request included.
    #[serde(with = "serde_bytes")]
    hash: [u8; 32],
    file: FileRef,
    /// Its `sealed` is empty.
    envelope: Envelope,
}

/// How an envelope left the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ending {
    /// Which envelope.
    pub(crate) facts: Facts,
    /// The record number of the first writing of this ending.
    pub(crate) number: u64,
    /// When, milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// Which way.
    pub(crate) outcome: Outcome,
}

/// Which way an envelope left the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// The gateway signed for it.
    Settled {
        /// The signed receipt.
        #[serde(with = "serde_bytes")]
        receipt: Vec<u8>,
    },
    /// A person has to look at it.
    Dead {
        /// A short code.
        code: String,
        /// One plain sentence.
        detail: String,
    },
}

/// One decoded record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// An envelope was saved.
    Put {
        /// What is remembered of it.
        facts: Facts,
        /// The envelope itself; without its sealed request when that is in [`Facts::file`].
        envelope: Envelope,
    },
    /// It left the queue.
    Ended(Ending),
    /// These were refused after all.
    Withdrawn(Vec<EnvelopeId>),
}

/// A record on its way to the journal.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// What it says.
    pub(crate) kind: Kind,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

/// An envelope in the bytes that will be written, all but its order.
#[derive(Debug)]
pub(crate) struct Parcel {
    facts: Facts,
    body: Vec<u8>,
    attached: Vec<u8>,
}

impl Parcel {
    /// Lays an envelope out; `None` when it cannot be encoded.
    pub(crate) fn new(mut envelope: Envelope) -> Option<Self> {
        let mut body = vec![0; ORDER_BYTES];
        ciborium::into_writer(&envelope, &mut body).ok()?;
        let mut facts = facts(0, &envelope, Sha256::digest(body.get(ORDER_BYTES..)?).into());
        if envelope.sealed.len() <= INLINE_BYTES_MAX {
            return Some(Self { facts, body, attached: Vec::new() });
        }
        let attached = std::mem::take(&mut envelope.sealed);
        let len = u64::try_from(attached.len()).ok()?;
        let file = FileRef { sha256: Sha256::digest(&attached).into(), len };
        body.truncate(ORDER_BYTES);
        ciborium::into_writer(&Filed { hash: facts.hash, file, envelope }, &mut body).ok()?;
        facts.file = Some(file);
        Some(Self { facts, body, attached })
    }

    /// The file to write before the record, and its bytes.
    pub(crate) fn attached(&self) -> Option<(FileRef, &[u8])> {
        self.facts.file.map(|file| (file, self.attached.as_slice()))
    }

    /// What will be remembered; the order is still 0.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The body's length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.body.len()
    }

    /// Gives it its place in the queue.
    pub(crate) fn number(mut self, order: u64) -> (Facts, Draft) {
        self.facts.order = order;
        if let Some(place) = self.body.get_mut(..ORDER_BYTES) {
            place.copy_from_slice(&order.to_be_bytes());
        }
        let kind = if self.facts.file.is_some() { Kind::Filed } else { Kind::Put };
        (self.facts, Draft { kind, body: self.body })
    }
}

impl Ending {
    /// The record to write; `None` when it cannot be encoded.
    pub(crate) fn draft(&self) -> Option<Draft> {
        let kind = match self.outcome {
            Outcome::Settled { .. } => Kind::Settled,
            Outcome::Dead { .. } => Kind::Dead,
        };
        Some(Draft { kind, body: to_cbor(self)? })
    }
}

/// The body of a put that holds everything, for an export.
pub(crate) fn exported(order: u64, envelope: &Envelope) -> Option<Vec<u8>> {
    let mut body = order.to_be_bytes().to_vec();
    ciborium::into_writer(envelope, &mut body).ok().map(|()| body)
}

/// The record that says these were refused after all.
pub(crate) fn withdrawn(ids: &[EnvelopeId]) -> Option<Draft> {
    Some(Draft { kind: Kind::Withdrawn, body: to_cbor(&ids)? })
}

impl Record {
    /// Reads a body; `None` when it is not one of this kind.
    pub(crate) fn decode(kind: u8, body: &[u8]) -> Option<Self> {
        match Kind::from_code(kind)? {
            Kind::Put => {
                let (order, cbor) = split_order(body)?;
                let envelope: Envelope = from_cbor(cbor)?;
                Some(Self::Put { facts: facts(order, &envelope, Sha256::digest(cbor).into()), envelope })
            }
            Kind::Filed => {
                let (order, cbor) = split_order(body)?;
                let Filed { hash, file, envelope } = from_cbor(cbor)?;
                let facts = Facts { file: Some(file), ..facts(order, &envelope, hash) };
                Some(Self::Put { facts, envelope })
            }
            Kind::Settled | Kind::Dead => from_cbor(body).map(Self::Ended),
            Kind::Withdrawn => from_cbor(body).map(Self::Withdrawn),
        }
    }

    /// The largest number this record gave out; the next must be above it.
    pub(crate) fn number_max(&self) -> u64 {
        match self {
            Self::Put { facts, .. } => facts.order,
            Self::Ended(ending) => ending.number.max(ending.facts.order),
            Self::Withdrawn(_) => 0,
        }
    }
}

fn split_order(body: &[u8]) -> Option<(u64, &[u8])> {
    let (order, cbor) = body.split_at_checked(ORDER_BYTES)?;
    Some((u64::from_be_bytes(order.try_into().ok()?), cbor))
}

fn facts(order: u64, envelope: &Envelope, hash: [u8; 32]) -> Facts {
    Facts {
        order,
        id: envelope.id,
        service: envelope.service.clone(),
        claim: envelope.claim,
        hash,
        made_ms: envelope.made_at.unix_ms,
        file: None,
    }
}

/// A value in CBOR.
pub(crate) fn to_cbor<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).ok().map(|()| bytes)
}

/// A value from CBOR that ends where the bytes end.
pub(crate) fn from_cbor<T: DeserializeOwned>(mut bytes: &[u8]) -> Option<T> {
    let value = ciborium::from_reader(&mut bytes).ok()?;
    bytes.is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiosk_core::{
        ids::KeyId,
        wire::{ClockQuality, Stamp},
    };
    use proptest::prelude::*;

    fn envelope(len: usize) -> Envelope {
        Envelope {
            id: EnvelopeId::new(1, [2; 10]),
            service: "test".parse().unwrap(),
            claim: ClaimDigest([3; 32]),
            key: KeyId(4),
            made_at: Stamp { unix_ms: 5, clock: ClockQuality::Synced },
            sealed: vec![6; len],
        }
    }

    #[test]
    fn a_large_envelope_reads_back_without_its_attachment_and_with_the_same_hash() {
        for (len, kind) in [(INLINE_BYTES_MAX, Kind::Put), (INLINE_BYTES_MAX + 1, Kind::Filed)] {
            let parcel = Parcel::new(envelope(len)).unwrap();
            let attached = parcel.attached().map(|(file, bytes)| (file.len, bytes.to_vec()));
            let (facts, draft) = parcel.number(7);
            assert_eq!(draft.kind, kind);
            assert_eq!(facts.hash, <[u8; 32]>::from(Sha256::digest(to_cbor(&envelope(len)).unwrap())));
            let filed = kind == Kind::Filed;
            assert_eq!(attached, filed.then(|| (u64::try_from(len).unwrap(), vec![6; len])));
            let envelope = envelope(if filed { 0 } else { len });
            assert_eq!(Record::decode(kind.code(), &draft.body), Some(Record::Put { facts, envelope }));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(kind in 0..9_u8, body: Vec<u8>, cut: usize, flip: usize) {
            let _ = Record::decode(kind, &body);
            let (_, draft) = Parcel::new(envelope(INLINE_BYTES_MAX + 1)).unwrap().number(7);
            let code = draft.kind.code();
            prop_assert_eq!(Record::decode(code, &draft.body[..cut % draft.body.len()]), None);
            let mut flipped = draft.body;
            let at = flip % flipped.len();
            flipped[at] ^= 0x20;
            let _ = Record::decode(code, &flipped);
        }
    }
}
