//! What a HID device says of itself and then reports: report descriptors, the swipes of a stripe reader, the
//! scans of a barcode scanner.
//!
//! Input: a byte that says whether the descriptor is a known one or a piece; for a stripe reader its report as
//! the rest, for a scanner each report as a piece, with a byte for the time before it.

use super::Feed;
use crate::{
    card::{CardError, RawTrack, Tracks, hid::StripeLayout, library, payment},
    scanner::{
        Heard, SCAN_BYTES_MAX,
        hid::{Parts, ScanLayout},
    },
    transport::hidraw::{
        ReportDescriptor,
        descriptor::{FIELDS_MAX, REPORT_BYTES_MAX},
    },
};

/// MagTek 99875191, section 4, with tracks of 40 bytes in place of 110: a fuzzer gets to their ends.
const SMALL: [u8; 54] = [
    0x06, 0x00, 0xFF, 0x09, 0x01, 0xA1, 0x01, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08, 0x09, 0x20, 0x09,
    0x21, 0x09, 0x22, 0x09, 0x28, 0x09, 0x29, 0x09, 0x2A, 0x09, 0x38, 0x95, 0x07, 0x81, 0x02, 0x09, 0x30,
    0x95, 0x28, 0x82, 0x02, 0x01, 0x09, 0x31, 0x95, 0x28, 0x82, 0x02, 0x01, 0x09, 0x32, 0x95, 0x28, 0x82,
    0x02, 0x01, 0xC0,
];
const TRACK: usize = 40;
const REPORT: usize = 7 + 3 * TRACK;

/// A number that a payment scheme publishes for tests.
const PAYMENT: &[u8] = b";4111111111111111=2912?";

/// USB HID Point of Sale Usage Tables 1.02, section 3: count, identifier, 8 bytes of data, continued.
const SCANNER: [u8; 50] = [
    0x05, 0x8C, 0x09, 0x02, 0xA1, 0x01, 0x85, 0x02, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08, 0x95, 0x01,
    0x05, 0x01, 0x09, 0x3B, 0x81, 0x02, 0x95, 0x03, 0x05, 0x8C, 0x09, 0xFB, 0x09, 0xFC, 0x09, 0xFD, 0x81,
    0x02, 0x95, 0x08, 0x09, 0xFE, 0x82, 0x02, 0x01, 0x95, 0x01, 0x09, 0xFF, 0x81, 0x02, 0xC0, 0xC0,
];

pub(super) fn entry(data: &[u8]) {
    let mut feed = Feed(data);
    let choice = feed.byte();
    let bytes = match choice % 3 {
        0 => &SMALL,
        1 => feed.piece().unwrap_or_default(),
        _ => SCANNER.as_slice(),
    };
    let parsed = ReportDescriptor::parse(bytes);
    assert!(parsed.is_ok() || choice % 3 == 1, "a known descriptor is refused");
    let Ok(descriptor) = parsed else { return };
    within(&descriptor);
    match (StripeLayout::of(&descriptor), ScanLayout::of(&descriptor)) {
        (Ok(layout), _) => swipe(&descriptor, &layout, feed.0, choice % 3 == 0),
        (Err(_), Ok(layout)) => scans(&layout, feed),
        (Err(_), Err(_)) => assert_eq!(choice % 3, 1, "a known device is refused"),
    }
}

fn swipe(descriptor: &ReportDescriptor, layout: &StripeLayout, report: &[u8], known: bool) {
    if let Ok(tracks) = layout.tracks(report) {
        bounded(&tracks, report.len());
        let whole =
            descriptor.fields().iter().filter_map(|field| descriptor.report_bytes(field.report)).min();
        assert!(whole.is_some_and(|whole| report.len() >= whole), "a short report is taken");
        if let Ok(number) = library::number(&tracks) {
            assert!(!payment::is_payment_number(number.expose()), "a payment card's number leaves");
        }
    }
    if known {
        let cut = report.get(..REPORT - 1).unwrap_or(report);
        assert!(layout.tracks(cut).is_err(), "a report cut short is taken");
        payment_is_refused(layout, report);
    }
}

/// What is told is what came, in order and bounded, and no stripe of a payment card.
fn scans(layout: &ScanLayout, mut feed: Feed<'_>) {
    let (mut parts, mut now, mut came, mut told) = (Parts::default(), 1, Vec::new(), Vec::new());
    while let Some(report) = feed.piece() {
        now += u64::from(feed.byte()) * 4_000;
        match layout.part(report) {
            Ok(part) => {
                assert!(part.data.len() <= report.len());
                came.extend_from_slice(part.data);
                parts.take(now, &part);
            }
            Err(_) => parts.spoil(now),
        }
        while let Some(heard) = parts.next_heard() {
            if let Heard::Symbol { begun_us, data, .. } = heard {
                assert!(begun_us <= now && (..=SCAN_BYTES_MAX).contains(&data.expose().len()));
                told.extend_from_slice(data.expose());
            }
        }
    }
    let mut came = came.iter();
    assert!(told.iter().all(|byte| came.any(|other| other == byte)), "a scan says what nobody sent");
    parts.handle_timeout(u64::MAX);
    assert_eq!(parts.poll_timeout(), None, "a scan outlives the silence");
}

/// No field leaves its report.
fn within(descriptor: &ReportDescriptor) {
    assert!(descriptor.fields().len() <= FIELDS_MAX);
    for field in descriptor.fields() {
        let length = descriptor.report_bytes(field.report).unwrap_or_default();
        let end = (field.first_bit + field.bits * field.count).div_ceil(8);
        assert!(length <= REPORT_BYTES_MAX && usize::try_from(end).is_ok_and(|end| end <= length));
        assert!(descriptor.bytes(field).is_none_or(|bytes| bytes.end <= length));
    }
}

fn bounded(tracks: &Tracks, most: usize) {
    for track in [&tracks.one, &tracks.two, &tracks.three].into_iter().flatten() {
        let length = match track {
            RawTrack::Text(text) | RawTrack::Faulty(text) => text.len(),
            RawTrack::Bits(bits) => bits.len(),
        };
        assert!(length <= most.min(255), "a track is longer than its report");
    }
}

/// Whatever status and tracks one and three are, with a payment card on track two.
fn payment_is_refused(layout: &StripeLayout, noise: &[u8]) {
    let mut report = [0; REPORT];
    report.iter_mut().zip(noise).for_each(|(byte, noise)| *byte = *noise);
    let length = u8::try_from(PAYMENT.len()).unwrap_or(u8::MAX);
    report.iter_mut().skip(4).take(1).for_each(|byte| *byte = length);
    report.iter_mut().skip(7 + TRACK).zip(PAYMENT).for_each(|(byte, pays)| *byte = *pays);
    if let Ok(tracks) = layout.tracks(&report) {
        assert!(matches!(library::number(&tracks), Err(CardError::Payment)), "a payment card is not refused");
    }
}
