//! The languages of the screen and the words that are needed in all of them at once.
//!
//! Promises: every language here has every word (tested); a code that is not here is refused.
//! Never: holds a word; words are in `ui/*.slint` and `lang/<code>/LC_MESSAGES/kiosk-app.po`.

use super::{App, Greeting, Language, Page, Words};
use slint::{Global, ModelRc, SelectBundledTranslationError, VecModel};

/// What the screen speaks until somebody chooses.
pub const FIRST: &str = "en";

/// Each language's code (BCP 47) and its own name.
pub const LANGUAGES: [(&str, &str); 4] =
    [("en", "English"), ("fr", "Français"), ("cy", "Cymraeg"), ("ar", "العربية")];

/// Whether a language is read from right to left.
#[must_use]
pub fn is_rtl(language: &str) -> bool {
    matches!(language.split('-').next(), Some("ar" | "fa" | "he" | "ur"))
}

/// Switches words and reading direction.
///
/// # Errors
/// When there are no words in `language`; the screen stays as it was.
pub fn select(app: &App, language: &str) -> Result<(), SelectBundledTranslationError> {
    slint::select_bundled_translation(language)?;
    let page = Page::get(app);
    page.set_language(language.into());
    page.set_rtl(is_rtl(language));
    Ok(())
}

/// Offers `codes` on the attract page, the language page and the language panel, in this order, and
/// speaks the first one.
///
/// # Errors
/// When there are no words in one of them; the list stays as it was.
pub fn offer<'a>(
    app: &App,
    codes: impl IntoIterator<Item = &'a str>,
) -> Result<(), SelectBundledTranslationError> {
    let words = Words::get(app);
    let (mut languages, mut greetings, mut first) = (Vec::new(), Vec::new(), None);
    for code in codes {
        slint::select_bundled_translation(code)?;
        let name = LANGUAGES.iter().find(|(known, _)| *known == code).map_or(code, |(_, name)| name);
        first = first.or(Some(code));
        languages.push(Language { code: code.into(), name: name.into() });
        greetings.push(Greeting {
            code: code.into(),
            name: name.into(),
            touch: words.invoke_touch_to_start(),
            choose: words.invoke_choose_language(),
            rtl: is_rtl(code),
        });
    }
    let page = Page::get(app);
    page.set_languages(ModelRc::new(VecModel::from(languages)));
    page.set_greetings(ModelRc::new(VecModel::from(greetings)));
    select(app, first.unwrap_or(FIRST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeMap, fs, path::Path};

    /// The English words of every `@tr` in a file; a plural pair joined by a line break.
    fn ids_in(source: &str) -> Vec<String> {
        let mut ids = Vec::new();
        for call in source.split("@tr(").skip(1) {
            let mut pieces = call.split('"');
            let first = pieces.nth(1).unwrap();
            let joined = pieces.next().is_some_and(|between| between.trim() == "|");
            match pieces.next().filter(|_| joined) {
                Some(many) => ids.push(format!("{first}\n{many}")),
                None => ids.push(first.to_owned()),
            }
        }
        ids
    }

    fn ids_under(folder: &Path, ids: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ids_under(&path, ids);
            } else if path.extension().is_some_and(|extension| extension == "slint") {
                ids.extend(ids_in(&fs::read_to_string(path).unwrap()));
            }
        }
    }

    fn ids() -> Vec<String> {
        let mut ids = Vec::new();
        ids_under(&Path::new(env!("CARGO_MANIFEST_DIR")).join("ui"), &mut ids);
        ids.sort();
        ids.dedup();
        ids
    }

    /// Each message's words by its id, in the form of [`ids_in`].
    fn messages(language: &str) -> BTreeMap<String, Vec<String>> {
        let path = format!("{}/lang/{language}/LC_MESSAGES/kiosk-app.po", env!("CARGO_MANIFEST_DIR"));
        let mut messages = BTreeMap::new();
        for block in fs::read_to_string(path).unwrap().split("\n\n").skip(1) {
            let (mut id, mut words) = (String::new(), Vec::new());
            for line in block.lines().filter(|line| !line.starts_with('#')) {
                let (keyword, rest) = line.split_once(' ').unwrap();
                let text = rest.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap().to_owned();
                match keyword {
                    "msgid" => id = text,
                    "msgid_plural" => id = format!("{id}\n{text}"),
                    _ => words.push(text),
                }
            }
            assert!(messages.insert(id.clone(), words).is_none(), "{language}: twice: {id}");
        }
        messages
    }

    fn placeholders(text: &str) -> usize {
        text.matches("{}").count() + text.matches("{n}").count()
    }

    #[test]
    fn every_language_has_every_word_and_no_other() {
        let ids = ids();
        assert!(ids.len() > 150, "only {} words found", ids.len());
        for (language, _) in LANGUAGES.iter().filter(|(code, _)| *code != FIRST) {
            let messages = messages(language);
            for id in &ids {
                let words = messages.get(id).unwrap_or_else(|| panic!("{language}: missing: {id}"));
                assert!(words.iter().all(|text| !text.trim().is_empty()), "{language}: empty: {id}");
            }
            let stale: Vec<_> = messages.keys().filter(|id| !ids.contains(id)).collect();
            assert!(stale.is_empty(), "{language}: no longer used: {stale:?}");
        }
    }

    #[test]
    fn a_translation_keeps_what_is_filled_in() {
        for (language, _) in LANGUAGES.iter().filter(|(code, _)| *code != FIRST) {
            for (id, words) in messages(language) {
                let wanted = placeholders(id.split('\n').next().unwrap());
                let plural = id.contains('\n');
                for text in &words {
                    let found = placeholders(text);
                    // "one minute" may say one without a digit.
                    assert!(found == wanted || (plural && found == 0), "{language}: {id}: {text}");
                }
                assert!(words.iter().any(|text| placeholders(text) == wanted), "{language}: {id}");
            }
        }
    }

    #[test]
    fn plural_forms_are_as_many_as_the_language_has() {
        for (language, forms) in [("fr", 2), ("cy", 6), ("ar", 6)] {
            for (id, words) in messages(language) {
                assert_eq!(words.len(), if id.contains('\n') { forms } else { 1 }, "{language}: {id}");
            }
        }
    }

    #[test]
    fn the_reader_of_this_test_sees_plurals() {
        let source = r#"Text { text: @tr("One" | "Many {n}" % n); label: @tr("A {}", "b"); }"#;
        assert_eq!(ids_in(source), ["One\nMany {n}", "A {}"]);
    }

    #[test]
    fn arabic_is_read_from_right_to_left() {
        let rtl: Vec<_> = LANGUAGES.iter().map(|(code, _)| *code).filter(|code| is_rtl(code)).collect();
        assert_eq!(rtl, ["ar"]);
        assert!(is_rtl("ar-EG") && !is_rtl("cy"));
    }
}
