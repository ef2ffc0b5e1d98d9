//! One command, one reply.
//!
//! Messages are read packet by packet until the announced length is there: readers differ in whether a
//! message that fills its last packet is followed by an empty one.
//!
//! Promises: a reply to an earlier command, a slot of no interest or a damaged message is dropped and
//! counted, [`STRAYS_MAX`] times; a card that asks for more time gets it while the deadline allows; a
//! command without a reply is aborted, so that the next finds the reader in step.
//! Never: sends a command twice; waits past the deadline.

use super::{
    descriptor::Descriptor,
    frame::{self, Command, HEADER, Outcome, Reply},
    pipe::CcidPipe,
};
use crate::device::{Deadline, DeviceError};
use std::time::Duration;
use zeroize::Zeroizing;

/// The only slot used.
pub(super) const SLOT: u8 = 0;

/// How many messages that answer nothing are dropped in a row.
pub(super) const STRAYS_MAX: u8 = 10;

/// Sending takes no longer (libccid's limit).
const SEND_WAIT: Duration = Duration::from_secs(5);

/// The rest of a message follows its beginning within this.
const REST_WAIT: Duration = Duration::from_millis(500);

/// What is kept of a deadline for an abort, and at most half of it.
const ABORT_WAIT: Duration = Duration::from_millis(250);

pub(super) struct Link {
    pub(super) pipe: Box<dyn CcidPipe>,
    pub(super) descriptor: Descriptor,
    seq: u8,
}

impl Link {
    pub(super) fn new(pipe: Box<dyn CcidPipe>) -> Self {
        Self { descriptor: pipe.descriptor(), pipe, seq: 0 }
    }

    /// Sends `command` and returns its reply; `wait` is what the reader and the card may take without
    /// asking for more time.
    pub(super) fn exchange(
        &mut self,
        command: &Command,
        wait: Duration,
        deadline: Deadline,
    ) -> Result<Reply, DeviceError> {
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        let left = deadline.left();
        let work = Deadline::after(left.saturating_sub(ABORT_WAIT.min(left / 2)));
        let sent = self.pipe.send(&command.encode(SLOT, seq), work.at_most(SEND_WAIT));
        match sent.and_then(|()| self.reply(seq, wait, work)) {
            Err(DeviceError::TimedOut) => {
                if let Err(error) = self.abort(seq, deadline) {
                    tracing::debug!(%error, "the reader did not confirm an abort");
                }
                Err(DeviceError::TimedOut)
            }
            ended => ended,
        }
    }

    fn reply(&mut self, seq: u8, wait: Duration, work: Deadline) -> Result<Reply, DeviceError> {
        let mut limit = work.at_most(wait);
        let mut strays = 0;
        loop {
            let message = self.message(limit)?;
            match Reply::parse(&message) {
                Ok(reply) if reply.seq == seq && reply.slot == SLOT => match reply.outcome {
                    Outcome::MoreTime(times) => {
                        (limit, strays) = (work.at_most(wait * u32::from(times.max(1))), 0);
                        continue;
                    }
                    Outcome::Done | Outcome::Failed(_) => return Ok(reply),
                },
                Ok(reply) => tracing::debug!(seq, got = reply.seq, "a reply to another command is dropped"),
                Err(error) => tracing::warn!(%error, "a message from the card reader is dropped"),
            }
            strays += 1;
            if strays > STRAYS_MAX {
                return Err(DeviceError::Nonsense("messages that answer nothing".to_owned()));
            }
        }
    }

    /// One whole message, or the damaged beginning of one.
    fn message(&mut self, limit: Deadline) -> Result<Zeroizing<Vec<u8>>, DeviceError> {
        let packet = self.pipe.packet().max(HEADER);
        let mut message = Zeroizing::new(vec![0; packet]);
        let mut got = 0;
        // An empty packet may still belong to the message before.
        for _ in 0..2 {
            got = self.pipe.receive(&mut message, limit)?;
            if got > 0 {
                break;
            }
        }
        let length = message.get(..got).and_then(frame::announced).unwrap_or(got);
        if length > self.descriptor.message_max || length <= got || got < packet {
            // A transfer carries one message. QEMU's reader sends parameters it announces no length for.
            message.truncate(length.min(got));
            return Ok(message);
        }
        let mut whole = Zeroizing::new(vec![0; got + (length - got).next_multiple_of(packet)]);
        if let Some(start) = whole.get_mut(..got) {
            start.copy_from_slice(message.get(..got).unwrap_or_default());
        }
        let rest = limit.at_most(REST_WAIT);
        while got < length {
            let Some(room) = whole.get_mut(got..) else { break };
            let count = self.pipe.receive(room, rest)?;
            got += count;
            if count == 0 || !count.is_multiple_of(packet) {
                // A short packet ends the message, whatever it announced.
                break;
            }
        }
        whole.truncate(length.min(got));
        Ok(whole)
    }

    /// Gives up command `seq`: the control request, then the bulk message, both with its number (5.3.1).
    fn abort(&mut self, seq: u8, deadline: Deadline) -> Result<(), DeviceError> {
        self.pipe.abort(SLOT, seq, deadline.at_most(ABORT_WAIT))?;
        self.pipe.send(&Command::Abort.encode(SLOT, seq), deadline.at_most(ABORT_WAIT))?;
        self.reply(seq, ABORT_WAIT, deadline).map(drop)
    }
}
