//! The presenter: a receipt is shown at the mouth of the printer, taken, or pulled back.
//!
//! ```text
//! job proven -> presented --taken--------------------> empty
//!                  |
//!                  +-- time is up: the printer itself pulls it back --> empty
//!                  +-- still there after the margin: abandoned, a trouble for staff --> empty, by hand
//! ```
//! The printer is told the time with the receipt (`FS P`), so that it pulls back even when this program is
//! gone. `DLE EOT 20` tells whether a receipt is in the mouth.
//!
//! Promises: nothing is printed while somebody's receipt is in the mouth, also one of before this program
//! began: the next job waits until it is gone, and is not begun when it stays.
//! Never: pushes a receipt out to whoever stands there now; asks while the mouth is empty.

use super::{EscPos, PrintError, escpos::Command, replies::Reply, status::Media};
use crate::device::{Deadline, DeviceError, Trouble};
use std::{collections::BTreeSet, time::Duration};

/// After the time told to the printer: motors, and a clock that runs differently.
pub const RETRACT_MARGIN: Duration = Duration::from_secs(5);
/// Between two looks at a receipt in the mouth; the printer says nothing by itself.
pub const LOOK_WAIT: Duration = Duration::from_secs(1);
/// An answer to `DLE EOT 20`.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How a model shows a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presenter {
    /// How much of it is shown, millimetres, in steps of 5.
    pub show_mm: u8,
    /// When an untaken one is pulled back, seconds.
    pub retract_s: u8,
}

impl Presenter {
    /// From when on an untaken receipt is abandoned.
    fn limit(self) -> Deadline {
        Deadline::after(Duration::from_secs(u64::from(self.retract_s)) + RETRACT_MARGIN)
    }
}

/// A receipt in the mouth, as the driver knows it.
#[derive(Debug, Default)]
pub(super) struct Shown {
    until: Option<Deadline>,
    look: Option<Deadline>,
}

impl EscPos {
    /// Looks at the presenter when it is time to: while a receipt is shown, every [`LOOK_WAIT`].
    ///
    /// # Errors
    /// As the line has it.
    pub fn attend(&mut self) -> Result<(), DeviceError> {
        if self.shown.look.is_some_and(Deadline::passed) {
            self.look(Deadline::after(ANSWER_LIMIT))?;
        }
        Ok(())
    }

    /// When to look at the presenter next, if a receipt is shown.
    #[must_use]
    pub fn attend_at(&self) -> Option<Deadline> {
        self.shown.look
    }

    /// A job is on paper: its receipt is on its way to the mouth.
    pub(super) fn shows(&mut self) {
        if let Some(presenter) = self.profile.presenter {
            self.shown = Shown { until: Some(presenter.limit()), look: Some(Deadline::after(LOOK_WAIT)) };
        }
    }

    /// Asks whether a receipt is in the mouth.
    pub(super) fn look(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        let Some(presenter) = self.profile.presenter.filter(|_| self.link.readable) else { return Ok(()) };
        let deadline = deadline.at_most(ANSWER_LIMIT);
        let asked = self.link.write_all(&Command::encode_all(&[Command::AskFullStatus]), deadline);
        let wanted = |reply: &Reply| matches!(reply, Reply::Full(_)).then_some(());
        let answer = asked.and_then(|()| self.link.expect(wanted, deadline));
        self.ended |= answer.is_err();
        answer?;
        if self.link.status.media == Media::NotPresent {
            self.shown = Shown::default();
            return Ok(());
        }
        let until = *self.shown.until.get_or_insert_with(|| presenter.limit());
        self.shown.look = Some(Deadline::after(LOOK_WAIT));
        if until.passed() {
            self.link.status.media = Media::Abandoned;
        }
        Ok(())
    }

    /// Waits until the mouth is empty.
    pub(super) fn await_empty(&mut self, deadline: Deadline) -> Result<(), PrintError> {
        if self.profile.presenter.is_none() || !self.link.readable {
            return Ok(());
        }
        loop {
            self.look(deadline)?;
            if self.link.status.media == Media::NotPresent {
                return Ok(());
            }
            if self.watch.give_up() {
                return Err(PrintError::Cancelled);
            }
            if self.link.status.media == Media::Abandoned || deadline.passed() {
                return Err(PrintError::NotReady(BTreeSet::from([Trouble::ReceiptLeft])));
            }
            // Listening, not sleeping: a status that comes by itself is taken in.
            self.link.next(deadline.at_most(super::driver::LISTEN_WAIT))?;
        }
    }
}
