//! What a role and systemd say to each other: the socket that comes in, the states that go out.
//!
//! ```text
//! LISTEN_FDS    sockets systemd opened for us, from descriptor 3 on     (sd_listen_fds(3))
//! NOTIFY_SOCKET where READY=1, STATUS=... and WATCHDOG=1 are sent       (sd_notify(3))
//! WATCHDOG_USEC how long we may be silent before we are killed          (sd_watchdog_enabled(3))
//! ```
//!
//! Promises: without systemd every call does nothing; a socket that is not the configured one is refused.
//! Never: says WATCHDOG=1 by itself; whoever calls [`alive`] has proven something first.

#[cfg(test)]
pub(crate) mod watched;

use crate::config::StartError;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::{os::unix::net::UnixListener, path::Path, time::Duration};

/// Beats within one watchdog interval: two may fail before systemd acts.
const BEATS: u32 = 3;
/// Connections that may wait at the agent's door.
const BACKLOG: i32 = 16;

/// Says that the role serves, and what it does.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Feeds the watchdog, and says what the role does; `None` leaves the last words standing.
pub(crate) fn alive(status: Option<&str>) {
    let watchdog = [NotifyState::Watchdog];
    match status {
        Some(status) => tell(&[NotifyState::Watchdog, NotifyState::Status(status)]),
        None => tell(&watchdog),
    }
}

/// How often the watchdog wants to be fed; `None` when there is none.
pub(crate) fn beat_every() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()).map(|limit| limit / BEATS)
}

fn tell(states: &[NotifyState]) {
    // systemd kills who is not heard; a role that cannot speak has nothing else it could do about it.
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("systemd does not hear: {error}");
    }
}

/// The listening socket that systemd hands over, if it does; call it before the first thread starts.
///
/// Listening anew makes this process the one that a peer sees at the other end (`SO_PEERCRED`,
/// unix(7)); until then that is whoever opened the socket.
///
/// # Errors
/// When systemd hands over anything but one unix socket at `expected`.
pub(crate) fn listener(config_file: &Path, expected: &Path) -> Result<Option<UnixListener>, StartError> {
    let wrong = |reason: String| StartError::new(config_file, "socket", reason);
    let mut given = ListenFd::from_env();
    if given.len() > 1 {
        return Err(wrong(format!("systemd hands over {} sockets; one is expected", given.len())));
    }
    let taken = given.take_unix_listener(0).map_err(|e| wrong(format!("from systemd: {e}")))?;
    let Some(listener) = taken else { return Ok(None) };
    let address = listener.local_addr().map_err(|e| wrong(format!("from systemd: {e}")))?;
    if address.as_pathname() != Some(expected) {
        return Err(wrong(format!("systemd listens on {address:?}, not on {}", expected.display())));
    }
    rustix::net::listen(&listener, BACKLOG).map_err(|e| wrong(format!("listening: {e}")))?;
    Ok(Some(listener))
}
