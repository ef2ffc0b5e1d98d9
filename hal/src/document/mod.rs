//! Document scanners: a sheet of paper becomes a picture.
//!
//! Promises: each accepted [`DocumentHandle::scan`] ends in exactly one [`Event::Done`] with its id; a
//! page is zeroed when dropped and never shown by `Debug`. Never: scans by itself; keeps a page.

mod thread;

pub use thread::{DocumentHandle, spawn};

use crate::{
    card::Canceller,
    device::{Deadline, DeviceError},
};
use std::fmt;
use zeroize::Zeroizing;

/// One request to scan; made by the caller, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScanId(pub u64);

/// Whether a sheet lies in the scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sheet {
    /// It does.
    Present,
    /// It does not, or there is no scanner.
    Absent,
}

/// What was scanned.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// Such as `image/png`, RFC 6838.
    pub media_type: &'static str,
    /// The file.
    pub bytes: Zeroizing<Vec<u8>>,
    /// How many sides of paper are in it.
    pub pages: u32,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({}, {} pages, {} bytes)", self.media_type, self.pages, self.bytes.len())
    }
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// No sheet lies in the scanner, or it was pulled out before the end.
    #[error("no sheet")]
    NoSheet,
    /// The scanner failed.
    #[error("the scanner failed")]
    Device(#[from] DeviceError),
}

/// One document scanner, open.
pub trait DocumentScanner: Send {
    /// Whether a sheet is there.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when unplugged.
    fn status(&mut self, deadline: Deadline) -> Result<Sheet, DeviceError>;

    /// Waits until the sheet is something else than last said, until cancelled, or until `deadline`; says
    /// what it is then.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when unplugged.
    fn wait_change(&mut self, deadline: Deadline) -> Result<Sheet, DeviceError>;

    /// What ends [`Self::wait_change`]; a scanner without one is asked again every quarter second.
    fn canceller(&self) -> Option<Canceller> {
        None
    }

    /// Scans the sheet.
    ///
    /// # Errors
    /// See [`ScanError`].
    fn scan(&mut self, deadline: Deadline) -> Result<Document, ScanError>;
}

/// What a document scanner tells by itself.
#[derive(Debug)]
pub enum Event {
    /// A sheet was laid in.
    SheetPlaced,
    /// It was taken out.
    SheetRemoved,
    /// A scan ended.
    Done {
        /// As given to [`DocumentHandle::scan`].
        id: ScanId,
        /// What came of it.
        outcome: Result<Document, ScanError>,
    },
}
