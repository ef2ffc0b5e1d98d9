//! What a CCID driver needs of USB: three end points and one control request.
//!
//! Promises: a simulator and a real bus stand behind the same driver. Never: interprets a message.

use super::descriptor::Descriptor;
use crate::{
    card::Canceller,
    device::{Deadline, DeviceError},
};

/// How waiting on the interrupt end point ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A message of so many bytes.
    Notice(usize),
    /// The deadline passed.
    Nothing,
    /// The canceller was called.
    Cancelled,
}

/// An open reader.
pub trait CcidPipe: Send {
    /// Its functional descriptor.
    fn descriptor(&self) -> Descriptor;

    /// wMaxPacketSize of bulk in; buffers for [`Self::receive`] are multiples of it.
    fn packet(&self) -> usize;

    /// Whether it has an interrupt end point.
    fn has_notices(&self) -> bool;

    /// Sends a whole message on bulk out.
    ///
    /// # Errors
    /// [`DeviceError::TimedOut`] when not all of it was taken, [`DeviceError::Gone`] when unplugged,
    /// [`DeviceError::Nonsense`] when the end point stalled; the stall is cleared.
    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), DeviceError>;

    /// One transfer on bulk in, ended by a short packet or a full buffer; zero bytes are possible.
    ///
    /// # Errors
    /// As [`Self::send`]; [`DeviceError::TimedOut`] when nothing came.
    fn receive(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError>;

    /// Waits for a message on the interrupt end point, or without one only for the canceller.
    ///
    /// # Errors
    /// As [`Self::receive`], but a deadline that passed is [`Told::Nothing`].
    fn notice(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<Told, DeviceError>;

    /// Ends [`Self::notice`] from any thread; a call made while nothing waits ends the next one.
    fn canceller(&self) -> Canceller;

    /// The ABORT request on the control end point (CCID section 5.3.1), for the command numbered `seq`.
    ///
    /// # Errors
    /// As [`Self::send`].
    fn abort(&mut self, slot: u8, seq: u8, deadline: Deadline) -> Result<(), DeviceError>;
}
