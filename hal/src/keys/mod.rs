//! Keyboard-like devices: barcode scanners, keypads and stripe readers that pretend to be a keyboard.
//!
//! ```text
//! evdev node, grabbed -> raw events -> Tracker -> KeyEvent -> wedge (text) or keypad (named keys)
//! ```
//!
//! Promises: a key is told as pressed, then as let go, for any input whatever; a loss in the kernel's buffer
//! is told as one and invents no key; a node that cannot be had alone is not read at all, or what a scanner
//! types would land in somebody's text field.
//!
//! Never: shows or logs a code: it may be a digit of somebody's card.

pub(crate) mod data;
mod keyboard;
mod storm;
mod tracker;

pub use crate::input::{Raw, code, now_us};
pub use data::DataError;
pub use keyboard::Keyboard;
pub(crate) use keyboard::list;
pub use storm::Storm;
pub use tracker::{Fed, Tracker};

use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
};
use std::{collections::BTreeSet, fmt};
use zeroize::Zeroizing;

/// What happens to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes down.
    Press,
    /// It is held, and the kernel repeats it.
    Repeat,
    /// It comes up.
    Release,
    /// It is up, and nobody saw it come up.
    Cancel,
}

/// One key, as `linux/input-event-codes.h` counts them. Hidden from `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyEvent {
    /// `CLOCK_MONOTONIC`, microseconds.
    pub at_us: u64,
    /// `KEY_...`, at most [`code::KEY_MAX`].
    pub code: u16,
    /// What happens to it.
    pub action: Action,
}

impl fmt::Debug for KeyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyEvent({:?} at {} us)", self.action, self.at_us)
    }
}

/// A keyboard-like device, open and ours alone.
pub trait KeySource: Send {
    /// Waits for raw events until cancelled or `deadline`; nothing when none came.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when unplugged.
    fn read(&mut self, deadline: Deadline) -> Result<Zeroizing<Vec<Raw>>, DeviceError>;

    /// Which keys are down now (`EVIOCGKEY`).
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when unplugged.
    fn held(&mut self) -> Result<BTreeSet<u16>, DeviceError>;

    /// What ends [`Self::read`].
    fn canceller(&self) -> Option<Canceller>;
}
