//! Which finger does what: raw evdev events to [`Event`]s. Pure.
//!
//! Source: the kernel's `Documentation/input/multi-touch-protocol.rst`, protocol B:
//!
//! ```text
//! ABS_MT_SLOT n          the following concern slot n
//! ABS_MT_TRACKING_ID i   a finger lands (i >= 0) or lifts (-1)
//! ABS_MT_POSITION_X, _Y  where it is; values that did not change are left out
//! SYN_REPORT             all of the above happened at once
//! SYN_DROPPED            the kernel's buffer ran over: all up to the next SYN_REPORT is worthless
//! ```
//!
//! After `SYN_DROPPED` the tracker asks for a [`Snapshot`] ([`Fed::NeedsSync`]) and compares: a finger that
//! is still down goes on, one that left in between is cancelled. Without a snapshot every finger is
//! cancelled and a slot comes back with its next `ABS_MT_TRACKING_ID`.
//!
//! Promises: per slot `Down`, then `Move`s, then one `Up` or `Cancel`, for any input whatever; coordinates
//! in 0..=1; [`Tracker::feed`] keeps at most one event more per slot and report.
//!
//! Never: reads a clock, a device; trusts a slot number or a range.

pub use crate::input::{Raw, code};

use super::{Event, Kind, SLOTS_MAX};
use std::collections::VecDeque;

/// The range of an axis, `struct input_absinfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The value at the left or upper edge.
    pub min: i32,
    /// The value at the right or lower edge.
    pub max: i32,
}

impl Axis {
    /// Where `value` is between the edges, clamped to 0..=1.
    fn normal(self, value: i32) -> f64 {
        let span = f64::from(self.max) - f64::from(self.min);
        if span <= 0.0 { 0.0 } else { ((f64::from(value) - f64::from(self.min)) / span).clamp(0.0, 1.0) }
    }
}

/// What kind of device speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Several fingers, protocol B.
    MultiTouch {
        /// `ABS_MT_POSITION_X`.
        x: Axis,
        /// `ABS_MT_POSITION_Y`.
        y: Axis,
        /// The maximum of `ABS_MT_SLOT`, plus one; more than [`SLOTS_MAX`] are not followed.
        slots: u8,
    },
    /// One finger or an absolute mouse: `ABS_X`, `ABS_Y` and one button.
    Absolute {
        /// `ABS_X`.
        x: Axis,
        /// `ABS_Y`.
        y: Axis,
        /// `BTN_TOUCH`, or `BTN_LEFT` for a device that hovers.
        button: Button,
    },
    /// A mouse: `REL_X`, `REL_Y`, `BTN_LEFT`.
    Relative {
        /// Counts from the left to the right edge.
        width: u16,
        /// Counts from the upper to the lower edge.
        height: u16,
    },
}

/// What makes an absolute device press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// `BTN_TOUCH`: it is only seen while it touches.
    Touch,
    /// `BTN_LEFT`: it also moves without pressing.
    Left,
}

/// How the device stands now, read from the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// `EVIOCGABS(ABS_MT_SLOT)`: which slot the next events concern.
    pub slot: i32,
    /// `EVIOCGMTSLOTS` by slot: tracking id, x, y. For a device without slots one entry; a tracking id
    /// of 0 says that the button is down, -1 that it is up.
    pub contacts: Vec<(i32, i32, i32)>,
}

/// What [`Tracker::feed`] wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fed {
    /// The next raw event.
    More,
    /// The buffer ran over: call [`Tracker::sync`] before the next raw event.
    NeedsSync,
}

/// A slot as the device last described it, or as it was last told.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Contact {
    /// Not negative while a finger is there.
    id: i32,
    x: f64,
    y: f64,
}

const LIFTED: Contact = Contact { id: -1, x: 0.0, y: 0.0 };

/// Follows the fingers on one device.
#[derive(Debug)]
pub struct Tracker {
    layout: Layout,
    /// As the device describes it, the current report included.
    heard: Vec<Contact>,
    /// As the outside was told at the last `SYN_REPORT`.
    told: Vec<Contact>,
    /// Which slot the events concern; none after a loss, until the device says.
    slot: Option<usize>,
    /// Between `SYN_DROPPED` and `SYN_REPORT`.
    dropping: bool,
    events: VecDeque<Event>,
}

impl Tracker {
    /// A tracker for a device that nobody touches yet.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        let (slots, start) = match layout {
            Layout::MultiTouch { slots, .. } => (slots.clamp(1, SLOTS_MAX), LIFTED),
            Layout::Absolute { .. } => (1, LIFTED),
            Layout::Relative { .. } => (1, Contact { id: -1, x: 0.5, y: 0.5 }),
        };
        let contacts = vec![start; usize::from(slots)];
        Self {
            layout,
            heard: contacts.clone(),
            told: contacts,
            slot: Some(0),
            dropping: false,
            events: VecDeque::new(),
        }
    }

    /// Takes one raw event; events it completes are had from [`Self::next_event`].
    pub fn feed(&mut self, raw: Raw) -> Fed {
        match (raw.kind, raw.code) {
            (code::EV_SYN, code::SYN_DROPPED) => self.dropping = true,
            (code::EV_SYN, code::SYN_REPORT) if self.dropping => {
                self.dropping = false;
                return Fed::NeedsSync;
            }
            (code::EV_SYN, code::SYN_REPORT) => self.report(raw.at_us, Kind::Up),
            _ if self.dropping => {}
            (kind, code) => match self.layout {
                Layout::MultiTouch { x, y, .. } => self.multi_touch(kind, code, raw.value, x, y),
                Layout::Absolute { x, y, button } => self.absolute(kind, code, raw.value, (x, y, button)),
                Layout::Relative { width, height } => self.relative(kind, code, raw.value, width, height),
            },
        }
        Fed::More
    }

    /// Brings the tracker in line with the device after a loss, or at the start. `None` when the device
    /// could not be asked: every finger is cancelled.
    pub fn sync(&mut self, at_us: u64, snapshot: Option<&Snapshot>) {
        self.dropping = false;
        for contact in &mut self.heard {
            contact.id = -1;
        }
        self.slot = match (snapshot, self.layout) {
            (Some(now), Layout::MultiTouch { .. }) => self.index(now.slot),
            (None, Layout::MultiTouch { .. }) => None,
            (_, Layout::Absolute { .. } | Layout::Relative { .. }) => Some(0),
        };
        let axes = match self.layout {
            Layout::MultiTouch { x, y, .. } | Layout::Absolute { x, y, .. } => Some((x, y)),
            Layout::Relative { .. } => None,
        };
        for (contact, now) in self.heard.iter_mut().zip(snapshot.map_or(&[][..], |s| &s.contacts)) {
            contact.id = now.0.max(-1);
            if let Some((x, y)) = axes {
                (contact.x, contact.y) = (x.normal(now.1), y.normal(now.2));
            }
        }
        self.report(at_us, Kind::Cancel);
    }

    /// Cancels every finger: the device is gone.
    pub fn cancel(&mut self, at_us: u64) {
        self.sync(at_us, None);
    }

    /// The oldest event not yet taken.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn index(&self, slot: i32) -> Option<usize> {
        usize::try_from(slot).ok().filter(|slot| *slot < self.heard.len())
    }

    /// The contact the events concern, unless its slot is unknown or out of range.
    fn current(&mut self) -> Option<&mut Contact> {
        self.slot.and_then(|slot| self.heard.get_mut(slot))
    }

    fn multi_touch(&mut self, kind: u16, code: u16, value: i32, x: Axis, y: Axis) {
        if kind != code::EV_ABS {
            return;
        }
        if code == code::ABS_MT_SLOT {
            self.slot = self.index(value);
        }
        let Some(contact) = self.current() else { return };
        match code {
            code::ABS_MT_TRACKING_ID => contact.id = value.max(-1),
            code::ABS_MT_POSITION_X => contact.x = x.normal(value),
            code::ABS_MT_POSITION_Y => contact.y = y.normal(value),
            _ => {}
        }
    }

    fn absolute(&mut self, kind: u16, code: u16, value: i32, (x, y, button): (Axis, Axis, Button)) {
        let pressing = match button {
            Button::Touch => code::BTN_TOUCH,
            Button::Left => code::BTN_LEFT,
        };
        let Some(contact) = self.current() else { return };
        match (kind, code) {
            (code::EV_ABS, code::ABS_X) => contact.x = x.normal(value),
            (code::EV_ABS, code::ABS_Y) => contact.y = y.normal(value),
            (code::EV_KEY, key) if key == pressing => contact.id = if value == 0 { -1 } else { 0 },
            _ => {}
        }
    }

    fn relative(&mut self, kind: u16, code: u16, value: i32, width: u16, height: u16) {
        let Some(contact) = self.current() else { return };
        let part = |size: u16| f64::from(value) / f64::from(size.max(1));
        match (kind, code) {
            (code::EV_REL, code::REL_X) => contact.x = (contact.x + part(width)).clamp(0.0, 1.0),
            (code::EV_REL, code::REL_Y) => contact.y = (contact.y + part(height)).clamp(0.0, 1.0),
            (code::EV_KEY, code::BTN_LEFT) => contact.id = if value == 0 { -1 } else { 0 },
            _ => {}
        }
    }

    fn hovers(&self) -> bool {
        match self.layout {
            Layout::MultiTouch { .. } | Layout::Absolute { button: Button::Touch, .. } => false,
            Layout::Absolute { button: Button::Left, .. } | Layout::Relative { .. } => true,
        }
    }

    /// Tells the difference between `told` and `heard`; a finger that left is told as `gone`.
    fn report(&mut self, at_us: u64, gone: Kind) {
        let hovers = self.hovers();
        for ((slot, heard), told) in (0_u8..).zip(&self.heard).zip(&mut self.told) {
            let mut tell = |kind, at: &Contact| {
                self.events.push_back(Event { at_us, kind, slot, x: narrow(at.x), y: narrow(at.y) });
            };
            let moved = heard.x.to_bits() != told.x.to_bits() || heard.y.to_bits() != told.y.to_bits();
            match (told.id >= 0, heard.id >= 0) {
                (false, false) if hovers && moved => tell(Kind::Move, heard),
                (false, false) => {}
                (false, true) => tell(Kind::Down, heard),
                (true, false) => tell(gone, if gone == Kind::Up { heard } else { told }),
                (true, true) if told.id != heard.id => {
                    tell(gone, told);
                    tell(Kind::Down, heard);
                }
                (true, true) if moved => tell(Kind::Move, heard),
                (true, true) => {}
            }
            *told = *heard;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "0..=1 at the screen's resolution needs 13 bits")]
fn narrow(part: f64) -> f32 {
    part as f32
}
