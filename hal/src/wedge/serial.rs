//! Text from a serial line that is only listened to: RS-232, or CDC-ACM over USB.
//!
//! Eight data bits, no parity, one stop bit; the speed is the kiosk's to say and means nothing on USB. What
//! the line held before it was opened is thrown away.
//!
//! Promises: a line that hung up is [`DeviceError::Gone`] (a read of nothing, `EIO`), and is closed, or the
//! plugged-in device would come back under another name. Never: writes; polls; drains.

use super::{Framed, Framer, TextSource, until};
use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    input::{
        now_us,
        wake::{self, Waker},
    },
};
use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock},
    io::Errno,
    termios::{ControlModes, OptionalActions, QueueSelector, ioctl_tiocexcl, tcflush, tcgetattr, tcsetattr},
};
use std::{os::fd::OwnedFd, path::Path};
use zeroize::Zeroizing;

/// Bits a second, unless the kiosk says otherwise: what scanners leave the factory with.
pub const BAUD_DEFAULT: u32 = 9600;

/// At most so many bytes are taken at once.
const READ_BYTES: usize = 256;

/// A serial line, and the text under way on it.
pub struct SerialText {
    line: OwnedFd,
    waker: Waker,
    framer: Framer,
}

impl SerialText {
    /// Opens the line at `path`, ours alone, at `baud` bits a second.
    ///
    /// # Errors
    /// [`DeviceError::NotExclusive`] when somebody else has it, [`DeviceError::Unsupported`] when it is no
    /// serial line or has no such speed, [`DeviceError::Denied`], [`DeviceError::Gone`].
    pub fn open(path: &Path, baud: u32, framer: Framer) -> Result<Self, DeviceError> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let failed = |error: Errno| failure(path, error);
        let line = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
        let mut settings = tcgetattr(&line).map_err(failed)?;
        flock(&line, FlockOperation::NonBlockingLockExclusive).map_err(failed)?;
        ioctl_tiocexcl(&line).map_err(failed)?;
        settings.make_raw();
        settings.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
        settings.control_modes &= !(ControlModes::CSTOPB | ControlModes::CRTSCTS);
        settings.set_speed(baud).map_err(|_| DeviceError::Unsupported("a serial line of this speed"))?;
        tcsetattr(&line, OptionalActions::Now, &settings).map_err(failed)?;
        tcflush(&line, QueueSelector::IFlush).map_err(failed)?;
        let waker = Waker::new().map_err(|error| DeviceError::Gone(error.to_string()))?;
        Ok(Self { line, waker, framer })
    }

    fn read(&mut self) -> Result<usize, DeviceError> {
        let mut bytes = Zeroizing::new([0; READ_BYTES]);
        match rustix::io::read(&self.line, bytes.as_mut_slice()) {
            Ok(0) => Err(DeviceError::Gone("the serial line hung up".to_owned())),
            Ok(count) => {
                let now = now_us();
                bytes.iter().take(count).for_each(|byte| self.framer.byte(now, *byte));
                Ok(count)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(DeviceError::Gone(error.to_string())),
        }
    }
}

fn failure(path: &Path, error: Errno) -> DeviceError {
    let name = path.display();
    match error {
        Errno::ACCESS | Errno::PERM => DeviceError::Denied(name.to_string()),
        Errno::BUSY | Errno::WOULDBLOCK => DeviceError::NotExclusive(name.to_string()),
        Errno::NOTTY => DeviceError::Unsupported("this node is no serial line"),
        other => DeviceError::Gone(format!("{name}: {other}")),
    }
}

impl TextSource for SerialText {
    fn next(&mut self, deadline: Deadline) -> Result<Option<Framed>, DeviceError> {
        loop {
            if let Some(framed) = self.framer.next_framed() {
                return Ok(Some(framed));
            }
            wake::wait(&self.line, &self.waker, Some(until(deadline, self.framer.poll_timeout())))?;
            let woken = self.waker.take();
            if woken || self.read()? == 0 {
                self.framer.handle_timeout(now_us());
                return Ok(self.framer.next_framed());
            }
        }
    }

    fn canceller(&self) -> Option<Canceller> {
        Some(self.waker.canceller())
    }
}
