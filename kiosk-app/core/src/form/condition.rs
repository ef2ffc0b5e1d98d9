//! Conditions: when a way on from a page is taken.
//!
//! Promises: the same answers give the same result; an open question is unlike every value, so
//! only its negations hold.
//! Never: looks at an answer that is not on the route.

use super::{
    answer::Answer,
    model::{ConditionId, FieldName, Form},
};
use time::{Date, Month};

/// How deep named conditions may refer to each other.
pub const DEPTH_MAX: u32 = 16;

/// A named test.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What `next` refers to.
    pub id: ConditionId,
    /// When it holds.
    pub test: Test,
}

/// A test of answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// All hold.
    All(Vec<Test>),
    /// One holds.
    Any(Vec<Test>),
    /// It does not hold.
    Not(Box<Test>),
    /// Another condition holds.
    Named(ConditionId),
    /// One answer compares.
    Field {
        /// The question.
        field: FieldName,
        /// How its answer compares.
        relation: Relation,
    },
}

/// How an answer compares.
#[derive(Clone, Debug, PartialEq)]
pub enum Relation {
    /// Is this text or this choice.
    Is(String),
    /// Is yes (`true`) or no.
    YesNo(bool),
    /// This choice is among the chosen.
    Contains(String),
    /// Its length in characters compares.
    Length(Order, u32),
    /// Its number compares.
    Number(Order, f64),
    /// Its day compares.
    Date(Order, Date),
}

/// How two quantities compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `>=`
    AtLeast,
    /// `>`
    More,
}

impl Order {
    fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Equal => left == right,
            Self::AtLeast => left >= right,
            Self::More => left > right,
        }
    }
}

impl Test {
    /// Whether it holds, for what `known` says about each question.
    #[must_use]
    pub fn holds<'a>(&self, form: &Form, known: &dyn Fn(&FieldName) -> Option<&'a Answer>) -> bool {
        self.holds_at(form, known, 0)
    }

    fn holds_at<'a>(
        &self,
        form: &Form,
        known: &dyn Fn(&FieldName) -> Option<&'a Answer>,
        depth: u32,
    ) -> bool {
        if depth > DEPTH_MAX {
            return false;
        }
        let inner = |test: &Self| test.holds_at(form, known, depth + 1);
        match self {
            Self::All(tests) => tests.iter().all(inner),
            Self::Any(tests) => tests.iter().any(inner),
            Self::Not(test) => !inner(test),
            Self::Named(id) => form.condition(id).is_some_and(|condition| inner(&condition.test)),
            Self::Field { field, relation } => known(field).is_some_and(|answer| relation.holds(answer)),
        }
    }

    /// Every question it asks about, through named conditions too.
    #[must_use]
    pub fn fields<'a>(&'a self, form: &'a Form) -> Vec<&'a FieldName> {
        let mut found = Vec::new();
        self.collect(form, &mut found, 0);
        found
    }

    fn collect<'a>(&'a self, form: &'a Form, found: &mut Vec<&'a FieldName>, depth: u32) {
        if depth > DEPTH_MAX {
            return;
        }
        match self {
            Self::All(tests) | Self::Any(tests) => {
                for test in tests {
                    test.collect(form, found, depth + 1);
                }
            }
            Self::Not(test) => test.collect(form, found, depth + 1),
            Self::Named(id) => {
                if let Some(condition) = form.condition(id) {
                    condition.test.collect(form, found, depth + 1);
                }
            }
            Self::Field { field, .. } => {
                if !found.contains(&field) {
                    found.push(field);
                }
            }
        }
    }
}

impl Relation {
    fn holds(&self, answer: &Answer) -> bool {
        match self {
            Self::YesNo(wanted) => *answer == Answer::YesNo(*wanted),
            Self::Contains(wanted) => match answer {
                Answer::Many(values) => values.iter().any(|value| value.expose() == wanted),
                Answer::Empty
                | Answer::Text(_)
                | Answer::Number(_)
                | Answer::YesNo(_)
                | Answer::One(_)
                | Answer::Date(_)
                | Answer::Month(_)
                | Answer::Address(_)
                | Answer::Files(_) => false,
            },
            Self::Is(wanted) => answer.text().is_some_and(|text| text.expose() == wanted),
            Self::Length(order, wanted) => answer.text().is_some_and(|text| {
                u32::try_from(text.expose().chars().count()).is_ok_and(|len| order.holds(&len, wanted))
            }),
            Self::Number(order, wanted) => answer.text().is_some_and(|text| {
                text.expose().parse::<f64>().is_ok_and(|number| order.holds(&number, wanted))
            }),
            Self::Date(order, wanted) => answer
                .text()
                .and_then(|text| parse_date(text.expose()))
                .is_some_and(|date| order.holds(&date, wanted)),
        }
    }
}

/// Reads `YYYY-MM-DD`.
#[must_use]
pub fn parse_date(iso: &str) -> Option<Date> {
    let mut parts = iso.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month = parts.next()?.parse::<u8>().ok().and_then(|month| Month::try_from(month).ok())?;
    Date::from_calendar_date(year, month, parts.next()?.parse().ok()?).ok()
}
