//! A file or a write-only node that takes the bytes.
//!
//! A node such as `/dev/usb/lp0` takes nothing while its printer has no paper: it is opened so that a write
//! never blocks, and waited for with `poll` until the deadline.
//!
//! Promises: appends; a write ends by its deadline; [`Transport::finish`] returns once the node has taken all
//! that was written, and a file is on the disk. Never: reads, truncates.

use super::Transport;
use crate::device::{Deadline, DeviceError};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// An open file.
#[derive(Debug)]
pub struct WriteOnly {
    file: File,
}

impl WriteOnly {
    /// Opens `path` to append to, making it when it is not there.
    ///
    /// # Errors
    /// [`DeviceError::Denied`], or [`DeviceError::Gone`] when its folder is not there.
    pub fn open(path: &Path) -> Result<Self, DeviceError> {
        let never_blocks = OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().append(true).create(true).custom_flags(never_blocks).open(path);
        file.map(|file| Self { file }).map_err(|error| {
            if error.kind() == ErrorKind::PermissionDenied {
                DeviceError::Denied(path.display().to_string())
            } else {
                DeviceError::Gone(format!("{}: {error}", path.display()))
            }
        })
    }
}

impl WriteOnly {
    /// Waits until the node takes bytes again, which `usblp` says once the last ones are with the printer.
    ///
    /// # Errors
    /// [`DeviceError::TimedOut`]; [`DeviceError::Gone`] when the other end left.
    fn await_room(&self, deadline: Deadline) -> Result<(), DeviceError> {
        loop {
            let left = deadline.left();
            if left.is_zero() {
                return Err(DeviceError::TimedOut);
            }
            let left = Timespec::try_from(left).map_err(|_| DeviceError::TimedOut)?;
            let mut node = [PollFd::new(&self.file, PollFlags::OUT)];
            let polled = poll(&mut node, Some(&left));
            let [told] = node.map(|node| node.revents());
            match polled {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) if told.intersects(PollFlags::ERR | PollFlags::HUP) => {
                    return Err(DeviceError::Gone("the other end left".to_owned()));
                }
                Ok(_) => return Ok(()),
                Err(error) => return Err(DeviceError::Gone(std::io::Error::from(error).to_string())),
            }
        }
    }
}

impl Transport for WriteOnly {
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        let gone = |error: std::io::Error| DeviceError::Gone(error.to_string());
        loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => return other.map_err(gone),
            }
            self.await_room(deadline)?;
        }
    }

    fn read(&mut self, _: &mut [u8], _: Deadline) -> Result<usize, DeviceError> {
        Err(DeviceError::Unsupported("a file does not answer"))
    }

    fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        // Closing `usblp` before that throws away what it still has in flight.
        self.await_room(deadline)?;
        match self.file.sync_data() {
            // A pipe or a character device has no disk to reach.
            Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
            other => other.map_err(|error| DeviceError::Gone(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read as _, os::fd::AsRawFd as _, time::Duration};

    #[test]
    fn a_file_is_appended_to_and_does_not_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipt.bin");
        let soon = Deadline::after(Duration::from_secs(5));
        for _ in 0..2 {
            let mut line = WriteOnly::open(&path).unwrap();
            assert_eq!(line.write(b"ab", soon).unwrap(), 2);
            assert!(matches!(line.read(&mut [0], soon), Err(DeviceError::Unsupported(_))));
            line.finish(soon).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"abab");
        let nowhere = WriteOnly::open(&folder.path().join("no/such"));
        assert!(matches!(nowhere, Err(DeviceError::Gone(_))));
    }

    /// A pipe nobody reads is a printer without paper, as far as a writer can tell.
    #[test]
    fn a_node_that_takes_nothing_ends_the_write_at_its_deadline() {
        let (mut printer, host) = std::io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", host.as_raw_fd());
        let mut line = WriteOnly::open(Path::new(&path)).unwrap();
        drop(host);
        let (mut taken, bytes) = (0, [0x55; 4096]);
        let error = loop {
            match line.write(&bytes, Deadline::after(Duration::from_millis(20))) {
                Ok(count) => taken += count,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, DeviceError::TimedOut) && taken > 0, "{error}");
        // Nothing is finished that the printer did not take.
        assert!(matches!(
            line.finish(Deadline::after(Duration::from_millis(20))),
            Err(DeviceError::TimedOut)
        ));
        let mut paper = vec![0; taken];
        printer.read_exact(&mut paper).unwrap();
        assert_eq!(line.write(&bytes, Deadline::after(Duration::from_secs(5))).unwrap(), bytes.len());
        drop(printer);
        let soon = Deadline::after(Duration::from_secs(5));
        assert!(matches!(line.finish(soon), Err(DeviceError::Gone(_))));
        assert!(matches!(line.write(&bytes, soon), Err(DeviceError::Gone(_))));
    }
}
