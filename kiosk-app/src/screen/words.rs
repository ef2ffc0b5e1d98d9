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
