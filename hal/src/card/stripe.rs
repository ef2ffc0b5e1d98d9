//! The tracks in the text a stripe reader types: `%...?;...?;...?`. Pure.
//!
//! Track 1 begins with `%`; the first `;` begins track 2 and the second track 3. Each ends with `?`, or where
//! the next begins. Line ends between tracks are passed over. Text without any sentinel is taken for a
//! damaged track 2, so that a payment card's number in it is still recognised.
//!
//! Promises: never panics; text with a track too many is no card, and none of it is passed on, because what is
//! not looked at cannot be refused. Never: keeps a copy that is not zeroed.

use super::{RawTrack, Tracks};
use zeroize::Zeroizing;

/// A stripe reader types no more: three tracks of ISO/IEC 7811 at their longest, and their line ends.
pub const STRIPE_BYTES_MAX: usize = 79 + 40 + 107 + 6;

/// Cuts `bytes` into tracks, sentinels included.
#[must_use]
pub fn tracks(bytes: &[u8]) -> Tracks {
    let mut tracks = Tracks::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        // From one start sentinel to the next; what comes before the first is a track without one.
        let later = rest.get(1..).unwrap_or_default();
        let next = later.iter().position(|byte| matches!(byte, b'%' | b';'));
        let (track, after) =
            rest.split_at_checked(next.map_or(rest.len(), |at| at + 1)).unwrap_or((rest, &[]));
        rest = after;
        if track.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let slot = match track.first() {
            Some(b'%') => &mut tracks.one,
            _ if tracks.two.is_none() => &mut tracks.two,
            _ => &mut tracks.three,
        };
        if slot.replace(RawTrack::Text(text(track))).is_some() {
            return Tracks::default();
        }
    }
    tracks
}

/// ASCII as it is, anything else as DEL, which no track holds.
pub(super) fn text(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len()));
    text.extend(bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\u{7f}' }));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{CardError, library};
    use proptest::prelude::*;

    fn cut(typed: &str) -> [Option<String>; 3] {
        let Tracks { one, two, three } = tracks(typed.as_bytes());
        [one, two, three].map(|track| {
            track.map(|track| match track {
                RawTrack::Text(text) => text.to_string(),
                RawTrack::Bits(_) | RawTrack::Faulty(_) => panic!("not as typed"),
            })
        })
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn tracks_are_told_apart_by_their_start_and_order() {
        assert_eq!(cut("%A^B?;12=3?;0112==?"), [some("%A^B?"), some(";12=3?"), some(";0112==?")]);
        assert_eq!(cut("%A?\r\n;12?\r\n"), [some("%A?\r\n"), some(";12?\r\n"), None]);
        assert_eq!(cut(";12?"), [None, some(";12?"), None]);
        assert_eq!(cut("%A;12?"), [some("%A"), some(";12?"), None]);
        assert_eq!(cut("\r\n"), [None, None, None]);
    }

    #[test]
    fn a_payment_card_is_refused_with_and_without_its_sentinels() {
        for typed in [
            "%B4111111111111111^DOE/J^2912?;4111111111111111=2912?",
            "4111111111111111=2912?",
            "%E?;4111111111111111=2912?\r",
            ";21234000012347?;014111111111111111==?",
        ] {
            let number = library::number(&tracks(typed.as_bytes()));
            assert!(matches!(number, Err(CardError::Payment)), "{typed}");
        }
        assert_eq!(library::number(&tracks(b";21234000012347?\r")).unwrap().expose(), "21234000012347");
        for typed in ["%2123?%B4111111111111111^DOE/J^2912?", ";21234000012347?;1?;4111111111111111=2912?"] {
            assert_eq!(cut(typed), [None, None, None], "{typed}");
        }
        assert!(matches!(
            library::number(&tracks(b"%E?;E?")),
            Err(CardError::Unreadable(_) | CardError::NoNumber)
        ));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(bytes in prop::collection::vec(prop_oneof![Just(b'%'), Just(b';'), Just(b'?'), b'0'..=b'9', any::<u8>()], 0..80)) {
            let Tracks { one, two, three } = tracks(&bytes);
            let long = |track: Option<RawTrack>| match track {
                Some(RawTrack::Text(text)) => text.len(),
                Some(RawTrack::Bits(_) | RawTrack::Faulty(_)) | None => 0,
            };
            prop_assert!(long(one) + long(two) + long(three) <= bytes.len());
        }
    }
}
