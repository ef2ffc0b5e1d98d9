//! Nobody reads it on the way: no byte of an answer in the database or the log, at the loudest level.

use crate::{
    bench::{Bench, id, pothole},
    open311::Effect,
};
use std::fs;

const CANARY: &[u8] = b"CANARY";

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn no_answer_in_the_database_or_the_log() {
    let bench = Bench::new().await;
    let answered = bench.pothole(1, "street");
    let form = bench.seal(2, "form", r#"{"name":"CANARY"}"#);
    // Refused by the service, with the citizen's text kept for staff; refused by the gateway.
    let refused = bench.seal(3, "once", "service_code=pothole&description=CANARY");
    let unmarked = bench.seal(4, "street", &pothole(id(5)));
    let mut gateway = bench.start(None);
    let unit = bench.unit("unit-1");
    for envelope in [&answered, &form, &refused, &unmarked] {
        gateway.post(&unit, envelope).await.unwrap();
    }
    gateway.child.kill().unwrap();
    gateway.ended();
    let log = fs::read(bench.path("log")).unwrap();
    assert!(holds(&log, id(1).to_string().as_bytes()), "the log was looked at");
    assert!(!holds(&log, CANARY), "in the log");
    let rows = bench.place.files(bench.dir.path()).await;
    assert!(rows.iter().any(|(_, bytes)| holds(bytes, b"service-refused")), "the database was looked at");
    for (name, bytes) in rows {
        assert!(!holds(&bytes, CANARY), "{name}");
    }
    let delivered = bench.ledger().effects();
    assert_eq!(delivered.len(), 2);
    let seen = |effect: &Effect| match effect {
        Effect::Request(request) => request.fields["description"].contains("CANARY"),
        Effect::Form(form) => holds(&form.body, CANARY),
    };
    assert!(delivered.iter().all(seen), "the service did get it");
}
