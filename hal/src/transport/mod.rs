//! Bytes to and from a device, with a deadline.
//!
//! Promises: a partial write is reported as such; a read that times out loses nothing; a line that answers can
//! be waited for without asking it again and again, and any thread can end that wait.
//! Never: interprets what it carries.

pub mod file;
pub mod hidraw;
pub mod serial;
pub mod tcp;
pub mod usb;

use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
};

/// How waiting for a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A read has something to give, be it that the line is lost.
    Readable,
    /// The deadline passed.
    Nothing,
    /// The canceller was called.
    Cancelled,
}

/// A two-way line to a device.
pub trait Transport: Send {
    /// Writes some of `bytes`, as many as the device takes before `deadline`; returns how many.
    ///
    /// # Errors
    /// [`DeviceError::TimedOut`] when not one byte was taken, [`DeviceError::Gone`] when unplugged.
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError>;

    /// Reads at least one byte into `buffer`; returns how many.
    ///
    /// # Errors
    /// [`DeviceError::TimedOut`] when nothing came, [`DeviceError::Gone`] when unplugged,
    /// [`DeviceError::Unsupported`] when the line is write-only.
    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError>;

    /// Waits until a read has something to give, for the canceller, or until `deadline`.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] when the line is write-only, [`DeviceError::Gone`] when it is lost.
    fn wait(&mut self, _deadline: Deadline) -> Result<Sign, DeviceError> {
        Err(DeviceError::Unsupported("a write-only line is not waited for"))
    }

    /// Ends [`Self::wait`] from any thread; a call made while nothing waits ends the next one. A write-only line
    /// has none.
    fn canceller(&self) -> Option<Canceller> {
        None
    }

    /// Ends the connection after everything written was handed over. A line that cannot tell does nothing.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when it was already broken.
    fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError>;

    /// Whether a printer that answers nothing is reached anew for each job: what is heard on such a line is only
    /// that it was closed, and nobody listens between two jobs.
    fn is_per_job(&self) -> bool {
        false
    }

    /// Paper and errors as the line itself tells them, beside the data.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] when this line tells nothing, else as it has it.
    fn port_status(&mut self, _deadline: Deadline) -> Result<usb::PortStatus, DeviceError> {
        Err(DeviceError::Unsupported("no port status on this line"))
    }
}
