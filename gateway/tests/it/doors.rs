//! Who gets in.

use crate::bench::{Authority, Bench};
use rustls::version::{TLS12, TLS13};

#[tokio::test]
async fn only_units_of_our_ca_over_tls_1_3_get_in() {
    let bench = Bench::new().await;
    let gateway = bench.start(None);
    let health = gateway.url("/v1/healthz");
    let stranger = Authority::new();
    let refused = [
        ("no certificate", bench.ca.client(None, &TLS13)),
        ("another CA", bench.ca.client(Some((&stranger, "unit-1")), &TLS13)),
        ("TLS 1.2", bench.ca.client(Some((&bench.ca, "unit-1")), &TLS12)),
        ("no usable name", bench.ca.client(Some((&bench.ca, "unit 1/../2")), &TLS13)),
    ];
    for (who, client) in refused {
        assert!(client.get(&health).send().await.is_err(), "{who}");
    }
    let reply = bench.unit("unit-1").get(&health).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.text().await.unwrap(), r#"{"open":0,"needs_staff":0}"#);
}

#[tokio::test]
async fn a_second_gateway_on_the_same_file_does_not_start() {
    let bench = Bench::new().await;
    if bench.place.is_shared() {
        // Several may: `nothing_is_doubled::together`.
        return;
    }
    let _first = bench.start(None);
    let second = bench.command().output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let line = String::from_utf8(second.stderr).unwrap();
    assert!(line.contains("gateway.db") && line.contains("locked"), "{line}");
}
