//! Receipt printers: the trait, the job, the proof.
//!
//! ```text
//! Job --layout--> commands --escpos--> bytes --driver--> transport
//!      profile,                                 replies <-- bytes
//!      shape (what no code page has is drawn)
//! ```
//!
//! | file | owns |
//! |---|---|
//! | [`job`], [`bitmap`] | what to print |
//! | [`profile`], [`codepage`] | what a model can do, as data |
//! | [`layout`], [`shape`], `glyphs` | lines into commands; text drawn on the host, glyphs kept |
//! | [`escpos`], [`replies`], [`status`] | the codec, both ways |
//! | [`driver`], `link`, [`proof`] | one printer on one line, and what is known about a job |
//! | [`presenter`] | a receipt shown, taken, pulled back or left |
//! | [`thread`] | keeps the printer: opens, opens again, reports |
//!
//! Promises: *completed* only with the printer's answer that everything is on paper; nothing is printed
//! twice by itself; exactly one outcome per job.
//! Never: logs or keeps what was printed.

pub mod bitmap;
pub mod codepage;
pub mod driver;
pub mod escpos;
#[cfg(feature = "text")]
mod glyphs;
pub mod job;
pub mod layout;
pub mod ledger;
mod limits;
mod link;
pub mod presenter;
pub mod profile;
pub mod proof;
mod prove;
mod qr;
pub mod replies;
#[cfg(feature = "text")]
pub mod shape;
mod stall;
pub mod status;
pub mod thread;

pub use bitmap::Bitmap;
pub use codepage::CodePage;
pub use driver::EscPos;
pub use job::{Align, Direction, Job, JobId, Line, Size, Style};
pub use layout::LayoutError;
pub use presenter::Presenter;
pub use profile::{CutterKind, Profile, ProfileError};
pub use proof::{PrintError, PrintProof, Rest};
pub use status::{Cover, Cutter, Head, Media, Paper, PrinterStatus};
pub use thread::{PrinterHandle, spawn};

use crate::device::{Deadline, DeviceError};

/// A receipt printer, whatever its language.
pub trait ReceiptPrinter: Send {
    /// What the model can do.
    fn profile(&self) -> &Profile;

    /// Asks how the printer is.
    ///
    /// # Errors
    /// [`DeviceError`] as the line has it; [`DeviceError::Nonsense`] when the answers make no sense.
    fn status(&mut self, deadline: Deadline) -> Result<PrinterStatus, DeviceError>;

    /// Prints once, waits for proof until `deadline`, and never prints again by itself.
    ///
    /// # Errors
    /// [`PrintError`]: nothing was printed, or printing stopped and why.
    fn print(&mut self, job: &Job, deadline: Deadline) -> Result<PrintProof, PrintError>;
}

/// What a receipt printer tells by itself.
#[derive(Debug)]
pub enum Event {
    /// Paper, cover or anything else changed.
    Status(PrinterStatus),
    /// A job ended; exactly one for each accepted job.
    Done {
        /// Which.
        job: JobId,
        /// What is known about it.
        outcome: Result<PrintProof, PrintError>,
    },
}
