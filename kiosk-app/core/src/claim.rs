//! Claim codes: how a citizen asks later, on any kiosk, without personal data.
//!
//! A code is 60 random bits in Crockford base 32 (twelve symbols) and one check symbol (the value
//! modulo 37), in groups of four: `7K3M-9QXA-42VD-R`. Four of the 37 check symbols are punctuation
//! that a citizen cannot find on a keyboard; a draw that would end in one is drawn again.
//!
//! Promises: one wrong or two swapped symbols are noticed; `O`, `I`, `L` and lower case read as meant.
//! Never: leaves the unit in clear. The agent and the gateway see only the [`ClaimDigest`].

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};
use zeroize::Zeroize;

const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BITS: u64 = (1 << 60) - 1;

/// Sixty random bits that find one transaction.
#[derive(Clone, PartialEq, Eq, Zeroize)]
#[zeroize(drop)]
pub struct ClaimCode(u64);

impl ClaimCode {
    /// Makes a code from eight random bytes; `None` asks for another draw (about one in nine).
    #[must_use]
    pub fn draw(random: [u8; 8]) -> Option<Self> {
        let value = u64::from_be_bytes(random) & BITS;
        check_symbol(value).map(|_| Self(value))
    }

    /// What the agent and the gateway index by: SHA-256 over a label and the value, big-endian.
    #[must_use]
    pub fn digest(&self) -> ClaimDigest {
        let hash = Sha256::new().chain_update(b"kiosk claim code 1\0").chain_update(self.0.to_be_bytes());
        ClaimDigest(hash.finalize().into())
    }
}

impl ClaimCode {
    /// The code that a symbol's text ends in: a code by itself, or an address with the code at its end.
    #[must_use]
    pub fn at_end_of(text: &str) -> Option<Self> {
        let text = text.trim();
        let begins = text.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let end = begins.map_or(Some(text), |at| text.get(at..)?.get(1..));
        end?.parse().ok()
    }
}

/// The check symbol of `value` when it is a letter or a digit.
fn check_symbol(value: u64) -> Option<char> {
    match usize::try_from(value % 37) {
        Ok(36) => Some('U'),
        Ok(n) => SYMBOLS.get(n).map(|&b| char::from(b)),
        Err(_) => None,
    }
}

fn symbol_value(symbol: char) -> Option<u64> {
    let symbol = match symbol.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    SYMBOLS.iter().position(|&b| char::from(b) == symbol).and_then(|n| u64::try_from(n).ok())
}

impl fmt::Display for ClaimCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for n in 0..12_u32 {
            let index = usize::try_from((self.0 >> (55 - 5 * n)) & 31).unwrap_or_default();
            let symbol = SYMBOLS.get(index).copied().unwrap_or_default();
            let dash = if n % 4 == 3 { "-" } else { "" };
            write!(f, "{}{dash}", char::from(symbol))?;
        }
        write!(f, "{}", check_symbol(self.0).unwrap_or('?'))
    }
}

impl fmt::Debug for ClaimCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimCode(..)")
    }
}

impl FromStr for ClaimCode {
    type Err = ClaimError;

    fn from_str(text: &str) -> Result<Self, ClaimError> {
        let symbols: Vec<char> = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let [data @ .., check] = symbols.as_slice() else { return Err(ClaimError::Length) };
        if data.len() != 12 {
            return Err(ClaimError::Length);
        }
        let mut value = 0;
        for &symbol in data {
            value = value << 5 | symbol_value(symbol).ok_or(ClaimError::Symbol)?;
        }
        let expected = check_symbol(value).ok_or(ClaimError::Check)?;
        let given = check.to_ascii_uppercase();
        let same =
            given == expected || symbol_value(given).is_some_and(|v| symbol_value(expected) == Some(v));
        if same { Ok(Self(value)) } else { Err(ClaimError::Check) }
    }
}

/// What is wrong with a typed claim code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Not thirteen symbols.
    #[error("a claim code has 13 letters and digits")]
    Length,
    /// A symbol that is in no code.
    #[error("a claim code has no such letter")]
    Symbol,
    /// The check symbol does not fit: a typing slip.
    #[error("the last symbol of the claim code does not fit the others")]
    Check,
}

/// The one-way name of a claim code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClaimDigest(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl fmt::Display for ClaimDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ClaimDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ClaimDigest {
    type Err = ClaimError;

    fn from_str(text: &str) -> Result<Self, ClaimError> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(ClaimError::Length);
        }
        for (n, byte) in digest.iter_mut().enumerate() {
            let pair = text.get(2 * n..2 * n + 2).ok_or(ClaimError::Length)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| ClaimError::Symbol)?;
        }
        Ok(Self(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_code_reads_back_however_it_is_typed(random: [u8; 8]) {
            let Some(code) = ClaimCode::draw(random) else { return Ok(()) };
            let text = code.to_string();
            prop_assert_eq!(text.len(), 16);
            prop_assert_eq!(text.parse(), Ok(code.clone()));
            let sloppy = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            prop_assert_eq!(sloppy.parse(), Ok(code));
        }

        #[test]
        fn one_wrong_symbol_is_noticed(random: [u8; 8], place in 0_usize..12, by in 1_u64..32) {
            let Some(code) = ClaimCode::draw(random) else { return Ok(()) };
            let wrong = ClaimCode(code.0 ^ (by << (5 * place)));
            let mut text = wrong.to_string();
            text.pop();
            text.push(check_symbol(code.0).unwrap_or('?'));
            prop_assert_eq!(text.parse::<ClaimCode>(), Err(ClaimError::Check));
        }

        #[test]
        fn a_code_is_found_at_the_end_of_an_address(random: [u8; 8], before in "https://[a-z.]{1,20}/[a-z/]{0,9}[/=#?]") {
            let Some(code) = ClaimCode::draw(random) else { return Ok(()) };
            prop_assert_eq!(ClaimCode::at_end_of(&format!("{before}{code}")), Some(code.clone()));
            prop_assert_eq!(ClaimCode::at_end_of(&format!(" {code}\r\n")), Some(code.clone()));
            prop_assert_eq!(ClaimCode::at_end_of(&format!("{before}{code}/more")), None);
        }

        #[test]
        fn any_text_is_refused_not_panicked_at(text: String) {
            let _ = ClaimCode::at_end_of(&text);
            let _ = text.parse::<ClaimCode>();
            let _ = text.parse::<ClaimDigest>();
        }
    }

    #[test]
    fn digests_print_and_parse() {
        let digest = ClaimCode(42).digest();
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }
}
