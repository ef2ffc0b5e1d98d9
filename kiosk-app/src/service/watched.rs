//! For tests: a process of its own, heard as systemd would hear it, since systemd's variables are a process's.

use std::{
    os::unix::net::UnixDatagram,
    process::{Child, Command},
    time::Duration,
};
use tempfile::TempDir;

/// Set in the process that is watched.
const CHILD: &str = "NOTIFY_SOCKET";
/// Beats come three times as often.
const WATCHDOG: Duration = Duration::from_millis(150);
/// How long each part of its life takes.
pub(crate) const PART: Duration = Duration::from_millis(900);
/// Nobody waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Whether this process is the one that is watched.
pub(crate) fn is_watched() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Says, in the watched process, that a part of its life begins.
pub(crate) fn mark(word: &str) {
    sd_notify::notify(&[sd_notify::NotifyState::Status(word)]).unwrap();
}

/// A test of this program, run again under a watchdog.
pub(crate) struct Watched {
    child: Child,
    socket: UnixDatagram,
    _folder: TempDir,
}

impl Watched {
    /// Runs the test of this full name.
    pub(crate) fn start(test: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env(CHILD, &path)
            .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
            .spawn()
            .unwrap();
        Self { child, socket, _folder: folder }
    }

    /// How often it fed the watchdog until it said `words`.
    pub(crate) fn fed_until(&self, words: &str) -> usize {
        let mut fed = 0;
        loop {
            let mut bytes = [0; 256];
            let length = self.socket.recv(&mut bytes).unwrap();
            let text = std::str::from_utf8(&bytes[..length]).unwrap();
            fed += text.matches("WATCHDOG=1").count();
            if text.contains(words) {
                return fed;
            }
        }
    }

    /// Waits for its end; whether it ended well.
    pub(crate) fn ended_well(mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}
