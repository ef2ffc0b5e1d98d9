//! Nothing is doubled, nothing is claimed that is not proven: what units get for what they send.

use crate::bench::{Bench, Process, Sealed, header, id, pothole, problem, seal_to};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_STANDARD};
use ciborium::Value;
use coset::{CoseSign1, TaggedCborSerializable};
use kiosk_core::wire::{ClaimState, SEALED_BYTES_MAX};
use sha2::{Digest, Sha256};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn delivered_twice_is_one_effect_and_one_answer() {
    let bench = Bench::new().await;
    let mut sealed = bench.pothole(1, "street");
    let gateway = bench.start(None);
    let unit = bench.unit("unit-1");
    let first = gateway.post(&unit, &sealed).await.unwrap();
    let second = gateway.post(&unit, &sealed).await.unwrap();
    for reply in [&first, &second] {
        assert_eq!(reply.status(), 200);
        assert_eq!(header(reply, "content-type"), "message/ohttp-res");
        assert_eq!(header(reply, "kiosk-outcome"), "answered");
    }
    assert_eq!(header(&first, "kiosk-receipt"), header(&second, "kiosk-receipt"));
    let (first, second) = (first.bytes().await.unwrap(), second.bytes().await.unwrap());
    assert_eq!(first, second);
    let (status, body) = sealed.open(&first);
    assert_eq!(status, 201);
    assert!(body.contains("SR-000001"), "{body}");
    assert_eq!((bench.ledger().posts(), bench.ledger().effects().len()), (1, 1));
    let claim = gateway.claim(&unit, sealed.claim()).await.unwrap();
    assert_eq!(claim.state, ClaimState::Answered { reference: Some("SR-000001".into()) });
}

#[tokio::test]
async fn eight_at_once_are_one_effect() {
    let bench = Bench::new().await;
    let sealed = bench.pothole(1, "street");
    let gateway = bench.start(None);
    let unit = bench.unit("unit-1");
    let posts = (0..8).map(|_| gateway.post(&unit, &sealed));
    let mut receipts = Vec::new();
    for post in futures_in_order(posts).await {
        receipts.push(header(&post, "kiosk-receipt"));
    }
    receipts.dedup();
    assert_eq!(receipts.len(), 1);
    gateway.settle(&unit, &sealed).await;
    assert_eq!((bench.ledger().posts(), bench.ledger().effects().len()), (1, 1));
}

/// Polls all at once; gives the results in order.
async fn futures_in_order<F: Future<Output = Result<reqwest::Response, reqwest::Error>>>(
    posts: impl Iterator<Item = F>,
) -> Vec<reqwest::Response> {
    let mut pinned: Vec<_> = posts.map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in &mut pinned {
            if done.is_none()
                && let std::task::Poll::Ready(reply) = future.as_mut().poll(context)
            {
                *done = Some(reply.unwrap());
            }
        }
        if pinned.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    pinned.into_iter().map(|(_, done)| done.unwrap()).collect()
}

#[tokio::test]
async fn an_id_used_for_other_bytes_is_refused() {
    let bench = Bench::new().await;
    let (first, other) = (bench.pothole(1, "street"), bench.pothole(1, "street"));
    let mut elsewhere = bench.pothole(1, "street");
    elsewhere.bytes.clone_from(&first.bytes);
    elsewhere.service = "once".into();
    let gateway = bench.start(None);
    let unit = bench.unit("unit-1");
    assert_eq!(gateway.post(&unit, &first).await.unwrap().status(), 200);
    for twin in [other, elsewhere] {
        let reply = gateway.post(&unit, &twin).await.unwrap();
        assert_eq!(problem(reply).await, (422, "id-reused".into()));
    }
    assert_eq!(bench.ledger().effects().len(), 1);
}

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

/// A bench whose gateway hardly waits for the answer.
async fn impatient() -> Bench {
    let bench = Bench::new().await;
    bench.write("gateway.toml", &bench.config().replace("answer_wait_ms = 5000", "answer_wait_ms = 20"));
    bench
}

async fn answered(gateway: &Process, bench: &Bench, sealed: &Sealed, reference: &str) {
    let unit = bench.unit("unit-1");
    assert_eq!(header(&gateway.settle(&unit, sealed).await, "kiosk-outcome"), "answered");
    let claim = gateway.claim(&unit, sealed.claim()).await.unwrap();
    assert_eq!(claim.state, ClaimState::Answered { reference: Some(reference.into()) });
}

#[tokio::test]
async fn a_service_that_was_down_gets_it_once_it_is_up() {
    let mut bench = impatient().await;
    let sealed = [bench.pothole(1, "street"), bench.seal(2, "form", "{}"), bench.pothole(3, "once")];
    bench.council.stop();
    let gateway = bench.start(None);
    let unit = bench.unit("unit-1");
    for envelope in &sealed {
        let reply = gateway.post(&unit, envelope).await.unwrap();
        assert_eq!((reply.status().as_u16(), header(&reply, "kiosk-receipt").is_empty()), (202, false));
        let claim = gateway.claim(&unit, envelope.claim()).await.unwrap();
        assert_eq!(claim.state, ClaimState::Sent);
    }
    assert_eq!(bench.ledger().posts(), 0);
    bench.council.restart().await;
    for envelope in &sealed {
        assert_eq!(header(&gateway.settle(&unit, envelope).await, "kiosk-outcome"), "answered");
    }
    assert_eq!((bench.ledger().effects().len(), bench.ledger().doubled()), (3, 0));
}

#[tokio::test]
async fn a_service_that_answers_503_for_a_while_gets_it_once_it_is_up() {
    let bench = impatient().await;
    let sealed = [bench.pothole(1, "street"), bench.seal(2, "form", "{}")];
    bench.ledger().set_down(true);
    let gateway = bench.start(None);
    let unit = bench.unit("unit-1");
    // At least one 503 to each, and to the list.
    for envelope in sealed.iter().cycle().take(500) {
        assert_eq!(gateway.post(&unit, envelope).await.unwrap().status(), 202);
        if bench.ledger().posts() >= 2 && !bench.council.door.asked().is_empty() {
            break;
        }
    }
    assert!(!bench.council.door.asked().is_empty(), "asked for, not made again");
    assert!(bench.ledger().effects().is_empty());
    bench.ledger().set_down(false);
    for envelope in &sealed {
        assert_eq!(header(&gateway.settle(&unit, envelope).await, "kiosk-outcome"), "answered");
    }
    assert_eq!((bench.ledger().effects().len(), bench.ledger().doubled()), (2, 0));
}

#[tokio::test]
async fn a_500_after_the_effect_is_asked_about_not_repeated() {
    let bench = impatient().await;
    let sealed = [bench.pothole(1, "street"), bench.seal(2, "form", "{}"), bench.pothole(3, "once")];
    let gateway = bench.start(None);
    let fail_once = || bench.council.door.fail_after.store(1, Ordering::SeqCst);
    fail_once();
    answered(&gateway, &bench, &sealed[0], "SR-000001").await;
    assert_eq!(bench.ledger().posts(), 1, "found by its marker");
    fail_once();
    answered(&gateway, &bench, &sealed[1], "F-0001").await;
    assert_eq!(bench.ledger().posts(), 3, "repeated with the same key");
    fail_once();
    let unit = bench.unit("unit-1");
    assert_eq!(header(&gateway.settle(&unit, &sealed[2]).await, "kiosk-outcome"), "needs-staff");
    assert_eq!(bench.ledger().posts(), 4, "never repeated");
    assert_eq!((bench.ledger().effects().len(), bench.ledger().doubled()), (3, 0));
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
