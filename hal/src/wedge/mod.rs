//! Text that a device types: a barcode scanner's, a stripe reader's; through keys or a serial line.
//!
//! ```text
//! KeySource --raw--> Tracker --keys--> Typist --characters--+
//!                                                           +--> Framer --> Framed
//! serial line --bytes---------------------------------------+
//! ```
//!
//! Promises: a text is told whole or not at all; nothing of it stays in memory once told. Never: goes
//! through the screen's own keyboard layout; sees what a text means.

mod aim;
mod frame;
mod keys;
mod layout;
mod serial;
mod typist;

pub use aim::{Aim, Symbology};
pub use frame::{Framed, Framer, Garble, KEY_GAP_MAX, Terminator, Text};
pub use keys::KeyText;
pub use layout::Layout;
pub use serial::{BAUD_DEFAULT, SerialText};
pub use typist::{Stroke, Typist};

use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    input::now_us,
};
use std::time::Duration;

/// A device that types, open.
pub trait TextSource: Send {
    /// Waits until a text is whole or worthless, until cancelled, or until `deadline`; it may return
    /// nothing earlier.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when unplugged; an unfinished text is gone with it.
    fn next(&mut self, deadline: Deadline) -> Result<Option<Framed>, DeviceError>;

    /// What ends [`Self::next`].
    fn canceller(&self) -> Option<Canceller>;
}

/// The earlier of `deadline` and `at_us`, `CLOCK_MONOTONIC` in microseconds.
pub(crate) fn until(deadline: Deadline, at_us: Option<u64>) -> Deadline {
    at_us.map_or(deadline, |at| deadline.at_most(Duration::from_micros(at.saturating_sub(now_us()))))
}
