//! One line to one printer: bytes out, replies in, and the status they add up to.
//!
//! Promises: every reply updates the status; a stream of nonsense ends in an error.
//! Never: sends anything by itself.

use super::{
    PrinterStatus,
    escpos::{Command, RealTime},
    ledger::Ledger,
    replies::{Reply, ReplyParser},
};
use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    transport::{Sign, Transport},
};
use std::{collections::VecDeque, time::Duration};

/// How long a printer may take to answer `DLE EOT`; it answers on receipt.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How long to look for what already arrived.
const DRAIN_WAIT: Duration = Duration::from_millis(1);
/// At most so many replies are thrown away before a question.
const DRAIN_REPLIES_MAX: usize = 1024;
/// Bytes that make no sense before the line is given up; one or two are a plug being pushed in.
const NONSENSE_BYTES_MAX: u32 = 8;

pub(super) struct Link {
    transport: Box<dyn Transport>,
    parser: ReplyParser,
    waiting: VecDeque<Reply>,
    nonsense: u32,
    /// Answers to `GS r` are counted in it, whoever waits for them.
    ledger: Ledger,
    /// All the replies added up.
    pub(super) status: PrinterStatus,
    /// Whether the line has a way back.
    pub(super) readable: bool,
}

impl Link {
    pub(super) fn new(transport: Box<dyn Transport>, readable: bool, ledger: Ledger) -> Self {
        Self {
            transport,
            parser: ReplyParser::default(),
            waiting: VecDeque::new(),
            nonsense: 0,
            ledger,
            status: PrinterStatus::default(),
            readable,
        }
    }

    /// The printer answers `DLE EOT 20`.
    pub(super) fn expect_full_status(&mut self) {
        self.parser = ReplyParser::with_full_status();
    }

    /// One write; how much was taken.
    pub(super) fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        match self.transport.write(bytes, deadline) {
            Ok(0) => Err(DeviceError::TimedOut),
            other => other,
        }
    }

    /// All of `bytes`, for short commands outside a job.
    pub(super) fn write_all(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<(), DeviceError> {
        while !bytes.is_empty() {
            let taken = self.write(bytes, deadline)?;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.transport.finish(deadline)
    }

    /// Asks the line itself, which some can tell; one that cannot or does not say changes nothing.
    pub(super) fn ask_port(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        match self.transport.port_status(deadline.at_most(ANSWER_LIMIT)) {
            Ok(port) => self.status.port(port),
            Err(DeviceError::Unsupported(_) | DeviceError::TimedOut | DeviceError::Nonsense(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The next reply, or `None` when none came in time.
    pub(super) fn next(&mut self, deadline: Deadline) -> Result<Option<Reply>, DeviceError> {
        loop {
            if let Some(reply) = self.waiting.pop_front() {
                self.take_in(&reply)?;
                return Ok(Some(reply));
            }
            let mut buffer = [0; 512];
            let count = match self.transport.read(&mut buffer, deadline) {
                Ok(0) => return Err(DeviceError::Gone("end of stream".to_owned())),
                Ok(count) => count,
                Err(DeviceError::TimedOut) => return Ok(None),
                Err(DeviceError::Unsupported(_)) => {
                    self.readable = false;
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let mut replies = Vec::new();
            self.parser.feed(buffer.get(..count).unwrap_or_default(), &mut replies);
            self.waiting.extend(replies);
        }
    }

    /// As [`Self::next`], but [`Self::canceller`] ends it too.
    pub(super) fn listen(&mut self, deadline: Deadline) -> Result<Option<Reply>, DeviceError> {
        if self.waiting.is_empty() {
            match self.transport.wait(deadline)? {
                Sign::Readable => {}
                Sign::Nothing | Sign::Cancelled => return Ok(None),
            }
        }
        self.next(Deadline::after(Duration::ZERO))
    }

    /// Ends [`Self::listen`] from any thread, or the next one; a write-only line has none.
    pub(super) fn canceller(&self) -> Option<Canceller> {
        self.transport.canceller()
    }

    fn take_in(&mut self, reply: &Reply) -> Result<(), DeviceError> {
        match reply {
            Reply::Nonsense(byte) => {
                self.nonsense += 1;
                if self.nonsense > NONSENSE_BYTES_MAX {
                    return Err(DeviceError::Nonsense(format!("byte {byte:02x} in a status")));
                }
                return Ok(());
            }
            Reply::Automatic(quad) => self.status.automatic(*quad),
            Reply::Full(four) => self.status.full(*four),
            Reply::Byte(_) => self.ledger.answered(),
            Reply::RealTime(_)
            | Reply::ProcessId(_)
            | Reply::Cleared
            | Reply::Identity(_)
            | Reply::Block(..)
            | Reply::Xon
            | Reply::Xoff => {}
        }
        self.nonsense = 0;
        Ok(())
    }

    /// Takes in what already arrived, so that the next answer belongs to the next question.
    pub(super) fn drain(&mut self) -> Result<(), DeviceError> {
        for _ in 0..DRAIN_REPLIES_MAX {
            if self.next(Deadline::after(DRAIN_WAIT))?.is_none() {
                return Ok(());
            }
        }
        Err(DeviceError::Nonsense("it does not stop talking".to_owned()))
    }

    /// Asks `DLE EOT n` and takes in the answer. Automatic status may come between.
    pub(super) fn ask(&mut self, which: RealTime, deadline: Deadline) -> Result<(), DeviceError> {
        self.drain()?;
        if !self.readable {
            return Ok(());
        }
        let deadline = deadline.at_most(ANSWER_LIMIT);
        self.write_all(&Command::encode_all(&[Command::AskStatus(which)]), deadline)?;
        while let Some(reply) = self.next(deadline)? {
            if let Reply::RealTime(byte) = reply {
                self.status.answer(which, byte);
                return Ok(());
            }
            if deadline.passed() {
                break;
            }
        }
        let talked = self.nonsense > 0;
        Err(if talked { DeviceError::Nonsense("no status".to_owned()) } else { DeviceError::TimedOut })
    }

    /// Waits for a reply that `wanted` picks.
    pub(super) fn expect<T>(
        &mut self,
        wanted: impl Fn(&Reply) -> Option<T>,
        deadline: Deadline,
    ) -> Result<T, DeviceError> {
        while let Some(reply) = self.next(deadline)? {
            if let Some(found) = wanted(&reply) {
                return Ok(found);
            }
            // One that never stops talking is not waited for longer than a silent one.
            if deadline.passed() {
                break;
            }
        }
        Err(DeviceError::TimedOut)
    }
}
