//! ESC/POS over any line: what to send, what to wait for, what is known afterwards.
//!
//! ```text
//! open    forget what waits (where it can), ESC @, guard, automatic status; DLE EOT 1..4
//! print   lay out -> status -> [NotReady] -> settle -> bytes ... -> process id or GS r -> proof
//!                                            |  no progress: listen, ask, wait for a refill
//!                                            +- deadline, called off, line lost: say what is known
//! ```
//! A printer that stops for paper or a cover keeps its buffer and goes on by itself: the job stays open
//! until its deadline. When it is given up, the remainder is discarded where the model can, so that it
//! does not come out in front of the next person.
//!
//! Promises: sends each byte of a job once; every wait below is limited by the job's deadline.
//! Never: prints again, or calls a job completed without the printer's word.

use super::{
    Job, PrintError, PrintProof, PrinterStatus, Profile, ReceiptPrinter, Rest,
    escpos::{Command, GRAPHICS_ROWS_MAX, IdentityText, RealTime},
    layout::SharedText,
    ledger::Ledger,
    link::Link,
    presenter::Shown,
    replies::Reply,
    stall::{Places, Questions},
};
use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    transport::Transport,
};
use std::time::Duration;

/// One write may block so long before the driver listens.
pub(super) const STALL_WAIT: Duration = Duration::from_millis(300);
/// The driver listens so long before it writes or asks again.
pub(super) const LISTEN_WAIT: Duration = Duration::from_millis(300);
/// Without progress, and without a word why, for so long: the line is lost.
pub(super) const SILENCE_LIMIT: Duration = Duration::from_secs(10);
/// All four status questions together.
const STATUS_LIMIT: Duration = Duration::from_secs(4);
/// Forgetting what waits.
const DISCARD_LIMIT: Duration = Duration::from_secs(2);

/// What a job tells while it runs, and whether to go on.
pub trait Watch: Send {
    /// The status changed.
    fn status(&mut self, status: &PrinterStatus);
    /// Whether to stop as soon as possible.
    fn give_up(&self) -> bool;
}

/// Tells nobody, never gives up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn status(&mut self, _: &PrinterStatus) {}
    fn give_up(&self) -> bool {
        false
    }
}

/// An ESC/POS printer on an open line.
pub struct EscPos {
    pub(super) link: Link,
    pub(super) profile: Profile,
    text: SharedText,
    pub(super) watch: Box<dyn Watch>,
    pub(super) shown: Shown,
    /// What outlives the line.
    pub(super) ledger: Ledger,
    /// The printer may still wait for the rest of a picture: bytes to fill it up with come first.
    pub(super) spoiled: bool,
    pub(super) ended: bool,
}

/// Why sending or waiting stopped early.
pub(super) enum Stop {
    GivenUp,
    Deadline,
    /// Gone, or silent without a reason.
    Lost(DeviceError),
}

impl EscPos {
    /// Takes the line over and asks how the printer is.
    ///
    /// # Errors
    /// As the line has it; [`DeviceError::TimedOut`] when nobody answers, [`DeviceError::Nonsense`] when
    /// the answers make no sense.
    pub fn open(
        transport: Box<dyn Transport>,
        profile: Profile,
        deadline: Deadline,
    ) -> Result<Self, DeviceError> {
        Self::open_with(transport, profile, &SharedText::default(), &Ledger::default(), deadline)
    }

    /// The same; `text`, which draws, and `ledger` outlive the line: fonts are looked for once, and no answer of
    /// before proves a later job.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        transport: Box<dyn Transport>,
        profile: Profile,
        text: &SharedText,
        ledger: &Ledger,
        deadline: Deadline,
    ) -> Result<Self, DeviceError> {
        let spoiled = profile.replies && !profile.clear_buffers;
        let link = Link::new(transport, profile.replies, ledger.clone());
        let (text, watch) = (text.clone(), Box::new(Unwatched));
        let (shown, ledger) = (Shown::default(), ledger.clone());
        let mut printer = Self { link, profile, text, watch, shown, ledger, spoiled, ended: false };
        if printer.profile.presenter.is_some() {
            printer.link.expect_full_status();
        }
        if printer.link.readable {
            printer.link.drain()?;
        }
        let clears = printer.link.readable && printer.profile.clear_buffers;
        let mut commands = printer.preamble();
        if clears {
            commands.insert(0, Command::ClearBuffers);
        }
        printer.link.write_all(&Command::encode_all(&commands), deadline)?;
        if clears {
            // Until then what an earlier program left may still come out, and be taken for the next job's.
            printer.await_cleared(deadline.at_most(DISCARD_LIMIT))?;
        }
        printer.status(deadline)?;
        Ok(printer)
    }

    /// Tells `watch` while a job runs.
    pub fn set_watch(&mut self, watch: Box<dyn Watch>) {
        self.watch = watch;
    }

    /// Whether the printer can answer on this line.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.link.readable
    }

    /// Whether this line is of no more use: open another.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What the replies so far add up to.
    #[must_use]
    pub fn last_status(&self) -> PrinterStatus {
        self.link.status
    }

    /// Waits for what the printer says by itself, or for [`Self::canceller`]; whether the status changed. Asks
    /// nothing meanwhile, neither the printer nor the line.
    ///
    /// # Errors
    /// As the line has it.
    pub fn listen(&mut self, deadline: Deadline) -> Result<bool, DeviceError> {
        let before = self.link.status;
        let heard = self.link.listen(deadline);
        self.ended |= heard.is_err();
        heard.map(|_| self.link.status != before)
    }

    /// Ends [`Self::listen`] from any thread; a call made while nothing listens ends the next one. A write-only
    /// line has none.
    #[must_use]
    pub fn canceller(&self) -> Option<Canceller> {
        self.link.canceller()
    }

    /// Asks how the printer is and switches automatic status on again: a printer that was switched off
    /// and on has forgotten it.
    ///
    /// # Errors
    /// As [`ReceiptPrinter::status`].
    pub fn rouse(&mut self, deadline: Deadline) -> Result<PrinterStatus, DeviceError> {
        if self.automatic() && self.link.status.stopped_by().is_empty() {
            self.link.write_all(&Command::encode_all(&[Command::AutomaticStatus(true)]), deadline)?;
        }
        self.status(deadline)
    }

    /// Asks for one identity text, such as the model's name.
    ///
    /// # Errors
    /// [`DeviceError::TimedOut`] when the model has none, or cannot answer now.
    pub fn identity(&mut self, which: IdentityText, deadline: Deadline) -> Result<String, DeviceError> {
        if !self.link.readable {
            return Err(DeviceError::Unsupported("identity on a write-only line"));
        }
        self.link.drain()?;
        self.link.write_all(&Command::encode_all(&[Command::AskIdentity(which)]), deadline)?;
        let wanted = |reply: &Reply| match reply {
            Reply::Identity(text) => Some(String::from_utf8_lossy(text).into_owned()),
            Reply::RealTime(_)
            | Reply::Automatic(_)
            | Reply::Full(_)
            | Reply::Byte(_)
            | Reply::ProcessId(_)
            | Reply::Cleared
            | Reply::Block(..)
            | Reply::Xon
            | Reply::Xoff
            | Reply::Nonsense(_) => None,
        };
        self.link.expect(wanted, deadline)
    }

    /// `ESC @` also ends automatic status and the guard, so they follow it.
    pub(super) fn preamble(&self) -> Vec<Command> {
        let mut commands = vec![Command::Initialise];
        if self.profile.image_guard {
            commands.push(Command::ImageGuard);
        }
        if self.automatic() {
            commands.push(Command::AutomaticStatus(true));
        }
        commands
    }

    pub(super) fn automatic(&self) -> bool {
        self.link.readable && self.profile.automatic_status
    }

    /// Rows of the tallest picture in one command.
    pub(super) fn rows_at_once(&self) -> usize {
        if self.profile.graphics { GRAPHICS_ROWS_MAX } else { self.profile.strip_rows }
    }

    /// Sends `bytes`; how many were taken, and why not all. A printer that tells nothing by itself is asked why
    /// it stalls, where `places` lets it.
    pub(super) fn send(
        &mut self,
        bytes: &[u8],
        places: &Places,
        deadline: Deadline,
    ) -> (usize, Option<Stop>) {
        let (mut sent, mut questions) = (0, Questions::default());
        let mut silence = Deadline::after(SILENCE_LIMIT);
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            if let Some(stop) = self.must_stop(deadline) {
                return (sent, Some(stop));
            }
            let asks = !questions.pending.is_empty();
            let next = if asks { questions.pending.as_slice() } else { rest };
            match self.link.write(next, deadline.at_most(STALL_WAIT)) {
                Ok(taken) if asks => drop(questions.pending.drain(..taken)),
                Ok(taken) => {
                    sent += taken;
                    silence = Deadline::after(SILENCE_LIMIT);
                    self.goes_again();
                }
                Err(DeviceError::TimedOut) if self.link.readable => {
                    match self.hear_stalled(&mut questions, deadline) {
                        Ok(true) => silence = Deadline::after(SILENCE_LIMIT),
                        Ok(false) => {}
                        Err(error) => return (sent, Some(Stop::Lost(error))),
                    }
                    if silence.passed() && self.link.status.stopped_by().is_empty() {
                        return (sent, Some(Stop::Lost(DeviceError::TimedOut)));
                    }
                    if !self.automatic() && self.link.status.stopped_by().is_empty() {
                        sent += questions.put(places, sent);
                    }
                }
                Err(DeviceError::TimedOut) if !silence.passed() => {}
                Err(error) => return (sent, Some(Stop::Lost(error))),
            }
        }
        (sent, None)
    }

    /// Listens while nothing is taken; whether the answer to a question came.
    fn hear_stalled(&mut self, questions: &mut Questions, deadline: Deadline) -> Result<bool, DeviceError> {
        let heard = self.hear(deadline.at_most(LISTEN_WAIT))?;
        let (Some(Reply::RealTime(byte)), Some(which)) = (heard, questions.asked) else { return Ok(false) };
        questions.asked = None;
        self.changing(|link| link.status.answer(which, byte));
        Ok(true)
    }

    /// It takes bytes again: what stopped it is over, which nothing but automatic status would tell.
    fn goes_again(&mut self) {
        if !self.automatic() && !self.link.status.stopped_by().is_empty() {
            let media = self.link.status.media;
            self.changing(|link| link.status = PrinterStatus { media, ..PrinterStatus::default() });
        }
    }

    pub(super) fn must_stop(&self, deadline: Deadline) -> Option<Stop> {
        if self.watch.give_up() {
            Some(Stop::GivenUp)
        } else if deadline.passed() {
            Some(Stop::Deadline)
        } else {
            None
        }
    }

    pub(super) fn hear(&mut self, deadline: Deadline) -> Result<Option<Reply>, DeviceError> {
        self.changing(|link| link.next(deadline))
    }

    pub(super) fn changing<T>(&mut self, change: impl FnOnce(&mut Link) -> T) -> T {
        let before = self.link.status;
        let done = change(&mut self.link);
        if self.link.status != before {
            self.watch.status(&self.link.status);
        }
        done
    }

    /// What is known when not one byte was taken.
    pub(super) fn nothing_sent(&mut self, stop: Stop) -> PrintError {
        let troubles = self.link.status.stopped_by();
        match stop {
            Stop::GivenUp => PrintError::Cancelled,
            Stop::Deadline if troubles.is_empty() => PrintError::Device(DeviceError::TimedOut),
            Stop::Deadline => PrintError::NotReady(troubles),
            Stop::Lost(error) => {
                self.ended = true;
                PrintError::Device(error)
            }
        }
    }

    /// What is known when bytes went out and no proof came back.
    fn unproven(&mut self, stop: Stop, all_sent: bool) -> Result<PrintProof, PrintError> {
        let troubles = self.link.status.stopped_by();
        self.spoiled |= !all_sent;
        match stop {
            Stop::Lost(_) => {
                self.ended = true;
                return Ok(PrintProof::Unknown);
            }
            // Slow, not stuck: what is in the printer still comes out.
            Stop::Deadline if troubles.is_empty() && all_sent => return Ok(PrintProof::Unknown),
            Stop::Deadline | Stop::GivenUp => {}
        }
        let rest = self.discard();
        if troubles.is_empty() {
            Ok(PrintProof::Unknown)
        } else {
            Err(PrintError::Interrupted { troubles, rest })
        }
    }

    /// Makes the printer forget what waits.
    fn discard(&mut self) -> Rest {
        if !self.profile.clear_buffers || !self.link.readable {
            return Rest::Held;
        }
        let deadline = Deadline::after(DISCARD_LIMIT);
        let bytes = Command::encode_all(&[Command::ClearBuffers]);
        match self.link.write_all(&bytes, deadline).and_then(|()| self.await_cleared(deadline)) {
            Ok(()) => {
                self.spoiled = false;
                Rest::Discarded
            }
            Err(_) => {
                // Whether half the command went in is not known either.
                self.ended = true;
                Rest::Held
            }
        }
    }
}

impl ReceiptPrinter for EscPos {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn status(&mut self, deadline: Deadline) -> Result<PrinterStatus, DeviceError> {
        let deadline = deadline.at_most(STATUS_LIMIT);
        for which in RealTime::ALL {
            if self.link.readable {
                let asked = self.link.ask(which, deadline);
                self.ended |= asked.is_err();
                asked?;
            }
        }
        self.look(deadline)?;
        // Only where nothing better answers: many printers say *fine* whatever happens.
        if !self.link.readable {
            let asked = self.link.ask_port(deadline);
            self.ended |= asked.is_err();
            asked?;
        }
        Ok(self.link.status)
    }

    fn print(&mut self, job: &Job, deadline: Deadline) -> Result<PrintProof, PrintError> {
        let commands = self.text.lay_out(job, &self.profile)?;
        let troubles = self.status(deadline)?.stopped_by();
        if !troubles.is_empty() {
            return Err(PrintError::NotReady(troubles));
        }
        self.await_empty(deadline)?;
        let settled = self.settle(deadline)?;
        let (mut bytes, places, proof) = self.bytes(commands, settled);
        let (sent, stop) = self.send(&bytes, &places, deadline);
        zeroize::Zeroize::zeroize(&mut bytes);
        match stop {
            Some(stop) if sent == 0 => return Err(self.nothing_sent(stop)),
            Some(stop) => return self.unproven(stop, false),
            None => self.spoiled = false,
        }
        self.shows();
        if !self.link.readable {
            self.ended = true;
            let finished = self.link.finish(deadline);
            return Ok(if finished.is_ok() { PrintProof::Sent } else { PrintProof::Unknown });
        }
        match self.await_proof(&proof, deadline) {
            Ok(()) if self.profile.process_id => Ok(PrintProof::Completed),
            Ok(()) => Ok(PrintProof::Accepted),
            Err(stop) => self.unproven(stop, true),
        }
    }
}
