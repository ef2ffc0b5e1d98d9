//! What is recorded: the test page on a receipt printer, and a test card in a chip card reader. Nothing else.
//!
//! ```text
//! print_page   open, print the test page, close
//! read_card    open, wait for the card, answer to reset, identifier, close
//! ```
//!
//! Promises: a payment card ends in a refusal and its recording in zeroes; a fault on the way is recorded too.
//! Never: prints anything but the test page; records a keypad, a scanner, a stripe or a touch.

use super::{Recording, RecordingError, Subject, tape::Tape};
use crate::{
    card::{
        Atr, CardError, CardReader as _, CardStatus, ReaderKind,
        ccid::{CcidPipe, CcidReader},
        payment,
    },
    device::{Deadline, DeviceError},
    printer::{EscPos, PrintError, PrintProof, Profile, ReceiptPrinter as _},
    selftest,
    transport::Transport,
};
use std::time::Duration;

/// Opening takes no longer.
const OPEN_WAIT: Duration = Duration::from_secs(6);

/// A card is read within this.
const READ_WAIT: Duration = Duration::from_secs(5);

/// Letters in a test card's name.
const NAME_MAX: usize = 60;

/// A card that belongs to nobody, by the name its owner gives it: who names one says that this is none of a
/// citizen's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestCard(String);

impl TestCard {
    /// A name to find the card again by.
    ///
    /// # Errors
    /// [`RecordingError::Refused`] when it is empty, longer than 60 letters, or not on one line.
    pub fn named(name: &str) -> Result<Self, RecordingError> {
        let name = name.trim();
        let fits = !name.is_empty() && name.chars().count() <= NAME_MAX;
        if !fits || name.chars().any(char::is_control) {
            return Err(RecordingError::Refused("a test card's name is 1 to 60 letters on one line"));
        }
        Ok(Self(name.to_owned()))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// Prints the test page over `line` and records it; `model` is the profile's name. `limit` is for the page,
/// refilling paper included.
///
/// # Errors
/// [`RecordingError`] when nothing was recorded. That the page did not print is the second half of the answer.
pub fn print_page(
    line: Box<dyn Transport>,
    model: &str,
    limit: Duration,
) -> Result<(Recording, Result<PrintProof, PrintError>), RecordingError> {
    let Ok(profile) = Profile::named(model) else {
        return Err(RecordingError::Refused("no such printer profile"));
    };
    let tape = Tape::new();
    let page = selftest::page(&profile);
    let opened = EscPos::open(Box::new(tape.over(line)), profile, Deadline::after(OPEN_WAIT));
    let outcome = match opened {
        Ok(mut printer) => printer.print(&page, Deadline::after(limit)),
        Err(error) => Err(PrintError::Device(error)),
    };
    let recording = tape.finish(&Subject::Printer { profile: model.to_owned() })?;
    Ok((recording, outcome))
}

/// Waits up to `limit` for the test card, reads it, and records that.
///
/// # Errors
/// [`RecordingError::Refused`] when it is a payment card: nothing of it is kept then. That a test card could
/// not be read is the second half of the answer.
pub fn read_card(
    pipe: Box<dyn CcidPipe>,
    kind: ReaderKind,
    test_card: &TestCard,
    limit: Duration,
) -> Result<(Recording, Result<Atr, CardError>), RecordingError> {
    let subject = Subject::ChipReader {
        test_card: test_card.clone(),
        descriptor: pipe.descriptor(),
        packet: pipe.packet(),
        notices: pipe.has_notices(),
    };
    let tape = Tape::new();
    let opened = CcidReader::open(Box::new(tape.over(pipe)), kind, Deadline::after(OPEN_WAIT));
    let outcome = match opened {
        Ok(reader) => one_card(reader, Deadline::after(limit)),
        Err(error) => Err(error.into()),
    };
    if matches!(outcome, Err(CardError::Payment)) {
        return Err(RecordingError::Refused("a payment card is never recorded; nothing of it was kept"));
    }
    Ok((tape.finish(&subject)?, outcome))
}

fn one_card(mut reader: CcidReader, deadline: Deadline) -> Result<Atr, CardError> {
    let mut slot = reader.status(deadline.at_most(OPEN_WAIT))?;
    while slot.status == CardStatus::NoCard {
        if deadline.passed() {
            return Err(DeviceError::TimedOut.into());
        }
        slot = reader.wait_change(deadline)?;
    }
    let atr = reader.power_on(Deadline::after(READ_WAIT))?;
    match reader.read_identifier(Deadline::after(READ_WAIT)) {
        Ok(card) if payment::is_payment_number(card.number.expose()) => Err(CardError::Payment),
        Ok(_) | Err(CardError::NoNumber) => Ok(atr),
        Err(error) => Err(error),
    }
}
