//! The line to the agent: connects, says hello, carries frames, connects again.
//!
//! Promises: only the configured user is believed to be the agent; the shell hears of every loss; a line
//! on which a frame was not sent whole is closed, so the next frame never lands inside it;
//! nothing is sent twice by itself (the machine decides what to send again).
//! Never: polls: it blocks on the socket, and between attempts waits [`RETRY`].

use crate::frame::{self, PREFIX_BYTES};
use anyhow::{Context, ensure};
use kiosk_core::wire::{PROTOCOL, ToAgent, ToShell};
use std::{
    io::{Read, Write},
    net::Shutdown,
    os::{fd::AsFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Between attempts to reach the agent.
const RETRY: Duration = Duration::from_millis(500);
/// How long a write may take before the line counts as broken: the screen stands still meanwhile.
const WRITE_LIMIT: Duration = Duration::from_secs(2);
/// How long the agent may take to answer hello.
const HELLO_LIMIT: Duration = Duration::from_secs(5);

/// What happens on the line.
#[derive(Debug)]
pub(super) enum Event {
    /// The agent answered hello, or the line broke.
    Connected(bool),
    /// The agent said this.
    Message(ToShell),
}

/// The shell's end of the line.
#[derive(Clone)]
pub(super) struct Line {
    writer: Arc<Mutex<Option<UnixStream>>>,
}

impl Line {
    /// Keeps a line to `socket` open from now on; `hear` is called on the line's thread.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn keep(
        socket: PathBuf,
        agent_uid: u32,
        hear: impl Fn(Event) + Send + 'static,
    ) -> std::io::Result<Self> {
        let line = Self { writer: Arc::default() };
        let writer = Arc::clone(&line.writer);
        std::thread::Builder::new().name("agent-line".into()).spawn(move || {
            loop {
                if let Err(why) = talk(&socket, agent_uid, &writer, &hear) {
                    tracing::debug!("agent line: {why:#}");
                }
                if lock(&writer).take().is_some() {
                    tracing::warn!("the agent is gone");
                    hear(Event::Connected(false));
                }
                std::thread::sleep(RETRY);
            }
        })?;
        Ok(line)
    }

    /// Sends one message.
    ///
    /// # Errors
    /// When there is no line or it broke; it is closed then, and [`Event::Connected`] says so.
    pub(super) fn send(&self, message: &ToAgent) -> anyhow::Result<()> {
        let frame = frame::encode(message)?;
        let mut writer = lock(&self.writer);
        let stream = writer.as_mut().context("no line to the agent")?;
        stream.write_all(&frame).context("writing to the agent").inspect_err(|_| {
            // A line that is closed already needs no closing.
            let _ = stream.shutdown(Shutdown::Both);
        })
    }
}

fn talk(
    socket: &Path,
    agent_uid: u32,
    writer: &Mutex<Option<UnixStream>>,
    hear: &impl Fn(Event),
) -> anyhow::Result<()> {
    let mut stream = UnixStream::connect(socket).context("connecting")?;
    let uid =
        rustix::net::sockopt::socket_peercred(stream.as_fd()).context("asking who is there")?.uid.as_raw();
    ensure!(uid == agent_uid, "user {uid} is not the agent");
    stream.set_write_timeout(Some(WRITE_LIMIT))?;
    stream.write_all(&frame::encode(&ToAgent::Hello { protocol: PROTOCOL })?)?;
    stream.set_read_timeout(Some(HELLO_LIMIT))?;
    let hello = receive(&mut stream)?;
    stream.set_read_timeout(None)?;
    ensure!(hello == ToShell::Hello { protocol: PROTOCOL }, "the agent answered {hello:?}");
    *lock(writer) = Some(stream.try_clone()?);
    hear(Event::Connected(true));
    loop {
        hear(Event::Message(receive(&mut stream)?));
    }
}

fn receive(stream: &mut UnixStream) -> anyhow::Result<ToShell> {
    let mut prefix = [0; PREFIX_BYTES];
    stream.read_exact(&mut prefix).context("reading a frame")?;
    let mut body = vec![0; frame::length(prefix)?];
    stream.read_exact(&mut body).context("reading a frame's body")?;
    Ok(frame::decode(&body)?)
}

/// A panic while holding the line leaves it usable: what it guards is replaced as a whole.
fn lock(writer: &Mutex<Option<UnixStream>>) -> std::sync::MutexGuard<'_, Option<UnixStream>> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}
