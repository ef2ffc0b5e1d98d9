//! The product's words as a citizen reads them: the translations that are built into the screen.
//!
//! The scripted citizen is written in English and touches what stands on the screen in their language.

use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// One language's words by the English ones.
pub(super) struct Words(BTreeMap<String, String>);

impl Words {
    /// The words of `language`; English needs none.
    ///
    /// # Errors
    /// When the product is not translated into it.
    pub(super) fn of(language: &str) -> Result<Self> {
        let po = match language {
            "en" => "",
            "fr" => include_str!("../../lang/fr/LC_MESSAGES/kiosk-app.po"),
            "cy" => include_str!("../../lang/cy/LC_MESSAGES/kiosk-app.po"),
            "ar" => include_str!("../../lang/ar/LC_MESSAGES/kiosk-app.po"),
            other => anyhow::bail!("no words in '{other}'"),
        };
        Ok(Self(entries(po)))
    }

    /// What `english` is called on the screen.
    ///
    /// # Errors
    /// When the screen has no such words.
    pub(super) fn say<'a>(&'a self, english: &'a str) -> Result<&'a str> {
        if self.0.is_empty() {
            return Ok(english);
        }
        self.0.get(english).map(String::as_str).with_context(|| format!("'{english}' is not translated"))
    }
}

/// `msgid` and `msgstr` of a .po file; a string may go on over several lines.
fn entries(po: &str) -> BTreeMap<String, String> {
    let (mut all, mut id, mut text) = (BTreeMap::new(), String::new(), String::new());
    let mut in_text = false;
    for line in po.lines().map(str::trim).chain(["msgid"]) {
        if let Some(rest) = line.strip_prefix("msgid") {
            if !id.is_empty() && !text.is_empty() {
                all.insert(std::mem::take(&mut id), std::mem::take(&mut text));
            }
            (id, text, in_text) = (quoted(rest), String::new(), false);
        } else if let Some(rest) = line.strip_prefix("msgstr") {
            (text, in_text) = (quoted(rest), true);
        } else if line.starts_with('"') {
            (if in_text { &mut text } else { &mut id }).push_str(&quoted(line));
        }
    }
    all
}

/// What stands between the outer quotes, escapes resolved.
fn quoted(text: &str) -> String {
    let inner = text.trim().trim_start_matches('"').trim_end_matches('"');
    inner.replace("\\\"", "\"").replace("\\n", "\n").replace("\\\\", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_over_several_lines_are_joined() {
        let po =
            "msgid \"\"\nmsgstr \"\"\n\"Language: fr\\n\"\n\nmsgid \"Go \"\n\"on\"\nmsgstr \"Continuer\"\n";
        assert_eq!(entries(po), BTreeMap::from([("Go on".into(), "Continuer".into())]));
    }

    #[test]
    fn every_language_on_offer_has_words() {
        for (language, _) in crate::screen::words::LANGUAGES {
            assert!(Words::of(language).unwrap().say("Continue").is_ok(), "{language}");
        }
    }
}
