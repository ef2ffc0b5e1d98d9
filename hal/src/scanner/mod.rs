//! Barcode scanners: what was read, from which kind of symbol, by which device.
//!
//! Words after XFS4IoT `BarcodeReader` and UnifiedPOS `Scanner`.
//!
//! ```text
//! keyboard wedge --+                      / gate armed before it began? delivered, once --> sink
//!                  +-> text --+-> scan --+
//! serial line   ---+          |           \ else dropped, counted
//! HID reports, in parts ------+
//! ```
//!
//! Promises: a scan leaves only while the gate is armed, once for each [`ScannerHandle::arm`], and only when
//! it began after; half a scan is never delivered; what was read is zeroed when dropped and never shown by
//! `Debug`; a stripe reader set up as a scanner passes on no payment card.
//!
//! Never: tells what a code means; takes a device that others read too.

pub mod hid;
mod text;
mod thread;

pub use crate::{
    gate::{Arming, Canceller},
    wedge::{Aim, Symbology},
};
pub use text::{SCAN_BYTES_MAX, TextScanner};
pub use thread::{SCANS_PER_SECOND_MAX, ScannerHandle, spawn};

use crate::device::{Deadline, DeviceError};
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// What a symbol says. Zeroed when dropped, hidden from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ScanData(Zeroizing<Vec<u8>>);

impl ScanData {
    /// Takes over `bytes`.
    #[must_use]
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes themselves; GS1 separators are 0x1D. Callers copy them only into something that zeroes too.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ScanData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScanData(..)")
    }
}

/// What an armed scanner delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The kind of symbol, when the scanner told.
    pub aim: Option<Aim>,
    /// What it says.
    pub data: ScanData,
    /// The selector of the device that read it.
    pub source: Arc<str>,
}

/// What a scanner has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It read a symbol.
    Symbol {
        /// When its first character came, `CLOCK_MONOTONIC` in microseconds.
        begun_us: u64,
        /// The kind of symbol, when the scanner told.
        aim: Option<Aim>,
        /// What it says.
        data: ScanData,
    },
    /// It said something that is no scan; nothing of it was kept.
    Garbled,
    /// It is no scanner but a stripe reader, and this was a payment card; nothing of it was kept.
    PaymentCard,
}

/// One barcode scanner, open.
pub trait Scanner: Send {
    /// Waits for a scan until cancelled or `deadline`; it may return nothing earlier.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] when unplugged; an unfinished scan is gone with it.
    fn next_scan(&mut self, deadline: Deadline) -> Result<Option<Heard>, DeviceError>;

    /// What ends [`Self::next_scan`].
    fn canceller(&self) -> Option<Canceller>;
}

/// What a barcode scanner tells by itself.
#[derive(Debug)]
pub enum Event {
    /// A symbol was read; `arming` says for which [`ScannerHandle::arm`].
    Read {
        /// As returned by [`ScannerHandle::arm`]; one that was disarmed since is stale and to be dropped.
        arming: Arming,
        /// What it says.
        scan: Scan,
    },
    /// Something came that is no scan: read it again. The gate stays armed.
    Garbled,
    /// A payment card was pulled through what is set up as a scanner: nothing of it was kept. The gate stays
    /// armed.
    RefusedPaymentCard,
    /// Something came while nobody had asked for it; nothing of it was kept.
    Dropped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_scan() {
        let data = ScanData::new(Zeroizing::new(b"21234".to_vec()));
        let heard = Heard::Symbol { begun_us: 0, aim: None, data: data.clone() };
        let scan = Scan { aim: None, data, source: "sim:scanner".into() };
        let text = format!("{heard:?} {scan:?}");
        assert!(!text.contains("21234") && !text.contains("50"), "{text}");
    }
}
