//! The unix socket: who may come in, what they may say.
//!
//! Promises: systemd's socket where there is one, else its own; only the configured user is let in; one protocol
//! version; frames, shells and lookups bounded; a peer that breaks a rule is logged by rule, never by content, and
//! disconnected; one that cannot be let in does not close the door.
//! Never: waits for a silent peer before it said hello longer than [`HELLO_LIMIT`].

use super::Shared;
use crate::{
    config::StartError,
    frame::{self, PREFIX_BYTES},
};
use anyhow::{Context, bail, ensure};
use kiosk_core::{
    claim::ClaimDigest,
    wire::{ClaimState, Envelope, Lookup, NotSaved, PROTOCOL, ToAgent, ToShell},
};
use std::{
    os::unix::{fs::PermissionsExt, net::UnixListener as GivenListener},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Semaphore, broadcast::error::RecvError, mpsc, oneshot},
};

const HELLO_LIMIT: Duration = Duration::from_secs(5);
const LOOKUP_LIMIT: Duration = Duration::from_secs(15);
/// Replies a peer has not read yet.
const REPLIES_MAX: usize = 16;
/// Shells inside at once: one and what it left behind. One more is sent away.
const SHELLS_MAX: usize = 8;
/// Lookups under way at once; one more hears that the gateway cannot be asked now.
const LOOKUPS_MAX: usize = 16;
/// How long the door stays shut after nobody could be let in, for want of descriptors for example.
const SHUT: Duration = Duration::from_secs(1);

/// Takes the socket that systemd opened, or opens it.
pub(super) fn open(
    config_file: &Path,
    socket: &Path,
    given: Option<GivenListener>,
) -> Result<UnixListener, StartError> {
    let Some(given) = given else { return bind(config_file, socket) };
    given
        .set_nonblocking(true)
        .and_then(|()| UnixListener::from_std(given))
        .map_err(|e| StartError::new(config_file, "socket", format!("from systemd: {e}")))
}

/// Opens the socket, replacing what an earlier agent left.
pub(super) fn bind(config_file: &Path, socket: &Path) -> Result<UnixListener, StartError> {
    let wrong =
        |e: std::io::Error| StartError::new(config_file, "socket", format!("{}: {e}", socket.display()));
    if std::os::unix::net::UnixStream::connect(socket).is_ok() {
        return Err(StartError::new(config_file, "socket", "another agent is listening there"));
    }
    match std::fs::remove_file(socket) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(wrong(e)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket).map_err(wrong)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o660)).map_err(wrong)?;
    Ok(listener)
}

/// Lets shells in until the agent ends.
pub(super) async fn serve(listener: UnixListener, shell_uid: u32, shared: Shared) -> anyhow::Result<()> {
    let (places, lookups) = (Arc::new(Semaphore::new(SHELLS_MAX)), Arc::new(Semaphore::new(LOOKUPS_MAX)));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(why) => {
                tracing::error!(%why, "a shell could not be let in");
                tokio::time::sleep(SHUT).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("{SHELLS_MAX} shells are inside: one more is sent away");
            continue;
        };
        let (shared, lookups) = (shared.clone(), Arc::clone(&lookups));
        tokio::spawn(async move {
            if let Err(why) = welcome(stream, shell_uid, shared, lookups).await {
                tracing::warn!("shell disconnected: {why:#}");
            }
            drop(place);
        });
    }
}

async fn welcome(
    stream: UnixStream,
    shell_uid: u32,
    shared: Shared,
    lookups: Arc<Semaphore>,
) -> anyhow::Result<()> {
    let uid = stream.peer_cred().context("asking who is there")?.uid();
    ensure!(uid == shell_uid, "user {uid} is not the shell");
    let (mut reader, mut writer) = stream.into_split();
    let hello =
        tokio::time::timeout(HELLO_LIMIT, receive(&mut reader)).await.context("no hello in time")??;
    match hello {
        Some(ToAgent::Hello { protocol: PROTOCOL }) => {}
        Some(ToAgent::Hello { protocol }) => bail!("speaks protocol {protocol}, not {PROTOCOL}"),
        Some(ToAgent::Submit(_) | ToAgent::Lookup { .. }) => bail!("no hello"),
        None => return Ok(()),
    }
    send(&mut writer, &ToShell::Hello { protocol: PROTOCOL }).await?;
    let (replies, queue) = mpsc::channel(REPLIES_MAX);
    let news = shared.news.subscribe();
    let link = *shared.link.borrow();
    if let Some(up) = link {
        send(&mut writer, &ToShell::Link { up }).await?;
    }
    let talk = tokio::spawn(talk(writer, queue, news));
    let listened = listen(reader, replies, shared, lookups).await;
    talk.abort();
    listened
}

/// Reads what the shell wants until it hangs up.
async fn listen(
    mut reader: OwnedReadHalf,
    replies: mpsc::Sender<ToShell>,
    shared: Shared,
    lookups: Arc<Semaphore>,
) -> anyhow::Result<()> {
    while let Some(message) = receive(&mut reader).await? {
        match message {
            ToAgent::Hello { .. } => bail!("a second hello"),
            ToAgent::Submit(envelope) => replies.send(save(envelope, &shared).await).await?,
            ToAgent::Lookup { claim } => {
                let Ok(turn) = Arc::clone(&lookups).try_acquire_owned() else {
                    tracing::warn!("{LOOKUPS_MAX} lookups are under way: one more is turned down");
                    replies.send(ToShell::Found { claim, found: Lookup::Unreachable }).await?;
                    continue;
                };
                let (replies, shared) = (replies.clone(), shared.clone());
                tokio::spawn(async move {
                    let found = look_up(claim, &shared).await;
                    // A shell that hung up meanwhile asks again when it is back.
                    let _ = replies.send(ToShell::Found { claim, found }).await;
                    drop(turn);
                });
            }
        }
    }
    Ok(())
}

/// Writes replies and news until the shell hangs up or falls too far behind.
async fn talk(
    mut writer: OwnedWriteHalf,
    mut queue: mpsc::Receiver<ToShell>,
    mut news: tokio::sync::broadcast::Receiver<ToShell>,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            reply = queue.recv() => match reply {
                Some(reply) => send(&mut writer, &reply).await?,
                None => return Ok(()),
            },
            item = news.recv() => match item {
                Ok(item) => send(&mut writer, &item).await?,
                Err(RecvError::Lagged(missed)) => bail!("the shell missed {missed} messages"),
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// *Saved* is said only when the outbox says durable.
async fn save(envelope: Envelope, shared: &Shared) -> ToShell {
    let id = envelope.id;
    let (done, wait) = oneshot::channel();
    shared.outbox.enqueue_with(envelope, move |result| {
        // The shell may have gone; what is stored stays stored.
        let _ = done.send(result);
    });
    match wait.await {
        Ok(Ok(_)) => {
            shared.bell.notify_one();
            ToShell::Saved { id }
        }
        Ok(Err(reason)) => {
            // An outbox that has ended is noticed now.
            shared.bell.notify_one();
            ToShell::NotSaved { id, reason }
        }
        Err(_) => ToShell::NotSaved { id, reason: NotSaved::Storage },
    }
}

/// What this unit proves, else what the gateway proves.
async fn look_up(claim: ClaimDigest, shared: &Shared) -> Lookup {
    let outbox = shared.outbox.clone();
    let here = tokio::task::spawn_blocking(move || outbox.find(&claim)).await.ok().flatten();
    if let Some((service, ClaimState::SavedHere | ClaimState::NeedsStaff { .. })) = &here {
        let (service, state) =
            (service.clone(), here.map(|(_, state)| state).unwrap_or(ClaimState::SavedHere));
        return Lookup::Known { service, state };
    }
    match tokio::time::timeout(LOOKUP_LIMIT, shared.uplink.claim(&claim)).await {
        Ok(Ok(Some(reply))) => Lookup::Known { service: reply.service, state: reply.state },
        Ok(Ok(None)) => here.map_or(Lookup::Unknown, |(service, state)| Lookup::Known { service, state }),
        Ok(Err(_)) | Err(_) => {
            here.map_or(Lookup::Unreachable, |(service, state)| Lookup::Known { service, state })
        }
    }
}

async fn receive(reader: &mut OwnedReadHalf) -> anyhow::Result<Option<ToAgent>> {
    let mut prefix = [0; PREFIX_BYTES];
    match reader.read_exact(&mut prefix).await {
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other.context("reading a frame")?,
    };
    let mut body = vec![0; frame::length(prefix)?];
    reader.read_exact(&mut body).await.context("reading a frame's body")?;
    Ok(Some(frame::decode(&body)?))
}

async fn send(writer: &mut OwnedWriteHalf, message: &ToShell) -> anyhow::Result<()> {
    writer.write_all(&frame::encode(message)?).await.context("writing a frame")
}
