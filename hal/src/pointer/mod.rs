//! Touch and mouse, from evdev or from a window.
//!
//! ```text
//! evdev node -> raw events -> slots::Tracker -> calibration + rotation -> Event -> sink
//! window, test ------------------------------------------- PointerFeed -> Event -> sink
//! ```
//!
//! Promises: for each slot a `Down` is ended by exactly one `Up` or `Cancel` before the next `Down`;
//! coordinates lie in 0..=1 of the screen as it stands; a lost release ends in `Cancel`, never in `Up`,
//! so a press that was not proven never becomes a click.
//!
//! Never: shares a device (grab or refuse); moves to another device than the one configured.

pub mod calibration;
pub mod evdev;
pub mod feed;
pub mod slots;

pub use crate::input::now_us;
pub use calibration::{Calibration, Rotation};
pub use feed::{FeedError, PointerFeed};

use crate::keeper::Worker;

/// The most fingers followed at once on one device.
pub const SLOTS_MAX: u8 = 16;

/// What a finger or a mouse does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// `CLOCK_MONOTONIC`, microseconds.
    pub at_us: u64,
    /// What happens.
    pub kind: Kind,
    /// Which finger, from 0 to [`SLOTS_MAX`] - 1; a mouse is slot 0.
    pub slot: u8,
    /// From the left edge (0) to the right edge (1) of the screen.
    pub x: f32,
    /// From the upper edge (0) to the lower edge (1) of the screen.
    pub y: f32,
}

impl Event {
    /// An event that happens now.
    #[must_use]
    pub fn now(kind: Kind, slot: u8, x: f32, y: f32) -> Self {
        Self { at_us: now_us(), kind, slot, x, y }
    }
}

/// What happens to one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A finger lands, the left button goes down.
    Down,
    /// It moves. Between `Down` and `Up` a drag; outside of them a mouse that hovers.
    Move,
    /// It lifts.
    Up,
    /// It is gone and nobody saw it lift: undo the press, click nothing.
    Cancel,
}

/// A pointer device that is kept open; dropping it lets the device go.
pub struct PointerHandle {
    /// The selector it was configured with.
    name: String,
    /// A device that needs a thread has one here; a fed one does not.
    _worker: Option<Worker>,
}

impl PointerHandle {
    pub(crate) fn new(name: String, worker: Option<Worker>) -> Self {
        Self { name, _worker: worker }
    }

    /// The selector it was configured with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}
