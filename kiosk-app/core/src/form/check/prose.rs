//! Text of one line and of many.

use super::value;
use crate::form::{
    answer::Answer,
    draft::{Draft, PartId},
    model::Pattern,
    problem::{Problem, ProblemCode},
    text,
};

pub(super) fn line(
    draft: &Draft,
    chars_min: u32,
    chars_max: u32,
    pattern: Option<&Pattern>,
) -> Result<Answer, Problem> {
    let text = text::line(draft.part(PartId::Value));
    length(text.expose(), chars_min, chars_max)?;
    let Some(pattern) = pattern else { return Ok(Answer::Text(text)) };
    // A code in another script's digits is the same code.
    let code = text::code(text.expose());
    if pattern.matches(text.expose()) {
        Ok(Answer::Text(text))
    } else if pattern.matches(code.expose()) {
        Ok(Answer::Text(code))
    } else {
        Err(value(ProblemCode::Format))
    }
}

pub(super) fn lines(
    draft: &Draft,
    chars_min: u32,
    chars_max: u32,
    words_max: Option<u32>,
) -> Result<Answer, Problem> {
    let text = text::prose(draft.part(PartId::Value));
    length(text.expose(), chars_min, chars_max)?;
    match words_max {
        Some(max) if exceeds(text.expose().split_whitespace(), max) => {
            Err(value(ProblemCode::TooManyWords).arg(max))
        }
        _ => Ok(Answer::Text(text)),
    }
}

fn length(text: &str, chars_min: u32, chars_max: u32) -> Result<(), Problem> {
    if text.is_empty() {
        return Err(value(ProblemCode::Required));
    }
    if exceeds(text.chars(), chars_max) {
        return Err(value(ProblemCode::TooLong).arg(chars_max));
    }
    if chars_min > 0 && !exceeds(text.chars(), chars_min - 1) {
        return Err(value(ProblemCode::TooShort).arg(chars_min));
    }
    Ok(())
}

/// Whether there are more than `max` of them.
fn exceeds<T>(mut things: impl Iterator<Item = T>, max: u32) -> bool {
    usize::try_from(max).is_ok_and(|max| things.nth(max).is_some())
}
