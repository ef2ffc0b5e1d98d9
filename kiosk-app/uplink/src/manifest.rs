//! The manifest of an export: which envelopes, of which unit, in which file.
//!
//! ```text
//! COSE_Sign1 (RFC 9052 section 4.2), tag 18, external data `kiosk export`
//!   protected   { 1 (alg): -7 (ES256), 33 (x5chain, RFC 9360): the unit's certificate, or an array, leaf first }
//!   payload     CBOR map: version 1, unit, made_at, chain_head, bytes, sha256,
//!               envelopes: [ { id, sha256 (of the sealed request), origin (signature) } ]
//!   signature   64 bytes, by the leaf's key
//! ```
//!
//! `origin` is the unit's signature over that one envelope, as `kiosk_core::wire::origin` draws it: with it
//! anybody may bring the envelope, and the gateway knows whose it is.
//!
//! Promises: a manifest that [`Manifest::open`]s was signed by the key of the certificate in it. Whether that
//! certificate is a unit's only the gateway knows; it checks before it stores.
//! Never: holds a citizen's answer or a claim digest.

use crate::{
    UplinkError,
    unit_key::{SIGNATURE_BYTES, UnitKey, X5CHAIN, chain_value, identity, verify},
};
use coset::{Algorithm, CoseSign1, CoseSign1Builder, HeaderBuilder, Label, TaggedCborSerializable, iana};
use kiosk_core::{ids::EnvelopeId, wire::Stamp};
use serde::{Deserialize, Serialize};

/// The only version there is.
pub const VERSION: u32 = 1;
/// The largest manifest read: a full outbox's.
pub const MANIFEST_BYTES_MAX: usize = 16 << 20;

const EXTERNAL_DATA: &[u8] = b"kiosk export";

/// What is in an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// The unit's name, as in its certificate.
    pub unit: String,
    /// When, and how far to trust the clock.
    pub made_at: Stamp,
    /// The hash of the last record of the unit's journal.
    #[serde(with = "serde_bytes")]
    pub chain_head: [u8; 32],
    /// The length of the file of envelopes.
    pub bytes: u64,
    /// Its SHA-256.
    #[serde(with = "serde_bytes")]
    pub sha256: [u8; 32],
    /// The envelopes in the file, in its order.
    pub envelopes: Vec<Listed>,
}

/// One envelope of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its id.
    pub id: EnvelopeId,
    /// SHA-256 of its sealed request.
    #[serde(with = "serde_bytes")]
    pub sha256: [u8; 32],
    /// The unit's signature over its origin.
    #[serde(with = "serde_bytes")]
    pub origin: [u8; SIGNATURE_BYTES],
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Why a file is no manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not as drawn above.
    #[error("is not a manifest, or was damaged")]
    Malformed,
    /// The signature does not fit.
    #[error("its signature does not fit: it was changed after it was signed")]
    Signature,
    /// A newer version of this program wrote it.
    #[error("was written by a newer version ({0}); this one reads {VERSION}")]
    Newer(u32),
}

impl Manifest {
    /// Signs it.
    ///
    /// # Errors
    /// [`UplinkError::Sign`].
    pub fn sign(&self, key: &UnitKey) -> Result<Vec<u8>, UplinkError> {
        let mut payload = Vec::new();
        ciborium::into_writer(self, &mut payload).map_err(|_| UplinkError::Sign)?;
        let protected = HeaderBuilder::new()
            .algorithm(iana::Algorithm::ES256)
            .value(X5CHAIN, chain_value(key.chain()))
            .build();
        CoseSign1Builder::new()
            .protected(protected)
            .payload(payload)
            .try_create_signature(EXTERNAL_DATA, |data| key.sign(data))?
            .build()
            .to_tagged_vec()
            .map_err(|_| UplinkError::Sign)
    }

    /// Reads one, and gives the certificate chain it was signed with, leaf first.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn open(bytes: &[u8]) -> Result<(Self, Vec<Vec<u8>>), ManifestError> {
        let signed = CoseSign1::from_tagged_slice(bytes).map_err(|_| ManifestError::Malformed)?;
        let header = &signed.protected.header;
        if header.alg != Some(Algorithm::Assigned(iana::Algorithm::ES256)) || !header.crit.is_empty() {
            return Err(ManifestError::Malformed);
        }
        let chain = chain(&signed).ok_or(ManifestError::Malformed)?;
        let (name, public) = chain.first().and_then(|leaf| identity(leaf)).ok_or(ManifestError::Malformed)?;
        let payload = signed.payload.as_deref().ok_or(ManifestError::Malformed)?;
        signed
            .verify_signature(EXTERNAL_DATA, |signature, data| verify(&public, data, signature).ok_or(()))
            .map_err(|()| ManifestError::Signature)?;
        let Versioned { version } = read(payload)?;
        if version > VERSION {
            return Err(ManifestError::Newer(version));
        }
        let manifest: Self = read(payload)?;
        if manifest.unit == name { Ok((manifest, chain)) } else { Err(ManifestError::Malformed) }
    }
}

fn read<T: serde::de::DeserializeOwned>(mut bytes: &[u8]) -> Result<T, ManifestError> {
    let value = ciborium::from_reader(&mut bytes).map_err(|_| ManifestError::Malformed)?;
    if bytes.is_empty() { Ok(value) } else { Err(ManifestError::Malformed) }
}

fn chain(signed: &CoseSign1) -> Option<Vec<Vec<u8>>> {
    let rest = &signed.protected.header.rest;
    let value = rest.iter().find(|(label, _)| *label == Label::Int(X5CHAIN)).map(|(_, value)| value)?;
    match value.as_array() {
        Some(several) => several.iter().map(|one| one.as_bytes().cloned()).collect(),
        None => Some(vec![value.as_bytes()?.clone()]),
    }
}

#[cfg(test)]
mod tests;
