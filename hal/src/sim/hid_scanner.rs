//! A simulated barcode scanner that sends HID reports, usage page 8C.
//!
//! A report has 64 bytes: its number 2, the count, the AIM identifier, 56 bytes of data, two of the maker's,
//! and whether the next report goes on. What is behind the count is what was there before.
//!
//! Source: USB HID Point of Sale Usage Tables 1.02, section 3; Access-IS LSR118 product manual, appendix B.

use super::hid::HidNode;
use zeroize::Zeroizing;

/// What the scanner says of itself.
pub(super) const DESCRIPTOR: [u8; 67] = [
    0x05, 0x8C, 0x09, 0x02, 0xA1, 0x01, 0x09, 0x12, 0xA1, 0x02, 0x85, 0x02, 0x15, 0x00, 0x26, 0xFF, 0x00,
    0x75, 0x08, 0x95, 0x01, 0x05, 0x01, 0x09, 0x3B, 0x81, 0x02, 0x95, 0x03, 0x05, 0x8C, 0x09, 0xFB, 0x09,
    0xFC, 0x09, 0xFD, 0x81, 0x02, 0x95, 0x38, 0x09, 0xFE, 0x82, 0x02, 0x01, 0x95, 0x02, 0x06, 0x66, 0xFF,
    0x09, 0x04, 0x81, 0x02, 0x05, 0x8C, 0x75, 0x01, 0x95, 0x08, 0x09, 0xFF, 0x81, 0x02, 0xC0, 0xC0,
];

const DATA: usize = 56;
const NUMBER: u8 = 2;
/// Number, count, identifier.
const HEAD: usize = 5;

/// What the scanner or its line does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanFault {
    /// Nothing.
    #[default]
    None,
    /// The last report ends after so many bytes.
    CutTo(usize),
    /// The last report counts more than its data has.
    Boast,
    /// The last report never comes.
    NoEnd,
    /// A report about something else comes between any two.
    Chatter,
}

/// A symbol is held under the scanner; false when nobody hears of it.
pub(super) fn scan(node: &mut HidNode, identifier: [u8; 3], data: &[u8], fault: ScanFault) -> bool {
    let parts: Vec<&[u8]> = data.chunks(DATA).collect();
    let mut heard = true;
    for (n, part) in parts.iter().enumerate() {
        let last = n + 1 == parts.len();
        let count = u8::try_from(part.len()).unwrap_or(u8::MAX);
        let mut report = Zeroizing::new(vec![NUMBER, count]);
        report.extend(identifier);
        report.extend_from_slice(part);
        report.resize(HEAD + DATA + 2, b'9');
        report.push(u8::from(!last));
        match (fault, last) {
            (ScanFault::NoEnd, true) => break,
            (ScanFault::CutTo(bytes), true) => report.truncate(bytes),
            (ScanFault::Boast, true) => report.iter_mut().skip(1).take(1).for_each(|byte| *byte = u8::MAX),
            (ScanFault::Chatter, _) => heard &= node.report(Zeroizing::new(vec![4, 1])),
            (ScanFault::None | ScanFault::NoEnd | ScanFault::CutTo(_) | ScanFault::Boast, _) => {}
        }
        heard &= node.report(report);
    }
    heard
}
