//! What units get for what they send: a receipt, the service's refusal, or a refusal of ours.

use crate::bench::{Bench, Sealed, header, id, pothole, problem, seal_to};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use ciborium::Value;
use coset::{CoseSign1, TaggedCborSerializable};
use kiosk_core::wire::{ClaimState, SEALED_BYTES_MAX};
use sha2::{Digest, Sha256};

#[tokio::test]
async fn the_receipt_is_a_signature_over_id_hash_and_time() {
    let bench = Bench::new().await;
    let sealed = bench.pothole(1, "street");
    let text = String::from_utf8(bench.command().arg("--show-keys").output().unwrap().stdout).unwrap();
    let field = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(&format!("{name} = \"")));
        line.unwrap().trim_end_matches('"').to_owned()
    };
    let gateway = bench.start(None);
    let reply = gateway.post(&bench.unit("unit-1"), &sealed).await.unwrap();
    let receipt = BASE64_STANDARD.decode(header(&reply, "kiosk-receipt")).unwrap();
    let signed = CoseSign1::from_tagged_slice(&receipt).unwrap();
    assert_eq!(signed.protected.header.key_id, field("receipt_kid").into_bytes());
    let key = UnparsedPublicKey::new(&ED25519, BASE64_STANDARD.decode(field("receipt_key")).unwrap());
    signed.verify_signature(&[], |signature, data| key.verify(data, signature)).unwrap();
    let payload: Value = ciborium::from_reader(signed.payload.as_deref().unwrap()).unwrap();
    let entries = payload.into_map().unwrap();
    assert_eq!(entries[0], (1.into(), Value::Bytes(sealed.id.as_bytes().to_vec())));
    assert_eq!(entries[1], (2.into(), Value::Bytes(Sha256::digest(&sealed.bytes).to_vec())));
    assert!(entries[2].1.as_integer().is_some_and(|at| u64::try_from(at).is_ok_and(|at| at > 0)));
}

#[tokio::test]
async fn a_service_that_refuses_is_for_staff_and_the_citizen_reads_why() {
    let bench = Bench::new().await;
    let body = format!("service_code=pothole&description=%5Bkiosk+{}%5D", id(1));
    let mut sealed = bench.seal(1, "street", &body);
    let gateway = bench.start(None);
    let unit = bench.unit("unit-1");
    let reply = gateway.post(&unit, &sealed).await.unwrap();
    assert_eq!((reply.status().as_u16(), header(&reply, "kiosk-outcome")), (200, "needs-staff".into()));
    let (status, why) = sealed.open(&reply.bytes().await.unwrap());
    assert_eq!(status, 400);
    assert!(why.contains("address_string"), "{why}");
    let claim = gateway.claim(&unit, sealed.claim()).await.unwrap();
    let detail = "The service refused it with status 400.".to_owned();
    assert_eq!(claim.state, ClaimState::NeedsStaff { code: "service-refused".into(), detail });
    let health = unit.get(gateway.url("/v1/healthz")).send().await.unwrap().text().await.unwrap();
    assert_eq!(health, r#"{"open":0,"needs_staff":1}"#);
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_and_not_stored() {
    let bench = Bench::new().await;
    let good = || bench.pothole(1, "street");
    let mut other_key = good();
    other_key.bytes[0] = 9;
    let mut altered = good();
    *altered.bytes.last_mut().unwrap() ^= 1;
    let mut cut = good();
    cut.bytes.truncate(20);
    let mut empty = good();
    empty.bytes.clear();
    let mut other_service = good();
    other_service.service = "no-such".into();
    let mut too_large = good();
    too_large.bytes.resize(SEALED_BYTES_MAX + 1, 0);
    let refused = [
        (other_key, 422, "key-unknown"),
        (altered, 422, "cannot-open"),
        (cut, 422, "cannot-open"),
        (empty, 422, "cannot-open"),
        (other_service, 422, "service-unknown"),
        (too_large, 413, "too-large"),
        (
            bench.seal(1, "street", "service_code=pothole&address_string=x&description=hole"),
            422,
            "marker-missing",
        ),
        (bench.seal(1, "street", &pothole(id(2))), 422, "marker-missing"),
        (elsewhere(&bench, "127.0.0.1:1", "/requests.json"), 422, "target-not-allowed"),
        (elsewhere(&bench, &bench.council.address.to_string(), "/forms"), 422, "target-not-allowed"),
        (
            elsewhere(&bench, &bench.council.address.to_string(), "/requests.json?x=1"),
            422,
            "target-not-allowed",
        ),
    ];
    let gateway = bench.start(None);
    let unit = bench.unit("unit-1");
    for (sealed, status, code) in refused {
        let reply = gateway.post(&unit, &sealed).await.unwrap();
        assert_eq!(problem(reply).await, (status, code.to_owned()));
        assert_eq!(gateway.claim(&unit, sealed.claim()).await, None);
    }
    assert_eq!(bench.ledger().posts(), 0);
}

fn elsewhere(bench: &Bench, authority: &str, path: &str) -> Sealed {
    let text = String::from_utf8(bench.command().arg("--show-keys").output().unwrap().stdout).unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix("ohttp_keys = \"")?.strip_suffix('"')).unwrap();
    let keys = BASE64_STANDARD.decode(line).unwrap();
    seal_to(&keys, &(authority.to_owned(), path.to_owned()), id(1), "street", &pothole(id(1)))
}

#[tokio::test]
async fn headers_are_checked_one_by_one() {
    let bench = Bench::new().await;
    let gateway = bench.start(None);
    let unit = bench.unit("unit-1");
    let id = format!("\"{}\"", id(1));
    let claim = "00".repeat(32);
    let good = [
        ("idempotency-key", id.as_str()),
        ("kiosk-service", "street"),
        ("kiosk-claim", claim.as_str()),
        ("kiosk-made-at", "1"),
        ("content-type", "message/ohttp-req"),
    ];
    let bad = ["01920c5e-7a30-7000-8000-0123456789ab", "../x", "zz", "-1", "text/plain"];
    for (n, (name, _)) in good.iter().enumerate() {
        for (value, expected) in [(None, "header-missing"), (Some(bad[n]), "header-malformed")] {
            let mut request = unit.post(gateway.url("/v1/envelopes")).body("x");
            for (other, text) in good.iter().filter(|(other, _)| other != name) {
                request = request.header(*other, *text);
            }
            if let Some(value) = value {
                request = request.header(*name, value);
            }
            let (status, code) = problem(request.send().await.unwrap()).await;
            let expected = match value {
                Some("text/plain") => (415, "not-sealed"),
                _ => (400, expected),
            };
            assert_eq!((status, code.as_str()), expected, "{name}");
        }
    }
    let reply = unit.get(gateway.url("/v1/claims/none")).send().await.unwrap();
    assert_eq!(problem(reply).await, (404, "claim-unknown".into()));
}
