//! The vocabulary every device shares: class, health, trouble, deadline, error, event.
//!
//! After XFS4IoT and UnifiedPOS: a status is a set of codes, an error carries the action that
//! mends it, unsolicited changes are events.
//!
//! Never: waits without a limit. Deadlines are monotonic.

use crate::{card, document, keypad, pointer, printer, scanner};
use std::{
    collections::BTreeSet,
    sync::mpsc::SyncSender,
    time::{Duration, Instant},
};

/// What kind of device it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Prints receipts.
    ReceiptPrinter,
    /// Reads cards.
    CardReader,
    /// Turns a sheet of paper into a picture.
    DocumentScanner,
    /// Touch or mouse.
    Pointer,
    /// Reads barcodes.
    Scanner,
    /// Keys with names, for who does not touch.
    Keypad,
}

impl Class {
    /// Its name in files and commands, such as `receipt-printer`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReceiptPrinter => "receipt-printer",
            Self::CardReader => "card-reader",
            Self::DocumentScanner => "document-scanner",
            Self::Pointer => "pointer",
            Self::Scanner => "scanner",
            Self::Keypad => "keypad",
        }
    }
}

/// Whether a device can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Configured but not found.
    Absent,
    /// Found; being opened or opened again.
    Opening,
    /// Works, nothing to report.
    Ready,
    /// Works or will again once somebody mends these.
    Degraded(BTreeSet<Trouble>),
    /// Given up on: a short code such as `E-PRN-NONSENSE`.
    Faulted(&'static str),
}

/// What is wrong, as a code; the words for it live elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// Paper nearly at its end.
    PaperLow,
    /// No paper.
    PaperOut,
    /// A cover is open.
    CoverOpen,
    /// The cutter is stuck.
    Cutter,
    /// The print head is too hot; clears by itself.
    HeadHot,
    /// Paper or card is jammed.
    Jam,
    /// The device is switched off line.
    Offline,
    /// An error that only switching off and on clears.
    NeedsReset,
    /// Replies are missing or make no sense.
    NotTalking,
    /// Somebody's receipt is in the printer's mouth and could not be pulled back.
    ReceiptLeft,
}

impl Trouble {
    /// Its name in files and commands, such as `paper-out`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::PaperLow => "paper-low",
            Self::PaperOut => "paper-out",
            Self::CoverOpen => "cover-open",
            Self::Cutter => "cutter",
            Self::HeadHot => "head-hot",
            Self::Jam => "jam",
            Self::Offline => "offline",
            Self::NeedsReset => "needs-reset",
            Self::ReceiptLeft => "receipt-left",
            Self::NotTalking => "not-talking",
        }
    }

    /// Who mends it: nobody, whoever stands there, or a technician.
    #[must_use]
    pub fn action(self) -> Action {
        match self {
            Self::HeadHot | Self::Offline => Action::Wait,
            Self::PaperLow | Self::PaperOut => Action::Refill,
            Self::CoverOpen | Self::Jam | Self::ReceiptLeft => Action::Clear,
            Self::Cutter | Self::NeedsReset | Self::NotTalking => Action::Maintain,
        }
    }
}

/// What ends a trouble (XFS4IoT `ErrorEvent.action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Clears by itself.
    Wait,
    /// Put paper in.
    Refill,
    /// Close a cover, pull out what is stuck.
    Clear,
    /// Call a technician.
    Maintain,
}

/// A moment after which waiting ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// `wait` from now.
    #[must_use]
    pub fn after(wait: Duration) -> Self {
        Self(Instant::now() + wait)
    }

    /// What is left; zero once it passed.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it passed.
    #[must_use]
    pub fn passed(self) -> bool {
        self.left().is_zero()
    }

    /// The earlier of this and `wait` from now.
    #[must_use]
    pub fn at_most(self, wait: Duration) -> Self {
        self.min(Self::after(wait))
    }
}

/// Why a device did not do as told; variants are what the caller does differently.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Unplugged, switched off, connection refused or reset: open it again.
    #[error("the device is gone: {0}")]
    Gone(String),
    /// The deadline passed.
    #[error("no answer in time")]
    TimedOut,
    /// Somebody else holds it.
    #[error("the device is in use")]
    Busy,
    /// It cannot be had alone, and what it says may not reach anybody else: it is not used at all.
    #[error("the device cannot be had alone: {0}")]
    NotExclusive(String),
    /// This user may not open it.
    #[error("no permission for {0}")]
    Denied(String),
    /// It answered something no such device says.
    #[error("the device talks nonsense: {0}")]
    Nonsense(String),
    /// It cannot do this.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
}

/// Everything a device has to say, in one order.
#[derive(Debug)]
pub enum Event {
    /// The health of a device changed.
    Health {
        /// Which kind.
        class: Class,
        /// To this.
        health: Health,
    },
    /// From the receipt printer.
    Printer(printer::Event),
    /// From the card reader.
    Card(card::Event),
    /// From the document scanner.
    Document(document::Event),
    /// From touch or mouse.
    Pointer(pointer::Event),
    /// From the barcode scanner.
    Scanner(scanner::Event),
    /// From the keypad.
    Keypad(keypad::Event),
}

/// Where events go: one bounded channel for all devices.
pub type EventSink = SyncSender<Event>;
