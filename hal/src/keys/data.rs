//! Keys in data files: their names, and what is wrong with a file.
//!
//! A key is written by the kernel's name (`"KEY_F13"`) or, where it has none, by its number.
//!
//! Promises: an error has file, line and reason. Never: opens a device.

use super::code::KEY_MAX;
use evdev::KeyCode;
use std::{ops::Range, path::Path, str::FromStr};

/// A data file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct DataError {
    /// Which file.
    pub file: String,
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong there, and what would be right.
    pub reason: String,
}

/// A data file while it is read.
pub(crate) struct DataFile<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl DataFile<'_> {
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, DataError> {
        toml::from_str(self.text)
            .map_err(|error| self.refuse(&error.span().unwrap_or_default(), error.message()))
    }

    pub(crate) fn refuse(&self, span: &Range<usize>, reason: impl Into<String>) -> DataError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        DataError { file: self.name.to_owned(), line, reason: reason.into() }
    }
}

/// The text of `name`: one of `embedded`, or a file by its absolute path. Returns the file's name too.
pub(crate) fn text_of(
    what: &str,
    name: &str,
    embedded: &[(&str, &str)],
) -> Result<(String, String), DataError> {
    let refuse = |reason: String| DataError { file: name.to_owned(), line: 1, reason };
    if Path::new(name).is_absolute() {
        let text = std::fs::read_to_string(name).map_err(|error| refuse(error.to_string()))?;
        return Ok((name.to_owned(), text));
    }
    match embedded.iter().find(|(known, _)| *known == name) {
        Some((name, text)) => Ok((format!("{name}.toml"), (*text).to_owned())),
        None => {
            let known: Vec<_> = embedded.iter().map(|(name, _)| *name).collect();
            Err(refuse(format!("no such {what}; there are {}, or give an absolute path", known.join(", "))))
        }
    }
}

/// The number of a key.
pub(crate) fn code(written: &toml::Value) -> Result<u16, String> {
    let number = match (written.as_str(), written.as_integer()) {
        (Some(name), _) => KeyCode::from_str(name).ok().map(|key| key.0),
        (None, Some(number)) => u16::try_from(number).ok(),
        (None, None) => None,
    };
    number.filter(|code| (1..=KEY_MAX).contains(code)).ok_or_else(|| {
        format!(
            "{written} is no key; write the kernel's name, such as \"KEY_F13\", or a number up to {KEY_MAX}"
        )
    })
}

/// How a key is written in a data file.
pub(crate) fn written(code: u16) -> String {
    let name = format!("{:?}", KeyCode(code));
    if KeyCode::from_str(&name).is_ok_and(|key| key.0 == code) {
        format!("\"{name}\"")
    } else {
        code.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_written_so_that_it_is_read_back() {
        for key in 1..=KEY_MAX {
            let line: toml::Table = toml::from_str(&format!("key = {}", written(key))).unwrap();
            assert_eq!(code(&line["key"]), Ok(key));
        }
        assert_eq!((written(183).as_str(), written(194).as_str()), ("\"KEY_F13\"", "\"KEY_F24\""));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for wrong in ["\"F13\"", "0", "768", "-1", "true", "\"\""] {
            let line: toml::Table = toml::from_str(&format!("key = {wrong}")).unwrap();
            assert!(code(&line["key"]).unwrap_err().contains("KEY_F13"), "{wrong}");
        }
    }
}
