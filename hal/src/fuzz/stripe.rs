//! A magnetic stripe, as bits and as text, and the number on it.
//!
//! Input: which track, and its bits or its characters.

use super::Feed;
use crate::card::{
    CardError, RawTrack, Tracks, library, payment, stripe,
    track::{self, Track},
};

/// A payment card's stripe with a number that its scheme publishes for tests.
const PAYMENT: &[u8] = b";4111111111111111=29122010000000000?";

const CHARS_MAX: usize = 107;

pub(super) fn entry(data: &[u8]) {
    let mut feed = Feed(data);
    let track = match feed.byte() % 3 {
        0 => Track::One,
        1 => Track::Two,
        _ => Track::Three,
    };
    bits(track, feed.0);
    typed(feed.0);
    written(track, feed);
}

fn bits(track: Track, bits: &[u8]) {
    let decoded = track::decode(track, bits);
    assert!(decoded.content.len() <= CHARS_MAX, "more characters than a track holds");
    let Ok(content) = decoded.checked() else { return };
    // What is believed can be written again, and is read the same.
    let again = track::encode(track, &content, 0).map(|bits| track::decode(track, &bits));
    let again = again.ok().and_then(|again| again.checked().ok());
    assert!(again.is_none_or(|again| again == content), "a track written again is another");
}

/// Text that a reader typed, alone and beside a payment card's track.
fn typed(text: &[u8]) {
    let tracks = stripe::tracks(text);
    let length = |track: &Option<RawTrack>| match track {
        Some(RawTrack::Text(text)) => text.len(),
        Some(RawTrack::Bits(_) | RawTrack::Faulty(_)) | None => 0,
    };
    let sum: usize = [&tracks.one, &tracks.two, &tracks.three].into_iter().map(length).sum();
    assert!(sum <= text.len(), "more characters than were typed");
    believed(&tracks);
    if !text.iter().any(|byte| matches!(byte, b'%' | b';')) {
        for beside in [[b"%", text, b"?", PAYMENT].concat(), [PAYMENT, b";", text, b"?"].concat()] {
            let number = library::number(&stripe::tracks(&beside));
            assert!(matches!(number, Err(CardError::Payment)), "a payment card is not refused");
        }
    }
}

fn believed(tracks: &Tracks) {
    let Ok(number) = library::number(tracks) else { return };
    let number = number.expose();
    assert!((4..=32).contains(&number.len()) && number.bytes().any(|c| c.is_ascii_digit()));
    assert!(!payment::is_payment_number(number), "a payment card's number leaves");
}

/// Characters that the track holds, written and read in both directions.
fn written(track: Track, mut feed: Feed<'_>) {
    let lead = usize::from(feed.byte() % 64);
    let content: String = feed.0.iter().map(|byte| char::from(byte & 0x7F)).collect();
    let Ok(bits) = track::encode(track, &content, lead) else { return };
    let forward = track::decode(track, &bits);
    assert!(forward.fault.is_none() && forward.content.as_str() == content, "what is written is not read");
    let backwards: Vec<u8> = bits.iter().rev().map(|byte| byte.reverse_bits()).collect();
    let backward = track::decode(track, &backwards);
    // Some stripes are a whole track from their other end too; nobody can tell then.
    assert!(backward.fault.is_none() && backward.content.len() >= content.len());
}
