//! Nothing on the way that is not our gateway's signed receipt is taken for one.

use crate::{
    delivery::deliver,
    gateway::{Authority, Handshake, Unit, envelope, receipt_line, scripted},
};
use kiosk_core::policy::Reply;
use rustls::version::TLS13;

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
async fn a_gateway_that_does_not_know_the_unit_settles_nothing() {
    let (ca, other) = (Authority::new(), Authority::new());
    let handshake = Handshake { server: &ca, clients: &other, versions: &[&TLS13] };
    let (address, mut requests) = scripted(handshake, Vec::new()).await;
    let reply = Unit::new(&ca, &ca).uplink(address).deliver(&envelope()).await;
    // The gateway's alert may be overtaken by the reset that follows it.
    assert!(matches!(reply, Reply::Unreachable { .. } | Reply::Lost { .. }), "{reply:?}");
    assert!(requests.try_recv().is_err(), "the gateway read nothing");
}
