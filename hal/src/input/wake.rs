//! Waiting for a device that another thread can end.
//!
//! Never: polls.

use crate::device::{Deadline, DeviceError};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::os::fd::AsFd;

/// Waits until `device` can be read or is gone, until `wake` can be read, or until `deadline`. Without a
/// deadline `wake` is the only other end, by design.
pub(crate) fn wait(
    device: impl AsFd,
    wake: impl AsFd,
    deadline: Option<Deadline>,
) -> Result<(), DeviceError> {
    let mut fds = [PollFd::new(&device, PollFlags::IN), PollFd::new(&wake, PollFlags::IN)];
    let limit = deadline.and_then(|deadline| Timespec::try_from(deadline.left()).ok());
    match poll(&mut fds, limit.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(DeviceError::Gone(error.to_string())),
    }
}
