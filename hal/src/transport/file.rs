//! A file or a write-only node that takes the bytes.
//!
//! Promises: appends; [`Transport::finish`] returns once the file is on the disk.
//! Never: reads, truncates.

use super::Transport;
use crate::device::{Deadline, DeviceError};
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
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
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.map(|file| Self { file }).map_err(|error| {
            if error.kind() == ErrorKind::PermissionDenied {
                DeviceError::Denied(path.display().to_string())
            } else {
                DeviceError::Gone(format!("{}: {error}", path.display()))
            }
        })
    }
}

impl Transport for WriteOnly {
    fn write(&mut self, bytes: &[u8], _: Deadline) -> Result<usize, DeviceError> {
        self.file.write(bytes).map_err(|error| DeviceError::Gone(error.to_string()))
    }

    fn read(&mut self, _: &mut [u8], _: Deadline) -> Result<usize, DeviceError> {
        Err(DeviceError::Unsupported("a file does not answer"))
    }

    fn finish(&mut self, _: Deadline) -> Result<(), DeviceError> {
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
    use std::time::Duration;

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
}
