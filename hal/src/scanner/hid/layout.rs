//! The report of a barcode scanner, usage page 8C. Pure.
//!
//! | usage | is | bytes |
//! |---|---|---|
//! | 01:3B | byte count: how much of the data is meant | 1 |
//! | 8C:FB, FC, FD | AIM symbology identifier: `]`, code, modifier | 1 each |
//! | 8C:FE | decoded data | 56 on most models |
//! | 8C:FF | decode data continued: the next report goes on | the lowest bit of its field |
//!
//! Source: USB HID Point of Sale Usage Tables 1.02, section 3; Access-IS LSR118 product manual, appendix B,
//! for what a report looks like.
//!
//! Promises: never panics; what is behind the count, which may be the scan before, is not looked at.

use crate::{
    device::DeviceError,
    transport::hidraw::{
        ReportDescriptor, ReportError, ReportShape,
        report::{announced, byte},
    },
};
use std::ops::Range;

/// The application collection of a barcode scanner.
pub const APPLICATION: u32 = 0x8C_0002;

const BYTE_COUNT: u32 = 0x01_003B;
const IDENTIFIER: [u32; 3] = [0x8C_00FB, 0x8C_00FC, 0x8C_00FD];
const DECODED: u32 = 0x8C_00FE;
const CONTINUED: u32 = 0x8C_00FF;

/// Where a scanner's report has what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanLayout {
    report: ReportShape,
    count: usize,
    identifier: Option<[usize; 3]>,
    data: Range<usize>,
    /// The byte and the bit in it.
    continued: Option<(usize, u8)>,
}

/// What one report says. Lives no longer than the report, which is zeroed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// Symbology identifier, zeros when the scanner does not tell.
    pub identifier: [u8; 3],
    /// The data that is meant.
    pub data: &'a [u8],
    /// Whether the next report goes on.
    pub continued: bool,
}

impl ScanLayout {
    /// Finds count, identifier and data.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] when this is no barcode scanner of this usage page.
    pub fn of(descriptor: &ReportDescriptor) -> Result<Self, DeviceError> {
        let unsupported = DeviceError::Unsupported;
        if !descriptor.is(APPLICATION) {
            return Err(unsupported("this HID device is no barcode scanner"));
        }
        let decoded = descriptor.find(DECODED).ok_or(unsupported("a barcode scanner without data"))?;
        let report = decoded.report;
        let within = |usage| {
            let mut fields = descriptor.fields().iter();
            fields.find(|field| field.usage == usage && field.report == report)
        };
        let place = |usage| Some(descriptor.bytes(within(usage)?)?.start);
        let data =
            descriptor.bytes(decoded).ok_or(unsupported("a barcode scanner whose data is no bytes"))?;
        let count = place(BYTE_COUNT).ok_or(unsupported("a barcode scanner that does not count its data"))?;
        let [first, code, modifier] = IDENTIFIER.map(place);
        let identifier = first.zip(code).zip(modifier).map(|((a, b), c)| [a, b, c]);
        let continued = within(CONTINUED).and_then(|field| {
            let at = usize::try_from(field.first_bit / 8).ok()? + usize::from(descriptor.numbered());
            Some((at, 1_u8 << (field.first_bit % 8)))
        });
        Ok(Self { report: ReportShape::of(descriptor, report), count, identifier, data, continued })
    }

    /// What a report says; what follows it is nobody's.
    ///
    /// # Errors
    /// See [`ReportError`].
    pub fn part<'a>(&self, report: &'a [u8]) -> Result<Part<'a>, ReportError> {
        let report = self.report.cut(report)?;
        let data = announced(report, self.data.clone(), byte(report, self.count)?)?;
        let identifier = match self.identifier {
            Some([first, code, modifier]) => {
                [byte(report, first)?, byte(report, code)?, byte(report, modifier)?]
            }
            None => [0; 3],
        };
        let continued = match self.continued {
            Some((at, bit)) => byte(report, at)? & bit != 0,
            None => false,
        };
        Ok(Part { identifier, data, continued })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A report of 64 bytes as scanners have it: number 2, count, identifier, 56 bytes, two of the maker's,
    /// continued; and a report 4 that is about the trigger.
    pub(in super::super) const SCANNER: &[u8] = &[
        0x05, 0x8C, 0x09, 0x02, 0xA1, 0x01, 0x09, 0x12, 0xA1, 0x02, 0x85, 0x02, 0x15, 0x00, 0x26, 0xFF, 0x00,
        0x75, 0x08, 0x95, 0x01, 0x05, 0x01, 0x09, 0x3B, 0x81, 0x02, 0x95, 0x03, 0x05, 0x8C, 0x09, 0xFB, 0x09,
        0xFC, 0x09, 0xFD, 0x81, 0x02, 0x95, 0x38, 0x09, 0xFE, 0x82, 0x02, 0x01, 0x95, 0x02, 0x06, 0x66, 0xFF,
        0x09, 0x04, 0x81, 0x02, 0x05, 0x8C, 0x75, 0x01, 0x95, 0x08, 0x09, 0xFF, 0x81, 0x02, 0xC0, 0x09, 0x14,
        0xA1, 0x02, 0x85, 0x04, 0x75, 0x08, 0x95, 0x01, 0x09, 0x00, 0x81, 0x02, 0xC0, 0xC0,
    ];

    fn layout() -> ScanLayout {
        ScanLayout::of(&ReportDescriptor::parse(SCANNER).unwrap()).unwrap()
    }

    fn report(data: &[u8], continued: bool) -> Vec<u8> {
        let mut report = [&[2, u8::try_from(data.len()).unwrap()], b"]Q0".as_slice()].concat();
        report.extend(data);
        report.resize(63, b'9');
        report.push(u8::from(continued));
        report
    }

    #[test]
    fn the_fields_are_where_the_manual_has_them() {
        let layout = layout();
        assert_eq!((layout.report, layout.count), (ReportShape { number: Some(2), bytes: 64 }, 1));
        assert_eq!((layout.identifier, layout.data.clone()), (Some([2, 3, 4]), 5..61));
        assert_eq!(layout.continued, Some((63, 1)));
        let first = report(&[b'a'; 56], true);
        let part = layout.part(&first).unwrap();
        assert!(part.identifier == *b"]Q0" && part.data == [b'a'; 56] && part.continued);
        let last = report(b"S123", false);
        let part = layout.part(&last).unwrap();
        assert!(part.data == b"S123" && !part.continued, "what is behind the count is not meant");
    }

    #[test]
    fn another_report_a_short_one_and_a_boast_are_no_part() {
        let (layout, whole) = (layout(), report(b"S123", false));
        let error = |report: &[u8]| layout.part(report).err();
        assert_eq!(error(&[4, 1]), Some(ReportError::Another));
        for cut in 0..whole.len() {
            assert_eq!(error(&whole[..cut]), Some(ReportError::Short));
        }
        let mut boast = whole;
        boast[1] = 57;
        assert_eq!(error(&boast), Some(ReportError::Length));
    }

    #[test]
    fn what_is_no_such_scanner_is_refused() {
        let refused = |bytes: &[u8]| {
            let descriptor = ReportDescriptor::parse(bytes).unwrap();
            ScanLayout::of(&descriptor).unwrap_err().to_string()
        };
        assert!(refused(&[0x05, 1, 0x09, 6, 0xA1, 1, 0xC0]).contains("no barcode scanner"));
        assert!(refused(&SCANNER[..10]).contains("without data"));
        let uncounted: Vec<u8> =
            SCANNER.iter().map(|byte| if *byte == 0x3B { 0x3C } else { *byte }).collect();
        assert!(refused(&uncounted).contains("count"));
    }

    proptest! {
        #[test]
        fn any_report_is_survived(report in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(part) = layout().part(&report) {
                prop_assert!(part.data.len() <= 56);
            }
        }
    }
}
