//! Valid answers made up from a seed, so that a demonstration or a test can walk any form.
//!
//! Promises: the same form, question and seed give the same draft; what it gives passes
//! [`super::check`]; different seeds take different branches.
//! Never: stands in for what a citizen typed.

use super::{
    draft::{Draft, File, NO, PartId, YES},
    model::{Field, FieldKind, Form, Pattern},
};
use crate::secret::{Secret, SecretBytes};
use sha2::{Digest, Sha256};
use time::{Date, Duration};

/// The smallest file that opens as a PDF.
const PDF: &[u8] = b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

/// A draft that passes the check on `today`, or `None` for a pattern it cannot satisfy.
#[must_use]
pub fn sample(form: &Form, field: &Field, seed: u64, today: Date) -> Option<Draft> {
    let draw = Draw::new(seed, field.name.as_str());
    Some(match &field.kind {
        FieldKind::Text { chars_min, chars_max, pattern } => match pattern {
            None => Draft::text(&words(draw, *chars_min, *chars_max)),
            Some(pattern) => Draft::text(&fitting(pattern, *chars_min, *chars_max)?),
        },
        FieldKind::Multiline { chars_min, chars_max, .. } => {
            Draft::text(&words(draw, *chars_min, *chars_max))
        }
        FieldKind::Number { min, max, decimals_max, .. } => number(draw, *min, *max, *decimals_max),
        FieldKind::YesNo => Draft::choice(if draw.below(2) == 0 { YES } else { NO }),
        FieldKind::Radios { .. } | FieldKind::Select { .. } => {
            let items = form.choices(field);
            Draft::choice(&items.get(draw.below(items.len()))?.value)
        }
        FieldKind::Checkboxes { .. } => {
            let items = form.choices(field);
            let mut draft = Draft::choice(&items.get(draw.below(items.len()))?.value);
            let extra = items.iter().enumerate().filter(|(n, _)| draw.bit(*n));
            draft.chosen.extend(extra.map(|(_, item)| item.value.clone()));
            draft
        }
        FieldKind::DateParts { days_past_max, days_future_max } => {
            day(draw, *days_past_max, *days_future_max, today)?
        }
        FieldKind::MonthYear => dated(Draft::default(), today),
        FieldKind::Email => Draft::text("sam.sample@example.org"),
        // Reserved for drama by Ofcom, as are 01632 numbers.
        FieldKind::Telephone => Draft::text("01632 960123"),
        FieldKind::UkAddress => Draft::default()
            .with(PartId::Line1, "1 Example Street")
            .with(PartId::Town, "Cardiff")
            .with(PartId::Postcode, "CF10 3NQ"),
        FieldKind::Website => Draft::text("https://www.example.org/"),
        FieldKind::File { files_min, accept, .. } => files(*files_min, accept),
    })
}

/// Bits that depend on the seed and the question only.
#[derive(Clone, Copy)]
struct Draw(u64);

impl Draw {
    fn new(seed: u64, name: &str) -> Self {
        let hash = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(name).finalize();
        Self(hash.iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }

    fn below(self, count: usize) -> usize {
        let count = u64::try_from(count.max(1)).unwrap_or(1);
        usize::try_from(self.0 % count).unwrap_or(0)
    }

    fn bit(self, n: usize) -> bool {
        self.0 >> (n % 60) & 16 != 0
    }
}

const WORDS: [&str; 8] = ["north", "bridge", "blue", "corner", "market", "river", "stone", "garden"];

/// One to five words, more where the shortest length asks, cut at the longest.
fn words(draw: Draw, chars_min: u32, chars_max: u32) -> String {
    let (min, max) = (usize::try_from(chars_min).unwrap_or(0), usize::try_from(chars_max).unwrap_or(0));
    let first = draw.below(WORDS.len());
    let mut text = String::new();
    for word in WORDS.iter().cycle().skip(first).take(1 + draw.below(5)) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    while text.chars().count() < min {
        text.push('x');
    }
    let cut: String = text.chars().take(max).collect();
    cut.trim().to_owned()
}

/// The first of some plain candidates that the pattern takes.
fn fitting(pattern: &Pattern, chars_min: u32, chars_max: u32) -> Option<String> {
    let lengths = (1..=40).filter(|len| (chars_min..=chars_max).contains(len));
    lengths.filter_map(|len| usize::try_from(len).ok()).find_map(|len| {
        let plain = ["1", "A", "a"].map(|symbol| symbol.repeat(len));
        let mixed = (1..len).map(|letters| "A".repeat(letters) + &"1".repeat(len - letters));
        plain.into_iter().chain(mixed).find(|text| pattern.matches(text))
    })
}

fn number(draw: Draw, min: Option<f64>, max: Option<f64>, decimals_max: Option<u32>) -> Draft {
    let wish = f64::from(u32::try_from(draw.below(90)).unwrap_or(0)) + 10.0;
    let fits = wish.max(min.unwrap_or(wish)).min(max.unwrap_or(wish));
    // A whole number within the limits, where one is asked for and there is one.
    let whole = if max.is_some_and(|max| fits.ceil() > max) { fits.floor() } else { fits.ceil() };
    Draft::text(&if decimals_max.is_some() { whole } else { fits }.to_string())
}

fn day(draw: Draw, past: Option<u32>, future: Option<u32>, today: Date) -> Option<Draft> {
    let back = i64::from(past.unwrap_or(30).min(30));
    let ahead = i64::from(future.unwrap_or(30).min(30));
    let span = usize::try_from(back + ahead + 1).ok()?;
    let offset = i64::try_from(draw.below(span)).ok()? - back;
    let date = today.checked_add(Duration::days(offset))?;
    Some(dated(Draft::default().with(PartId::Day, &date.day().to_string()), date))
}

fn dated(draft: Draft, date: Date) -> Draft {
    draft
        .with(PartId::Month, &u8::from(date.month()).to_string())
        .with(PartId::Year, &date.year().to_string())
}

fn files(files_min: u32, accept: &[String]) -> Draft {
    let takes_pdf = accept.is_empty() || accept.iter().any(|a| a == "application/pdf" || a == ".pdf");
    let media_type = match accept.first() {
        Some(first) if !takes_pdf => first.replace("/*", "/example"),
        _ => "application/pdf".to_owned(),
    };
    let ending = media_type.rsplit(['/', '.']).next().unwrap_or_default().to_owned();
    let count = files_min.max(1);
    let mut draft = Draft::default();
    draft.files.extend((1..=count).map(|n| File {
        name: Secret::new(format!("sample-{n}.{ending}")),
        media_type: media_type.clone(),
        bytes: SecretBytes::new(PDF.to_vec()),
    }));
    draft
}
