//! A simulated stripe reader that sends raw HID reports, after MagTek's.
//!
//! A hand pulls a [`Stripe`], bits as they pass the head, forwards or backwards, scratched or not. The reader
//! decodes them itself and reports: a track that it cannot decode has status 1 and length 0, and what is
//! behind a length is what was there before, the card before included, as the manual allows.
//!
//! Source: MagTek 99875191, USB HID SureSwipe & USB HID Swipe Reader, section 4.
//!
//! Never: a ready number.

use super::hid::HidNode;
use crate::card::track::{self, Track, TrackFault};
use zeroize::Zeroizing;

/// Zeros in front of and behind the data of a track, as on a real stripe.
const CLOCKING_BITS: usize = 22;

/// What the reader says of itself: manual, section 4, "report descriptor".
pub(super) const DESCRIPTOR: [u8; 61] = [
    0x06, 0x00, 0xFF, 0x09, 0x01, 0xA1, 0x01, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08, 0x09, 0x20, 0x09,
    0x21, 0x09, 0x22, 0x09, 0x28, 0x09, 0x29, 0x09, 0x2A, 0x09, 0x38, 0x95, 0x07, 0x81, 0x02, 0x09, 0x30,
    0x95, 0x6E, 0x82, 0x02, 0x01, 0x09, 0x31, 0x95, 0x6E, 0x82, 0x02, 0x01, 0x09, 0x32, 0x95, 0x6E, 0x82,
    0x02, 0x01, 0x09, 0x20, 0x95, 0x18, 0xB2, 0x02, 0x01, 0xC0,
];
/// Status and length of each track, the card encode type, three tracks.
const HEAD: usize = 7;
const TRACK: usize = 110;
const REPORT: usize = HEAD + 3 * TRACK;

const TRACKS: [Track; 3] = [Track::One, Track::Two, Track::Three];

/// A card's stripe; a track without flux changes has no bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Stripe([Zeroizing<Vec<u8>>; 3]);

/// What the reader or its line does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportFault {
    /// Nothing.
    #[default]
    None,
    /// The report ends after so many bytes.
    CutTo(usize),
    /// Track 2 announces more bytes than its field has.
    Boast,
    /// The report is noise.
    Noise,
}

impl Stripe {
    /// A stripe with what lies between the sentinels of tracks 1 to 3; an empty one is blank.
    ///
    /// # Errors
    /// [`TrackFault::Character`] or [`TrackFault::TooLong`].
    pub fn new(one: &str, two: &str, three: &str) -> Result<Self, TrackFault> {
        let write = |track, content: &str| match content {
            "" => Ok(Zeroizing::default()),
            content => track::encode(track, content, CLOCKING_BITS),
        };
        let [first, second, third] = TRACKS;
        Ok(Self([write(first, one)?, write(second, two)?, write(third, three)?]))
    }

    /// The same pulled from its other end.
    #[must_use]
    pub fn backwards(mut self) -> Self {
        for bits in &mut self.0 {
            bits.reverse();
            bits.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
        }
        self
    }

    /// The same with a scratch that turns these bits of track 2 over, counted from its first sentinel.
    #[must_use]
    pub fn scratched(mut self, bits: &[usize]) -> Self {
        let [_, two, _] = &mut self.0;
        for bit in bits.iter().map(|bit| bit + CLOCKING_BITS) {
            if let Some(byte) = two.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        self
    }

    /// The same pulled out half-way: the second half of each track never passed the head.
    #[must_use]
    pub fn half(mut self) -> Self {
        for bits in &mut self.0 {
            let half = bits.len() / 2;
            bits.truncate(half);
        }
        self
    }
}

/// The reader.
#[derive(Default)]
pub(super) struct HidStripeSim {
    pub(super) node: HidNode,
    /// Its own memory.
    report: Zeroizing<Vec<u8>>,
}

impl HidStripeSim {
    pub(super) fn cable(&mut self, pulled: bool) {
        self.node.cable(pulled);
        self.report = Zeroizing::default();
    }

    /// A card is pulled through; false when nobody hears of it.
    pub(super) fn swipe(&mut self, stripe: &Stripe, fault: ReportFault) -> bool {
        self.report.resize(REPORT, 0);
        let [one, two, three] = &stripe.0;
        for (n, (track, bits)) in TRACKS.into_iter().zip([one, two, three]).enumerate() {
            let decoded = track::decode(track, bits);
            let text = match decoded.fault {
                None => Zeroizing::new(format!("{}{}?", start(track), &*decoded.content)),
                Some(_) => Zeroizing::default(),
            };
            let undecodable = decoded.fault.is_some_and(|fault| fault != TrackFault::Blank);
            self.set(n, &[u8::from(undecodable)]);
            self.set(n + 3, &[u8::try_from(text.len()).unwrap_or(u8::MAX)]);
            self.set(HEAD + n * TRACK, text.as_bytes());
        }
        let mut report = self.report.clone();
        match fault {
            ReportFault::None => {}
            ReportFault::CutTo(bytes) => report.truncate(bytes),
            ReportFault::Boast => report.iter_mut().skip(4).take(1).for_each(|byte| *byte = u8::MAX),
            ReportFault::Noise => {
                report.iter_mut().zip((0..=u8::MAX).cycle()).for_each(|(byte, noise)| *byte ^= noise | 0x80)
            }
        }
        self.node.report(report)
    }

    fn set(&mut self, at: usize, bytes: &[u8]) {
        self.report.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
    }
}

fn start(track: Track) -> char {
    match track {
        Track::One => '%',
        Track::Two | Track::Three => ';',
    }
}
