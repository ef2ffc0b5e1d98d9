//! Bytes to and from a device, with a deadline.
//!
//! Promises: a partial write is reported as such; a read that times out loses nothing.
//! Never: interprets what it carries.

pub mod file;
pub mod hidraw;
pub mod serial;
pub mod tcp;
pub mod usb;

use crate::device::{Deadline, DeviceError};

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

    /// Ends the connection after everything written was handed over. A line that cannot tell does nothing.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when it was already broken.
    fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError>;

    /// Paper and errors as the line itself tells them, beside the data.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] when this line tells nothing, else as it has it.
    fn port_status(&mut self, _deadline: Deadline) -> Result<usb::PortStatus, DeviceError> {
        Err(DeviceError::Unsupported("no port status on this line"))
    }
}
