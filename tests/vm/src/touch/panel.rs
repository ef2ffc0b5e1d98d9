//! A touch panel the kernel believes in, made with `uinput`: ten slots of protocol B.
//!
//! Dropping it pulls its plug. [`Panel::plug_in`] also makes the link that udev makes on a unit, because
//! the kernel is free to give a panel that comes back another number.
//!
//! Never: knows what hal makes of it.

use crate::uevent::{Uevents, link};
use anyhow::{Context as _, Result};
use evdev::{
    AbsInfo, AbsoluteAxisCode, AttributeSet, EventType, InputEvent, KeyCode, PropType, UinputAbsSetup,
    uinput::VirtualDevice,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The link every config here names.
pub(crate) const LINK: &str = "/dev/kiosk-touch";

/// What the panel calls itself.
pub(crate) const NAME: &str = "kiosk touch panel";

/// The highest coordinate, both ways.
pub(crate) const EDGE: i32 = 4095;

/// The highest slot.
const SLOT_LAST: i32 = 9;

/// The highest tracking id, as panels have it.
const TRACKING_LAST: i32 = 65535;

/// The kernel makes a node within this.
const NODE_LIMIT: Duration = Duration::from_secs(5);

/// A panel that is plugged in.
pub(crate) struct Panel {
    device: VirtualDevice,
    node: PathBuf,
}

impl Panel {
    /// Plugs a panel in and waits for its node.
    pub(crate) fn plug_in() -> Result<Self> {
        let uevents = Uevents::listen()?;
        let axis = |code, last| UinputAbsSetup::new(code, AbsInfo::new(0, 0, last, 0, 0, 0));
        let mut device = VirtualDevice::builder()
            .context("/dev/uinput")?
            .name(NAME)
            .with_properties(&AttributeSet::from_iter([PropType::DIRECT]))?
            .with_keys(&AttributeSet::from_iter([KeyCode::BTN_TOUCH]))?
            .with_absolute_axis(&axis(AbsoluteAxisCode::ABS_X, EDGE))?
            .with_absolute_axis(&axis(AbsoluteAxisCode::ABS_Y, EDGE))?
            .with_absolute_axis(&axis(AbsoluteAxisCode::ABS_MT_SLOT, SLOT_LAST))?
            .with_absolute_axis(&axis(AbsoluteAxisCode::ABS_MT_TRACKING_ID, TRACKING_LAST))?
            .with_absolute_axis(&axis(AbsoluteAxisCode::ABS_MT_POSITION_X, EDGE))?
            .with_absolute_axis(&axis(AbsoluteAxisCode::ABS_MT_POSITION_Y, EDGE))?
            .build()?;
        let folder = device.get_syspath()?;
        let node = uevents.until("node of the panel", NODE_LIMIT, || node_in(&folder))?;
        link(&node, LINK)?;
        Ok(Self { device, node })
    }

    /// Its node under `/dev/input`.
    pub(crate) fn node(&self) -> &Path {
        &self.node
    }

    /// A finger lands in `slot`; `id` is the kernel's tracking id, a new one for each landing.
    pub(crate) fn press(&mut self, slot: i32, id: i32, x: i32, y: i32) -> Result<()> {
        self.frame(&[
            absolute(AbsoluteAxisCode::ABS_MT_SLOT, slot),
            absolute(AbsoluteAxisCode::ABS_MT_TRACKING_ID, id),
            absolute(AbsoluteAxisCode::ABS_MT_POSITION_X, x),
            absolute(AbsoluteAxisCode::ABS_MT_POSITION_Y, y),
            InputEvent::new(EventType::KEY.0, KeyCode::BTN_TOUCH.0, 1),
        ])
    }

    /// The finger in `slot` moves.
    pub(crate) fn drag(&mut self, slot: i32, x: i32, y: i32) -> Result<()> {
        self.frame(&[
            absolute(AbsoluteAxisCode::ABS_MT_SLOT, slot),
            absolute(AbsoluteAxisCode::ABS_MT_POSITION_X, x),
            absolute(AbsoluteAxisCode::ABS_MT_POSITION_Y, y),
        ])
    }

    /// The finger in `slot` leaves.
    pub(crate) fn lift(&mut self, slot: i32) -> Result<()> {
        self.frame(&[
            absolute(AbsoluteAxisCode::ABS_MT_SLOT, slot),
            absolute(AbsoluteAxisCode::ABS_MT_TRACKING_ID, -1),
        ])
    }

    /// All of it happens at once: `SYN_REPORT` follows.
    fn frame(&mut self, events: &[InputEvent]) -> Result<()> {
        self.device.emit(events).context("the panel cannot be touched")
    }
}

fn absolute(code: AbsoluteAxisCode, value: i32) -> InputEvent {
    InputEvent::new(EventType::ABSOLUTE.0, code.0, value)
}

/// `/dev/input/eventN` of the input device in `folder`, once it is there.
fn node_in(folder: &Path) -> Option<PathBuf> {
    let mut names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
    let name = names.find(|name| name.to_string_lossy().starts_with("event"))?;
    Some(Path::new("/dev/input").join(name)).filter(|node| node.exists())
}
