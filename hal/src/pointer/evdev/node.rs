//! One open evdev node: what it is, its raw events, how it stands now.

use super::ioctl;
use crate::{
    device::DeviceError,
    pointer::{
        SLOTS_MAX, now_us,
        slots::{Axis, Button, Layout, Raw, Snapshot, Tracker, code},
    },
};
use evdev::{AbsoluteAxisCode, EventType, KeyCode, RelativeAxisCode, raw_stream::RawDevice};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{Mode, OFlags},
};
use std::{
    io::{self, PipeReader},
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

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
    let mut found: Vec<Listed> = std::fs::read_dir("/dev/input")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("event")))
        .filter_map(|path| match open_raw(&path) {
            Ok(raw) => layout(&raw).ok().map(|_| {
                let name = raw.name().unwrap_or("unnamed").to_owned();
                Listed { path: path.clone(), name: Ok(name) }
            }),
            Err(error) => Some(Listed { path, name: Err(error.to_string()) }),
        })
        .collect();
    found.sort_by_key(|listed| (listed.path.as_os_str().len(), listed.path.clone()));
    found
}

/// A grabbed device and the fingers on it.
pub(super) struct Node {
    raw: RawDevice,
    layout: Layout,
    /// Stamped with `CLOCK_MONOTONIC` by the kernel; else by us.
    stamped: bool,
    /// Whether calibration and rotation concern it; a relative mouse moves in the picture already.
    pub(super) calibrated: bool,
    pub(super) tracker: Tracker,
}

impl Node {
    pub(super) fn open(path: &Path) -> Result<Self, DeviceError> {
        let mut raw = open_raw(path)?;
        let layout = layout(&raw)?;
        raw.grab().map_err(|error| match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::BUSY.raw_os_error() => DeviceError::Busy,
            _ => failure(path, &error),
        })?;
        let stamped = ioctl::use_monotonic_clock(raw.as_fd()).is_ok();
        let calibrated = !matches!(layout, Layout::Relative { .. });
        Ok(Self { raw, layout, stamped, calibrated, tracker: Tracker::new(layout) })
    }

    /// Waits for the device or for `ended`, whichever comes first; has no other end by design.
    pub(super) fn wait(&self, ended: &PipeReader) -> Result<(), DeviceError> {
        let mut fds = [PollFd::new(&self.raw, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(DeviceError::Gone(error.to_string())),
        }
    }

    /// What the kernel has; nothing when nothing is there.
    pub(super) fn read(&mut self) -> Result<Vec<Raw>, DeviceError> {
        let stamped = self.stamped;
        let now = now_us();
        match self.raw.fetch_events() {
            Ok(events) => Ok(events
                .map(|event| Raw {
                    at_us: if stamped { micros(event.timestamp()) } else { now },
                    kind: event.event_type().0,
                    code: event.code(),
                    value: event.value(),
                })
                .collect()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(Vec::new())
            }
            Err(error) => Err(DeviceError::Gone(error.to_string())),
        }
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
        match self.layout {
            Layout::MultiTouch { slots, .. } => {
                let ids = ioctl::mt_slots(self.raw.as_fd(), code::ABS_MT_TRACKING_ID)?;
                let xs = ioctl::mt_slots(self.raw.as_fd(), code::ABS_MT_POSITION_X)?;
                let ys = ioctl::mt_slots(self.raw.as_fd(), code::ABS_MT_POSITION_Y)?;
                let contacts = ids.into_iter().zip(xs).zip(ys).map(|((id, x), y)| (id, x, y));
                let slot = axis_value(&self.raw, AbsoluteAxisCode::ABS_MT_SLOT)?;
                Ok(Snapshot { slot, contacts: contacts.take(usize::from(slots)).collect() })
            }
            Layout::Absolute { button, .. } => {
                let key = match button {
                    Button::Touch => KeyCode::BTN_TOUCH,
                    Button::Left => KeyCode::BTN_LEFT,
                };
                let id = if self.raw.get_key_state()?.contains(key) { 0 } else { -1 };
                let x = axis_value(&self.raw, AbsoluteAxisCode::ABS_X)?;
                let y = axis_value(&self.raw, AbsoluteAxisCode::ABS_Y)?;
                Ok(Snapshot { slot: 0, contacts: vec![(id, x, y)] })
            }
            Layout::Relative { .. } => {
                let id = if self.raw.get_key_state()?.contains(KeyCode::BTN_LEFT) { 0 } else { -1 };
                Ok(Snapshot { slot: 0, contacts: vec![(id, 0, 0)] })
            }
        }
    }
}

fn open_raw(path: &Path) -> Result<RawDevice, DeviceError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failure(path, &error.into()))?;
    RawDevice::from_fd(fd).map_err(|error| failure(path, &error))
}

fn failure(path: &Path, error: &io::Error) -> DeviceError {
    let name = path.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        DeviceError::Denied(name.to_string())
    } else if error.raw_os_error() == Some(rustix::io::Errno::NOTTY.raw_os_error()) {
        DeviceError::Unsupported("this node is no input device")
    } else {
        DeviceError::Gone(format!("{name}: {error}"))
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

/// The crate shows the kernel's stamp as a `SystemTime`; with the monotonic clock it counts from boot.
fn micros(stamp: SystemTime) -> u64 {
    let since = stamp.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
