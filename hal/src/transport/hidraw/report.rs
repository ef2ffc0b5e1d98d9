//! One of a device's reports: its number, its length, and what a count in it announces. Pure.
//!
//! Promises: never panics; what follows a report, and what is behind a count, is not looked at.

use super::ReportDescriptor;
use std::ops::Range;

/// Which report, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportShape {
    /// The report's number, if reports are numbered.
    pub number: Option<u8>,
    /// The bytes of the report, its number included.
    pub bytes: usize,
}

/// A report that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It has another number: it is about something else.
    #[error("a report with another number")]
    Another,
    /// It ends before its last field.
    #[error("a report is cut short")]
    Short,
    /// A count is more than its field.
    #[error("a report announces more than it has")]
    Length,
}

impl ReportShape {
    /// What `descriptor` says of the report of this number.
    #[must_use]
    pub fn of(descriptor: &ReportDescriptor, report: u8) -> Self {
        let bytes = descriptor.report_bytes(report).unwrap_or_default();
        Self { number: descriptor.numbered().then_some(report), bytes }
    }

    /// The report in what was read; what follows it is nobody's.
    ///
    /// # Errors
    /// [`ReportError::Another`], [`ReportError::Short`].
    pub fn cut<'a>(&self, read: &'a [u8]) -> Result<&'a [u8], ReportError> {
        match (self.number, read.first()) {
            (Some(number), Some(first)) if number != *first => Err(ReportError::Another),
            _ => read.get(..self.bytes).ok_or(ReportError::Short),
        }
    }
}

/// One byte of a report.
///
/// # Errors
/// [`ReportError::Short`].
pub fn byte(report: &[u8], at: usize) -> Result<u8, ReportError> {
    report.get(at).copied().ok_or(ReportError::Short)
}

/// The first `count` bytes of a field.
///
/// # Errors
/// [`ReportError::Short`], [`ReportError::Length`].
pub fn announced(report: &[u8], field: Range<usize>, count: u8) -> Result<&[u8], ReportError> {
    let field = report.get(field).ok_or(ReportError::Short)?;
    field.get(..usize::from(count)).ok_or(ReportError::Length)
}
