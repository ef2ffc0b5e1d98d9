//! The report of a magnetic stripe reader, usage page FF00. Pure.
//!
//! | usage | is | bytes |
//! |---|---|---|
//! | 20, 21, 22 | track 1, 2, 3 decode status: bit 0, it bears something that cannot be decoded | 1 |
//! | 28, 29, 2A | track 1, 2, 3 data length | 1 |
//! | 30, 31, 32 | track 1, 2, 3 data: ASCII from start to end sentinel; behind the length anything | 110 |
//! | 23 | MagnePrint status: the reader encrypts, and 30 to 32 are ciphertext | 4 |
//!
//! Where each is says the report descriptor. On most models: the three status bytes, the three lengths, the
//! card encode type, the three tracks.
//!
//! Source: MagTek 99875191, USB HID SureSwipe & USB HID Swipe Reader, section 4; 99875388, MagneSafe V5,
//! section 2.
//!
//! Promises: never panics; what is behind a track's length, which may be the card before, is not looked at.
//! Never: keeps a copy that is not zeroed.

use super::super::{RawTrack, Tracks, stripe};
use crate::{
    device::DeviceError,
    transport::hidraw::{
        ReportDescriptor, ReportError, ReportShape,
        report::{announced, byte},
    },
};
use std::ops::Range;

/// The application collection of a magnetic stripe reader.
pub const APPLICATION: u32 = 0xFF00_0001;

/// Status, length and data of tracks 1 to 3.
const USAGES: [[u32; 3]; 3] = [
    [0xFF00_0020, 0xFF00_0028, 0xFF00_0030],
    [0xFF00_0021, 0xFF00_0029, 0xFF00_0031],
    [0xFF00_0022, 0xFF00_002A, 0xFF00_0032],
];

const MAGNEPRINT_STATUS: u32 = 0xFF00_0023;

/// Bit 0 of a decode status.
const ERROR: u8 = 1;

/// Where a reader's report has what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripeLayout {
    report: ReportShape,
    tracks: [Option<Place>; 3],
}

/// Where one track is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    status: Range<usize>,
    length: Range<usize>,
    data: Range<usize>,
}

impl StripeLayout {
    /// Finds the tracks.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] when this is no stripe reader, or one that encrypts.
    pub fn of(descriptor: &ReportDescriptor) -> Result<Self, DeviceError> {
        let unsupported = DeviceError::Unsupported;
        if !descriptor.is(APPLICATION) {
            return Err(unsupported("this HID device is no magnetic stripe reader"));
        }
        if descriptor.find(MAGNEPRINT_STATUS).is_some() {
            return Err(unsupported("a stripe reader that encrypts what it reads"));
        }
        let first = USAGES.iter().flatten().find_map(|usage| descriptor.find(*usage));
        let report = first.ok_or(unsupported("a stripe reader without tracks"))?.report;
        let place = |usages: [u32; 3]| {
            let [status, length, data] = usages.map(|usage| {
                let field = descriptor.find(usage).filter(|field| field.report == report)?;
                descriptor.bytes(field)
            });
            Some(Place { status: status?, length: length?, data: data? })
        };
        let tracks = USAGES.map(place);
        if tracks.iter().all(Option::is_none) {
            return Err(unsupported("a stripe reader whose tracks are no bytes"));
        }
        Ok(Self { report: ReportShape::of(descriptor, report), tracks })
    }

    /// The tracks of one swipe; what follows the report is nobody's.
    ///
    /// # Errors
    /// See [`ReportError`].
    pub fn tracks(&self, report: &[u8]) -> Result<Tracks, ReportError> {
        let report = self.report.cut(report)?;
        let [one, two, three] = &self.tracks;
        let read = |place: &Option<Place>| match place {
            Some(place) => place.read(report),
            None => Ok(None),
        };
        Ok(Tracks { one: read(one)?, two: read(two)?, three: read(three)? })
    }
}

impl Place {
    fn read(&self, report: &[u8]) -> Result<Option<RawTrack>, ReportError> {
        let (status, length) = (byte(report, self.status.start)?, byte(report, self.length.start)?);
        let data = announced(report, self.data.clone(), length)?;
        Ok(match (status & ERROR, data) {
            (0, []) => None,
            (0, text) => Some(RawTrack::Text(stripe::text(text))),
            (_, text) => Some(RawTrack::Faulty(stripe::text(text))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{CardError, library};
    use proptest::prelude::*;

    /// As the manual gives it, section 4, the feature report at its end included.
    const SURESWIPE: &[u8] = &[
        0x06, 0x00, 0xFF, 0x09, 0x01, 0xA1, 0x01, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08, 0x09, 0x20, 0x09,
        0x21, 0x09, 0x22, 0x09, 0x28, 0x09, 0x29, 0x09, 0x2A, 0x09, 0x38, 0x95, 0x07, 0x81, 0x02, 0x09, 0x30,
        0x95, 0x6E, 0x82, 0x02, 0x01, 0x09, 0x31, 0x95, 0x6E, 0x82, 0x02, 0x01, 0x09, 0x32, 0x95, 0x6E, 0x82,
        0x02, 0x01, 0x09, 0x20, 0x95, 0x18, 0xB2, 0x02, 0x01, 0xC0,
    ];

    fn layout() -> StripeLayout {
        StripeLayout::of(&ReportDescriptor::parse(SURESWIPE).unwrap()).unwrap()
    }

    /// A report; behind each track the end of another card.
    fn report(status: [u8; 3], tracks: [&str; 3]) -> Vec<u8> {
        let lengths = tracks.map(|track| u8::try_from(track.len()).unwrap());
        let mut report = [&status[..], &lengths, &[0]].concat();
        for track in tracks {
            let mut field = [b'9'; 110];
            field[..track.len()].copy_from_slice(track.as_bytes());
            report.extend(field);
        }
        report
    }

    fn number(report: &[u8]) -> Result<String, CardError> {
        let number = library::number(&layout().tracks(report).unwrap());
        number.map(|number| number.expose().to_owned())
    }

    #[test]
    fn the_report_of_the_manual_has_its_fields_where_the_manual_says() {
        let place = |status: usize, data: usize| {
            let length = status + 3;
            Some(Place { status: status..status + 1, length: length..length + 1, data: data..data + 110 })
        };
        let tracks = [place(0, 7), place(1, 117), place(2, 227)];
        assert_eq!(layout(), StripeLayout { report: ReportShape { number: None, bytes: 337 }, tracks });
    }

    #[test]
    fn a_number_is_read_and_nothing_behind_its_length() {
        let swipe = report([0; 3], ["%21234000012347^READER$JANE^?", ";21234000012347=2912?", ""]);
        assert_eq!(number(&swipe).unwrap(), "21234000012347");
        let longer = [swipe, vec![0; 47]].concat();
        assert_eq!(number(&longer).unwrap(), "21234000012347");
        assert!(matches!(number(&report([0; 3], ["", "", ""])), Err(CardError::NoNumber)));
    }

    #[test]
    fn a_track_the_reader_could_not_decode_is_no_number_whatever_is_there() {
        let damaged = report([1, 1, 0], ["", ";21234000012347=2912?", ""]);
        assert!(matches!(number(&damaged), Err(CardError::Unreadable(_))));
        let one = report([0, 1, 0], ["%21234000012347^?", "", ""]);
        assert_eq!(number(&one).unwrap(), "21234000012347", "the other track will do");
    }

    #[test]
    fn a_payment_card_is_refused_by_any_track_damaged_or_not() {
        for (status, tracks) in [
            ([0; 3], ["%B4111111111111111^DOE/J^2912?", ";4111111111111111=2912?", ""]),
            ([1, 0, 0], ["", ";4111111111111111=2912?", ""]),
            ([0, 1, 0], ["%21234000012347^?", ";4111111111111111=2912?", ""]),
            ([0; 3], ["", ";21234000012347?", ";014111111111111111==?"]),
        ] {
            assert!(matches!(number(&report(status, tracks)), Err(CardError::Payment)), "{tracks:?}");
        }
    }

    #[test]
    fn a_short_report_and_one_that_boasts_are_no_swipe() {
        let swipe = report([0; 3], ["", ";21234000012347=2912?", ""]);
        for cut in 0..swipe.len() {
            assert_eq!(layout().tracks(&swipe[..cut]), Err(ReportError::Short));
        }
        let mut boast = swipe;
        boast[4] = 111;
        assert_eq!(layout().tracks(&boast), Err(ReportError::Length));
    }

    #[test]
    fn numbered_reports_are_told_apart() {
        let bytes = [&SURESWIPE[..7], &[0x85, 3], &SURESWIPE[7..]].concat();
        let numbered = StripeLayout::of(&ReportDescriptor::parse(&bytes).unwrap()).unwrap();
        let swipe = report([0; 3], ["", ";21234000012347=2912?", ""]);
        let tracks = numbered.tracks(&[&[3], swipe.as_slice()].concat()).unwrap();
        assert_eq!(library::number(&tracks).unwrap().expose(), "21234000012347");
        assert_eq!(numbered.tracks(&[&[4], swipe.as_slice()].concat()), Err(ReportError::Another));
    }

    #[test]
    fn what_is_no_such_reader_or_encrypts_is_refused() {
        let refused = |bytes: &[u8]| {
            let descriptor = ReportDescriptor::parse(bytes).unwrap();
            StripeLayout::of(&descriptor).unwrap_err().to_string()
        };
        assert!(refused(&[0x05, 1, 0x09, 6, 0xA1, 1, 0xC0]).contains("no magnetic stripe reader"));
        assert!(refused(&SURESWIPE[..7]).contains("without tracks"));
        let end = SURESWIPE.len() - 8;
        let magnesafe = [&SURESWIPE[..end], &[0x75, 32, 0x09, 0x23, 0x95, 1, 0x81, 2, 0xC0]].concat();
        assert!(refused(&magnesafe).contains("encrypts"));
        let bits = SURESWIPE.iter().map(|byte| if *byte == 0x75 { 0x74 } else { *byte });
        assert!(refused(&bits.collect::<Vec<_>>()).contains("tracks"));
    }

    proptest! {
        #[test]
        fn any_report_is_survived(report in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(tracks) = layout().tracks(&report) {
                for track in [tracks.one, tracks.two, tracks.three].into_iter().flatten() {
                    let length = match track {
                        RawTrack::Text(text) | RawTrack::Faulty(text) => text.len(),
                        RawTrack::Bits(_) => panic!("bits"),
                    };
                    prop_assert!(length <= 110);
                }
            }
        }
    }
}
