//! A touch panel or a mouse at `/dev/input/event*`.
//!
//! One thread: open, grab, set the clock, take a snapshot, then wait in `poll(2)` for the device or the
//! end of the handle. An unplugged device (`ENODEV`) is opened again with back-off; udev's links make the
//! same path come back.
//!
//! Promises: a device that cannot be grabbed is not read; every finger is cancelled when the device goes.
//! Never: the `evdev` crate's own re-sync, which invents touches at the left edge for protocol B.

mod node;

use super::{Calibration, Event, PointerHandle, Rotation, now_us};
use crate::{
    device::{self, Class, DeviceError, EventSink, Health},
    keeper::{Backoff, HealthLine, Stop, Worker},
    pointer::slots::Fed,
};
use node::Node;
use std::{
    io::{PipeReader, pipe},
    path::PathBuf,
    sync::{Mutex, mpsc::TrySendError},
};

pub use node::{Listed, list};

/// How a device's coordinates become the screen's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// The panel's own error.
    pub calibration: Calibration,
    /// How the picture is turned.
    pub rotation: Rotation,
}

/// Keeps the device at `path` open and tells `sink` what happens on it; dropping the handle ends it.
///
/// # Errors
/// The system's words when it has no thread or pipe left.
pub fn spawn(path: PathBuf, options: Options, sink: EventSink) -> Result<PointerHandle, std::io::Error> {
    let (ended, hold) = pipe()?;
    let hold = Mutex::new(Some(hold));
    let stop = Stop::default();
    let name = path.display().to_string();
    let thread = Thread { path, options, stop: stop.clone(), ended, sink };
    let wake = move || drop(crate::keeper::lock(&hold).take());
    let worker = Worker::spawn("hal-pointer", stop, wake, move || thread.run())?;
    Ok(PointerHandle::new(name, Some(worker)))
}

struct Thread {
    path: PathBuf,
    options: Options,
    stop: Stop,
    /// Hangs up when the handle is dropped.
    ended: PipeReader,
    sink: EventSink,
}

impl Thread {
    fn run(self) {
        let mut line = HealthLine::new(Class::Pointer, self.sink.clone());
        let mut backoff = Backoff::new();
        line.set(Health::Opening);
        loop {
            let error = match Node::open(&self.path) {
                // The first read tells a node that works from one that only opens.
                Ok(mut node) => {
                    let error = node.sync().err().unwrap_or_else(|| {
                        line.set(Health::Ready);
                        backoff.reset();
                        self.serve(&mut node)
                    });
                    node.tracker.cancel(now_us());
                    self.tell(&mut node);
                    error
                }
                Err(error) => error,
            };
            if self.stop.raised() {
                return;
            }
            let given_up = backoff.failed(&error);
            line.failed(&error, given_up);
            if self.stop.wait(backoff.next_wait()) {
                return;
            }
        }
    }

    /// Reads a node in step until the device fails or the handle is dropped.
    fn serve(&self, node: &mut Node) -> DeviceError {
        self.tell(node);
        loop {
            match node.wait(&self.ended) {
                Ok(()) if self.stop.raised() => return DeviceError::Gone("closed".to_owned()),
                Ok(()) => {}
                Err(error) => return error,
            }
            let raws = match node.read() {
                Ok(raws) => raws,
                Err(error) => return error,
            };
            for raw in raws.iter().copied() {
                match node.tracker.feed(raw) {
                    Fed::More => self.tell(node),
                    Fed::NeedsSync => {
                        tracing::warn!(device = %self.path.display(), "touch events were lost; re-synced");
                        if let Err(error) = node.sync() {
                            return error;
                        }
                        self.tell(node);
                        // The rest of what was read is older than the answers.
                        break;
                    }
                }
            }
        }
    }

    /// Passes on what the tracker has. A full channel loses movement, never a press or a release.
    fn tell(&self, node: &mut Node) {
        while let Some(event) = node.tracker.next_event() {
            let event = device::Event::Pointer(self.on_screen(node.calibrated, event));
            let moved = matches!(&event, device::Event::Pointer(Event { kind: super::Kind::Move, .. }));
            match self.sink.try_send(event) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => {}
                Err(TrySendError::Full(_)) if moved => {}
                Err(TrySendError::Full(event)) => drop(self.sink.send(event)),
            }
        }
    }

    fn on_screen(&self, calibrated: bool, event: Event) -> Event {
        if !calibrated {
            return event;
        }
        let (x, y) = self.options.calibration.apply(self.options.rotation, event.x, event.y);
        Event { x, y, ..event }
    }
}
