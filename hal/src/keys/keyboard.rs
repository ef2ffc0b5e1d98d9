//! A keyboard-like device at one or more nodes `/dev/input/event*`, ours alone.
//!
//! A keypad may be two: its keys at one node, its volume keys, a consumer control, at another. They are one
//! device here: all of its nodes are had, or none.
//!
//! Promises: a node that cannot be grabbed is closed unread and told as [`DeviceError::NotExclusive`]; an
//! unplugged one (`ENODEV`) is [`DeviceError::Gone`], and whoever opens it again has to grab it again,
//! because the kernel forgets the grab with the device. Never: reads ungrabbed.

use super::{KeySource, Raw};
use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    input::{
        node::{EVENTS_MAX, Grabbed, Seen, failure, paths},
        wake::{self, Waker},
    },
};
use evdev::KeyCode;
use std::{
    collections::BTreeSet,
    io::Error,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// So often a node is read before the next one has its turn; a storm on one is not to silence the other.
const READS_MAX: usize = 8;

/// An open keyboard.
pub struct Keyboard {
    nodes: Vec<Grabbed>,
    waker: Waker,
}

impl Keyboard {
    /// Opens and grabs the nodes at `paths`.
    ///
    /// # Errors
    /// [`DeviceError::NotExclusive`] when somebody else has one, [`DeviceError::Unsupported`] when one has
    /// no keys, [`DeviceError::Denied`], [`DeviceError::Gone`]. None is held then.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self, DeviceError> {
        let nodes = paths.iter().map(|path| open_node(path.as_ref())).collect::<Result<_, _>>()?;
        let waker = Waker::new().map_err(|error| DeviceError::Gone(error.to_string()))?;
        Ok(Self { nodes, waker })
    }
}

fn open_node(path: &Path) -> Result<Grabbed, DeviceError> {
    let seen = Seen::open(path)?;
    if !has_keys(&seen) {
        return Err(DeviceError::Unsupported("this node has no keys"));
    }
    seen.grab().map_err(|error| refusal(path, &error))
}

/// Nodes with keys of a keyboard, and what they call themselves; those that may not be opened are left out.
pub(crate) fn list() -> Vec<(PathBuf, String)> {
    let asked = |path: PathBuf| {
        let seen = Seen::open(&path).ok().filter(has_keys)?;
        Some((path, seen.device().name().unwrap_or("unnamed").to_owned()))
    };
    paths().into_iter().filter_map(asked).collect()
}

/// `BTN_MISC`: from here on codes are buttons.
const FIRST_BUTTON: u16 = 0x100;

/// Whether the node has keys of a keyboard, as opposed to the buttons of a mouse.
fn has_keys(seen: &Seen) -> bool {
    let below_buttons = |key: KeyCode| (1..FIRST_BUTTON).contains(&key.0);
    seen.device().supported_keys().is_some_and(|keys| keys.iter().any(below_buttons))
}

/// Why the node is not read: it is gone, or it is not ours alone, whatever the system calls it.
fn refusal(path: &Path, error: &Error) -> DeviceError {
    if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) {
        return failure(path, error);
    }
    DeviceError::NotExclusive(format!("{}: {error}", path.display()))
}

impl KeySource for Keyboard {
    fn read(&mut self, deadline: Deadline) -> Result<Zeroizing<Vec<Raw>>, DeviceError> {
        let devices: Vec<_> = self.nodes.iter().map(|node| node.device().as_fd()).collect();
        wake::wait_any(&devices, &self.waker, Some(deadline))?;
        if self.waker.take() {
            return Ok(Zeroizing::default());
        }
        let mut all = Zeroizing::new(Vec::with_capacity(self.nodes.len() * READS_MAX * EVENTS_MAX));
        for node in &mut self.nodes {
            // To its end, because a report may be cut where a read ends.
            for _ in 0..READS_MAX {
                let raws = node.read()?;
                if raws.is_empty() {
                    break;
                }
                all.extend_from_slice(&raws);
            }
        }
        Ok(all)
    }

    fn held(&mut self) -> Result<BTreeSet<u16>, DeviceError> {
        let mut held = BTreeSet::new();
        for node in &self.nodes {
            let state = node.device().get_key_state();
            let state = state.map_err(|error| DeviceError::Gone(error.to_string()))?;
            held.extend(state.iter().map(|key| key.0));
        }
        Ok(held)
    }

    fn canceller(&self) -> Option<Canceller> {
        Some(self.waker.canceller())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn a_node_that_cannot_be_grabbed_is_refused_whatever_the_reason() {
        let path = Path::new("/dev/input/event7");
        for errno in [Errno::BUSY, Errno::INVAL, Errno::PERM, Errno::ACCESS, Errno::NOTTY] {
            let error = refusal(path, &errno.into());
            assert!(matches!(error, DeviceError::NotExclusive(_)), "{error}");
            assert!(error.to_string().contains("event7"), "{error}");
        }
        assert!(matches!(refusal(path, &Errno::NODEV.into()), DeviceError::Gone(_)));
    }

    #[test]
    fn what_is_no_keyboard_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("event0");
        assert!(matches!(Keyboard::open(&[&file]), Err(DeviceError::Gone(_))));
        std::fs::write(&file, b"not a device").unwrap();
        assert!(matches!(Keyboard::open(&[&file]), Err(DeviceError::Unsupported(_))));
    }
}
