//! One evdev node: opened, then taken for us alone.
//!
//! ```text
//! Seen::open -> what it is -> Seen::grab -> Grabbed -> wait, read
//! ```
//!
//! Promises: events are stamped with `CLOCK_MONOTONIC`, by the kernel where it can and else when read.
//! Never: reads a node that others read too.

use super::{
    ioctl, now_us,
    raw::{self, RAW_BYTES, Raw},
    wake,
};
use crate::device::{Deadline, DeviceError};
use evdev::raw_stream::RawDevice;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use std::{
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// At most so many events are taken at once.
pub(crate) const EVENTS_MAX: usize = 64;

/// Nodes under `/dev/input`, in order of their numbers.
pub(crate) fn paths() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir("/dev/input")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("event")))
        .collect();
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    paths
}

/// An open node that can be asked what it is, not what happens on it.
pub(crate) struct Seen(RawDevice);

impl Seen {
    /// Opens the node.
    ///
    /// # Errors
    /// [`DeviceError::Denied`], [`DeviceError::Unsupported`] when it is no input device, or
    /// [`DeviceError::Gone`].
    pub(crate) fn open(path: &Path) -> Result<Self, DeviceError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failure(path, &error.into()))?;
        RawDevice::from_fd(fd).map(Self).map_err(|error| failure(path, &error))
    }

    pub(crate) fn device(&self) -> &RawDevice {
        &self.0
    }

    /// Takes it for us alone (`EVIOCGRAB`); whatever the error, the node is closed then.
    ///
    /// # Errors
    /// The system's: `EBUSY` when somebody else has it, `ENODEV` when it is gone.
    pub(crate) fn grab(mut self) -> io::Result<Grabbed> {
        self.0.grab()?;
        let stamped = ioctl::use_monotonic_clock(self.0.as_fd()).is_ok();
        Ok(Grabbed { device: self.0, stamped })
    }
}

/// A node whose events reach nobody but us.
pub(crate) struct Grabbed {
    device: RawDevice,
    /// Stamped with `CLOCK_MONOTONIC` by the kernel; else by us.
    stamped: bool,
}

impl Grabbed {
    pub(crate) fn device(&self) -> &RawDevice {
        &self.device
    }

    /// Waits for the device, for `ended`, or until `deadline`.
    pub(crate) fn wait(&self, ended: impl AsFd, deadline: Option<Deadline>) -> Result<(), DeviceError> {
        wake::wait(&self.device, ended, deadline).map(drop)
    }

    /// What the kernel has; nothing when nothing is there.
    pub(crate) fn read(&mut self) -> Result<Zeroizing<Vec<Raw>>, DeviceError> {
        let now = (!self.stamped).then(now_us);
        let mut bytes = Zeroizing::new([0; EVENTS_MAX * RAW_BYTES]);
        match rustix::io::read(&self.device, bytes.as_mut_slice()) {
            Ok(count) => Ok(raw::parse(bytes.get(..count).unwrap_or_default(), now)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Zeroizing::default()),
            Err(error) => Err(DeviceError::Gone(error.to_string())),
        }
    }
}

/// What an error of a node says about it.
pub(crate) fn failure(path: &Path, error: &io::Error) -> DeviceError {
    let name = path.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        DeviceError::Denied(name.to_string())
    } else if error.raw_os_error() == Some(Errno::NOTTY.raw_os_error()) {
        DeviceError::Unsupported("this node is no input device")
    } else {
        DeviceError::Gone(format!("{name}: {error}"))
    }
}
