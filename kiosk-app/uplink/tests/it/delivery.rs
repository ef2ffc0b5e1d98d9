//! What each misbehaviour of the way to the gateway is taken for.

use crate::gateway::{Authority, Handshake, Unit, envelope, receipt_line, scripted};
use kiosk_core::{claim::ClaimDigest, policy::Reply};
use kiosk_uplink::Uplink;
use rustls::version::{TLS12, TLS13};
use std::time::Duration;
use tokio::net::TcpListener;

/// Delivers once to a gateway that answers every request with `reply`.
async fn deliver(reply: &str) -> (Reply, String) {
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
async fn a_captive_portal_is_not_ours() {
    let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 7\r\n\r\nWelcome";
    assert!(matches!(deliver(page).await.0, Reply::NotOurs { .. }));
    let redirect = "HTTP/1.1 302 Found\r\nlocation: https://localhost:1/\r\ncontent-length: 0\r\n\r\n";
    assert!(matches!(deliver(redirect).await.0, Reply::NotOurs { .. }));
}

#[tokio::test]
async fn a_truncated_reply_is_lost() {
    let head = format!("HTTP/1.1 202 Accepted\r\n{}", receipt_line());
    for cut in [
        String::new(),
        "HTTP/1.1 202 Acc".into(),
        head.clone(),
        format!("{head}content-length: 9\r\n\r\nshort"),
        format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nshort\r\n"),
    ] {
        let (reply, _) = deliver(&cut).await;
        assert!(matches!(reply, Reply::Lost { .. }), "{cut:?}: {reply:?}");
    }
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
async fn a_gateway_of_another_ca_gets_nothing() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let handshake = Handshake { server: &theirs, clients: &ours, versions: &[&TLS13] };
    let (address, mut requests) = scripted(handshake, Vec::new()).await;
    let reply = Unit::new(&ours, &ours).uplink(address).deliver(&envelope()).await;
    assert!(matches!(reply, Reply::Unreachable { .. }), "{reply:?}");
    assert!(requests.try_recv().is_err(), "nothing was sent");
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let ca = Authority::new();
    let handshake = Handshake { server: &ca, clients: &ca, versions: &[&TLS12] };
    let (address, mut requests) = scripted(handshake, Vec::new()).await;
    let reply = Unit::new(&ca, &ca).uplink(address).deliver(&envelope()).await;
    assert!(matches!(reply, Reply::Unreachable { .. }), "{reply:?}");
    assert!(requests.try_recv().is_err(), "nothing was sent");
}

#[tokio::test]
async fn a_gateway_that_does_not_know_the_unit_settles_nothing() {
    let (ca, other) = (Authority::new(), Authority::new());
    let handshake = Handshake { server: &ca, clients: &other, versions: &[&TLS13] };
    let (address, mut requests) = scripted(handshake, Vec::new()).await;
    let reply = Unit::new(&ca, &ca).uplink(address).deliver(&envelope()).await;
    // The gateway's alert may be overtaken by the reset that follows it.
    assert!(matches!(reply, Reply::Unreachable { .. } | Reply::Lost { .. }), "{reply:?}");
    assert!(requests.try_recv().is_err(), "the gateway read nothing");
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
