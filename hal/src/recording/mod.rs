//! Recordings: what went over the line between a driver and one device, as a text file that replays.
//!
//! ```text
//! kiosk-recording 1                 the format and its version
//! # QEMU 7.2, usb-ccid              a note; anywhere
//! class receipt-printer             or card-reader
//! profile epson-tm-t20iii           of a printer: which model it was driven as
//! test-card Library sample          of a card reader: which card was in; without it the file is refused
//! descriptor 3621...                of a card reader: its functional descriptor, 54 bytes
//! packet 64                         of a card reader: wMaxPacketSize of bulk in
//! notices yes                       of a card reader: whether it has an interrupt end point
//! 0 > 1b40 1d61ff                   at this millisecond the driver wrote these bytes, and they were taken
//!   1d4902                          a line that begins with a space goes on
//! 3 < 16                            the device said this
//! 8 > - !timed-out                  the driver wrote; nothing was taken
//! 9 * 5003                          a message of the interrupt end point
//! 9 x 0004                          the ABORT request: slot, sequence number
//! 9 ? 18                            the port status was asked for
//! 9 = -                             the driver asked for everything to be handed over
//! 9 < - !gone                       the line was lost
//! end 8                             how many of these there are
//! ```
//! Bytes are hexadecimal, `-` for none; a failure is one of [`Why`]. A read that ended without a byte is not
//! written down: nothing happened.
//!
//! | file | owns |
//! |---|---|
//! | `text` | the format, both ways |
//! | `tape` | a line that writes down what passes |
//! | [`session`] | the only things that are recorded: the test page, and a test card |
//! | [`replay`] | a line that plays a recording, in lock-step |
//!
//! Promises: one recording is one opening of one line; nothing is on the disk before the session is over and
//! the card was no payment card. Never: records what a citizen prints, types or shows, because the shell has
//! no way to it; is part of a release build.

pub mod replay;
pub mod session;
mod tape;
mod text;

pub use replay::{Deviation, Replay, ReplayError};
pub use session::TestCard;

use crate::{card::ccid::descriptor::Descriptor, device::DeviceError};
use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The longest file read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The most that is recorded of one session.
pub const ENTRIES_MAX: usize = 4_096;

/// The most bytes recorded of one session, both ways.
pub const BYTES_MAX: usize = 256 << 10;

/// A recorded session; comes from a file or from [`session`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    subject: Subject,
    entries: Vec<Entry>,
}

/// Whose line it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A receipt printer.
    Printer {
        /// Which model it was driven as.
        profile: String,
    },
    /// A chip card reader.
    ChipReader {
        /// Which card was in.
        test_card: TestCard,
        /// What the reader can do.
        descriptor: Descriptor,
        /// wMaxPacketSize of bulk in.
        packet: usize,
        /// Whether it has an interrupt end point.
        notices: bool,
    },
}

/// One call of the driver and what came of it.
#[derive(Clone, PartialEq, Eq)]
struct Entry {
    /// In the file, from 1.
    line: usize,
    at_ms: u64,
    op: Op,
    bytes: Zeroizing<Vec<u8>>,
    failed: Option<Why>,
}

/// Says nothing of the bytes.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, at_ms, op, bytes, failed } = self;
        write!(f, "{line}: {at_ms} {op:?} {} bytes {failed:?}", bytes.len())
    }
}

/// What the driver did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Write,
    Read,
    Finish,
    Port,
    Notice,
    Abort,
}

/// Why a call failed: a [`DeviceError`] without its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// `gone`
    Gone,
    /// `timed-out`
    TimedOut,
    /// `busy`
    Busy,
    /// `not-exclusive`
    NotExclusive,
    /// `denied`
    Denied,
    /// `nonsense`
    Nonsense,
    /// `unsupported`
    Unsupported,
}

impl Why {
    fn of(error: &DeviceError) -> Self {
        match error {
            DeviceError::Gone(_) => Self::Gone,
            DeviceError::TimedOut => Self::TimedOut,
            DeviceError::Busy => Self::Busy,
            DeviceError::NotExclusive(_) => Self::NotExclusive,
            DeviceError::Denied(_) => Self::Denied,
            DeviceError::Nonsense(_) => Self::Nonsense,
            DeviceError::Unsupported(_) => Self::Unsupported,
        }
    }

    fn error(self) -> DeviceError {
        let recorded = || "as recorded".to_owned();
        match self {
            Self::Gone => DeviceError::Gone(recorded()),
            Self::TimedOut => DeviceError::TimedOut,
            Self::Busy => DeviceError::Busy,
            Self::NotExclusive => DeviceError::NotExclusive(recorded()),
            Self::Denied => DeviceError::Denied(recorded()),
            Self::Nonsense => DeviceError::Nonsense(recorded()),
            Self::Unsupported => DeviceError::Unsupported("as recorded"),
        }
    }
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be read or written.
    #[error("{}: {why}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// The file is no recording.
    #[error("{}:{line}: {reason}", file.display())]
    Garbled {
        /// Which.
        file: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// This may not be recorded.
    #[error("{0}")]
    Refused(&'static str),
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// [`RecordingError`] with file, line and reason.
    pub fn load(file: &Path) -> Result<Self, RecordingError> {
        let wrong = |why| RecordingError::File { file: file.to_owned(), why };
        if fs::metadata(file).map_err(wrong)?.len() > FILE_BYTES_MAX {
            return Err(wrong(std::io::Error::other(format!("more than {FILE_BYTES_MAX} bytes"))));
        }
        let text = Zeroizing::new(fs::read_to_string(file).map_err(wrong)?);
        Self::parse(&text).map_err(|(line, reason)| RecordingError::Garbled {
            file: file.to_owned(),
            line,
            reason,
        })
    }

    /// Reads a recording's text.
    ///
    /// # Errors
    /// The line, from 1, and what is wrong there.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        text::parse(text)
    }

    /// Writes it to a file that is not there yet.
    ///
    /// # Errors
    /// [`RecordingError::File`]; nothing is overwritten.
    pub fn save(&self, file: &Path) -> Result<(), RecordingError> {
        let text = self.to_text();
        let mut fresh = OpenOptions::new();
        let written = fresh.write(true).create_new(true).open(file).and_then(|mut out| {
            out.write_all(text.as_bytes())?;
            out.sync_data()
        });
        written.map_err(|why| RecordingError::File { file: file.to_owned(), why })
    }

    /// The text of its file.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        text::print(&self.subject, &self.entries)
    }

    /// Whose line it is.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// How many calls it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing happened on the line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
