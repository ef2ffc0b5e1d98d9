//! Answers: drafts that passed the check, normalised.
//!
//! Promises: digits are ASCII, dates are ISO 8601, postcodes have their space; what was typed is
//! overwritten with zeroes when dropped.
//! Never: keeps a wrong answer; says yes or no in words (that is [`Line::Yes`] and [`Line::No`]).

use super::{
    draft::{File, NO, YES},
    model::{Field, FieldName, Form},
    route::route,
};
use crate::secret::Secret;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A checked answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An optional question, left open.
    Empty,
    /// Text, an email address, a telephone number, a web address.
    Text(Secret),
    /// A decimal number with ASCII digits and a point, such as `-12.50`.
    Number(Secret),
    /// Yes (`true`) or no.
    YesNo(bool),
    /// The chosen value.
    One(Secret),
    /// The chosen values, in the list's order.
    Many(Vec<Secret>),
    /// `YYYY-MM-DD`.
    Date(Secret),
    /// `YYYY-MM`.
    Month(Secret),
    /// A postal address.
    Address(Address),
    /// Files, in the order they came.
    Files(Vec<File>),
}

/// A postal address in the United Kingdom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// House and street.
    pub line1: Secret,
    /// More of the street, or blank.
    pub line2: Secret,
    /// Town or city.
    pub town: Secret,
    /// County, or blank.
    pub county: Secret,
    /// Such as `CF10 3NQ`.
    pub postcode: Secret,
}

impl Address {
    /// The lines that are not blank, from top to bottom.
    pub fn lines(&self) -> impl Iterator<Item = &Secret> + Clone {
        [&self.line1, &self.line2, &self.town, &self.county, &self.postcode]
            .into_iter()
            .filter(|line| !line.is_blank())
    }
}

/// One line on the page where answers are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The citizen's text, or a choice's label.
    Text(Secret),
    /// Yes, in the screen's words.
    Yes,
    /// No, in the screen's words.
    No,
}

impl Answer {
    /// Whether an optional question was left open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::Empty
    }

    /// The lines to show; none where the question was left open. Choices show their labels, dates
    /// day, month and year in figures.
    #[must_use]
    pub fn display(&self, form: &Form, field: &Field) -> Vec<Line> {
        let label = |value: &Secret| {
            let item = form.choices(field).iter().find(|item| item.value == value.expose());
            Line::Text(item.map_or_else(|| value.clone(), |item| Secret::from(item.label.as_str())))
        };
        match self {
            Self::Empty => Vec::new(),
            Self::Text(text) => text.expose().lines().map(|line| Line::Text(Secret::from(line))).collect(),
            Self::Number(number) => vec![Line::Text(number.clone())],
            Self::YesNo(true) => vec![Line::Yes],
            Self::YesNo(false) => vec![Line::No],
            Self::One(value) => vec![label(value)],
            Self::Many(values) => values.iter().map(label).collect(),
            Self::Date(iso) | Self::Month(iso) => vec![Line::Text(figures(iso))],
            Self::Address(address) => address.lines().cloned().map(Line::Text).collect(),
            Self::Files(files) => files.iter().map(|file| Line::Text(file.name.clone())).collect(),
        }
    }

    /// The answer as one text for a machine: values rather than labels, ISO dates, [`YES`] or
    /// [`NO`]; several values with commas between; `None` where the question was left open.
    #[must_use]
    pub fn text(&self) -> Option<Secret> {
        match self {
            Self::Empty => None,
            Self::Text(text)
            | Self::Number(text)
            | Self::One(text)
            | Self::Date(text)
            | Self::Month(text) => Some(text.clone()),
            Self::YesNo(yes) => Some(Secret::from(if *yes { YES } else { NO })),
            Self::Many(values) => Some(join(values.iter())),
            Self::Address(address) => Some(join(address.lines())),
            Self::Files(files) => Some(join(files.iter().map(|file| &file.name))),
        }
    }
}

/// `2026-02-28` as `28/02/2026`, `2026-02` as `02/2026`.
fn figures(iso: &Secret) -> Secret {
    let parts: Vec<&str> = iso.expose().rsplit('-').collect();
    Secret::new(parts.join("/"))
}

fn join<'a>(parts: impl Iterator<Item = &'a Secret> + Clone) -> Secret {
    let len = parts.clone().map(|part| part.expose().len() + 2).sum();
    let mut text = Zeroizing::new(String::with_capacity(len));
    for part in parts {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(part.expose());
    }
    Secret::new(std::mem::take(&mut *text))
}

/// Every checked answer of a session, by question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers(BTreeMap<FieldName, Answer>);

impl Answers {
    /// The answer to `field`.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Answer> {
        self.0.get(field)
    }

    /// Keeps an answer.
    pub fn set(&mut self, field: FieldName, answer: Answer) {
        self.0.insert(field, answer);
    }

    /// Forgets an answer, because the draft behind it changed.
    pub fn remove(&mut self, field: &str) {
        self.0.remove(field);
    }

    /// Forgets everything; the memory is overwritten.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Only what is submitted: the answers on pages that are still on the route.
    #[must_use]
    pub fn on_route(&self, form: &Form) -> Self {
        let pages = route(form, self).pages;
        let kept = pages
            .iter()
            .flat_map(|page| page.fields())
            .filter_map(|field| self.0.get(&field.name).map(|answer| (field.name.clone(), answer.clone())));
        Self(kept.collect())
    }

    /// All answers, by question.
    pub fn iter(&self) -> impl Iterator<Item = (&FieldName, &Answer)> {
        self.0.iter()
    }
}
