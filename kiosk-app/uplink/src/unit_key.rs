//! The unit's own key, for what it signs beside TLS: an envelope's origin, an export's manifest.
//!
//! Promises: the key and the certificate belong together; a signature is ES256 (RFC 9053 section 2.1).
//! Never: prints the key, signs what a peer chose.

use crate::{
    UplinkError,
    client::{certificates, file, pem_file},
};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
    },
};
use base64::{Engine, prelude::BASE64_STANDARD};
use ciborium::Value;
use coset::{CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};
use kiosk_core::wire::{
    Envelope,
    origin::{EXTERNAL_DATA, Origin},
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};
use std::path::Path;
use x509_parser::certificate::X509Certificate;

/// `x5chain`, RFC 9360 section 2.
pub(crate) const X5CHAIN: i64 = 33;
/// An ES256 signature, in bytes.
pub const SIGNATURE_BYTES: usize = 64;

/// The unit's certificate chain and key.
pub struct UnitKey {
    pair: EcdsaKeyPair,
    chain: Vec<Vec<u8>>,
    name: String,
    rng: SystemRandom,
}

impl UnitKey {
    /// Reads the two files of the unit's TLS identity.
    ///
    /// # Errors
    /// [`UplinkError::File`]; also for a key that is not on the curve P-256.
    pub fn read(cert_pem: &Path, key_pem: &Path) -> Result<Self, UplinkError> {
        let chain: Vec<Vec<u8>> = certificates(cert_pem)?.iter().map(|one| one.to_vec()).collect();
        let key = PrivateKeyDer::from_pem_file(key_pem).map_err(|e| pem_file(key_pem, e))?;
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.secret_der())
            .or_else(|_| EcdsaKeyPair::from_private_key_der(algorithm, key.secret_der()))
            .map_err(|_| file(key_pem, "is not a P-256 key: only such a key signs exports".to_owned()))?;
        let (name, public) = chain.first().and_then(|leaf| identity(leaf)).ok_or_else(|| {
            file(cert_pem, "its first certificate has no common name or no P-256 key".to_owned())
        })?;
        if public != pair.public_key().as_ref() {
            return Err(file(key_pem, format!("does not fit {}", cert_pem.display())));
        }
        Ok(Self { pair, chain, name, rng: SystemRandom::new() })
    }

    /// The unit's name: the common name of its certificate.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The certificate chain, leaf first, DER.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// Whether a leaf certificate is for this very key.
    #[must_use]
    pub fn is_in(&self, leaf: &[u8]) -> bool {
        identity(leaf).is_some_and(|(_, public)| public == self.pair.public_key().as_ref())
    }

    /// Signs an envelope's origin.
    ///
    /// # Errors
    /// [`UplinkError::Sign`] when the library has no random bytes.
    pub fn sign_origin(&self, envelope: &Envelope) -> Result<[u8; SIGNATURE_BYTES], UplinkError> {
        let data = to_be_signed(&said(envelope).payload());
        self.sign(&data)?.try_into().map_err(|_| UplinkError::Sign)
    }

    /// Signs bytes that are a COSE `Sig_structure`.
    pub(crate) fn sign(&self, data: &[u8]) -> Result<Vec<u8>, UplinkError> {
        let signature = self.pair.sign(&self.rng, data).map_err(|_| UplinkError::Sign)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// The header value of [`kiosk_core::wire::header::ORIGIN`] for an envelope that `chain`'s unit signed;
/// `None` when it did not.
#[must_use]
pub fn origin_header(
    envelope: &Envelope,
    signature: &[u8; SIGNATURE_BYTES],
    chain: &[Vec<u8>],
) -> Option<String> {
    let (_, public) = identity(chain.first()?)?;
    let data = to_be_signed(&said(envelope).payload());
    verify(&public, &data, signature)?;
    let signed = CoseSign1Builder::new()
        .protected(HeaderBuilder::new().algorithm(iana::Algorithm::ES256).build())
        .unprotected(HeaderBuilder::new().value(X5CHAIN, chain_value(chain)).build())
        .signature(signature.to_vec())
        .build();
    signed.to_tagged_vec().ok().map(|bytes| BASE64_STANDARD.encode(bytes))
}

/// Checks an ES256 signature.
pub(crate) fn verify(public: &[u8], data: &[u8], signature: &[u8]) -> Option<()> {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).verify(data, signature).ok()
}

/// One certificate as it is, several as an array (RFC 9360 section 2).
pub(crate) fn chain_value(chain: &[Vec<u8>]) -> Value {
    match chain {
        [one] => Value::Bytes(one.clone()),
        several => Value::Array(several.iter().cloned().map(Value::Bytes).collect()),
    }
}

/// Name and public point of a leaf certificate.
pub(crate) fn identity(leaf: &[u8]) -> Option<(String, Vec<u8>)> {
    let (rest, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let name = common_name(&certificate)?;
    let point = certificate.public_key().subject_public_key.data.to_vec();
    rest.is_empty().then_some((name, point))
}

fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    (names.next().is_none() && !name.is_empty()).then_some(name)
}

fn said(envelope: &Envelope) -> Origin<'_> {
    Origin {
        id: envelope.id,
        service: &envelope.service,
        claim: envelope.claim,
        made_ms: envelope.made_at.unix_ms,
        sha256: Sha256::digest(&envelope.sealed).into(),
    }
}

fn to_be_signed(payload: &[u8]) -> Vec<u8> {
    let protected = HeaderBuilder::new().algorithm(iana::Algorithm::ES256).build();
    let signed = CoseSign1Builder::new().protected(protected).build();
    signed.tbs_detached_data(payload, EXTERNAL_DATA)
}
