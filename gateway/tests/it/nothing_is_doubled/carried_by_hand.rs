//! An envelope that another unit brings is its own unit's, once, and only with that unit's signature.

use crate::bench::{Authority, Bench, Sealed, header, problem};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use ciborium::Value;
use coset::{CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair};
use sha2::{Digest, Sha256};

struct Unit {
    certificate: Vec<u8>,
    key: KeyPair,
}

impl Unit {
    fn new(ca: &Authority, name: &str, usage: ExtendedKeyUsagePurpose) -> Self {
        let (certificate, key) = ca.issue(name, usage);
        Self { certificate: certificate.der().to_vec(), key }
    }

    /// The header over what the lines say, written out here from the documentation.
    fn header(&self, lines: &str, external: &[u8], alg: iana::Algorithm) -> String {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.key.serialize_der());
        let pair = pair.unwrap();
        let chain = HeaderBuilder::new().value(33, Value::Bytes(self.certificate.clone())).build();
        let signed = CoseSign1Builder::new()
            .protected(HeaderBuilder::new().algorithm(alg).build())
            .unprotected(chain)
            .create_detached_signature(lines.as_bytes(), external, |data| {
                pair.sign(&SystemRandom::new(), data).unwrap().as_ref().to_vec()
            })
            .build();
        BASE64_STANDARD.encode(signed.to_tagged_vec().unwrap())
    }

    fn origin(&self, sealed: &Sealed) -> String {
        self.header(&lines(sealed), b"kiosk origin", iana::Algorithm::ES256)
    }
}

fn lines(sealed: &Sealed) -> String {
    let hash: String = Sha256::digest(&sealed.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let Sealed { id, service, .. } = sealed;
    format!("kiosk origin 1\n{id}\n{service}\n{}\n1700000000000\n{hash}\n", sealed.claim())
}

#[tokio::test]
async fn brought_by_two_units_it_is_one_envelope() {
    let bench = Bench::new().await;
    let sealed = bench.pothole(1, "street");
    let own = Unit::new(&bench.ca, "unit-a", ExtendedKeyUsagePurpose::ClientAuth);
    let gateway = bench.start(None);
    let (a, b) = (bench.unit("unit-a"), bench.unit("unit-b"));
    let brought = |unit| gateway.request(unit, &sealed).header("kiosk-origin", own.origin(&sealed)).send();
    let first = brought(&b).await.unwrap();
    assert_eq!(first.status(), 200);
    let receipt = header(&first, "kiosk-receipt");
    assert!(!receipt.is_empty());
    for again in [gateway.post(&a, &sealed).await, brought(&b).await, brought(&a).await] {
        assert_eq!(header(&again.unwrap(), "kiosk-receipt"), receipt);
    }
    assert_eq!(bench.ledger().posts(), 1);
}

#[tokio::test]
async fn a_signature_that_does_not_fit_stores_nothing() {
    let bench = Bench::new().await;
    let sealed = bench.pothole(1, "street");
    let other = bench.pothole(2, "street");
    let usage = || ExtendedKeyUsagePurpose::ClientAuth;
    let own = Unit::new(&bench.ca, "unit-a", usage());
    let stranger = Unit::new(&Authority::new(), "unit-a", usage());
    let server = Unit::new(&bench.ca, "unit-a", ExtendedKeyUsagePurpose::ServerAuth);
    let nameless = Unit::new(&bench.ca, "unit a/../b", usage());
    let borrowed = Unit { certificate: own.certificate.clone(), key: KeyPair::generate().unwrap() };
    let es256 = iana::Algorithm::ES256;
    let later = lines(&sealed).replace("1700000000000", "1700000000001");
    let gateway = bench.start(None);
    let b = bench.unit("unit-b");
    for (what, origin) in [
        ("another CA", stranger.origin(&sealed)),
        ("a server's certificate", server.origin(&sealed)),
        ("a name that is none", nameless.origin(&sealed)),
        ("another key", borrowed.origin(&sealed)),
        ("another envelope", own.origin(&other)),
        ("another time", own.header(&later, b"kiosk origin", es256)),
        ("another purpose", own.header(&lines(&sealed), b"kiosk export", es256)),
        ("another algorithm", own.header(&lines(&sealed), b"kiosk origin", iana::Algorithm::ES384)),
        ("no signature", BASE64_STANDARD.encode(b"nothing")),
    ] {
        let reply = gateway.request(&b, &sealed).header("kiosk-origin", origin).send().await.unwrap();
        assert_eq!(problem(reply).await, (422, "origin-unproven".to_owned()), "{what}");
    }
    let reply = gateway.request(&b, &sealed).header("kiosk-origin", "%").send().await.unwrap();
    assert_eq!(problem(reply).await, (400, "header-malformed".to_owned()));
    assert_eq!(gateway.claim(&b, sealed.claim()).await, None);
    assert_eq!(bench.ledger().posts(), 0);
}
