//! Receipts: the good one, and every way to be fooled.

use super::*;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use coset::{CoseSign1Builder, HeaderBuilder};

pub(crate) const KID: &[u8] = b"gateway-test";

/// A gateway's signing key with the same seed every time.
pub(crate) fn signer(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

pub(crate) fn verifier() -> ReceiptVerifier {
    ReceiptVerifier::new(signer(1).public_key().as_ref(), KID).unwrap()
}

pub(crate) fn id() -> EnvelopeId {
    EnvelopeId::new(1_700_000_000_000, [7; 10])
}

/// What the gateway signs for `sealed`.
pub(crate) fn receipt(sealed: &[u8]) -> Vec<u8> {
    sign(&signer(1), KID, iana::Algorithm::EdDSA, &payload(id(), sealed))
}

fn payload(id: EnvelopeId, sealed: &[u8]) -> Vec<u8> {
    let map = Value::Map(vec![
        (1.into(), Value::Bytes(id.as_bytes().to_vec())),
        (2.into(), Value::Bytes(Sha256::digest(sealed).to_vec())),
        (3.into(), 1_700_000_000_123_u64.into()),
    ]);
    let mut bytes = Vec::new();
    ciborium::into_writer(&map, &mut bytes).unwrap();
    bytes
}

fn sign(key: &Ed25519KeyPair, kid: &[u8], alg: iana::Algorithm, payload: &[u8]) -> Vec<u8> {
    let header = HeaderBuilder::new().algorithm(alg).key_id(kid.to_vec()).build();
    CoseSign1Builder::new()
        .protected(header)
        .payload(payload.to_vec())
        .create_signature(&[], |data| key.sign(data).as_ref().to_vec())
        .build()
        .to_tagged_vec()
        .unwrap()
}

#[test]
fn a_good_receipt_verifies() {
    assert_eq!(verifier().verify(&receipt(b"sealed"), id(), b"sealed"), Ok(StoredAt(1_700_000_000_123)));
}

/// What is no proof.
mod nothing_is_claimed {
    use super::*;

    #[test]
    fn a_forged_receipt_does_not() {
        let good = payload(id(), b"sealed");
        let forged = sign(&signer(2), KID, iana::Algorithm::EdDSA, &good);
        assert_eq!(verifier().verify(&forged, id(), b"sealed"), Err(ReceiptError::Signature));
        let other_kid = sign(&signer(1), b"other", iana::Algorithm::EdDSA, &good);
        assert_eq!(verifier().verify(&other_kid, id(), b"sealed"), Err(ReceiptError::WrongKey));
        let other_alg = sign(&signer(1), KID, iana::Algorithm::ES256, &good);
        assert_eq!(verifier().verify(&other_alg, id(), b"sealed"), Err(ReceiptError::WrongKey));
    }

    #[test]
    fn a_receipt_for_another_envelope_does_not() {
        let good = receipt(b"sealed");
        let other = EnvelopeId::new(1_700_000_000_000, [8; 10]);
        assert_eq!(verifier().verify(&good, other, b"sealed"), Err(ReceiptError::OtherEnvelope));
        assert_eq!(verifier().verify(&good, id(), b"sealeD"), Err(ReceiptError::OtherEnvelope));
    }

    #[test]
    fn no_altered_or_cut_receipt_verifies() {
        let good = receipt(b"sealed");
        for place in 0..good.len() {
            let mut altered = good.clone();
            altered[place] ^= 1;
            assert!(verifier().verify(&altered, id(), b"sealed").is_err(), "byte {place}");
            assert_eq!(verifier().verify(&good[..place], id(), b"sealed"), Err(ReceiptError::Malformed));
        }
    }

    #[test]
    fn a_signed_payload_of_another_shape_is_refused() {
        let mut longer = payload(id(), b"sealed");
        longer.push(0);
        for odd in [longer, vec![0xa0], vec![0x01], Vec::new()] {
            let signed = sign(&signer(1), KID, iana::Algorithm::EdDSA, &odd);
            assert_eq!(verifier().verify(&signed, id(), b"sealed"), Err(ReceiptError::Malformed));
        }
    }
}
