//! Which unit an envelope is from, when another one brings it: `kiosk_core::wire::origin`.
//!
//! Promises: a unit's name is given only for a signature by the key of a certificate that could open a
//! connection here now: of the units' CA, for client authentication, not expired.
//! Never: believes a name that is not in that certificate, another algorithm than ES256, or a header
//! that asks to be understood.

use crate::tls::name_in;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use coset::{Algorithm, CoseSign1, Label, TaggedCborSerializable, iana};
use kiosk_core::wire::origin::{EXTERNAL_DATA, Origin};
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// `x5chain`, RFC 9360 section 2.
const X5CHAIN: Label = Label::Int(33);
/// The longest chain.
const CHAIN_MAX: usize = 4;

/// Knows the units' CA.
pub(crate) struct Origins(Arc<dyn ClientCertVerifier>);

impl Origins {
    pub(crate) fn new(units: Arc<dyn ClientCertVerifier>) -> Self {
        Self(units)
    }

    /// The unit that signed `origin`; `None` when none did.
    pub(crate) fn unit(&self, signed: &[u8], origin: &Origin<'_>) -> Option<String> {
        let signed = CoseSign1::from_tagged_slice(signed).ok()?;
        let header = &signed.protected.header;
        let es256 = header.alg == Some(Algorithm::Assigned(iana::Algorithm::ES256));
        if !es256 || !header.crit.is_empty() || signed.payload.is_some() {
            return None;
        }
        let chain = chain(&signed)?;
        let (leaf, others) = chain.split_first()?;
        if let Err(error) = self.0.verify_client_cert(leaf, others, UnixTime::now()) {
            tracing::warn!(%error, "the certificate of an envelope's origin");
            return None;
        }
        let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
        let key = &certificate.public_key().subject_public_key.data;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
        let payload = origin.payload();
        signed
            .verify_detached_signature(&payload, EXTERNAL_DATA, |signature, data| key.verify(data, signature))
            .ok()?;
        name_in(&certificate)
    }
}

fn chain(signed: &CoseSign1) -> Option<Vec<CertificateDer<'static>>> {
    let value =
        signed.unprotected.rest.iter().find(|(label, _)| *label == X5CHAIN).map(|(_, value)| value)?;
    let certificates = match value.as_array() {
        Some(several) => several.iter().map(|one| one.as_bytes().cloned()).collect::<Option<_>>()?,
        None => vec![value.as_bytes()?.clone()],
    };
    (certificates.len() <= CHAIN_MAX).then(|| certificates.into_iter().map(CertificateDer::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiosk_core::{claim::ClaimDigest, ids::EnvelopeId};
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::{RootCertStore, crypto::aws_lc_rs, server::WebPkiClientVerifier};

    fn origins() -> Origins {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        Origins::new(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn a_strangers_bytes_prove_nothing_and_never_panic(bytes: Vec<u8>, chain: Vec<Vec<u8>>) {
            let service = "test".parse().unwrap();
            let id = EnvelopeId::new(1, [2; 10]);
            let origin = Origin { id, service: &service, claim: ClaimDigest([3; 32]), made_ms: 4, sha256: [5; 32] };
            let origins = origins();
            prop_assert_eq!(origins.unit(&bytes, &origin), None);
            let protected = coset::HeaderBuilder::new().algorithm(iana::Algorithm::ES256).build();
            let chain = chain.into_iter().map(ciborium::Value::Bytes).collect();
            let unprotected = coset::HeaderBuilder::new().value(33, ciborium::Value::Array(chain)).build();
            let signed = coset::CoseSign1Builder::new().protected(protected).unprotected(unprotected).signature(bytes);
            prop_assert_eq!(origins.unit(&signed.build().to_tagged_vec().unwrap(), &origin), None);
        }
    }
}
