//! What each misbehaviour of the way to the gateway is taken for.

use crate::gateway::{Authority, Handshake, Unit, envelope, receipt_line, scripted};
use kiosk_core::{claim::ClaimDigest, policy::Reply};
use kiosk_uplink::Uplink;
use rustls::version::TLS13;
use std::time::Duration;
use tokio::net::TcpListener;

/// Delivers once to a gateway that answers every request with `reply`.
pub(crate) async fn deliver(reply: &str) -> (Reply, String) {
    let ca = Authority::new();
    let handshake = Handshake { server: &ca, clients: &ca, versions: &[&TLS13] };
    let (address, mut requests) = scripted(handshake, reply.as_bytes().to_vec()).await;
    let got = Unit::new(&ca, &ca).uplink(address).deliver(&envelope()).await;
    (got, String::from_utf8(requests.recv().await.unwrap()).unwrap())
}

#[tokio::test]
async fn an_envelope_is_posted_with_its_headers_and_a_receipt_settles_it() {
    let (reply, request) =
        deliver(&format!("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n{}\r\n", receipt_line())).await;
    assert!(matches!(reply, Reply::Stored { .. }), "{reply:?}");
    assert!(request.starts_with("POST /v1/envelopes HTTP/1.1\r\n"), "{request}");
    for line in [
        "content-type: message/ohttp-req",
        &format!("idempotency-key: \"{}\"", envelope().id),
        "kiosk-service: report-street-problem",
        &format!("kiosk-claim: {}", "01".repeat(32)),
        "kiosk-made-at: 1700000000000",
    ] {
        assert!(request.to_ascii_lowercase().contains(&format!("\r\n{line}\r\n")), "{line} in {request}");
    }
    assert!(request.ends_with("\r\n\r\nciphertext"), "{request}");
}

#[tokio::test]
async fn an_answer_with_a_receipt_is_answered() {
    let (reply, _) = deliver(&format!(
        "HTTP/1.1 200 OK\r\ncontent-type: message/ohttp-res\r\nkiosk-outcome: answered\r\n\
         content-length: 6\r\n{}\r\nsealed",
        receipt_line()
    ))
    .await;
    let Reply::Answered { sealed, needs_staff: false, .. } = reply else { panic!("{reply:?}") };
    assert_eq!(sealed, b"sealed");
}

#[tokio::test]
async fn a_listener_that_never_shakes_hands_is_unreachable() {
    let ca = Authority::new();
    // Nobody accepts: the kernel's backlog takes the connection, TLS never starts.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unit = Unit::new(&ca, &ca);
    let mut config = unit.config(mute.local_addr().unwrap());
    config.connect_timeout = Duration::from_millis(200);
    let reply = Uplink::new(config).unwrap().deliver(&envelope()).await;
    assert!(matches!(reply, Reply::Unreachable { .. }), "{reply:?}");
}

#[tokio::test]
async fn no_listener_is_unreachable() {
    let ca = Authority::new();
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let uplink = Unit::new(&ca, &ca).uplink(address);
    assert!(matches!(uplink.deliver(&envelope()).await, Reply::Unreachable { .. }));
    let claim = uplink.claim(&ClaimDigest([1; 32])).await;
    assert!(matches!(claim, Err(Reply::Unreachable { .. })));
}

#[tokio::test]
async fn a_claim_is_asked_for_by_its_digest() {
    let ca = Authority::new();
    let handshake = Handshake { server: &ca, clients: &ca, versions: &[&TLS13] };
    let body = r#"{"service":"a","stored_at":5,"state":"sent"}"#;
    let reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (address, mut requests) = scripted(handshake, reply.into_bytes()).await;
    let found = Unit::new(&ca, &ca).uplink(address).claim(&ClaimDigest([2; 32])).await.unwrap().unwrap();
    assert_eq!(found.stored_at, 5);
    let request = String::from_utf8(requests.recv().await.unwrap()).unwrap();
    assert!(request.starts_with(&format!("GET /v1/claims/{} HTTP/1.1\r\n", "02".repeat(32))), "{request}");
}
