//! What proves a job: its process id, or the answer to its `GS r`.
//!
//! ```text
//! process id   37h 22h d1 d2 d3 d4 00h: names the job
//! GS r         one byte 0000ppnn (p: roll at its end, n: near it; each pair is equal): names nothing, so
//!              settle    answers owed from before are asked out: as many as were asked for, or one and silence
//!              damaged   after a byte of nonsense it is asked again; two such bytes in a row are the tail of
//!                        an automatic status that lost its head, and prove nothing
//! ```
//!
//! Promises: an answer to a question of an earlier job, or of an earlier program, proves nothing.
//! Never: takes a byte for a proof that cannot be an answer to `GS r`.

use super::{
    EscPos, PrintError,
    driver::{LISTEN_WAIT, SILENCE_LIMIT, STALL_WAIT, Stop},
    escpos::{Command, RealTime},
    replies::Reply,
    stall::Places,
};
use crate::device::{Deadline, DeviceError};
use std::time::Duration;

/// Answers that are owed are waited for so long; a printer that works off so much more proves nothing.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);
/// After an answer, one that is still owed comes within this, or the printer was switched off since.
const SETTLE_SILENCE: Duration = Duration::from_secs(1);
/// Automatic status comes in one go: a byte of its tail is followed by the next within this.
const TAIL_WAIT: Duration = Duration::from_millis(20);

/// What proves a job.
pub(super) enum Proof {
    ProcessId([u8; 4]),
    Roll,
    /// An answer would prove nothing, as more than one is owed.
    None,
}

impl EscPos {
    /// Asks out what is owed of `GS r`; whether the next answer will be that of the next question.
    pub(super) fn settle(&mut self, deadline: Deadline) -> Result<bool, PrintError> {
        if !self.link.readable || self.profile.process_id || !self.ledger.owes() {
            return Ok(true);
        }
        let until = deadline.at_most(SETTLE_LIMIT);
        let mut commands = self.preamble();
        commands.push(Command::AskRoll);
        self.ledger.asked();
        let mut bytes = self.filler();
        let places = Places::encode(&commands, &mut bytes);
        if let (_, Some(stop)) = self.send(&bytes, &places, until) {
            return Err(self.nothing_sent(stop));
        }
        self.spoiled = false;
        let mut quiet: Option<Deadline> = None;
        loop {
            if self.watch.give_up() {
                return Err(PrintError::Cancelled);
            }
            if !self.ledger.owes() || quiet.is_some_and(Deadline::passed) {
                self.ledger.settled();
                return Ok(true);
            }
            if until.passed() {
                return Ok(false);
            }
            let heard = self.hear(quiet.unwrap_or(until).at_most(LISTEN_WAIT))?;
            if matches!(heard, Some(Reply::Byte(_))) {
                quiet = Some(Deadline::after(SETTLE_SILENCE));
            }
        }
    }

    /// Bytes that end a picture the printer may still wait for.
    fn filler(&self) -> Vec<u8> {
        let count =
            if self.spoiled { self.profile.dots_per_line.div_ceil(8) * self.rows_at_once() } else { 0 };
        vec![0; count]
    }

    /// The whole job as bytes, where a question may stand in them, and what proves it.
    pub(super) fn bytes(&mut self, commands: Vec<Command>, settled: bool) -> (Vec<u8>, Places, Proof) {
        let mut all = self.preamble();
        all.extend(commands);
        let proof = if !self.link.readable {
            Proof::None
        } else if self.profile.process_id {
            let id = self.ledger.next_id();
            all.push(Command::ProcessId(id));
            Proof::ProcessId(id)
        } else {
            all.push(Command::AskRoll);
            self.ledger.asked();
            if settled { Proof::Roll } else { Proof::None }
        };
        let mut bytes = self.filler();
        let places = Places::encode(&all, &mut bytes);
        (bytes, places, proof)
    }

    /// Waits for `proof`, asking now and then whether the printer is still there.
    pub(super) fn await_proof(&mut self, proof: &Proof, deadline: Deadline) -> Result<(), Stop> {
        let mut silence = Deadline::after(SILENCE_LIMIT);
        let mut questions = RealTime::ALL.iter().cycle();
        let (mut asked, mut doubt) = (None, false);
        loop {
            if let Some(stop) = self.must_stop(deadline) {
                return Err(stop);
            }
            let Some(reply) = self.hear(deadline.at_most(LISTEN_WAIT)).map_err(Stop::Lost)? else {
                if silence.passed() {
                    return Err(Stop::Lost(DeviceError::TimedOut));
                }
                asked = asked.or_else(|| questions.next().copied());
                let mut question: Vec<Command> = asked.map(Command::AskStatus).into_iter().collect();
                if std::mem::take(&mut doubt) {
                    question.push(Command::AskRoll);
                    self.ledger.asked();
                }
                match self.link.write(&Command::encode_all(&question), deadline.at_most(STALL_WAIT)) {
                    Ok(_) | Err(DeviceError::TimedOut) => continue,
                    Err(error) => return Err(Stop::Lost(error)),
                }
            };
            silence = Deadline::after(SILENCE_LIMIT);
            match (reply, proof) {
                (Reply::ProcessId(id), Proof::ProcessId(wanted)) if id == *wanted => return Ok(()),
                (Reply::Byte(byte), Proof::Roll) => {
                    if is_roll(byte) && !self.goes_on().map_err(Stop::Lost)? {
                        return Ok(());
                    }
                    doubt = true;
                }
                (Reply::Nonsense(_), Proof::Roll) => doubt = true,
                (Reply::RealTime(byte), _) => {
                    if let Some(which) = asked.take() {
                        self.changing(|link| link.status.answer(which, byte));
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether the byte that came is followed by more like it, which are swallowed: the tail of an automatic
    /// status.
    fn goes_on(&mut self) -> Result<bool, DeviceError> {
        let mut more = false;
        while self.automatic() && matches!(self.hear(Deadline::after(TAIL_WAIT))?, Some(Reply::Byte(_))) {
            more = true;
        }
        Ok(more)
    }

    /// Waits until the printer says that it forgot what it had, and with it what it owed.
    pub(super) fn await_cleared(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        let cleared = |reply: &Reply| (*reply == Reply::Cleared).then_some(());
        self.link.expect(cleared, deadline)?;
        self.ledger.settled();
        Ok(())
    }
}

/// Both bits of each sensor say the same, the others are 0; bits 5 and 6 are not defined (`GS r`, n = 1).
fn is_roll(byte: u8) -> bool {
    byte & 0x90 == 0 && matches!(byte & 0x0F, 0x00 | 0x03 | 0x0C | 0x0F)
}
