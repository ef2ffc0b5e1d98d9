//! A line that writes down what passes over it.
//!
//! Promises: the driver sees the line as it is; what does not fit ends the recording, not the session.
//! Never: reaches the disk.

use super::{BYTES_MAX, ENTRIES_MAX, Entry, Op, Recording, RecordingError, Subject, Why, text};
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
    sync::{Arc, Mutex},
    time::Instant,
};
use zeroize::Zeroizing;

/// What was written down so far. Clones are the same tape.
#[derive(Clone)]
pub(super) struct Tape(Arc<Mutex<Taken>>);

struct Taken {
    since: Instant,
    entries: Vec<Entry>,
    bytes: usize,
    full: bool,
}

impl Tape {
    pub(super) fn new() -> Self {
        let taken = Taken { since: Instant::now(), entries: Vec::new(), bytes: 0, full: false };
        Self(Arc::new(Mutex::new(taken)))
    }

    /// The line, and the tape beside it.
    pub(super) fn over<T: ?Sized>(&self, line: Box<T>) -> Taped<T> {
        Taped { line, tape: self.clone() }
    }

    fn put(&self, op: Op, bytes: &[u8], failed: Option<Why>) {
        let mut taken = lock(&self.0);
        taken.bytes += bytes.len();
        if taken.entries.len() >= ENTRIES_MAX || taken.bytes > BYTES_MAX {
            taken.full = true;
            return;
        }
        let at_ms = u64::try_from(taken.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let bytes = Zeroizing::new(bytes.to_vec());
        taken.entries.push(Entry { line: 0, at_ms, op, bytes, failed });
    }

    /// What was recorded, as its file will say it.
    pub(super) fn finish(self, subject: &Subject) -> Result<Recording, RecordingError> {
        let taken = lock(&self.0);
        if taken.full {
            return Err(RecordingError::Refused("the session was longer than a recording may be"));
        }
        let text = text::print(subject, &taken.entries);
        text::parse(&text).map_err(|(line, reason)| RecordingError::Garbled {
            file: "what was recorded".into(),
            line,
            reason,
        })
    }
}

pub(super) struct Taped<T: ?Sized> {
    line: Box<T>,
    tape: Tape,
}

impl Transport for Taped<dyn Transport> {
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        let written = self.line.write(bytes, deadline);
        match &written {
            Ok(0) => {}
            Ok(count) => self.tape.put(Op::Write, bytes.get(..*count).unwrap_or(bytes), None),
            Err(error) => self.tape.put(Op::Write, &[], Some(Why::of(error))),
        }
        written
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        let read = self.line.read(buffer, deadline);
        match &read {
            Ok(0) | Err(DeviceError::TimedOut) => {}
            Ok(count) => self.tape.put(Op::Read, buffer.get(..*count).unwrap_or_default(), None),
            Err(error) => self.tape.put(Op::Read, &[], Some(Why::of(error))),
        }
        read
    }

    fn wait(&mut self, deadline: Deadline) -> Result<Sign, DeviceError> {
        self.line.wait(deadline)
    }

    fn canceller(&self) -> Option<Canceller> {
        self.line.canceller()
    }

    fn is_per_job(&self) -> bool {
        self.line.is_per_job()
    }

    fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        let finished = self.line.finish(deadline);
        self.tape.put(Op::Finish, &[], finished.as_ref().err().map(Why::of));
        finished
    }

    fn port_status(&mut self, deadline: Deadline) -> Result<PortStatus, DeviceError> {
        let asked = self.line.port_status(deadline);
        match &asked {
            Ok(status) => self.tape.put(Op::Port, &[port_byte(*status)], None),
            Err(error) => self.tape.put(Op::Port, &[], Some(Why::of(error))),
        }
        asked
    }
}

/// The byte [`PortStatus::from`] reads.
fn port_byte(status: PortStatus) -> u8 {
    let PortStatus { paper_out, selected, error } = status;
    u8::from(paper_out) << 5 | u8::from(selected) << 4 | u8::from(!error) << 3
}

impl CcidPipe for Taped<dyn CcidPipe> {
    fn descriptor(&self) -> Descriptor {
        self.line.descriptor()
    }

    fn packet(&self) -> usize {
        self.line.packet()
    }

    fn has_notices(&self) -> bool {
        self.line.has_notices()
    }

    fn send(&mut self, message: &[u8], deadline: Deadline) -> Result<(), DeviceError> {
        let sent = self.line.send(message, deadline);
        self.tape.put(Op::Write, message, sent.as_ref().err().map(Why::of));
        sent
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        let received = self.line.receive(buffer, deadline);
        match &received {
            Err(DeviceError::TimedOut) => {}
            Ok(count) => self.tape.put(Op::Read, buffer.get(..*count).unwrap_or_default(), None),
            Err(error) => self.tape.put(Op::Read, &[], Some(Why::of(error))),
        }
        received
    }

    fn notice(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<Told, DeviceError> {
        let told = self.line.notice(buffer, deadline);
        match &told {
            Ok(Told::Nothing | Told::Cancelled) => {}
            Ok(Told::Notice(count)) => {
                self.tape.put(Op::Notice, buffer.get(..*count).unwrap_or_default(), None);
            }
            Err(error) => self.tape.put(Op::Notice, &[], Some(Why::of(error))),
        }
        told
    }

    fn canceller(&self) -> Canceller {
        self.line.canceller()
    }

    fn abort(&mut self, slot: u8, seq: u8, deadline: Deadline) -> Result<(), DeviceError> {
        let aborted = self.line.abort(slot, seq, deadline);
        self.tape.put(Op::Abort, &[slot, seq], aborted.as_ref().err().map(Why::of));
        aborted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_status_is_the_byte_it_was() {
        for byte in [0x18, 0x38, 0x30, 0x10, 0x00] {
            assert_eq!(port_byte(PortStatus::from(byte)), byte);
        }
    }

    #[test]
    fn a_session_that_is_too_long_is_no_recording() {
        let tape = Tape::new();
        tape.put(Op::Write, &vec![0; BYTES_MAX + 1], None);
        let subject = Subject::Printer { profile: "generic-80".to_owned() };
        assert!(matches!(tape.finish(&subject), Err(RecordingError::Refused(_))));
    }
}
