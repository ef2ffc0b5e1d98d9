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
    let mut files = 0;
    for entry in fs::read_dir(bench.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(!holds(&bytes, CANARY), "{}", path.display());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        files += usize::from(name.starts_with("gateway.db") && holds(&bytes, b"service-refused"));
        files += usize::from(name == "log" && holds(&bytes, id(1).to_string().as_bytes()));
    }
    assert_eq!(files, 2, "the database and the log were looked at");
    let delivered = bench.ledger().effects();
    assert_eq!(delivered.len(), 2);
    let seen = |effect: &Effect| match effect {
        Effect::Request(request) => request.fields["description"].contains("CANARY"),
        Effect::Form(form) => holds(&form.body, CANARY),
    };
    assert!(delivered.iter().all(seen), "the service did get it");
}
