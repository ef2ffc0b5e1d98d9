//! Chip card readers by USB CCID, revision 1.1.
//!
//! ```text
//! reader   CardReader: slot, power, transmit        identify   what number a chip bears, if any
//!   |         setup  protocol and speed
//!   |         carry  APDU level, T=0 or T=1 at TPDU level (machines in `card::chip`)
//! link     one command, one reply: numbers, more time, abort
//! pipe     bulk out, bulk in, interrupt in          usb: over rusb    sim::ccid: without a reader
//! ```
//!
//! Promises: every call ends by its deadline; a card pulled out while it was spoken to is
//! [`Torn`](super::CardError::Torn), one that says nothing is [`Mute`](super::CardError::Mute); a command
//! APDU is sent to a card once.
//!
//! Never: asks for a PIN; drives a reader that exchanges single characters; uses a slot but the first.

mod carry;
pub mod descriptor;
pub mod frame;
pub(super) mod identify;
mod link;
pub mod pipe;
mod reader;
mod setup;
mod slot_error;
pub mod usb;

#[cfg(feature = "pcsc")]
pub(super) use carry::apdu_error;
pub use pipe::{CcidPipe, Told};
pub use reader::CcidReader;
