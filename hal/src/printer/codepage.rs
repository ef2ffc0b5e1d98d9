//! Code pages: which byte prints which character.
//!
//! The tables are data: `profiles/code-pages.toml`, four rows of 32 characters for 80h to FFh.
//!
//! Promises: a text encodes whole or not at all, and decodes back as it was. A no-break space prints
//! as a space, because clones disagree on its place.
//! Never: replaces a character by a look-alike.

use std::{collections::BTreeMap, sync::LazyLock};

static TABLES: LazyLock<Result<BTreeMap<String, Vec<String>>, toml::de::Error>> =
    LazyLock::new(|| toml::from_str(include_str!("../../profiles/code-pages.toml")));

static PAGES: LazyLock<Vec<CodePage>> = LazyLock::new(|| {
    let tables = TABLES.as_ref().map(BTreeMap::iter).into_iter().flatten();
    let page = |(name, rows): (&'static String, &Vec<String>)| CodePage { name, upper: rows.concat() };
    tables.map(page).filter(|page| page.upper.chars().count() == 128).collect()
});

/// One code page.
#[derive(Debug, PartialEq, Eq)]
pub struct CodePage {
    name: &'static str,
    upper: String,
}

impl CodePage {
    /// The page of this name, such as `cp858`; `None` when there is no table for it.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PAGES.iter().find(|page| page.name == name)
    }

    /// Every name there is a table for.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PAGES.iter().map(|page| page.name)
    }

    /// The byte that prints `symbol`.
    #[must_use]
    pub fn byte(&self, symbol: char) -> Option<u8> {
        match symbol {
            ' '..='~' => u8::try_from(symbol).ok(),
            '\u{A0}' | '\u{202F}' => Some(b' '),
            '\u{FFFD}' | '\u{AD}' => None,
            _ => {
                let place = self.upper.chars().position(|known| known == symbol)?;
                u8::try_from(place + 0x80).ok()
            }
        }
    }

    /// All of `text`, or `None` when a character is not in this page.
    #[must_use]
    pub fn encode(&self, text: &str) -> Option<Vec<u8>> {
        text.chars().map(|symbol| self.byte(symbol)).collect()
    }

    /// What `byte` prints; U+FFFD when nothing dependable.
    #[must_use]
    pub fn symbol(&self, byte: u8) -> char {
        match byte {
            0x20..=0x7E => char::from(byte),
            0..=0x1F | 0x7F => '\u{FFFD}',
            0x80.. => self.upper.chars().nth(usize::from(byte - 0x80)).unwrap_or('\u{FFFD}'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_places_of_the_euro_and_e_acute() {
        for (page, euro, acute) in [
            ("cp437", None, 0x82),
            ("cp850", None, 0x82),
            ("cp858", Some(0xD5), 0x82),
            ("cp1252", Some(0x80), 0xE9),
            ("iso8859-15", Some(0xA4), 0xE9),
        ] {
            let page = CodePage::named(page).unwrap();
            assert_eq!(page.byte('€'), euro, "{}", page.name);
            assert_eq!(page.byte('é'), Some(acute), "{}", page.name);
        }
    }

    #[test]
    fn every_table_has_128_places_and_reads_back() {
        assert_eq!(PAGES.len(), TABLES.as_ref().unwrap().len());
        for page in PAGES.iter() {
            for byte in 0x20..=0xFF_u8 {
                let symbol = page.symbol(byte);
                if !matches!(symbol, '\u{FFFD}' | '\u{A0}' | '\u{AD}') {
                    assert_eq!(page.byte(symbol), Some(byte), "{} {byte:02x}", page.name);
                }
            }
        }
    }

    #[test]
    fn what_no_page_has_is_not_encoded() {
        let page = CodePage::named("cp1252").unwrap();
        assert_eq!(page.encode("Tŷ"), None);
        assert_eq!(page.encode("\u{1b}@"), None);
        assert_eq!(page.encode("12\u{202f}000 €"), Some(b"12 000 \x80".to_vec()));
        assert!(CodePage::named("cp864").is_none());
    }
}
