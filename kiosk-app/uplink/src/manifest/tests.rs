//! A manifest is signed by the key in it, and nothing else opens.

use super::*;
use crate::unit_key::origin_header;
use kiosk_core::{
    claim::ClaimDigest,
    ids::KeyId,
    wire::{ClockQuality, Envelope},
};
use proptest::prelude::*;
use rcgen::{CertificateParams, DnType, KeyPair};

fn key(name: &str, algorithm: &'static rcgen::SignatureAlgorithm) -> Result<UnitKey, UplinkError> {
    let dir = tempfile::tempdir().unwrap();
    let (cert, file) = (dir.path().join("unit.pem"), dir.path().join("unit.key"));
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let pair = KeyPair::generate_for(algorithm).unwrap();
    std::fs::write(&cert, params.self_signed(&pair).unwrap().pem()).unwrap();
    std::fs::write(&file, pair.serialize_pem()).unwrap();
    UnitKey::read(&cert, &file)
}

fn unit(name: &str) -> UnitKey {
    key(name, &rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

fn envelope() -> Envelope {
    Envelope {
        id: EnvelopeId::new(1, [5; 10]),
        service: "report".parse().unwrap(),
        claim: ClaimDigest([1; 32]),
        key: KeyId(1),
        made_at: Stamp { unix_ms: 7, clock: ClockQuality::Synced },
        sealed: b"ciphertext".to_vec(),
    }
}

fn manifest(key: &UnitKey) -> Manifest {
    let listed = Listed { id: envelope().id, sha256: [2; 32], origin: key.sign_origin(&envelope()).unwrap() };
    Manifest {
        version: VERSION,
        unit: key.name().to_owned(),
        made_at: Stamp { unix_ms: 9, clock: ClockQuality::Unsynced },
        chain_head: [3; 32],
        bytes: 4,
        sha256: [5; 32],
        envelopes: vec![listed],
    }
}

#[test]
fn a_signed_manifest_opens_and_names_its_unit() {
    let key = unit("unit-7");
    let (opened, chain) = Manifest::open(&manifest(&key).sign(&key).unwrap()).unwrap();
    assert_eq!(opened, manifest(&key).with_origin_of(&opened));
    assert_eq!(chain, key.chain());
    assert!(key.is_in(&chain[0]) && !unit("unit-7").is_in(&chain[0]));
}

impl Manifest {
    /// An ECDSA signature is another one each time.
    fn with_origin_of(mut self, other: &Self) -> Self {
        self.envelopes[0].origin = other.envelopes[0].origin;
        self
    }
}

#[test]
fn an_origin_is_for_one_envelope_and_one_key() {
    let key = unit("unit-7");
    let signature = key.sign_origin(&envelope()).unwrap();
    assert!(origin_header(&envelope(), &signature, key.chain()).is_some());
    assert!(origin_header(&envelope(), &signature, unit("unit-7").chain()).is_none());
    let other = Envelope { sealed: b"other".to_vec(), ..envelope() };
    assert!(origin_header(&other, &signature, key.chain()).is_none());
}

#[test]
fn a_newer_version_and_a_borrowed_name_are_told_apart() {
    let key = unit("unit-7");
    let newer = Manifest { version: 2, ..manifest(&key) }.sign(&key).unwrap();
    assert_eq!(Manifest::open(&newer), Err(ManifestError::Newer(2)));
    let borrowed = Manifest { unit: "unit-8".into(), ..manifest(&key) }.sign(&key).unwrap();
    assert_eq!(Manifest::open(&borrowed), Err(ManifestError::Malformed));
}

#[test]
fn a_key_of_another_kind_is_refused_by_name() {
    let refused = key("unit-7", &rcgen::PKCS_ED25519).err().unwrap().to_string();
    assert!(refused.ends_with("unit.key: is not a P-256 key: only such a key signs exports"), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_byte_or_a_cut_is_noticed(at: usize, bit in 0..8_u8) {
        let key = unit("unit-7");
        let whole = manifest(&key).sign(&key).unwrap();
        let at = at % whole.len();
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << bit;
        prop_assert!(Manifest::open(&flipped).is_err());
        prop_assert!(Manifest::open(&whole[..at]).is_err());
    }

    #[test]
    fn any_bytes_are_refused_not_panicked_at(bytes: Vec<u8>) {
        prop_assert!(Manifest::open(&bytes).is_err());
    }
}
