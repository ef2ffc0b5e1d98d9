//! Nothing is lost and nothing is doubled when the gateway is killed: SIGKILL between effect and reply, and
//! (with feature `failpoints`) an abort at each step.

use crate::bench::{Bench, Process, Sealed, header};
use kiosk_core::wire::ClaimState;
use std::sync::atomic::Ordering;

const SERVICES: [&str; 3] = ["street", "form", "once"];

fn sealed(bench: &Bench, service: &str) -> Sealed {
    if service == "form" { bench.seal(1, service, "{}") } else { bench.pothole(1, service) }
}

/// Where one envelope ends after the restart.
async fn end(bench: &Bench, gateway: &Process, sealed: &Sealed) -> String {
    let unit = bench.unit("unit-1");
    let reply = gateway.settle(&unit, sealed).await;
    let again = gateway.settle(&unit, sealed).await;
    let outcome = header(&reply, "kiosk-outcome");
    assert_eq!(header(&again, "kiosk-receipt"), header(&reply, "kiosk-receipt"));
    assert_eq!(again.bytes().await.unwrap(), reply.bytes().await.unwrap(), "the same answer for ever");
    if outcome == "needs-staff" {
        let claim = gateway.claim(&unit, sealed.claim()).await.unwrap();
        assert!(matches!(claim.state, ClaimState::NeedsStaff { code, .. } if code == "outcome-unknown"));
    }
    outcome
}

#[tokio::test]
async fn killed_between_effect_and_reply_is_one_effect() {
    for (service, outcome) in SERVICES.into_iter().zip(["answered", "answered", "needs-staff"]) {
        let bench = Bench::new().await;
        let mut envelope = sealed(&bench, service);
        let mut gateway = bench.start(None);
        let unit = bench.unit("unit-1");
        bench.council.door.hold.store(true, Ordering::SeqCst);
        tokio::select! {
            reply = gateway.post(&unit, &envelope) => panic!("answered without an answer: {reply:?}"),
            () = bench.council.door.held.notified() => {}
        }
        gateway.child.kill().unwrap();
        gateway.ended();
        bench.council.door.hold.store(false, Ordering::SeqCst);
        let gateway = bench.start(None);
        assert_eq!(end(&bench, &gateway, &envelope).await, outcome, "{service}");
        assert_eq!((bench.ledger().effects().len(), bench.ledger().doubled()), (1, 0), "{service}");
        let reply = gateway.settle(&unit_of(&bench), &envelope).await.bytes().await.unwrap();
        let status = envelope.open(&reply).0;
        assert_eq!(
            status,
            if service == "once" {
                502
            } else if service == "form" {
                201
            } else {
                200
            }
        );
    }
}

fn unit_of(bench: &Bench) -> reqwest::Client {
    bench.unit("unit-1")
}

#[tokio::test]
async fn what_was_stored_is_delivered_after_a_restart_without_being_asked() {
    let mut bench = Bench::new().await;
    bench.write("gateway.toml", &bench.config().replace("answer_wait_ms = 5000", "answer_wait_ms = 20"));
    let envelope = bench.pothole(1, "street");
    bench.council.stop();
    let mut gateway = bench.start(None);
    assert_eq!(gateway.post(&bench.unit("unit-1"), &envelope).await.unwrap().status(), 202);
    gateway.child.kill().unwrap();
    gateway.ended();
    bench.council.restart().await;
    bench.council.door.hold.store(true, Ordering::SeqCst);
    let _gateway = bench.start(None);
    bench.council.door.held.notified().await;
    assert_eq!((bench.ledger().effects().len(), bench.ledger().doubled()), (1, 0));
}

#[tokio::test]
async fn asked_to_stop_it_ends_well_and_answers_the_same_after() {
    let bench = Bench::new().await;
    let envelope = bench.pothole(1, "street");
    let mut gateway = bench.start(None);
    let unit = bench.unit("unit-1");
    let before = gateway.post(&unit, &envelope).await.unwrap().bytes().await.unwrap();
    let pid = gateway.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(gateway.ended().success());
    let gateway = bench.start(None);
    let after = gateway.post(&bench.unit("unit-1"), &envelope).await.unwrap();
    assert_eq!(after.bytes().await.unwrap(), before);
    assert_eq!(bench.ledger().posts(), 1);
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn aborted_at_any_step_is_at_most_one_effect() {
    for step in ["stored", "calling", "called"] {
        for service in SERVICES {
            let bench = Bench::new().await;
            let envelope = sealed(&bench, service);
            let mut gateway = bench.start(Some(step));
            let lost = gateway.post(&bench.unit("unit-1"), &envelope).await;
            assert!(lost.is_err(), "{step} {service}");
            assert!(!gateway.ended().success());
            let gateway = bench.start(None);
            let unknown = service == "once" && step != "stored";
            let outcome = if unknown { "needs-staff" } else { "answered" };
            assert_eq!(end(&bench, &gateway, &envelope).await, outcome, "{step} {service}");
            let effects = usize::from(!(unknown && step == "calling"));
            let ledger = bench.ledger();
            assert_eq!((ledger.effects().len(), ledger.doubled()), (effects, 0), "{step} {service}");
        }
    }
}
