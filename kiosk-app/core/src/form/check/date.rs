//! Days and months in separate boxes.

use crate::{
    form::{
        answer::Answer,
        draft::{Draft, PartId},
        problem::{Problem, ProblemCode},
        text,
    },
    secret::Secret,
};
use time::{Date, Month};

/// Two-digit years are asked for again: `26` is no year of four digits.
const YEARS: std::ops::RangeInclusive<u32> = 1000..=9999;

pub(super) fn date(
    draft: &Draft,
    days_past_max: Option<u32>,
    days_future_max: Option<u32>,
    today: Option<Date>,
) -> Result<Answer, Problem> {
    present(draft, &[PartId::Day, PartId::Month, PartId::Year])?;
    let day = figure(draft, PartId::Day, 1..=31)?;
    let (year, month) = year_month(draft)?;
    let not_real = || Problem::at(ProblemCode::DateNotReal, PartId::Day);
    let day = u8::try_from(day).map_err(|_| not_real())?;
    let date = Date::from_calendar_date(year, month, day).map_err(|_| not_real())?;
    if let Some(today) = today {
        let ahead = i64::from(date.to_julian_day()) - i64::from(today.to_julian_day());
        if let Some(max) = days_past_max.filter(|max| -ahead > i64::from(*max)) {
            return Err(Problem::at(ProblemCode::DateInPast, PartId::Day).arg(max));
        }
        if let Some(max) = days_future_max.filter(|max| ahead > i64::from(*max)) {
            return Err(Problem::at(ProblemCode::DateInFuture, PartId::Day).arg(max));
        }
    }
    Ok(Answer::Date(Secret::new(format!("{year:04}-{:02}-{day:02}", u8::from(month)))))
}

pub(super) fn month(draft: &Draft) -> Result<Answer, Problem> {
    present(draft, &[PartId::Month, PartId::Year])?;
    let (year, month) = year_month(draft)?;
    Ok(Answer::Month(Secret::new(format!("{year:04}-{:02}", u8::from(month)))))
}

fn year_month(draft: &Draft) -> Result<(i32, Month), Problem> {
    let month = figure(draft, PartId::Month, 1..=12)?;
    let month = u8::try_from(month).ok().and_then(|month| Month::try_from(month).ok());
    let month = month.ok_or_else(|| Problem::at(ProblemCode::DateNotReal, PartId::Month))?;
    let year = i32::try_from(figure(draft, PartId::Year, YEARS)?);
    Ok((year.map_err(|_| Problem::at(ProblemCode::DateNotReal, PartId::Year))?, month))
}

/// Nothing at all, or one box forgotten.
fn present(draft: &Draft, parts: &[PartId]) -> Result<(), Problem> {
    let blank = |part: &&PartId| draft.part(**part).trim().is_empty();
    let Some(first) = parts.iter().find(blank) else { return Ok(()) };
    if parts.iter().all(|part| blank(&part)) {
        return Err(Problem::at(ProblemCode::DateRequired, *first));
    }
    Err(Problem::at(ProblemCode::DatePartMissing, *first).arg(first.as_str()))
}

fn figure(draft: &Draft, part: PartId, range: std::ops::RangeInclusive<u32>) -> Result<u32, Problem> {
    let text = text::code(draft.part(part));
    let figures = text.expose();
    let fits = figures.len() <= 4 && figures.bytes().all(|b| b.is_ascii_digit());
    let number = if fits { figures.parse().ok() } else { None };
    number.filter(|number| range.contains(number)).ok_or_else(|| Problem::at(ProblemCode::DateNotReal, part))
}
