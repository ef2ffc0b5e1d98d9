//! The agent's door, knocked at by peers that break its rules.

use super::{Shared, door};
use crate::{demo::pki::Pki, frame};
use kiosk_core::{
    claim::ClaimCode,
    ids::EnvelopeId,
    wire::{ClockQuality, Envelope, KeyId, PROTOCOL, Stamp, ToAgent, ToShell},
};
use kiosk_outbox::{Options, Outbox};
use kiosk_uplink::{Uplink, UplinkConfig, receipt::ReceiptVerifier};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::{Notify, broadcast, watch},
    time::timeout,
};

/// Whatever the door does, it does within this.
const SOON: Duration = Duration::from_secs(20);
/// The key of nobody's receipts.
const RECEIPT_KEY: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72,
    0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// A door in `folder`, open to `shell_uid`; the gateway behind it does not exist.
fn open(folder: &Path, shell_uid: u32) -> Shared {
    let pki = Pki::find_or_make(&folder.join("pki")).unwrap();
    let uplink = Uplink::new(UplinkConfig {
        gateway: "https://127.0.0.1:1/".parse().unwrap(),
        ca_pem: pki.ca.clone(),
        cert_pem: pki.unit.0.clone(),
        key_pem: pki.unit.1.clone(),
        receipts: ReceiptVerifier::new(&RECEIPT_KEY, b"k").unwrap(),
        connect_timeout: SOON,
        reply_timeout: SOON,
    });
    let (outbox, _) = Outbox::open(&folder.join("state"), Options::default()).unwrap();
    let shared = Shared {
        outbox,
        uplink: Arc::new(uplink.unwrap()),
        news: broadcast::channel(8).0,
        link: watch::Sender::new(None),
        bell: Arc::new(Notify::new()),
    };
    let listener = door::bind(Path::new("agent.toml"), &folder.join("sock")).unwrap();
    tokio::spawn(door::serve(listener, shell_uid, shared.clone()));
    shared
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

async fn knock(folder: &Path) -> UnixStream {
    UnixStream::connect(folder.join("sock")).await.unwrap()
}

async fn say(stream: &mut UnixStream, message: &ToAgent) {
    // A door that has closed already is what some of these tests are about.
    let _ = stream.write_all(&frame::encode(message).unwrap()).await;
}

/// What the agent says next; `None` when it hangs up.
async fn hear(stream: &mut UnixStream) -> Option<ToShell> {
    let read = async {
        let mut prefix = [0; frame::PREFIX_BYTES];
        stream.read_exact(&mut prefix).await.ok()?;
        let mut body = vec![0; frame::length(prefix).unwrap()];
        stream.read_exact(&mut body).await.ok()?;
        Some(frame::decode(&body).unwrap())
    };
    timeout(SOON, read).await.expect("the agent neither answers nor hangs up")
}

const HELLO: ToAgent = ToAgent::Hello { protocol: PROTOCOL };
const WELCOME: ToShell = ToShell::Hello { protocol: PROTOCOL };

fn envelope() -> Envelope {
    Envelope {
        id: EnvelopeId::new(1, [7; 10]),
        service: "report".parse().unwrap(),
        claim: ClaimCode::draw([1; 8]).unwrap().digest(),
        key: KeyId(1),
        made_at: Stamp { unix_ms: 1, clock: ClockQuality::Unsynced },
        sealed: vec![1, 2, 3],
    }
}

#[tokio::test]
async fn nobody_gets_in_who_runs_as_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let _shared = open(folder.path(), own_uid() + 1);
    let mut stranger = knock(folder.path()).await;
    say(&mut stranger, &HELLO).await;
    assert_eq!(hear(&mut stranger).await, None);
}

#[tokio::test]
async fn nobody_gets_in_who_breaks_the_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let shared = open(folder.path(), own_uid());
    for first in [ToAgent::Hello { protocol: PROTOCOL + 1 }, ToAgent::Submit(envelope())] {
        let mut rude = knock(folder.path()).await;
        say(&mut rude, &first).await;
        assert_eq!(hear(&mut rude).await, None, "{first:?}");
    }
    let mut twice = knock(folder.path()).await;
    say(&mut twice, &HELLO).await;
    assert_eq!(hear(&mut twice).await, Some(WELCOME));
    say(&mut twice, &HELLO).await;
    assert_eq!(hear(&mut twice).await, None);
    let mut liar = knock(folder.path()).await;
    say(&mut liar, &HELLO).await;
    assert_eq!(hear(&mut liar).await, Some(WELCOME));
    liar.write_all(&[0xff; 8]).await.unwrap();
    assert_eq!(hear(&mut liar).await, None, "a frame of 4 GiB");
    assert_eq!(shared.outbox.stats().queued, 0);
}

#[tokio::test]
async fn a_shell_hears_of_the_link_and_of_what_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let shared = open(folder.path(), own_uid());
    shared.link.send_replace(Some(false));
    let mut shell = knock(folder.path()).await;
    say(&mut shell, &HELLO).await;
    assert_eq!(hear(&mut shell).await, Some(WELCOME));
    assert_eq!(hear(&mut shell).await, Some(ToShell::Link { up: false }));
    let envelope = envelope();
    for _ in 0..2 {
        say(&mut shell, &ToAgent::Submit(envelope.clone())).await;
        assert_eq!(hear(&mut shell).await, Some(ToShell::Saved { id: envelope.id }));
    }
    assert_eq!(shared.outbox.stats().queued, 1, "the same envelope twice is one");
}
