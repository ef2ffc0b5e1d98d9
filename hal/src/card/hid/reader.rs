//! Swipes out of a HID device's reports.
//!
//! Promises: a report that is no swipe makes a card that cannot be read, so that somebody hears of it; one
//! with another number is nobody's. Never: shows or logs a byte of a report.

use super::layout::StripeLayout;
use crate::{
    card::{Canceller, Swipes, Tracks},
    device::{Deadline, DeviceError},
    input::now_us,
    transport::hidraw::{ReportError, ReportSource},
};

/// Swipes of one device.
pub struct HidSwipes {
    source: Box<dyn ReportSource>,
    layout: StripeLayout,
}

impl HidSwipes {
    /// Swipes that `source` reports.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] when it is no stripe reader, or one that encrypts.
    pub fn new(source: Box<dyn ReportSource>) -> Result<Self, DeviceError> {
        let layout = StripeLayout::of(source.descriptor())?;
        Ok(Self { source, layout })
    }
}

impl Swipes for HidSwipes {
    fn next_swipe(&mut self, deadline: Deadline) -> Result<Option<(u64, Tracks)>, DeviceError> {
        let Some(report) = self.source.read(deadline)? else { return Ok(None) };
        match self.layout.tracks(&report) {
            Ok(tracks) => Ok(Some((now_us(), tracks))),
            Err(ReportError::Another) => Ok(None),
            Err(why @ (ReportError::Short | ReportError::Length)) => {
                tracing::warn!(%why, "a swipe is thrown away");
                Ok(Some((now_us(), Tracks::default())))
            }
        }
    }

    fn canceller(&self) -> Option<Canceller> {
        self.source.canceller()
    }
}
