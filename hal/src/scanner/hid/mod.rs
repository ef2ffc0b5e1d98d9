//! Barcode scanners that send HID reports, usage page 8C: the mode their makers call HID-POS.
//!
//! ```text
//! ReportSource --report--> ScanLayout --part--> Parts --whole--> Heard::Symbol
//!   hidraw, sim                          until the last part, or PART_WAIT of silence
//! ```
//!
//! Promises: a scan is told whole or as garbled; a part is joined only with those that came right before it;
//! the kind of symbol is the scanner's own word. Never: shows or logs a byte of a report.

pub mod layout;
mod parts;

pub use layout::ScanLayout;
pub use parts::PART_WAIT;
pub(crate) use parts::Parts;

use super::{Canceller, Heard, Scanner};
use crate::{
    device::{Deadline, DeviceError},
    input::now_us,
    transport::hidraw::{ReportError, ReportSource},
    wedge::until,
};

/// A scanner over a HID device.
pub struct HidScanner {
    source: Box<dyn ReportSource>,
    layout: ScanLayout,
    parts: Parts,
}

impl HidScanner {
    /// A scanner that `source` reports for.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] when it is no scanner of this usage page.
    pub fn new(source: Box<dyn ReportSource>) -> Result<Self, DeviceError> {
        let layout = ScanLayout::of(source.descriptor())?;
        Ok(Self { source, layout, parts: Parts::default() })
    }
}

impl Scanner for HidScanner {
    fn next_scan(&mut self, deadline: Deadline) -> Result<Option<Heard>, DeviceError> {
        if let Some(heard) = self.parts.next_heard() {
            return Ok(Some(heard));
        }
        let report = self.source.read(until(deadline, self.parts.poll_timeout()))?;
        let now = now_us();
        match report.as_ref().map(|report| self.layout.part(report)) {
            None => self.parts.handle_timeout(now),
            Some(Ok(part)) => self.parts.take(now, &part),
            Some(Err(ReportError::Another)) => {}
            Some(Err(why @ (ReportError::Short | ReportError::Length))) => {
                tracing::warn!(%why, "a scan is thrown away");
                self.parts.spoil(now);
            }
        }
        Ok(self.parts.next_heard())
    }

    fn canceller(&self) -> Option<Canceller> {
        self.source.canceller()
    }
}
