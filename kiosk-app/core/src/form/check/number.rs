//! Decimal numbers as people write them: `1,234.50`, `1 234,5`, `١٢٫٥`, `£12`, `−3`.
//!
//! Groups of exactly three digits after commas are thousands; a single comma followed by any other
//! count of digits is a decimal comma.

use super::value;
use crate::{
    form::{
        answer::Answer,
        draft::{Draft, PartId},
        problem::{Problem, ProblemCode},
        text,
    },
    secret::Secret,
};
use zeroize::Zeroizing;

/// More digits than any sum of money has.
const DIGITS_MAX: usize = 30;

pub(super) struct Limits {
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) decimals_max: Option<u32>,
}

pub(super) fn number(draft: &Draft, limits: &Limits, around: [&str; 2]) -> Result<Answer, Problem> {
    let text = text::code(draft.part(PartId::Value));
    if text.is_blank() {
        return Err(value(ProblemCode::Required));
    }
    let [prefix, suffix] = around;
    let bare = text.expose().trim();
    let bare = bare.strip_prefix(prefix).unwrap_or(bare);
    let bare = bare.strip_suffix(suffix).unwrap_or(bare).trim();
    let number = canonical(bare).ok_or_else(|| value(ProblemCode::NotANumber))?;
    let quantity: f64 = number.expose().parse().map_err(|_| value(ProblemCode::NotANumber))?;
    let decimals = number.expose().split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if let Some(max) = limits.decimals_max
        && usize::try_from(max).is_ok_and(|max| decimals > max)
    {
        return Err(value(if max == 0 { ProblemCode::NotWhole } else { ProblemCode::Format }));
    }
    if let Some(min) = limits.min.filter(|min| quantity < *min) {
        return Err(value(ProblemCode::TooSmall).arg(min));
    }
    if let Some(max) = limits.max.filter(|max| quantity > *max) {
        return Err(value(ProblemCode::TooLarge).arg(max));
    }
    Ok(Answer::Number(number))
}

/// `-?[0-9]+(\.[0-9]+)?` without leading zeroes, or none.
fn canonical(text: &str) -> Option<Secret> {
    let (negative, text) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut digits = Zeroizing::new(String::with_capacity(text.len()));
    digits.extend(text.chars().filter_map(|c| match c {
        '\u{066B}' => Some('.'),
        '\u{066C}' | '\u{2019}' | '\'' => Some(','),
        c if c.is_whitespace() => None,
        c => Some(c),
    }));
    let (whole, fraction) = split(&digits)?;
    let fine = |part: &str| part.len() <= DIGITS_MAX && part.bytes().all(|b| b.is_ascii_digit());
    if !fine(&whole) || !fine(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let mut number = Zeroizing::new(String::with_capacity(text.len() + 3));
    let zero = whole.is_empty() && fraction.bytes().all(|b| b == b'0');
    if negative && !zero {
        number.push('-');
    }
    number.push_str(if whole.is_empty() { "0" } else { whole });
    if fraction.bytes().any(|b| b != b'0') {
        number.push('.');
        number.push_str(fraction);
    }
    Some(Secret::from(number.as_str()))
}

/// The digits before and after the point.
fn split(digits: &str) -> Option<(Zeroizing<String>, &str)> {
    let (whole, fraction) = match digits.rsplit_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => match digits.split_once(',') {
            Some((whole, fraction))
                if !fraction.contains(',') && fraction.len() != 3 && !fraction.is_empty() =>
            {
                return Some((Zeroizing::new(whole.to_owned()), fraction));
            }
            _ => (digits, ""),
        },
    };
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let mut rest = groups.clone().peekable();
    if rest.peek().is_some() && (first.is_empty() || first.len() > 3) {
        return None;
    }
    if rest.any(|group| group.len() != 3) {
        return None;
    }
    let mut joined = Zeroizing::new(String::with_capacity(whole.len()));
    joined.push_str(first);
    groups.for_each(|group| joined.push_str(group));
    Some((joined, fraction))
}
