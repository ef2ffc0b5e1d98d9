//! Nothing is sent to whoever is not our gateway over TLS 1.3.

use crate::gateway::{Authority, Handshake, Unit, envelope, scripted};
use kiosk_core::policy::Reply;
use rustls::version::{TLS12, TLS13};

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
