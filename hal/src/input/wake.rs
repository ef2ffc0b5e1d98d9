//! Waiting for a device that another thread can end.
//!
//! Promises: a wake-up while nothing waits ends the next wait. Never: polls.

use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    transport::Sign,
};
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::Errno,
};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

/// Ends a wait from any thread. Clones wake the same.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<OwnedFd>);

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    pub(crate) fn wake(&self) {
        // It can only fail when the counter is full, and then it is awake.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    pub(crate) fn canceller(&self) -> Canceller {
        let waker = self.clone();
        Arc::new(move || waker.wake())
    }

    /// Takes the wake-up; whether there was one.
    pub(crate) fn take(&self) -> bool {
        rustix::io::read(&*self.0, &mut [0; 8]).is_ok()
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until `device` can be read or is gone, until `wake` can be read, or until `deadline`; whether it is
/// the device. Without a deadline `wake` is the only other end, by design.
pub(crate) fn wait(
    device: impl AsFd,
    wake: impl AsFd,
    deadline: Option<Deadline>,
) -> Result<bool, DeviceError> {
    wait_any(&[device.as_fd()], wake, deadline)
}

/// The same for any of `devices`.
pub(crate) fn wait_any(
    devices: &[BorrowedFd<'_>],
    wake: impl AsFd,
    deadline: Option<Deadline>,
) -> Result<bool, DeviceError> {
    let fds = devices.iter().copied().chain([wake.as_fd()]);
    let mut fds: Vec<_> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    let limit = deadline.and_then(|deadline| Timespec::try_from(deadline.left()).ok());
    match poll(&mut fds, limit.as_ref()) {
        Ok(_) => Ok(fds.iter().take(devices.len()).any(|device| !device.revents().is_empty())),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(DeviceError::Gone(error.to_string())),
    }
}

/// The same for a line, and what ended the wait.
pub(crate) fn sign(line: impl AsFd, waker: &Waker, deadline: Deadline) -> Result<Sign, DeviceError> {
    loop {
        if wait(&line, waker, Some(deadline))? {
            return Ok(Sign::Readable);
        }
        if waker.take() {
            return Ok(Sign::Cancelled);
        }
        if deadline.passed() {
            return Ok(Sign::Nothing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_wake_up_ends_the_next_wait_and_no_more() {
        let (silent, _kept) = std::io::pipe().unwrap();
        let waker = Waker::new().unwrap();
        waker.wake();
        let begun = Instant::now();
        wait(&silent, &waker, None).unwrap();
        assert!(waker.take() && !waker.take());
        wait(&silent, &waker, Some(Deadline::after(Duration::from_millis(20)))).unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn a_line_is_told_from_a_wake_up_and_from_silence() {
        let (reader, writer) = std::io::pipe().unwrap();
        let (waker, soon) = (Waker::new().unwrap(), Deadline::after(Duration::from_secs(5)));
        assert_eq!(sign(&reader, &waker, Deadline::after(Duration::ZERO)).unwrap(), Sign::Nothing);
        let cancel = waker.canceller();
        let thread = std::thread::spawn(move || cancel());
        assert_eq!(sign(&reader, &waker, soon).unwrap(), Sign::Cancelled);
        thread.join().unwrap();
        // What hangs up is to be read too: the read says so.
        drop(writer);
        assert_eq!(sign(&reader, &waker, soon).unwrap(), Sign::Readable);
    }
}
