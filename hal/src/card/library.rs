//! The number on a library card. Pure.
//!
//! On track 2 up to `=`, else on track 1 up to `^`; from a barcode or a chip the text itself. Codabar's
//! start and stop letters (`A` to `D`) around digits are left out. A number has 4 to 32 letters, digits
//! or dashes.
//!
//! Promises: looks for a payment card on every track first, damaged ones included, and then says nothing
//! of the card. Never: checks a check digit, because each library has its own.

use super::{
    CardData, CardError, RawTrack, Tracks, payment,
    track::{self, Decoded, Track, TrackFault},
};
use zeroize::Zeroizing;

/// Shortest and longest number.
const LENGTHS: std::ops::RangeInclusive<usize> = 4..=32;

/// The number on a stripe.
///
/// # Errors
/// [`CardError::Payment`], [`CardError::Unreadable`] when the tracks that could bear it are damaged,
/// [`CardError::NoNumber`] when they bear none.
pub fn number(tracks: &Tracks) -> Result<CardData, CardError> {
    let decoded = [
        (Track::Two, decode(Track::Two, tracks.two.as_ref())),
        (Track::One, decode(Track::One, tracks.one.as_ref())),
        (Track::Three, decode(Track::Three, tracks.three.as_ref())),
    ];
    let pays = |(track, text): &(Track, Option<Decoded>)| {
        text.as_ref().is_some_and(|text| payment::is_payment_track(*track, &text.content))
    };
    if decoded.iter().any(pays) {
        return Err(CardError::Payment);
    }
    let mut fault = None;
    for (track, text) in decoded {
        let Some(text) = text.filter(|_| track != Track::Three) else { continue };
        match text.checked() {
            Ok(content) => match from_text(track::number(track, &content)) {
                Err(CardError::NoNumber) => {}
                found => return found,
            },
            Err(found) => fault = fault.or(Some(found)),
        }
    }
    Err(fault.map_or(CardError::NoNumber, CardError::Unreadable))
}

/// The number that is the text itself.
///
/// # Errors
/// [`CardError::Payment`], or [`CardError::NoNumber`] when it has not the shape of one.
pub fn from_text(text: &str) -> Result<CardData, CardError> {
    let text = text.trim();
    let bare = codabar(text).unwrap_or(text);
    if payment::is_payment_number(bare) {
        return Err(CardError::Payment);
    }
    let shaped = bare.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    if !shaped || !LENGTHS.contains(&bare.len()) || !bare.bytes().any(|c| c.is_ascii_digit()) {
        return Err(CardError::NoNumber);
    }
    Ok(CardData::new(Zeroizing::new(bare.to_owned())))
}

fn decode(track: Track, raw: Option<&RawTrack>) -> Option<Decoded> {
    raw.map(|raw| match raw {
        RawTrack::Text(text) => track::parse(track, text),
        RawTrack::Bits(bits) => track::decode(track, bits),
        RawTrack::Faulty(text) => {
            Decoded { fault: Some(TrackFault::Undecodable), ..track::parse(track, text) }
        }
    })
}

/// The digits between Codabar's start and stop letters.
fn codabar(text: &str) -> Option<&str> {
    let letters = ['A', 'B', 'C', 'D', 'a', 'b', 'c', 'd'];
    let digits = text.strip_prefix(letters)?.strip_suffix(letters)?;
    digits.bytes().all(|c| c.is_ascii_digit()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> RawTrack {
        RawTrack::Text(Zeroizing::new(text.to_owned()))
    }

    fn found(tracks: &Tracks) -> String {
        number(tracks).unwrap().expose().to_owned()
    }

    #[test]
    fn the_number_is_taken_from_track_two_then_track_one() {
        let two = Tracks { two: Some(text(";21234000012347=1?")), one: Some(text("%X9^?")), three: None };
        assert_eq!(found(&two), "21234000012347");
        let bits = track::encode(Track::Two, "21234000012347", 20).unwrap();
        assert_eq!(found(&Tracks { two: Some(RawTrack::Bits(bits)), ..Tracks::default() }), "21234000012347");
        let one = Tracks { two: Some(text(";21?")), one: Some(text("%21234-77^DOE?")), three: None };
        assert_eq!(found(&one), "21234-77");
        assert_eq!(from_text("A21234000012347B\r").unwrap().expose(), "21234000012347");
    }

    #[test]
    fn a_payment_card_is_refused_by_any_of_its_tracks_even_a_damaged_one() {
        let library = Some(text(";21234000012347?"));
        let pays = |one: &str| {
            let tracks = Tracks { one: Some(text(one)), two: library.clone(), three: None };
            matches!(number(&tracks), Err(CardError::Payment))
        };
        assert!(pays("%B4111111111111111^DOE/J^2512?"));
        assert!(pays("%B4111111111111111^DOE/J"));
        assert!(!pays("%21234000012347^DOE?"));
        assert!(matches!(from_text("A4111111111111111B"), Err(CardError::Payment)));
    }

    #[test]
    fn a_damaged_or_empty_card_says_so() {
        let damaged = Tracks { two: Some(text(";2123")), ..Tracks::default() };
        assert!(matches!(number(&damaged), Err(CardError::Unreadable(_))));
        assert!(matches!(number(&Tracks::default()), Err(CardError::NoNumber)));
        for wrong in ["", "12", "ABCDE", "12 34 56", "1234;DROP"] {
            assert!(matches!(from_text(wrong), Err(CardError::NoNumber)), "{wrong}");
        }
    }
}
