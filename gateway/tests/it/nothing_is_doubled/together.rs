//! Several gateways on one database are one gateway to units and services. `cargo xtask postgres` brings the server.

use super::futures_in_order;
use crate::bench::{Bench, Process, Sealed, header};
use kiosk_core::wire::ClaimState;
use std::{collections::BTreeSet, sync::atomic::Ordering};

const NEEDS_SERVER: &str = "KIOSK_TEST_POSTGRES names a server";

async fn two() -> (Bench, [Process; 2]) {
    let bench = Bench::new().await;
    assert!(bench.place.is_shared(), "{NEEDS_SERVER}");
    // The first makes the key file, the second finds it.
    let first = bench.start(None);
    let second = bench.start(None);
    (bench, [first, second])
}

#[tokio::test]
async fn sent_to_both_at_once_is_one_effect_and_one_answer() {
    let bench = Bench::new().await;
    assert!(bench.place.is_shared(), "{NEEDS_SERVER}");
    let sealed: Vec<Sealed> = (1..=8).map(|n| bench.pothole(n, "street")).collect();
    let gateways = [bench.start(None), bench.start(None)];
    let unit = bench.unit("unit-1");
    let posts = sealed.iter().flat_map(|one| gateways.iter().map(|gateway| gateway.post(&unit, one)));
    let replies = futures_in_order(posts).await;
    for (one, pair) in sealed.iter().zip(replies.chunks(2)) {
        let receipts: BTreeSet<_> = pair.iter().map(|reply| header(reply, "kiosk-receipt")).collect();
        assert_eq!((receipts.len(), receipts.contains("")), (1, false), "one receipt for {}", one.id);
        let mut answers = Vec::new();
        for gateway in &gateways {
            let reply = gateway.settle(&unit, one).await;
            assert_eq!(header(&reply, "kiosk-outcome"), "answered");
            answers.push(reply.bytes().await.unwrap());
            let claim = gateway.claim(&unit, one.claim()).await.unwrap();
            assert!(matches!(claim.state, ClaimState::Answered { reference: Some(_) }));
        }
        assert_eq!(answers[0], answers[1], "one answer for {}", one.id);
    }
    assert_eq!((bench.ledger().posts(), bench.ledger().effects().len(), bench.ledger().doubled()), (8, 8, 0));
}

#[tokio::test]
async fn the_answer_of_one_is_given_by_the_other_while_the_unit_waits() {
    let (bench, [first, second]) = two().await;
    let sealed = bench.seal(1, "form", "{}");
    let unit = bench.unit("unit-1");
    let (one, other) = tokio::join!(first.post(&unit, &sealed), second.post(&unit, &sealed));
    for reply in [one.unwrap(), other.unwrap()] {
        assert_eq!((reply.status().as_u16(), header(&reply, "kiosk-outcome")), (200, "answered".into()));
    }
    assert_eq!((bench.ledger().posts(), bench.ledger().effects().len()), (1, 1));
}

#[tokio::test]
async fn what_one_began_when_it_was_killed_the_other_ends() {
    let services = [("street", "answered"), ("form", "answered"), ("once", "needs-staff")];
    for (service, outcome) in services {
        let (bench, [mut first, second]) = two().await;
        let sealed = if service == "form" { bench.seal(1, service, "{}") } else { bench.pothole(1, service) };
        let unit = bench.unit("unit-1");
        bench.council.door.hold.store(true, Ordering::SeqCst);
        tokio::select! {
            reply = first.post(&unit, &sealed) => panic!("answered without an answer: {reply:?}"),
            () = bench.council.door.held.notified() => {}
        }
        first.child.kill().unwrap();
        first.ended();
        bench.council.door.hold.store(false, Ordering::SeqCst);
        let reply = second.settle(&unit, &sealed).await;
        assert_eq!(header(&reply, "kiosk-outcome"), outcome, "{service}");
        assert_eq!((bench.ledger().effects().len(), bench.ledger().doubled()), (1, 0), "{service}");
    }
}
