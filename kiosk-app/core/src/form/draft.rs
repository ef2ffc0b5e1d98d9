//! What a citizen has typed so far, right or wrong.
//!
//! Promises: everything here is overwritten with zeroes when dropped, choices and file names too.
//! Never: judges; that is [`super::check`].

use super::model::FieldName;
use crate::secret::{Secret, SecretBytes};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use zeroize::Zeroize;

/// What [`Draft::chosen`] holds for yes.
pub const YES: &str = "yes";
/// What [`Draft::chosen`] holds for no.
pub const NO: &str = "no";

/// One box of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartId {
    /// The only box of a question that has one.
    Value,
    /// The day of a date.
    Day,
    /// The month of a date.
    Month,
    /// The year of a date.
    Year,
    /// House and street.
    Line1,
    /// More of the street.
    Line2,
    /// Town or city.
    Town,
    /// County.
    County,
    /// Postcode.
    Postcode,
}

impl PartId {
    /// Every part there is.
    pub const ALL: [Self; 9] = [
        Self::Value,
        Self::Day,
        Self::Month,
        Self::Year,
        Self::Line1,
        Self::Line2,
        Self::Town,
        Self::County,
        Self::Postcode,
    ];

    /// The code that crosses to the screen.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
            Self::Line1 => "line1",
            Self::Line2 => "line2",
            Self::Town => "town",
            Self::County => "county",
            Self::Postcode => "postcode",
        }
    }

    /// Reads back what [`Self::as_str`] gave.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == code)
    }
}

/// A file: its name, what it claims to be, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// As it was called where it came from.
    pub name: Secret,
    /// Such as `image/jpeg`.
    pub media_type: String,
    /// The content.
    pub bytes: SecretBytes,
}

/// What stands in one question.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// Typed text, by box.
    pub parts: BTreeMap<PartId, Secret>,
    /// Chosen list values, or [`YES`] or [`NO`].
    pub chosen: BTreeSet<String>,
    /// Scanned or brought files.
    pub files: Vec<File>,
}

impl Draft {
    /// A draft with one box filled.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::default().with(PartId::Value, text)
    }

    /// A draft with one choice made.
    #[must_use]
    pub fn choice(value: &str) -> Self {
        let mut draft = Self::default();
        draft.chosen.insert(value.to_owned());
        draft
    }

    /// The same draft with `part` replaced.
    #[must_use]
    pub fn with(mut self, part: PartId, text: &str) -> Self {
        self.parts.insert(part, Secret::from(text));
        self
    }

    /// What stands in `part`, or the empty text.
    #[must_use]
    pub fn part(&self, part: PartId) -> &str {
        self.parts.get(&part).map_or("", Secret::expose)
    }

    /// Unmakes every choice and makes this one: a radio button.
    pub fn choose_only(&mut self, value: &str) {
        self.wipe_choices();
        self.chosen.insert(value.to_owned());
    }

    /// Makes a choice, or unmakes it: a checkbox.
    pub fn toggle(&mut self, value: &str) {
        match self.chosen.take(value) {
            Some(mut old) => old.zeroize(),
            None => {
                self.chosen.insert(value.to_owned());
            }
        }
    }

    fn wipe_choices(&mut self) {
        for mut value in std::mem::take(&mut self.chosen) {
            value.zeroize();
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.wipe_choices();
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draft(..)")
    }
}

/// Every draft of a session, by question.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Drafts(BTreeMap<FieldName, Draft>);

impl Drafts {
    /// What stands in `field`, if it was ever touched.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Draft> {
        self.0.get(field)
    }

    /// What stands in `field`, to change.
    pub fn edit(&mut self, field: &FieldName) -> &mut Draft {
        self.0.entry(field.clone()).or_default()
    }

    /// Puts a whole draft in place.
    pub fn set(&mut self, field: FieldName, draft: Draft) {
        self.0.insert(field, draft);
    }

    /// Forgets everything; the memory is overwritten.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Questions touched so far.
    pub fn iter(&self) -> impl Iterator<Item = (&FieldName, &Draft)> {
        self.0.iter()
    }
}
