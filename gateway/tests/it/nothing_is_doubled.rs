//! The same envelope, sent again at every step, is one effect at the service.

mod busy;
mod carried_by_hand;
mod kill;
mod list;
#[cfg(feature = "fleet-tests")]
mod together;

use crate::bench::{Bench, Process, Sealed, header, problem};
use kiosk_core::wire::ClaimState;
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
