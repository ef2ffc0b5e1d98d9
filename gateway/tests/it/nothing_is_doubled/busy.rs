//! A 429 or 503 does not say that nothing was done: a proxy writes one when the connection behind it breaks.

use super::impatient;
use crate::bench::{Bench, Process, Sealed, header};
use kiosk_core::wire::ClaimState;
use std::sync::atomic::Ordering;

const STATUSES: [u16; 2] = [429, 503];

fn one_of_each(bench: &Bench) -> [Sealed; 3] {
    [bench.pothole(1, "street"), bench.seal(2, "form", "{}"), bench.pothole(3, "once")]
}

async fn outcome(bench: &Bench, gateway: &Process, sealed: &Sealed) -> (String, ClaimState) {
    let unit = bench.unit("unit-1");
    let reply = gateway.settle(&unit, sealed).await;
    let claim = gateway.claim(&unit, sealed.claim()).await.unwrap();
    (header(&reply, "kiosk-outcome"), claim.state)
}

fn answered(reference: &str) -> (String, ClaimState) {
    ("answered".into(), ClaimState::Answered { reference: Some(reference.into()) })
}

fn is_unknown((outcome, state): &(String, ClaimState)) -> bool {
    outcome == "needs-staff"
        && matches!(state, ClaimState::NeedsStaff { code, .. } if code == "outcome-unknown")
}

#[tokio::test]
async fn after_the_effect_it_is_asked_about_or_left_to_staff() {
    for status in STATUSES {
        let bench = impatient().await;
        let [street, form, once] = one_of_each(&bench);
        let gateway = bench.start(None);
        let door = &bench.council.door;
        door.fail_with.store(status, Ordering::SeqCst);
        let fail_once = || door.fail_after.store(1, Ordering::SeqCst);
        fail_once();
        assert_eq!(outcome(&bench, &gateway, &street).await, answered("SR-000001"), "{status}");
        assert_eq!(bench.ledger().posts(), 1, "{status}: found by its mark");
        fail_once();
        assert_eq!(outcome(&bench, &gateway, &form).await, answered("F-0001"), "{status}");
        assert_eq!(bench.ledger().posts(), 3, "{status}: repeated with the same key");
        fail_once();
        assert!(is_unknown(&outcome(&bench, &gateway, &once).await), "{status}");
        assert_eq!(bench.ledger().posts(), 4, "{status}: never repeated");
        assert_eq!((bench.ledger().effects().len(), bench.ledger().doubled()), (3, 0), "{status}");
    }
}

#[tokio::test]
async fn before_the_effect_it_is_made_once_where_that_can_be_known() {
    for status in STATUSES {
        let bench = impatient().await;
        let [street, form, once] = one_of_each(&bench);
        let gateway = bench.start(None);
        let door = &bench.council.door;
        door.fail_with.store(status, Ordering::SeqCst);
        let fail_once = || door.fail_before.store(1, Ordering::SeqCst);
        fail_once();
        assert_eq!(outcome(&bench, &gateway, &street).await, answered("SR-000001"), "{status}");
        assert!(!door.asked().is_empty(), "{status}: asked before it was called again");
        fail_once();
        assert_eq!(outcome(&bench, &gateway, &form).await, answered("F-0001"), "{status}");
        fail_once();
        assert!(is_unknown(&outcome(&bench, &gateway, &once).await), "{status}");
        assert_eq!((bench.ledger().posts(), bench.ledger().effects().len()), (2, 2), "{status}");
    }
}
