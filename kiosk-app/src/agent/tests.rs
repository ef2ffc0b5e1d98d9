//! The agent's door, knocked at by peers that break its rules.

use super::{Shared, door, sample::envelope};
use crate::{demo::pki::Pki, frame, service};
use kiosk_core::wire::{PROTOCOL, ToAgent, ToShell};
use kiosk_outbox::{Options, Outbox};
use kiosk_uplink::{Uplink, UplinkConfig, receipt::ReceiptVerifier};
use std::{
    os::fd::AsRawFd,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::{Notify, broadcast, watch},
    time::timeout,
};

/// Whatever the door does, it does within this.
const SOON: Duration = Duration::from_secs(20);
/// Between knocks at a door that is not the agent's yet; its queue is short.
const KNOCK_EVERY: Duration = Duration::from_millis(100);
/// The key of nobody's receipts.
const RECEIPT_KEY: [u8; 32] = [7; 32];

/// What a mistake would be blamed on.
const CONFIG: &str = "agent.toml";
/// In the environment of a process that was given its door: the folder where it is.
const GIVEN: &str = "KIOSK_TEST_DOOR";

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
    let listener = door::open(CONFIG.as_ref(), &folder.join("sock"), None).unwrap();
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

#[tokio::test]
async fn one_shell_too_many_is_sent_away_and_the_next_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let _shared = open(folder.path(), own_uid());
    let mut inside = Vec::new();
    let first_away = async {
        loop {
            let mut shell = knock(folder.path()).await;
            say(&mut shell, &HELLO).await;
            match hear(&mut shell).await {
                Some(WELCOME) => inside.push(shell),
                other => return other,
            }
        }
    };
    assert_eq!(timeout(SOON, first_away).await.expect("everybody is let in"), None);
    assert_eq!(inside.len(), 8);
    drop(inside);
    let next = async {
        loop {
            let mut shell = knock(folder.path()).await;
            say(&mut shell, &HELLO).await;
            if hear(&mut shell).await == Some(WELCOME) {
                return;
            }
            tokio::time::sleep(KNOCK_EVERY).await;
        }
    };
    timeout(SOON, next).await.expect("places stay taken");
}

#[tokio::test]
async fn an_agent_without_descriptors_lets_in_later() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let folder = tempfile::tempdir().unwrap();
    let _shared = open(folder.path(), own_uid());
    // The door listens before the descriptors run out.
    drop(knock(folder.path()).await);
    let stream = std::os::unix::net::UnixStream::connect(folder.path().join("sock")).unwrap();
    let usual = getrlimit(Resource::Nofile);
    let next = u64::try_from(stream.as_raw_fd()).unwrap();
    setrlimit(Resource::Nofile, Rlimit { current: Some(next), maximum: usual.maximum }).unwrap();
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    setrlimit(Resource::Nofile, usual).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut stream = UnixStream::from_std(stream).unwrap();
    say(&mut stream, &HELLO).await;
    assert_eq!(hear(&mut stream).await, Some(WELCOME));
}

mod nobody_gets_in {
    use super::*;

    #[tokio::test]
    async fn who_runs_as_somebody_else() {
        let folder = tempfile::tempdir().unwrap();
        let _shared = open(folder.path(), own_uid() + 1);
        let mut stranger = knock(folder.path()).await;
        say(&mut stranger, &HELLO).await;
        assert_eq!(hear(&mut stranger).await, None);
    }

    #[tokio::test]
    async fn who_breaks_the_protocol() {
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

/// Started by the tests below as a process of its own: systemd's variables and descriptors are a process's.
#[tokio::test]
async fn a_door_that_was_given() {
    let Some(folder) = std::env::var_os(GIVEN) else {
        let own = service::listener(CONFIG.as_ref(), Path::new("/run/door")).unwrap();
        assert!(own.is_none(), "nobody gave one");
        return;
    };
    let path = Path::new(&folder).join("sock");
    let given = service::listener(CONFIG.as_ref(), &path).unwrap();
    let listener = door::open(CONFIG.as_ref(), &path, Some(given.unwrap())).unwrap();
    let shared = open(&Path::new(&folder).join("own"), own_uid());
    // Ends when the test that started it has seen enough.
    let _ = timeout(SOON, door::serve(listener, own_uid(), shared)).await;
}

/// Opens a door in `folder` as systemd would, and starts a process that is given `count` of it.
fn give(folder: &Path, name: &str, count: &str) -> std::process::Child {
    std::fs::create_dir_all(folder.join("own")).unwrap();
    let door = std::os::unix::net::UnixListener::bind(folder.join(name)).unwrap();
    rustix::io::fcntl_setfd(&door, rustix::io::FdFlags::empty()).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "agent::tests::a_door_that_was_given"])
        .env(GIVEN, folder)
        .env("LISTEN_FDS", count)
        .env("LISTEN_FDS_FIRST_FD", door.as_raw_fd().to_string())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_door_from_systemd_is_the_agents_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = give(folder.path(), "sock", "1");
    // Who knocks before the agent listens sees who opened the door, and hangs up.
    let knocked = async {
        loop {
            let shell = knock(folder.path()).await;
            if shell.peer_cred().unwrap().pid() == i32::try_from(agent.id()).ok() {
                return shell;
            }
            tokio::time::sleep(KNOCK_EVERY).await;
        }
    };
    let mut shell = timeout(SOON, knocked).await.expect("the door stays somebody else's");
    say(&mut shell, &HELLO).await;
    assert_eq!(hear(&mut shell).await, Some(WELCOME));
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[test]
fn a_door_that_is_not_the_configured_one_is_refused() {
    for (name, count, why) in [("other", "1", "not on"), ("sock", "2", "hands over 2 sockets")] {
        let folder = tempfile::tempdir().unwrap();
        let ended = give(folder.path(), name, count).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains(why), "{said}");
    }
}
