//! A recording in place of a device, in lock-step.
//!
//! ```text
//! the driver writes  -> the recorded bytes? taken; else a deviation, and the line is dead
//! the driver reads   -> the recorded bytes come next? given; else nothing comes before its deadline
//! ```
//! On a printer's line bytes are compared, not calls: a driver may write in other pieces. A card reader's
//! messages are compared whole.
//!
//! Promises: the first deviation is kept with its place and asked for by [`Replay::verdict`], which also tells
//! what the driver never did. Never: goes on after one; waits longer than the driver does.

use super::{Entry, Op, Recording, RecordingError, Subject, Why};
use crate::{
    card::{
        Canceller,
        ccid::{CcidPipe, Told, descriptor::Descriptor},
    },
    device::{Deadline, DeviceError},
    keeper::lock,
    transport::{Sign, Transport, usb::PortStatus},
};
use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

/// What a driver did otherwise than it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, byte {offset} of what the driver wrote: {what}")]
pub struct Deviation {
    /// The line of the recording that was to be played, from 1; 0 after its end.
    pub line: usize,
    /// Bytes of the driver's that were as recorded.
    pub offset: usize,
    /// What was recorded and what was done.
    pub what: String,
}

/// Why a replay is no repetition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The driver did something else.
    #[error("{0}")]
    Deviated(Deviation),
    /// The driver stopped before the recording did.
    #[error("line {line}: {left} recorded calls were not made")]
    Unfinished {
        /// The first of them.
        line: usize,
        /// How many.
        left: usize,
    },
}

/// A recording being played. Clones are the same replay.
#[derive(Clone)]
pub struct Replay {
    recording: Arc<Recording>,
    place: Arc<(Mutex<Place>, Condvar)>,
}

/// How far it is.
#[derive(Default)]
struct Place {
    next: usize,
    /// Bytes of the next call that the driver already did.
    within: usize,
    offset: usize,
    deviation: Option<Deviation>,
    /// Ends the next wait for a message that does not come.
    cancelled: bool,
}

impl Replay {
    /// Plays `recording` from its beginning.
    #[must_use]
    pub fn new(recording: Recording) -> Self {
        Self { recording: Arc::new(recording), place: Arc::default() }
    }

    /// Plays a file.
    ///
    /// # Errors
    /// [`RecordingError`] when it is no recording.
    pub fn load(file: &Path) -> Result<Self, RecordingError> {
        Recording::load(file).map(Self::new)
    }

    /// What is played.
    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The line to a recorded printer, from the beginning.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] when no printer was recorded.
    pub fn line(&self) -> Result<Box<dyn Transport>, DeviceError> {
        match self.recording.subject {
            Subject::Printer { .. } => Ok(Box::new(self.rewound())),
            Subject::ChipReader { .. } => Err(DeviceError::Unsupported("this is a recorded card reader")),
        }
    }

    /// The end points of a recorded card reader, from the beginning.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] when no card reader was recorded.
    pub fn pipe(&self) -> Result<Box<dyn CcidPipe>, DeviceError> {
        match self.recording.subject {
            Subject::Printer { .. } => Err(DeviceError::Unsupported("this is a recorded printer")),
            Subject::ChipReader { descriptor, packet, notices, .. } => {
                Ok(Box::new(Pipe { replay: self.rewound(), descriptor, packet, notices }))
            }
        }
    }

    fn rewound(&self) -> Self {
        let mut place = lock(&self.place.0);
        // What a driver did wrong before stays the verdict.
        *place = Place { deviation: place.deviation.take(), ..Place::default() };
        self.clone()
    }

    /// Whether the driver did what was recorded, all of it and nothing else.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub fn verdict(&self) -> Result<(), ReplayError> {
        let place = lock(&self.place.0);
        if let Some(deviation) = &place.deviation {
            return Err(ReplayError::Deviated(deviation.clone()));
        }
        let left = self.recording.entries.get(place.next..).unwrap_or_default();
        match left.first() {
            Some(first) => Err(ReplayError::Unfinished { line: first.line, left: left.len() }),
            None => Ok(()),
        }
    }

    fn next(&self, place: &Place) -> Option<&Entry> {
        self.recording.entries.get(place.next)
    }

    /// The driver left the recording.
    fn deviate(&self, place: &mut Place, what: String) -> DeviceError {
        let line = self.next(place).map_or(0, |entry| entry.line);
        let deviation = Deviation { line, offset: place.offset, what };
        let error = DeviceError::Nonsense(format!("replay: {deviation}"));
        place.deviation.get_or_insert(deviation);
        error
    }

    /// Another call than the recorded one.
    fn other_call(&self, place: &mut Place, did: Op) -> DeviceError {
        let recorded = self.next(place).map_or("the end".to_owned(), |entry| format!("{:?}", entry.op));
        self.deviate(place, format!("recorded is {recorded}, not {did:?}"))
    }

    fn alive(place: &Place) -> Result<(), DeviceError> {
        match &place.deviation {
            Some(deviation) => Err(DeviceError::Nonsense(format!("replay: {deviation}"))),
            None => Ok(()),
        }
    }

    /// Ends the wait for what does not come.
    fn ender(&self) -> Canceller {
        let place = Arc::clone(&self.place);
        Arc::new(move || {
            lock(&place.0).cancelled = true;
            place.1.notify_all();
        })
    }

    /// Waits for what does not come; whether it was cancelled.
    fn await_end(&self, deadline: Deadline) -> bool {
        let (place, cancelled) = &*self.place;
        let held = cancelled.wait_timeout_while(lock(place), deadline.left(), |place| !place.cancelled);
        std::mem::take(&mut held.unwrap_or_else(PoisonError::into_inner).0.cancelled)
    }

    /// A call that is the driver's to make: as recorded, or a deviation.
    fn does(&self, op: Op) -> Result<Vec<u8>, DeviceError> {
        let mut place = lock(&self.place.0);
        Self::alive(&place)?;
        match self.next(&place).filter(|entry| entry.op == op) {
            Some(entry) => {
                place.next += 1;
                entry.failed.map_or_else(|| Ok(entry.bytes.to_vec()), |why| Err(why.error()))
            }
            None => Err(self.other_call(&mut place, op)),
        }
    }

    /// A call that waits for the device: `None` when it says nothing now.
    fn hears(&self, op: Op, buffer: &mut [u8]) -> Result<Option<usize>, DeviceError> {
        let mut place = lock(&self.place.0);
        Self::alive(&place)?;
        let Some(entry) = self.next(&place).filter(|entry| entry.op == op) else { return Ok(None) };
        if let Some(why) = entry.failed {
            place.next += 1;
            return Err(why.error());
        }
        let rest = entry.bytes.get(place.within..).unwrap_or_default();
        let count = buffer.iter_mut().zip(rest).map(|(place, byte)| *place = *byte).count();
        if count == rest.len() {
            (place.next, place.within) = (place.next + 1, 0);
        } else {
            place.within += count;
        }
        Ok(Some(count))
    }
}

/// The first byte that is not as recorded.
fn differs(recorded: &[u8], written: &[u8]) -> Option<(usize, String)> {
    let both = recorded.iter().zip(written).enumerate();
    let (at, (recorded, written)) = both.into_iter().find(|(_, (recorded, written))| recorded != written)?;
    Some((at, format!("recorded is {recorded:02x}, not {written:02x}")))
}

impl Transport for Replay {
    fn write(&mut self, bytes: &[u8], _deadline: Deadline) -> Result<usize, DeviceError> {
        let mut place = lock(&self.place.0);
        Self::alive(&place)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let Some(entry) = self.next(&place).filter(|entry| entry.op == Op::Write) else {
            return Err(self.other_call(&mut place, Op::Write));
        };
        if let Some(why) = entry.failed {
            place.next += 1;
            return Err(why.error());
        }
        let rest = entry.bytes.get(place.within..).unwrap_or_default();
        if let Some((at, what)) = differs(rest, bytes) {
            place.offset += at;
            return Err(self.deviate(&mut place, what));
        }
        let count = rest.len().min(bytes.len());
        place.offset += count;
        if count == rest.len() {
            (place.next, place.within) = (place.next + 1, 0);
        } else {
            place.within += count;
        }
        Ok(count)
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        match self.hears(Op::Read, buffer)? {
            Some(count) => Ok(count),
            None => {
                self.await_end(deadline);
                Err(DeviceError::TimedOut)
            }
        }
    }

    fn wait(&mut self, deadline: Deadline) -> Result<Sign, DeviceError> {
        let heard = {
            let place = lock(&self.place.0);
            Self::alive(&place)?;
            self.next(&place).is_some_and(|entry| entry.op == Op::Read)
        };
        Ok(if heard {
            Sign::Readable
        } else if self.await_end(deadline) {
            Sign::Cancelled
        } else {
            Sign::Nothing
        })
    }

    fn canceller(&self) -> Option<Canceller> {
        Some(self.ender())
    }

    fn finish(&mut self, _deadline: Deadline) -> Result<(), DeviceError> {
        self.does(Op::Finish).map(drop)
    }

    fn port_status(&mut self, _deadline: Deadline) -> Result<PortStatus, DeviceError> {
        let status = self.does(Op::Port)?;
        Ok(PortStatus::from(status.first().copied().unwrap_or_default()))
    }
}

struct Pipe {
    replay: Replay,
    descriptor: Descriptor,
    packet: usize,
    notices: bool,
}

impl CcidPipe for Pipe {
    fn descriptor(&self) -> Descriptor {
        self.descriptor
    }

    fn packet(&self) -> usize {
        self.packet
    }

    fn has_notices(&self) -> bool {
        self.notices
    }

    fn send(&mut self, message: &[u8], _deadline: Deadline) -> Result<(), DeviceError> {
        let replay = &self.replay;
        let mut place = lock(&replay.place.0);
        Replay::alive(&place)?;
        let Some(entry) = replay.next(&place).filter(|entry| entry.op == Op::Write) else {
            return Err(replay.other_call(&mut place, Op::Write));
        };
        if let Some((at, what)) = differs(&entry.bytes, message) {
            place.offset += at;
            return Err(replay.deviate(&mut place, what));
        }
        if entry.bytes.len() != message.len() {
            let what = format!("recorded are {} bytes, not {}", entry.bytes.len(), message.len());
            place.offset += entry.bytes.len().min(message.len());
            return Err(replay.deviate(&mut place, what));
        }
        place.offset += message.len();
        place.next += 1;
        entry.failed.map_or(Ok(()), |why| Err(why.error()))
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        match self.replay.hears(Op::Read, buffer)? {
            Some(count) => Ok(count),
            None => {
                self.replay.await_end(deadline);
                Err(DeviceError::TimedOut)
            }
        }
    }

    fn notice(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<Told, DeviceError> {
        match self.replay.hears(Op::Notice, buffer)? {
            Some(count) => Ok(Told::Notice(count)),
            None if self.replay.await_end(deadline) => Ok(Told::Cancelled),
            None => Ok(Told::Nothing),
        }
    }

    fn canceller(&self) -> Canceller {
        self.replay.ender()
    }

    fn abort(&mut self, slot: u8, seq: u8, _deadline: Deadline) -> Result<(), DeviceError> {
        let replay = &self.replay;
        let mut place = lock(&replay.place.0);
        Replay::alive(&place)?;
        match replay.next(&place) {
            Some(entry) if entry.op == Op::Abort && **entry.bytes == [slot, seq] => {
                place.next += 1;
                entry.failed.map_or(Ok(()), |why: Why| Err(why.error()))
            }
            Some(_) | None => Err(replay.other_call(&mut place, Op::Abort)),
        }
    }
}
