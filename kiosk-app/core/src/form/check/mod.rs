//! Checks a draft: an [`Answer`], or the [`Problem`] to put right.
//!
//! Promises: generous in what it takes (other scripts' digits, spaces, pasted marks), strict in
//! what it gives; one problem at a time, the first a citizen would meet reading the question.
//! Never: panics on any text; changes the meaning of what was typed.

mod choice;
mod contact;
mod date;
mod file;
mod number;
mod prose;

use super::{
    answer::Answer,
    draft::{Draft, PartId},
    model::{Field, FieldKind, Form},
    problem::{Problem, ProblemCode},
};
use time::Date;

/// Checks what stands in `field`. `today` is the day where the unit stands; `None`, when the unit
/// does not know the day, leaves out "in the past" and "in the future".
///
/// # Errors
/// What is wrong, as a code.
pub fn check(form: &Form, field: &Field, draft: &Draft, today: Option<Date>) -> Result<Answer, Problem> {
    if field.optional && is_untouched(&field.kind, draft) {
        return Ok(Answer::Empty);
    }
    match &field.kind {
        FieldKind::Text { chars_min, chars_max, pattern } => {
            prose::line(draft, *chars_min, *chars_max, pattern.as_ref())
        }
        FieldKind::Multiline { chars_min, chars_max, words_max, .. } => {
            prose::lines(draft, *chars_min, *chars_max, *words_max)
        }
        FieldKind::Number { min, max, decimals_max, prefix, suffix } => number::number(
            draft,
            &number::Limits { min: *min, max: *max, decimals_max: *decimals_max },
            [prefix, suffix],
        ),
        FieldKind::YesNo => choice::yes_no(draft),
        FieldKind::Radios { .. } | FieldKind::Select { .. } => choice::one(form.choices(field), draft),
        FieldKind::Checkboxes { .. } => choice::many(form.choices(field), draft),
        FieldKind::DateParts { days_past_max, days_future_max } => {
            date::date(draft, *days_past_max, *days_future_max, today)
        }
        FieldKind::MonthYear => date::month(draft),
        FieldKind::Email => contact::email(draft),
        FieldKind::Telephone => contact::telephone(draft),
        FieldKind::UkAddress => contact::address(draft),
        FieldKind::Website => contact::website(draft),
        FieldKind::File { files_min, files_max, bytes_max, accept } => {
            file::files(draft, *files_min, *files_max, *bytes_max, accept)
        }
    }
}

/// The boxes a question of this kind has, in the order a citizen meets them.
#[must_use]
pub fn parts(kind: &FieldKind) -> &'static [PartId] {
    match kind {
        FieldKind::Text { .. }
        | FieldKind::Multiline { .. }
        | FieldKind::Number { .. }
        | FieldKind::Email
        | FieldKind::Telephone
        | FieldKind::Website => &[PartId::Value],
        FieldKind::DateParts { .. } => &[PartId::Day, PartId::Month, PartId::Year],
        FieldKind::MonthYear => &[PartId::Month, PartId::Year],
        FieldKind::UkAddress => {
            &[PartId::Line1, PartId::Line2, PartId::Town, PartId::County, PartId::Postcode]
        }
        FieldKind::YesNo
        | FieldKind::Radios { .. }
        | FieldKind::Checkboxes { .. }
        | FieldKind::Select { .. }
        | FieldKind::File { .. } => &[],
    }
}

/// Whether nothing that belongs to a question of this kind was entered.
fn is_untouched(kind: &FieldKind, draft: &Draft) -> bool {
    let blank = parts(kind).iter().all(|part| draft.part(*part).trim().is_empty());
    match kind {
        FieldKind::YesNo
        | FieldKind::Radios { .. }
        | FieldKind::Checkboxes { .. }
        | FieldKind::Select { .. } => draft.chosen.is_empty(),
        FieldKind::File { .. } => draft.files.is_empty(),
        FieldKind::Text { .. }
        | FieldKind::Multiline { .. }
        | FieldKind::Number { .. }
        | FieldKind::DateParts { .. }
        | FieldKind::MonthYear
        | FieldKind::Email
        | FieldKind::Telephone
        | FieldKind::UkAddress
        | FieldKind::Website => blank,
    }
}

/// The problem `code` in the only box.
fn value(code: ProblemCode) -> Problem {
    Problem::at(code, PartId::Value)
}
