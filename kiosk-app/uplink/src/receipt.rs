//! The gateway's receipt: the proof that an envelope is on the gateway's stable storage.
//!
//! ```text
//! COSE_Sign1 (RFC 9052 section 4.2), tag 18, no external data
//!   protected   { 1 (alg): -8 (EdDSA, Ed25519), 4 (kid): the gateway's receipt key }
//!   payload     { 1: envelope id    bstr, 16 bytes
//!                 2: SHA-256 of the sealed request, bstr, 32 bytes
//!                 3: when it was stored, uint, milliseconds since 1970 }
//!   signature   64 bytes
//! ```
//!
//! Promises: what verifies was signed by the pinned key, for this id and these very bytes.
//! Never: believes an unprotected header, accepts another algorithm, panics on a stranger's bytes.

use aws_lc_rs::signature::{ED25519, ED25519_PUBLIC_KEY_LEN, UnparsedPublicKey};
use ciborium::Value;
use coset::{Algorithm, CoseSign1, TaggedCborSerializable, iana};
use kiosk_core::ids::EnvelopeId;
use sha2::{Digest, Sha256};

/// The largest receipt looked at.
pub const RECEIPT_BYTES_MAX: usize = 512;

/// When the gateway stored an envelope, milliseconds since 1970 by the gateway's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredAt(pub u64);

/// Why a receipt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The configured key is not 32 bytes.
    #[error("a receipt key is an Ed25519 public key of 32 bytes")]
    Key,
    /// Not a receipt as drawn above.
    #[error("not a receipt")]
    Malformed,
    /// Signed with another key or algorithm than the pinned one.
    #[error("signed with another key or algorithm")]
    WrongKey,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Signature,
    /// A good receipt, for another envelope or other bytes.
    #[error("the receipt is for another envelope")]
    OtherEnvelope,
}

/// Knows the gateway's receipt key.
#[derive(Clone, Debug)]
pub struct ReceiptVerifier {
    key: [u8; ED25519_PUBLIC_KEY_LEN],
    kid: Vec<u8>,
}

impl ReceiptVerifier {
    /// Takes the gateway's Ed25519 public key (RFC 8032 section 5.1.5, 32 bytes) and its name.
    ///
    /// # Errors
    /// [`ReceiptError::Key`] when the key has another length.
    pub fn new(key: &[u8], kid: &[u8]) -> Result<Self, ReceiptError> {
        let key = key.try_into().map_err(|_| ReceiptError::Key)?;
        Ok(Self { key, kid: kid.to_vec() })
    }

    /// Checks that `receipt` is the gateway's for `id` and `sealed`.
    ///
    /// # Errors
    /// Every variant but [`ReceiptError::Key`].
    pub fn verify(&self, receipt: &[u8], id: EnvelopeId, sealed: &[u8]) -> Result<StoredAt, ReceiptError> {
        if receipt.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::Malformed);
        }
        let signed = CoseSign1::from_tagged_slice(receipt).map_err(|_| ReceiptError::Malformed)?;
        let header = &signed.protected.header;
        let ours = header.alg == Some(Algorithm::Assigned(iana::Algorithm::EdDSA))
            && header.key_id == self.kid
            && header.crit.is_empty();
        if !ours {
            return Err(ReceiptError::WrongKey);
        }
        if signed.payload.is_none() {
            return Err(ReceiptError::Malformed);
        }
        let key = UnparsedPublicKey::new(&ED25519, self.key);
        signed
            .verify_signature(&[], |signature, data| key.verify(data, signature))
            .map_err(|_| ReceiptError::Signature)?;
        let payload = signed.payload.as_deref().unwrap_or_default();
        let (signed_id, hash, stored_at) = read_payload(payload).ok_or(ReceiptError::Malformed)?;
        let same = signed_id == id.as_bytes() && hash == Sha256::digest(sealed).as_slice();
        if same { Ok(stored_at) } else { Err(ReceiptError::OtherEnvelope) }
    }
}

/// Envelope id, hash and time out of the payload map; nothing may be missing, doubled or added.
fn read_payload(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>, StoredAt)> {
    let mut rest = bytes;
    let Value::Map(entries) = ciborium::from_reader(&mut rest).ok()? else { return None };
    if !rest.is_empty() || entries.len() != 3 {
        return None;
    }
    let get = |label: u64| entries.iter().find(|(k, _)| *k == Value::from(label)).map(|(_, v)| v.clone());
    let id = get(1)?.into_bytes().ok()?;
    let hash = get(2)?.into_bytes().ok()?;
    let stored_at = u64::try_from(get(3)?.into_integer().ok()?).ok()?;
    Some((id, hash, StoredAt(stored_at)))
}

#[cfg(test)]
pub(crate) mod tests;
