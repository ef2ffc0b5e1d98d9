//! A simulated touch panel.
//!
//! A finger becomes the raw events of protocol B, which go the same way as a real panel's: slot tracker,
//! calibration, rotation, sink.
//!
//! Promises: an unplugged panel cancels its fingers. Never: a thread; a wait (the hand that touches may
//! be the thread that empties the channel).

use super::world::World;
use crate::{
    Class, Event, EventSink, Health,
    pointer::{
        self, Kind, PointerFeed, PointerHandle,
        evdev::Options,
        now_us,
        slots::{Axis, Fed, Layout, Raw, Tracker, code},
    },
};

/// The panel's resolution on both axes, as a common controller reports it.
const COUNTS_MAX: u16 = 4095;

/// Fingers the panel follows.
const SLOTS: u8 = 10;

/// The panel, once something listens to it.
#[derive(Default)]
pub(super) struct TouchSim {
    panel: Option<Panel>,
    pulled: bool,
}

struct Panel {
    tracker: Tracker,
    options: Options,
    feed: PointerFeed,
    sink: EventSink,
    next_id: i32,
    down: [bool; SLOTS as usize],
}

/// Connects the world's panel to `sink`; a panel connected before is let go.
#[must_use]
pub fn connect(world: &World, name: &str, options: Options, sink: EventSink) -> PointerHandle {
    world.change(|things| {
        let axis = Axis { min: 0, max: i32::from(COUNTS_MAX) };
        let tracker = Tracker::new(Layout::MultiTouch { x: axis, y: axis, slots: SLOTS });
        let feed = PointerFeed::new(sink.clone());
        let down = [false; SLOTS as usize];
        let panel = Panel { tracker, options, feed, sink, next_id: 0, down };
        panel.health(if things.touch.pulled { Health::Absent } else { Health::Ready });
        things.touch.panel = Some(panel);
    });
    PointerHandle::new(name.to_owned(), None)
}

impl TouchSim {
    pub(super) fn press(&mut self, finger: u8, x: f32, y: f32) -> bool {
        let Some(panel) = self.panel.as_mut().filter(|_| !self.pulled) else { return false };
        let Some(down) = panel.down.get_mut(usize::from(finger)) else { return false };
        let landed = !std::mem::replace(down, true);
        let (x, y) = (counts(x), counts(y));
        panel.raw(code::EV_ABS, code::ABS_MT_SLOT, i32::from(finger));
        if landed {
            panel.next_id = (panel.next_id + 1) & 0xffff;
            panel.raw(code::EV_ABS, code::ABS_MT_TRACKING_ID, panel.next_id);
        }
        panel.raw(code::EV_ABS, code::ABS_MT_POSITION_X, x);
        panel.raw(code::EV_ABS, code::ABS_MT_POSITION_Y, y);
        panel.report()
    }

    pub(super) fn release(&mut self, finger: u8) -> bool {
        let Some(panel) = self.panel.as_mut().filter(|_| !self.pulled) else { return false };
        let was_down = panel.down.get_mut(usize::from(finger)).is_some_and(std::mem::take);
        if was_down {
            panel.raw(code::EV_ABS, code::ABS_MT_SLOT, i32::from(finger));
            panel.raw(code::EV_ABS, code::ABS_MT_TRACKING_ID, -1);
        }
        was_down && panel.report()
    }

    pub(super) fn cable(&mut self, pulled: bool) {
        self.pulled = pulled;
        let Some(panel) = self.panel.as_mut() else { return };
        if pulled {
            panel.down = Default::default();
            panel.tracker.cancel(now_us());
            panel.flush();
        }
        panel.health(if pulled { Health::Absent } else { Health::Ready });
    }
}

impl Panel {
    fn raw(&mut self, kind: u16, code: u16, value: i32) {
        let fed = self.tracker.feed(Raw { at_us: now_us(), kind, code, value });
        debug_assert_eq!(fed, Fed::More, "the simulated panel loses nothing");
    }

    fn report(&mut self) -> bool {
        self.raw(code::EV_SYN, code::SYN_REPORT, 0);
        self.flush()
    }

    /// Passes on what the tracker has; false when the listener has not taken it.
    fn flush(&mut self) -> bool {
        let mut told = true;
        while let Some(event) = self.tracker.next_event() {
            let (x, y) = self.options.calibration.apply(self.options.rotation, event.x, event.y);
            let sent = self.feed.send(pointer::Event { x, y, ..event });
            told &= sent.is_ok() || event.kind == Kind::Move;
        }
        told
    }

    fn health(&self, health: Health) {
        drop(self.sink.try_send(Event::Health { class: Class::Pointer, health }));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to 0..=4095 before")]
fn counts(part: f32) -> i32 {
    (part.clamp(0.0, 1.0) * f32::from(COUNTS_MAX)).round() as i32
}
