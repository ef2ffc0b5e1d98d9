//! What a record's body says.
//!
//! | kind | body |
//! |---|---|
//! | put | order, `u64` big-endian, then the [`Envelope`] in CBOR (RFC 8949) |
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
        /// The envelope itself.
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
}

impl Parcel {
    /// Lays an envelope out; `None` when it cannot be encoded.
    pub(crate) fn new(envelope: &Envelope) -> Option<Self> {
        let mut body = vec![0; ORDER_BYTES];
        ciborium::into_writer(envelope, &mut body).ok()?;
        let facts = facts(0, envelope, body.get(ORDER_BYTES..)?);
        Some(Self { facts, body })
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
        (self.facts, Draft { kind: Kind::Put, body: self.body })
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

/// The record that says these were refused after all.
pub(crate) fn withdrawn(ids: &[EnvelopeId]) -> Option<Draft> {
    Some(Draft { kind: Kind::Withdrawn, body: to_cbor(&ids)? })
}

impl Record {
    /// Reads a body; `None` when it is not one of this kind.
    pub(crate) fn decode(kind: u8, body: &[u8]) -> Option<Self> {
        match Kind::from_code(kind)? {
            Kind::Put => {
                let (order, cbor) = body.split_at_checked(ORDER_BYTES)?;
                let order = u64::from_be_bytes(order.try_into().ok()?);
                let envelope: Envelope = from_cbor(cbor)?;
                Some(Self::Put { facts: facts(order, &envelope, cbor), envelope })
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

fn facts(order: u64, envelope: &Envelope, cbor: &[u8]) -> Facts {
    Facts {
        order,
        id: envelope.id,
        service: envelope.service.clone(),
        claim: envelope.claim,
        hash: Sha256::digest(cbor).into(),
        made_ms: envelope.made_at.unix_ms,
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
