//! The magnetic stripe, ISO/IEC 7811-2 and 7811-6: bits to characters and back. Pure.
//!
//! | track | bits a character | start, end | characters, sentinels and LRC included | character |
//! |---|---|---|---|---|
//! | 1 | 6 + odd parity | `%` `?` | 79 | code + 0x20 |
//! | 2 | 4 + odd parity | `;` `?` | 40 | code + 0x30 |
//! | 3 | 4 + odd parity | `;` `?` | 107 | code + 0x30 |
//!
//! ```text
//! 0 0 0 ... | start | data ... | end | LRC | 0 0 0 ...      each character: least bit first, parity last
//! ```
//!
//! The LRC is the XOR of all characters from start to end, with its own odd parity. A card pulled through
//! backwards gives the same bits from the other end; both are tried.
//!
//! Promises: never panics; what [`encode`] makes [`decode`] reads. Never: keeps a copy that is not zeroed.

use zeroize::Zeroizing;

/// Which track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// 210 bpi, letters.
    One,
    /// 75 bpi, digits.
    Two,
    /// 210 bpi, digits.
    Three,
}

/// What is wrong with a track (UnifiedPOS MSR: START, END, PARITY, LRC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrackFault {
    /// No flux changes.
    #[error("the track is blank")]
    Blank,
    /// No start sentinel.
    #[error("no start sentinel")]
    Start,
    /// No end sentinel.
    #[error("no end sentinel")]
    End,
    /// A character with even parity.
    #[error("parity error")]
    Parity,
    /// The sum over all characters is wrong.
    #[error("checksum error")]
    Lrc,
    /// More characters than the track holds.
    #[error("too long")]
    TooLong,
    /// A character the track cannot hold.
    #[error("a character this track cannot hold")]
    Character,
    /// The reader says so, and not why.
    #[error("the reader could not decode it")]
    Undecodable,
}

/// What was read, and what is wrong with it. Faulty text serves only to recognise what must be refused.
#[derive(Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Between the sentinels.
    pub content: Zeroizing<String>,
    /// Whether it may be believed.
    pub fault: Option<TrackFault>,
}

impl Decoded {
    /// The content, if it may be believed.
    ///
    /// # Errors
    /// The fault.
    pub fn checked(self) -> Result<Zeroizing<String>, TrackFault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.content),
        }
    }
}

impl Track {
    /// Data bits of a character.
    fn bits(self) -> usize {
        match self {
            Self::One => 6,
            Self::Two | Self::Three => 4,
        }
    }

    /// The character of code 0.
    fn base(self) -> u8 {
        match self {
            Self::One => 0x20,
            Self::Two | Self::Three => 0x30,
        }
    }

    /// Start sentinel.
    fn start(self) -> u8 {
        match self {
            Self::One => b'%',
            Self::Two | Self::Three => b';',
        }
    }

    /// The most characters, sentinels and LRC included.
    fn chars_max(self) -> usize {
        match self {
            Self::One => 79,
            Self::Two => 40,
            Self::Three => 107,
        }
    }

    /// The code of a character.
    fn code(self, character: u8) -> Option<u8> {
        character.checked_sub(self.base()).filter(|code| usize::from(*code) < 1 << self.bits())
    }
}

/// End sentinel on every track.
const END: u8 = b'?';

/// Takes the sentinels off a track that a reader gives as text, trailing line end and LRC ignored.
#[must_use]
pub fn parse(track: Track, text: &str) -> Decoded {
    let text = text.trim_matches(['\r', '\n']);
    let (body, started) = match text.strip_prefix(char::from(track.start())) {
        Some(body) => (body, true),
        None => (text, false),
    };
    let (content, ended) = match body.split_once(char::from(END)) {
        Some((content, _)) => (content, true),
        None => (body, false),
    };
    let fits = content.bytes().all(|c| track.code(c).is_some() && c != track.start());
    let fault = match () {
        () if text.is_empty() => Some(TrackFault::Blank),
        () if !started => Some(TrackFault::Start),
        () if !ended => Some(TrackFault::End),
        () if !fits => Some(TrackFault::Character),
        () if content.len() + 3 > track.chars_max() => Some(TrackFault::TooLong),
        () => None,
    };
    Decoded { content: Zeroizing::new(content.to_owned()), fault }
}

/// Reads a track's bits, in whichever direction the card was pulled.
#[must_use]
pub fn decode(track: Track, bits: &[u8]) -> Decoded {
    let mut line: Zeroizing<Vec<bool>> = Zeroizing::new(Vec::with_capacity(bits.len() * 8));
    line.extend(bits.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)));
    let forward = decode_line(track, &line);
    line.reverse();
    let backward = decode_line(track, &line);
    // Read from the wrong end, a track may begin with bits that pass for a short one: the longer is whole.
    let trust = |decoded: &Decoded| (decoded.fault.is_none(), decoded.content.len());
    if trust(&backward) > trust(&forward) { backward } else { forward }
}

fn decode_line(track: Track, line: &[bool]) -> Decoded {
    let mut content = Zeroizing::new(String::with_capacity(track.chars_max()));
    let mut fault = None;
    let mut note = |found| fault = fault.or(Some(found));
    let begin = line.iter().position(|bit| *bit).unwrap_or(line.len());
    let mut characters = line.get(begin..).unwrap_or_default().chunks_exact(track.bits() + 1);
    let mut lrc = 0;
    let mut read = || -> Option<(u8, bool)> {
        let chunk = characters.next()?;
        let (parity, data) = chunk.split_last()?;
        let code = data.iter().rev().fold(0_u8, |code, bit| code << 1 | u8::from(*bit));
        lrc ^= code;
        let odd = (code.count_ones() + u32::from(*parity)) % 2 == 1;
        Some((code + track.base(), odd))
    };
    match read() {
        None => note(TrackFault::Blank),
        Some((start, odd)) if start != track.start() || !odd => note(TrackFault::Start),
        Some(_) => loop {
            if content.len() + 2 >= track.chars_max() {
                note(TrackFault::TooLong);
                break;
            }
            match read() {
                None => {
                    note(TrackFault::End);
                    break;
                }
                Some((_, false)) => {
                    note(TrackFault::Parity);
                    content.push('\u{7f}');
                }
                Some((END, true)) => {
                    if read().is_none_or(|(_, odd)| !odd) || lrc != 0 {
                        note(TrackFault::Lrc);
                    }
                    break;
                }
                Some((character, true)) => content.push(char::from(character)),
            }
        },
    }
    Decoded { content, fault }
}

/// Writes a track: sentinels, parity and LRC are added, and `lead` clocking zeros on both ends.
///
/// # Errors
/// [`TrackFault::Character`] or [`TrackFault::TooLong`].
pub fn encode(track: Track, content: &str, lead: usize) -> Result<Zeroizing<Vec<u8>>, TrackFault> {
    if content.len() + 3 > track.chars_max() {
        return Err(TrackFault::TooLong);
    }
    let mut line: Zeroizing<Vec<bool>> =
        Zeroizing::new(Vec::with_capacity(2 * lead + track.chars_max() * (track.bits() + 1)));
    line.resize(lead, false);
    let mut lrc = 0;
    let mut write = |code: u8| {
        lrc ^= code;
        line.extend((0..track.bits()).map(|bit| code >> bit & 1 == 1));
        line.push(code.count_ones().is_multiple_of(2));
        lrc
    };
    let start = track.code(track.start()).ok_or(TrackFault::Character)?;
    write(start);
    for character in content.bytes() {
        let code = track.code(character).filter(|_| character != END && character != track.start());
        write(code.ok_or(TrackFault::Character)?);
    }
    let sum = write(track.code(END).ok_or(TrackFault::Character)?);
    write(sum);
    let whole = line.len() + lead;
    line.resize(whole, false);
    let byte = |eight: &[bool]| eight.iter().rev().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit));
    Ok(Zeroizing::new(line.chunks(8).map(byte).collect()))
}

/// The number a track leads with: up to the field separator, format code left out (ISO/IEC 7813).
#[must_use]
pub fn number(track: Track, content: &str) -> &str {
    let separator = match track {
        Track::One => '^',
        Track::Two | Track::Three => '=',
    };
    let first = content.split_once(separator).map_or(content, |(first, _)| first);
    match track {
        Track::One => first.strip_prefix(|c: char| c.is_ascii_uppercase()).unwrap_or(first),
        Track::Two => first,
        Track::Three => first.get(2..).unwrap_or(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn backwards(bits: &[u8]) -> Vec<u8> {
        bits.iter().rev().map(|byte| byte.reverse_bits()).collect()
    }

    #[test]
    fn the_start_sentinels_have_the_bits_of_the_standard() {
        // Least bit first, parity last: `;` is 1101 0, `%` is 101000 1.
        assert_eq!(encode(Track::Two, "", 0).unwrap()[0] & 0b1_1111, 0b0_1011);
        assert_eq!(encode(Track::One, "", 0).unwrap()[0] & 0b111_1111, 0b100_0101);
        // `;?` and its LRC: 0xB ^ 0xF = 4, parity 0.
        assert_eq!(encode(Track::Two, "", 0).unwrap().as_slice(), [0b1110_1011, 0b0001_0011]);
    }

    #[test]
    fn a_damaged_bit_is_found() {
        let mut bits = encode(Track::Two, "21234000012345=2512", 16).unwrap().to_vec();
        bits[4] ^= 0b100;
        assert_eq!(decode(Track::Two, &bits).fault, Some(TrackFault::Parity));
    }

    #[test]
    fn two_damaged_bits_in_one_character_are_found_by_the_lrc_alone() {
        let whole = encode(Track::Two, "1111", 0).unwrap();
        let mut bits = whole.to_vec();
        // Two bits within one character keep its parity; only the LRC sees them.
        bits[0] ^= 0b0110_0000;
        assert_eq!(decode(Track::Two, &bits).fault, Some(TrackFault::Lrc));
    }

    #[test]
    fn text_without_its_sentinels_is_refused() {
        let fault = |text| parse(Track::Two, text).fault;
        assert_eq!(fault(""), Some(TrackFault::Blank));
        assert_eq!(fault("123?"), Some(TrackFault::Start));
        assert_eq!(fault(";123"), Some(TrackFault::End));
        assert_eq!(fault(";12A3?"), Some(TrackFault::Character));
        assert_eq!(fault(&format!(";{}?", "1".repeat(38))), Some(TrackFault::TooLong));
        assert_eq!(parse(Track::Two, ";123?7\r\n").checked().unwrap().as_str(), "123");
    }

    #[test]
    fn the_leading_number_is_cut_at_the_separator() {
        assert_eq!(number(Track::One, "B4111^DOE/J^2512"), "4111");
        assert_eq!(number(Track::Two, "21234=2512"), "21234");
        assert_eq!(number(Track::Three, "014111=1"), "4111");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_in_both_directions(
            // Track 1 begins with a format code, a letter (ISO/IEC 7813). With `\\` there, one track in 64 is a
            // whole track of the same length from its other end too, and nobody can tell.
            one in "([A-Z][ -$&->@-_]{0,75})?", two in "[0-:<->]{0,37}", lead in 0_usize..40,
        ) {
            for (track, content) in [(Track::One, &one), (Track::Two, &two), (Track::Three, &two)] {
                let bits = encode(track, content, lead).unwrap();
                let (forward, backward) = (decode(track, &bits), decode(track, &backwards(&bits)));
                prop_assert_eq!((forward.fault, forward.content.as_str()), (None, content.as_str()));
                prop_assert_eq!((backward.fault, backward.content.as_str()), (None, content.as_str()));
                // Half a track may read as a whole one by chance, one time in many thousand, but never as this.
                let half = decode(track, &bits[..bits.len() / 2]);
                prop_assert!(half.fault.is_some() || half.content.len() < content.len());
            }
        }

        #[test]
        fn any_bits_and_any_text_are_survived(bits: Vec<u8>, text: String) {
            for track in [Track::One, Track::Two, Track::Three] {
                prop_assert!(decode(track, &bits).content.len() <= 107);
                prop_assert!(parse(track, &text).content.len() <= text.len());
                prop_assert!(number(track, &text).len() <= text.len());
            }
        }
    }
}
