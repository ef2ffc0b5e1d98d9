//! Text as typed, made comparable: other scripts' digits, invisible marks, white space.
//!
//! Promises: output is zeroed with its [`Secret`]; nothing visible is dropped.
//! Never: changes letters.

use crate::secret::Secret;

/// The zero of every decimal digit set a keyboard on a kiosk can produce, plus full width.
const ZEROES: [u32; 7] = [0x0660, 0x06F0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0xFF10];

/// The ASCII digit of a decimal digit in any of the scripts of [`ZEROES`]; other characters as they are.
pub(super) fn ascii_digit(c: char) -> char {
    let code = u32::from(c);
    ZEROES
        .iter()
        .find_map(|&zero| code.checked_sub(zero).filter(|&n| n < 10))
        .and_then(|n| char::from_digit(n, 10))
        .unwrap_or(c)
}

/// Direction marks, joiners and the byte order mark: pasted or typed along, never meant.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Trimmed, marks dropped, digits ASCII: for numbers, dates, codes, addresses of all kinds.
pub(super) fn code(text: &str) -> Secret {
    build(text.trim(), text.chars().filter(|c| !is_mark(*c)).map(ascii_digit))
}

/// Trimmed at both ends and each run of white space one space: for a single line of prose.
pub(super) fn line(text: &str) -> Secret {
    let mut space = false;
    let words = text.trim().chars().filter_map(move |c| {
        let blank = c.is_whitespace() || c.is_control();
        let drop = blank && space;
        space = blank;
        if drop { None } else { Some(if blank { ' ' } else { c }) }
    });
    build(text, words)
}

/// Trimmed, line ends `\n`, control characters dropped: for prose of many lines.
pub(super) fn prose(text: &str) -> Secret {
    let kept = text.chars().filter(|&c| c == '\n' || c == '\t' || !c.is_control());
    build(text, kept)
}

/// Collects into one buffer that never moves, so that no copy stays behind; trims at the end.
fn build(like: &str, chars: impl Iterator<Item = char>) -> Secret {
    let mut text = zeroize::Zeroizing::new(String::with_capacity(like.len()));
    text.extend(chars);
    Secret::from(text.trim())
}
