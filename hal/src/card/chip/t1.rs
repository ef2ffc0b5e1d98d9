//! The reader's end of T=1, as a machine without a line. Pure.
//!
//! ```text
//! Idle --begin--> Sending --last part acknowledged by an I-block--> Receiving --last part--> Idle
//!                    \ bad block, silence: R, at most TRIES times      /
//!                     `--------> Resynch --response--> Idle, failed <-'
//! ```
//!
//! Source: ISO/IEC 7816-3:2006, section 11.6; rule numbers are those of 11.6.2.3 and 11.6.3.2.
//!
//! Promises: a command reaches the card once: after a resynchronisation it is not sent again but fails,
//! since nobody knows whether the card did it. What went over the line is zeroed.
//! Never: waits; the caller says when a card was silent for too long.

use super::super::CardBytes;
use super::{
    atr::Check,
    block::{Block, BlockError, INFO_MAX, Supervisory, Wrong},
};
use zeroize::Zeroizing;

/// How often a block is asked for or sent again (rule 7.4.1).
const TRIES: u8 = 3;

/// IFSD until the card was told another (11.4.2).
const IFSD_FIRST: u8 = 32;

/// The longest answer: an extended APDU's data and status word.
const ANSWER_MAX: usize = 65_538;

/// What came from the card.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// These bytes.
    Block(&'a [u8]),
    /// Bytes the reader found damaged.
    Damaged,
    /// Nothing in the waiting time.
    Nothing,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this, and wait so many block waiting times for the answer.
    Send {
        /// The block.
        block: CardBytes,
        /// At least 1.
        waits: u8,
    },
    /// The exchange is over; this is the card's answer, empty for [`T1::tell_ifsd`].
    Done(CardBytes),
}

/// Why an exchange failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum T1Error {
    /// The line was lost and is in step again; whether the card did the command is unknown.
    #[error("the card lost its place, the command may have been done")]
    Lost,
    /// The card gave the command up.
    #[error("the card aborted the command")]
    Aborted,
    /// The card does not get in step again: it needs a reset.
    #[error("the card does not get in step again")]
    Dead,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// S(IFS request) is out.
    Telling(u8),
    /// A part of the command is out.
    Sending,
    /// A part of the answer came, R is out.
    Receiving,
    /// S(ABORT response) is out.
    Aborting,
    /// S(RESYNCH request) is out; afterwards the exchange fails with this.
    Resynch(T1Error),
    Dead,
}

/// One card's line, from its reset on.
pub struct T1 {
    check: Check,
    ifsc_first: u8,
    ifsc: u8,
    ifsd: u8,
    /// N(S) of the next or current block of ours.
    ours: bool,
    /// N(S) expected of the card.
    theirs: bool,
    phase: Phase,
    tries: u8,
    out: CardBytes,
    /// What of `out` the card has.
    done: usize,
    /// How long the part is that is out now.
    part: usize,
    got: Zeroizing<Vec<u8>>,
}

impl T1 {
    /// A line to a card fresh from reset that takes `ifsc` bytes in a block.
    #[must_use]
    pub fn new(check: Check, ifsc: u8) -> Self {
        Self {
            check,
            ifsc_first: ifsc,
            ifsc,
            ifsd: IFSD_FIRST,
            ours: false,
            theirs: false,
            phase: Phase::Idle,
            tries: 0,
            out: CardBytes::new(Vec::new()),
            done: 0,
            part: 0,
            got: Zeroizing::default(),
        }
    }

    /// The size the card was told; 32 after each reset and resynchronisation.
    #[must_use]
    pub fn ifsd(&self) -> u8 {
        self.ifsd
    }

    /// Takes `ifsd` as told by the reader itself.
    pub fn set_ifsd(&mut self, ifsd: u8) {
        self.ifsd = ifsd;
    }

    /// Tells the card that it may send `ifsd` bytes in a block.
    pub fn tell_ifsd(&mut self, ifsd: u8) -> Step {
        (self.phase, self.tries) = (Phase::Telling(ifsd), 0);
        self.supervise(false, Supervisory::Ifs(ifsd))
    }

    /// Sends a command.
    pub fn begin(&mut self, command: CardBytes) -> Step {
        (self.phase, self.tries, self.out) = (Phase::Sending, 0, command);
        self.got = Zeroizing::default();
        (self.done, self.part) = (0, 0);
        self.send_part()
    }

    /// What to do about what came.
    ///
    /// # Errors
    /// See [`T1Error`]. Except after [`T1Error::Dead`], the next command can begin.
    pub fn handle(&mut self, heard: Heard<'_>) -> Result<Step, T1Error> {
        let block = match heard {
            Heard::Block(bytes) => Block::parse(bytes, self.check).map_err(|error| match error {
                BlockError::Check => Wrong::Check,
                BlockError::Shape => Wrong::Other,
            }),
            Heard::Damaged => Err(Wrong::Check),
            Heard::Nothing => Err(Wrong::Other),
        };
        match self.phase {
            Phase::Idle | Phase::Dead => Err(T1Error::Dead),
            Phase::Telling(ifsd) => {
                let told = Block::S { response: true, kind: Supervisory::Ifs(ifsd) };
                if block == Ok(told) {
                    (self.phase, self.ifsd) = (Phase::Idle, ifsd);
                    return Ok(Step::Done(CardBytes::new(Vec::new())));
                }
                Ok(self.again(|line| line.supervise(false, Supervisory::Ifs(ifsd))))
            }
            Phase::Aborting => Ok(self.resynch(T1Error::Aborted)),
            Phase::Resynch(why) => self.handle_resynch(block, why),
            Phase::Sending | Phase::Receiving => match block {
                Err(wrong) => Ok(self.complain(wrong)),
                Ok(Block::I { seq, more, data }) => Ok(self.handle_part(seq, more, &data)),
                Ok(Block::R { seq, .. }) => Ok(self.handle_receipt(seq)),
                Ok(Block::S { response: true, .. }) => Ok(self.complain(Wrong::Other)),
                Ok(Block::S { response: false, kind }) => Ok(self.handle_request(kind)),
            },
        }
    }

    fn handle_part(&mut self, seq: bool, more: bool, data: &CardBytes) -> Step {
        let whole = self.done + self.part == self.out.expose().len();
        if seq != self.theirs || (self.phase == Phase::Sending && !whole) {
            return self.complain(Wrong::Other);
        }
        if self.phase == Phase::Sending {
            // The answer acknowledges the last part (rule 2.2).
            (self.ours, self.phase) = (!self.ours, Phase::Receiving);
        }
        if self.got.len() + data.expose().len() > ANSWER_MAX {
            return self.resynch(T1Error::Lost);
        }
        extend_zeroizing(&mut self.got, data.expose());
        (self.theirs, self.tries) = (!self.theirs, 0);
        if more {
            return self.receipt(Wrong::Nothing);
        }
        (self.phase, self.out) = (Phase::Idle, CardBytes::new(Vec::new()));
        Step::Done(CardBytes::new(std::mem::take(&mut *self.got)))
    }

    fn handle_receipt(&mut self, seq: bool) -> Step {
        if self.phase == Phase::Receiving {
            return self.again(|line| line.receipt(Wrong::Nothing));
        }
        if seq == self.ours {
            // It did not get this part (rule 7.1).
            return self.again(Self::send_part);
        }
        if self.done + self.part == self.out.expose().len() {
            return self.complain(Wrong::Other);
        }
        self.done += self.part;
        (self.ours, self.part, self.tries) = (!self.ours, 0, 0);
        self.send_part()
    }

    fn handle_request(&mut self, kind: Supervisory) -> Step {
        match kind {
            Supervisory::Wtx(times) => match self.supervise(true, kind) {
                Step::Send { block, .. } => Step::Send { block, waits: times.max(1) },
                done @ Step::Done(_) => done,
            },
            Supervisory::Ifs(size) => {
                self.ifsc = size;
                self.supervise(true, kind)
            }
            Supervisory::Abort => {
                self.phase = Phase::Aborting;
                self.supervise(true, kind)
            }
            // Only the reader may ask for this (rule 6.1).
            Supervisory::Resynch => self.complain(Wrong::Other),
        }
    }

    fn handle_resynch(&mut self, block: Result<Block, Wrong>, why: T1Error) -> Result<Step, T1Error> {
        if block == Ok(Block::S { response: true, kind: Supervisory::Resynch }) {
            (self.ours, self.theirs, self.phase) = (false, false, Phase::Idle);
            (self.ifsc, self.ifsd) = (self.ifsc_first, IFSD_FIRST);
            self.out = CardBytes::new(Vec::new());
            self.got = Zeroizing::default();
            return Err(why);
        }
        self.tries += 1;
        if self.tries > TRIES {
            self.phase = Phase::Dead;
            return Err(T1Error::Dead);
        }
        Ok(self.supervise(false, Supervisory::Resynch))
    }

    fn complain(&mut self, wrong: Wrong) -> Step {
        self.again(|line| line.receipt(wrong))
    }

    /// Does `act` unless it was tried often enough; then resynchronises (rule 6.4).
    fn again(&mut self, act: impl FnOnce(&mut Self) -> Step) -> Step {
        self.tries += 1;
        if self.tries > TRIES { self.resynch(T1Error::Lost) } else { act(self) }
    }

    fn resynch(&mut self, why: T1Error) -> Step {
        (self.phase, self.tries) = (Phase::Resynch(why), 0);
        self.supervise(false, Supervisory::Resynch)
    }

    fn send_part(&mut self) -> Step {
        let rest = self.out.expose().get(self.done..).unwrap_or_default();
        if self.part == 0 {
            // A part sent again keeps its size, whatever the card said of its own meanwhile.
            self.part = rest.len().min(usize::from(self.ifsc).min(INFO_MAX));
        }
        let data = CardBytes::new(rest.get(..self.part).unwrap_or_default().to_vec());
        let more = self.part < rest.len();
        self.send(&Block::I { seq: self.ours, more, data })
    }

    fn receipt(&mut self, wrong: Wrong) -> Step {
        self.send(&Block::R { seq: self.theirs, wrong })
    }

    fn supervise(&mut self, response: bool, kind: Supervisory) -> Step {
        self.send(&Block::S { response, kind })
    }

    fn send(&self, block: &Block) -> Step {
        let mut bytes = block.encode(self.check);
        Step::Send { block: CardBytes::new(std::mem::take(&mut *bytes)), waits: 1 }
    }
}

/// Appends without leaving a copy of what was there behind.
pub(crate) fn extend_zeroizing(all: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    let mut longer = Zeroizing::new(Vec::with_capacity(all.len() + more.len()));
    longer.extend_from_slice(all);
    longer.extend_from_slice(more);
    *all = longer;
}
