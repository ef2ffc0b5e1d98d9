//! One open evdev node: what it is, its raw events, how it stands now.

use crate::{
    device::DeviceError,
    input::{
        ioctl,
        node::{Grabbed, Seen, failure, paths},
    },
    pointer::{
        SLOTS_MAX, now_us,
        slots::{Axis, Button, Layout, Raw, Snapshot, Tracker, code},
    },
};
use evdev::{AbsoluteAxisCode, EventType, KeyCode, RelativeAxisCode, raw_stream::RawDevice};
use std::{
    io::{self, PipeReader},
    os::fd::AsFd,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Counts of a mouse from edge to edge: a hand's width of an ordinary one.
const MOUSE_COUNTS: (u16, u16) = (1920, 1080);

/// Snapshots until one is taken while nothing happens; the last is used whatever happens.
const SNAPSHOTS_MAX: usize = 4;

/// Reads that empty the kernel's buffer, with room to spare: it holds eight reports of all slots.
const READS_MAX: usize = 64;

/// A pointer device on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its node.
    pub path: PathBuf,
    /// What it calls itself, or why it could not be asked.
    pub name: Result<String, String>,
}

/// Pointer devices, and nodes that could not be asked, in order of their numbers.
#[must_use]
pub fn list() -> Vec<Listed> {
    let asked = |path: PathBuf| match Seen::open(&path) {
        Ok(seen) => layout(seen.device()).ok().map(|_| {
            let name = seen.device().name().unwrap_or("unnamed").to_owned();
            Listed { path, name: Ok(name) }
        }),
        Err(error) => Some(Listed { path, name: Err(error.to_string()) }),
    };
    paths().into_iter().filter_map(asked).collect()
}

/// A grabbed device and the fingers on it.
pub(super) struct Node {
    grabbed: Grabbed,
    layout: Layout,
    /// Whether calibration and rotation concern it; a relative mouse moves in the picture already.
    pub(super) calibrated: bool,
    pub(super) tracker: Tracker,
}

impl Node {
    pub(super) fn open(path: &Path) -> Result<Self, DeviceError> {
        let seen = Seen::open(path)?;
        let layout = layout(seen.device())?;
        let grabbed = seen.grab().map_err(|error| match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::BUSY.raw_os_error() => DeviceError::Busy,
            _ => failure(path, &error),
        })?;
        let calibrated = !matches!(layout, Layout::Relative { .. });
        Ok(Self { grabbed, layout, calibrated, tracker: Tracker::new(layout) })
    }

    /// Waits for the device or for `ended`, whichever comes first; has no other end by design.
    pub(super) fn wait(&self, ended: &PipeReader) -> Result<(), DeviceError> {
        self.grabbed.wait(ended, None)
    }

    /// What the kernel has; nothing when nothing is there.
    pub(super) fn read(&mut self) -> Result<Zeroizing<Vec<Raw>>, DeviceError> {
        self.grabbed.read()
    }

    /// Brings the tracker in line with the kernel. What the kernel still holds is older than its answers and
    /// begins in a slot it does not name: taken for new, one finger's release would be another's click. So it
    /// is thrown away, and a snapshot during which something happened is taken again.
    ///
    /// # Errors
    /// [`DeviceError::Gone`].
    pub(super) fn sync(&mut self) -> Result<(), DeviceError> {
        self.discard()?;
        let mut snapshot = self.snapshot();
        for _ in 1..SNAPSHOTS_MAX {
            if !self.discard()? {
                break;
            }
            snapshot = self.snapshot();
        }
        if let Err(error) = &snapshot {
            tracing::warn!(%error, "no snapshot of the pointer; every finger is cancelled");
        }
        self.tracker.sync(now_us(), snapshot.ok().as_ref());
        Ok(())
    }

    /// Throws away what the kernel holds; whether it held anything.
    fn discard(&mut self) -> Result<bool, DeviceError> {
        for n in 0..READS_MAX {
            if self.read()?.is_empty() {
                return Ok(n > 0);
            }
        }
        Ok(true)
    }

    fn snapshot(&self) -> io::Result<Snapshot> {
        let raw = self.grabbed.device();
        match self.layout {
            Layout::MultiTouch { slots, .. } => {
                let ids = ioctl::mt_slots(raw.as_fd(), code::ABS_MT_TRACKING_ID)?;
                let xs = ioctl::mt_slots(raw.as_fd(), code::ABS_MT_POSITION_X)?;
                let ys = ioctl::mt_slots(raw.as_fd(), code::ABS_MT_POSITION_Y)?;
                let contacts = ids.into_iter().zip(xs).zip(ys).map(|((id, x), y)| (id, x, y));
                let slot = axis_value(raw, AbsoluteAxisCode::ABS_MT_SLOT)?;
                Ok(Snapshot { slot, contacts: contacts.take(usize::from(slots)).collect() })
            }
            Layout::Absolute { button, .. } => {
                let key = match button {
                    Button::Touch => KeyCode::BTN_TOUCH,
                    Button::Left => KeyCode::BTN_LEFT,
                };
                let id = if raw.get_key_state()?.contains(key) { 0 } else { -1 };
                let x = axis_value(raw, AbsoluteAxisCode::ABS_X)?;
                let y = axis_value(raw, AbsoluteAxisCode::ABS_Y)?;
                Ok(Snapshot { slot: 0, contacts: vec![(id, x, y)] })
            }
            Layout::Relative { .. } => {
                let id = if raw.get_key_state()?.contains(KeyCode::BTN_LEFT) { 0 } else { -1 };
                Ok(Snapshot { slot: 0, contacts: vec![(id, 0, 0)] })
            }
        }
    }
}

fn layout(raw: &RawDevice) -> Result<Layout, DeviceError> {
    let axis = |code| raw.supported_absolute_axes().is_some_and(|axes| axes.contains(code));
    let key = |code| raw.supported_keys().is_some_and(|keys| keys.contains(code));
    let relative = raw.supported_relative_axes().is_some_and(|axes| axes.contains(RelativeAxisCode::REL_X));
    let range = |code| range(raw, code).map_err(|error| DeviceError::Gone(error.to_string()));
    if axis(AbsoluteAxisCode::ABS_MT_SLOT) && axis(AbsoluteAxisCode::ABS_MT_POSITION_X) {
        let highest = range(AbsoluteAxisCode::ABS_MT_SLOT)?.max;
        let slots = u8::try_from(highest.saturating_add(1)).unwrap_or(SLOTS_MAX).clamp(1, SLOTS_MAX);
        let x = range(AbsoluteAxisCode::ABS_MT_POSITION_X)?;
        return Ok(Layout::MultiTouch { x, y: range(AbsoluteAxisCode::ABS_MT_POSITION_Y)?, slots });
    }
    if axis(AbsoluteAxisCode::ABS_X) && (key(KeyCode::BTN_TOUCH) || key(KeyCode::BTN_LEFT)) {
        let button = if key(KeyCode::BTN_TOUCH) { Button::Touch } else { Button::Left };
        let (x, y) = (range(AbsoluteAxisCode::ABS_X)?, range(AbsoluteAxisCode::ABS_Y)?);
        return Ok(Layout::Absolute { x, y, button });
    }
    if relative && key(KeyCode::BTN_LEFT) && raw.supported_events().contains(EventType::RELATIVE) {
        let (width, height) = MOUSE_COUNTS;
        return Ok(Layout::Relative { width, height });
    }
    Err(DeviceError::Unsupported("neither a touch panel nor a mouse"))
}

fn range(raw: &RawDevice, code: AbsoluteAxisCode) -> io::Result<Axis> {
    let info = raw.get_absinfo()?.find(|(found, _)| *found == code);
    let (_, info) = info.ok_or(io::ErrorKind::NotFound)?;
    Ok(Axis { min: info.minimum(), max: info.maximum() })
}

fn axis_value(raw: &RawDevice, code: AbsoluteAxisCode) -> io::Result<i32> {
    let info = raw.get_absinfo()?.find(|(found, _)| *found == code);
    Ok(info.ok_or(io::ErrorKind::NotFound)?.1.value())
}
