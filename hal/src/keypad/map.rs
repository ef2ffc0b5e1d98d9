//! Which code is which key, as data: `hal/keymaps/*.toml`, or a file of the kiosk's own.
//!
//! ```toml
//! name = "Plain keyboard"
//! to-learn = ["help"]                # keys whose codes nobody confirmed; may be left out
//!
//! [keys]
//! up = ["KEY_UP", "KEY_KP8"]         # any of these
//! ```
//!
//! Promises: a garbled map is refused with file, line and reason, never half used; a code is one key; a map
//! with something to learn is told from a complete one. Never: guesses a code.

use super::NavKey;
use crate::keys::{
    DataError,
    data::{self, DataFile},
};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt::Write as _};
use toml::Spanned;

/// The maps that come with this crate: name and text.
const EMBEDDED: [(&str, &str); 3] = [
    ("arrows", include_str!("../../keymaps/arrows.toml")),
    ("storm-audionav", include_str!("../../keymaps/storm-audionav.toml")),
    ("ez-access", include_str!("../../keymaps/ez-access.toml")),
];

/// Which code is which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMap {
    /// For people.
    pub name: String,
    /// Keys whose codes have to be learned on the device.
    pub to_learn: Vec<NavKey>,
    codes: BTreeMap<u16, NavKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    name: String,
    #[serde(default)]
    to_learn: Vec<Spanned<String>>,
    keys: BTreeMap<Spanned<String>, Vec<Spanned<toml::Value>>>,
}

impl KeyMap {
    /// Names of the maps that come with this crate.
    pub fn names() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().map(|(name, _)| *name)
    }

    /// A map that comes with this crate, such as `arrows`, or a file by its absolute path.
    ///
    /// # Errors
    /// When there is none, or with the line and the reason.
    pub fn named(name: &str) -> Result<Self, DataError> {
        let (file, text) = data::text_of("key map", name, &EMBEDDED)?;
        Self::parse(&file, &text)
    }

    /// Reads `text`; `file` is only for the error.
    ///
    /// # Errors
    /// With the line and the reason.
    pub fn parse(file: &str, text: &str) -> Result<Self, DataError> {
        let file = DataFile { name: file, text };
        let raw: File = file.parse()?;
        let named = |name: &Spanned<String>| {
            NavKey::named(name.get_ref()).ok_or_else(|| {
                let known = NavKey::ALL.map(NavKey::name).join(", ");
                file.refuse(&name.span(), format!("no key '{}'; there are {known}", name.get_ref()))
            })
        };
        let mut codes = BTreeMap::new();
        for (name, written) in &raw.keys {
            let key = named(name)?;
            if written.is_empty() {
                return Err(file.refuse(&name.span(), format!("'{}' has no code; leave it out", key.name())));
            }
            for code in written {
                let refuse = |reason: String| file.refuse(&code.span(), reason);
                let number = data::code(code.get_ref()).map_err(refuse)?;
                if let Some(other) = codes.insert(number, key) {
                    let reason = format!("{} is '{}' already", code.get_ref(), other.name());
                    return Err(file.refuse(&code.span(), reason));
                }
            }
        }
        let mut to_learn = Vec::new();
        for name in &raw.to_learn {
            let key = named(name)?;
            if codes.values().any(|known| *known == key) {
                let reason = format!("'{}' has codes and is to be learned; one of the two", key.name());
                return Err(file.refuse(&name.span(), reason));
            }
            to_learn.push(key);
        }
        Ok(Self { name: raw.name, to_learn, codes })
    }

    /// A map of `codes`, with nothing to learn.
    pub(super) fn of(name: &str, codes: BTreeMap<u16, NavKey>) -> Self {
        Self { name: name.to_owned(), to_learn: Vec::new(), codes }
    }

    /// Which key `code` is.
    #[must_use]
    pub fn key(&self, code: u16) -> Option<NavKey> {
        self.codes.get(&code).copied()
    }

    /// The codes that are `key`.
    pub fn codes(&self, key: NavKey) -> impl Iterator<Item = u16> {
        self.codes.iter().filter(move |(_, known)| **known == key).map(|(code, _)| *code)
    }

    /// The map as a file that [`Self::parse`] reads.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = format!("name = {}\n", toml::Value::String(self.name.clone()));
        if !self.to_learn.is_empty() {
            let names = self.to_learn.iter().map(|key| format!("\"{}\"", key.name())).collect::<Vec<_>>();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "to-learn = [{}]", names.join(", "));
        }
        text.push_str("\n[keys]\n");
        for key in NavKey::ALL {
            let codes: Vec<_> = self.codes(key).map(data::written).collect();
            if !codes.is_empty() {
                let _ = writeln!(text, "{} = [{}]", key.name(), codes.join(", "));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_maps_that_come_with_it_know_what_they_do_not_know() {
        let arrows = KeyMap::named("arrows").unwrap();
        assert_eq!(arrows.to_learn, []);
        assert_eq!(
            (arrows.key(103), arrows.key(72), arrows.key(30)),
            (Some(NavKey::Up), Some(NavKey::Up), None)
        );
        let storm = KeyMap::named("storm-audionav").unwrap();
        // HID usage 0x72 is KEY_F23, 193.
        assert_eq!(storm.key(193), Some(NavKey::Left));
        for name in KeyMap::names() {
            let map = KeyMap::named(name).unwrap();
            let known = |key: &NavKey| map.codes(*key).next().is_some() || map.to_learn.contains(key);
            let missing: Vec<_> = NavKey::ALL.into_iter().filter(|key| !known(key)).collect();
            let jack = [NavKey::JackIn, NavKey::JackOut];
            assert_eq!(missing, if name == "arrows" { &jack[..] } else { &[] }, "{name}");
        }
    }

    #[test]
    fn a_garbled_map_is_refused_with_file_line_and_reason() {
        for (text, line, reason) in [
            ("name = 'x'\n[keys]\nup = ['KEY_UPP']", 3, "\"KEY_UPP\" is no key"),
            ("name = 'x'\n[keys]\nup = [\n  'KEY_UP',\n  900,\n]", 5, "900 is no key"),
            ("name = 'x'\n[keys]\nup = ['KEY_UP']\ndown = ['KEY_UP']", 3, "\"KEY_UP\" is 'down' already"),
            ("name = 'x'\n[keys]\nup = ['KEY_UP']\nfire = ['KEY_A']", 4, "no key 'fire'; there are up, down"),
            ("name = 'x'\n[keys]\nup = []", 3, "'up' has no code"),
            ("name = 'x'\nto-learn = ['up']\n[keys]\nup = [103]", 2, "one of the two"),
            ("name = 'x'\nto-learn = ['volume']\n[keys]", 2, "no key 'volume'"),
            ("name = 'x'\nlearn = []\n[keys]", 2, "unknown field `learn`"),
            ("name = 'x'", 1, "missing field `keys`"),
            ("name = ", 1, ""),
        ] {
            let error = KeyMap::parse("ours.toml", text).unwrap_err();
            assert_eq!((error.file.as_str(), error.line), ("ours.toml", line), "{error}");
            assert!(error.reason.contains(reason), "{error}");
        }
        let error = KeyMap::named("brailliant").unwrap_err().to_string();
        assert!(
            error.starts_with("brailliant:1: no such key map; there are arrows, storm-audionav"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn a_map_prints_back_as_given(
            name in "[a-zA-Z0-9 '\"\\\\-]{0,20}",
            codes in prop::collection::btree_map(1_u16..=0x2ff, (0_usize..11).prop_map(|at| NavKey::ALL[at]), 0..30),
        ) {
            let map = KeyMap::of(&name, codes);
            prop_assert_eq!(KeyMap::parse("x", &map.to_toml()), Ok(map));
        }

        #[test]
        fn any_text_is_survived(text: String) {
            prop_assert!(KeyMap::parse("x", &text).is_err() || text.contains("name"));
        }
    }
}
