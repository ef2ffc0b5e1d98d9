//! What each key types, as data: `hal/layouts/*.toml`, or a file of the kiosk's own.
//!
//! ```toml
//! name = "United States"
//! [keys]
//! KEY_1 = ["1", "!"]         # plain, with shift
//! ```
//!
//! A device types in the layout it was set to, not in the one of the screen; the kiosk says which.
//!
//! Promises: a garbled file is refused with file, line and reason, never half used.

use crate::keys::{
    DataError,
    data::{self, DataFile},
};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// The layouts that come with this crate: name and text.
const EMBEDDED: [(&str, &str); 1] = [("us", include_str!("../../layouts/us.toml"))];

/// What each key types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// For people.
    pub name: String,
    /// Plain and with shift.
    keys: BTreeMap<u16, (char, char)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    keys: BTreeMap<Spanned<String>, Spanned<(String, String)>>,
}

impl Layout {
    /// A layout that comes with this crate, such as `us`, or a file by its absolute path.
    ///
    /// # Errors
    /// When there is none, or with the line and the reason.
    pub fn named(name: &str) -> Result<Self, DataError> {
        let (file, text) = data::text_of("keyboard layout", name, &EMBEDDED)?;
        Self::parse(&file, &text)
    }

    /// Reads `text`; `file` is only for the error.
    ///
    /// # Errors
    /// With the line and the reason.
    pub fn parse(file: &str, text: &str) -> Result<Self, DataError> {
        let file = DataFile { name: file, text };
        let raw: File = file.parse()?;
        let mut keys = BTreeMap::new();
        for (key, typed) in &raw.keys {
            let code = data::code(&toml::Value::String(key.get_ref().clone()))
                .map_err(|reason| file.refuse(&key.span(), reason))?;
            let (plain, shifted) = typed.get_ref();
            let pair = one(plain).zip(one(shifted));
            let pair = pair
                .ok_or_else(|| file.refuse(&typed.span(), "a key types one character, and one with shift"))?;
            keys.insert(code, pair);
        }
        Ok(Self { name: raw.name, keys })
    }

    /// What a key types, if it types anything.
    #[must_use]
    pub fn character(&self, code: u16, shifted: bool) -> Option<char> {
        self.keys.get(&code).map(|(plain, with_shift)| if shifted { *with_shift } else { *plain })
    }

    /// How `character` is typed: the key, and whether with shift.
    #[must_use]
    pub fn key(&self, character: char) -> Option<(u16, bool)> {
        let typed = |(code, (plain, shifted)): (&u16, &(char, char))| match character {
            c if c == *plain => Some((*code, false)),
            c if c == *shifted => Some((*code, true)),
            _ => None,
        };
        self.keys.iter().find_map(typed)
    }
}

/// The character a text consists of; control characters are not typed.
fn one(text: &str) -> Option<char> {
    let mut characters = text.chars();
    let first = characters.next().filter(|c| !c.is_control());
    first.filter(|_| characters.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_us_layout_types_all_of_printable_ascii() {
        let us = Layout::named("us").unwrap();
        for character in ' '..='~' {
            let (code, shifted) = us.key(character).unwrap_or_else(|| panic!("{character}"));
            assert_eq!(us.character(code, shifted), Some(character));
        }
        // HID usages 0x04 (a), 0x1E (1), 0x30 (]) as the kernel maps them.
        assert_eq!(
            (us.key('a'), us.key('!'), us.key(']')),
            (Some((30, false)), Some((2, true)), Some((27, false)))
        );
    }

    #[test]
    fn a_garbled_layout_is_refused_with_file_line_and_reason() {
        for (text, line, reason) in [
            ("name = 'x'\n[keys]\nKEY_1 = ['1']", 3, "tuple"),
            ("name = 'x'\n[keys]\nKEY_1 = ['1', '!!']", 3, "one character"),
            ("name = 'x'\n[keys]\nKEY_1 = ['', '!']", 3, "one character"),
            ("name = 'x'\n[keys]\nKEY_1 = [\"\\t\", '!']", 3, "one character"),
            ("name = 'x'\n[keys]\n\nKEY_ONE = ['1', '!']", 4, "\"KEY_ONE\" is no key"),
            ("name = 'x'\nextra = 1\n[keys]", 2, "unknown field `extra`"),
            ("[keys]", 1, "missing field `name`"),
        ] {
            let error = Layout::parse("cz.toml", text).unwrap_err();
            assert_eq!((error.file.as_str(), error.line), ("cz.toml", line), "{error}");
            assert!(error.reason.contains(reason), "{error}");
        }
        let error = Layout::named("klingon").unwrap_err().to_string();
        assert_eq!(error, "klingon:1: no such keyboard layout; there are us, or give an absolute path");
        assert!(Layout::named("/no/such/file.toml").is_err());
    }
}
