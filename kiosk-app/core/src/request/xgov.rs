//! The webhook payload of the GOV.UK form runner.
//!
//! ```text
//! { name, metadata: { envelope, language },
//!   questions: [{ category, question, index: 0,
//!                 fields: [{ key, title, type, answer }] }] }
//! ```
//!
//! One question for each page with fields on the route. `type` is `text`, `list` (yes or no as a
//! truth value, several choices as an array), `date` (`YYYY-MM-DD`), `monthYear` (`YYYY-MM`) or
//! `file` (names). A question left open has no `answer`.

use super::{Context, RequestError};
use crate::{
    form::{Answer, Answers, FieldKind, Form, Page},
    secret::SecretBytes,
};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

pub(super) const CONTENT_TYPE: &str = "application/json";

/// Room for the JSON, so that the buffer seldom moves.
const JSON_BYTES: usize = 64 << 10;

#[derive(Serialize)]
struct Payload<'a> {
    name: &'a str,
    metadata: Metadata<'a>,
    questions: Vec<Question<'a>>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    envelope: String,
    language: &'a str,
}

#[derive(Serialize)]
struct Question<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    question: &'a str,
    fields: Vec<FieldAnswer<'a>>,
    index: u32,
}

#[derive(Serialize)]
struct FieldAnswer<'a> {
    key: &'a str,
    title: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "is_open")]
    answer: Value<'a>,
}

struct Value<'a> {
    answer: Option<&'a Answer>,
    /// One file's name alone, several as an array.
    several: bool,
}

fn is_open(value: &Value<'_>) -> bool {
    value.answer.is_none_or(Answer::is_empty)
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.answer {
            None | Some(Answer::Empty) => to.serialize_none(),
            Some(Answer::YesNo(yes)) => to.serialize_bool(*yes),
            Some(Answer::Many(values)) => to.collect_seq(values.iter().map(crate::secret::Secret::expose)),
            Some(Answer::Files(files)) if self.several => {
                to.collect_seq(files.iter().map(|file| file.name.expose()))
            }
            Some(
                answer @ (Answer::Text(_)
                | Answer::Number(_)
                | Answer::One(_)
                | Answer::Date(_)
                | Answer::Month(_)
                | Answer::Address(_)
                | Answer::Files(_)),
            ) => to.serialize_str(answer.text().unwrap_or_default().expose()),
        }
    }
}

pub(super) fn body(
    form: &Form,
    pages: &[&Page],
    answers: &Answers,
    context: Context<'_>,
) -> Result<SecretBytes, RequestError> {
    let questions = pages.iter().filter(|page| page.fields().next().is_some()).map(|page| Question {
        category: page.section.as_deref(),
        question: &page.title,
        fields: page
            .fields()
            .map(|field| FieldAnswer {
                key: field.name.as_str(),
                title: &field.title,
                kind: type_name(&field.kind),
                answer: Value {
                    answer: answers.get(field.name.as_str()),
                    several: !matches!(field.kind, FieldKind::File { files_max: 1, .. }),
                },
            })
            .collect(),
        index: 0,
    });
    let payload = Payload {
        name: &form.title,
        metadata: Metadata { envelope: context.envelope.to_string(), language: context.language },
        questions: questions.collect(),
    };
    let mut json = Zeroizing::new(Vec::with_capacity(JSON_BYTES));
    // Text and truth values into memory: nothing here can fail to serialise.
    serde_json::to_writer(&mut *json, &payload).map_err(|_| RequestError::Unfinished)?;
    Ok(SecretBytes::new(std::mem::take(&mut *json)))
}

fn type_name(kind: &FieldKind) -> &'static str {
    match kind {
        FieldKind::YesNo
        | FieldKind::Radios { .. }
        | FieldKind::Checkboxes { .. }
        | FieldKind::Select { .. } => "list",
        FieldKind::DateParts { .. } => "date",
        FieldKind::MonthYear => "monthYear",
        FieldKind::File { .. } => "file",
        FieldKind::Text { .. }
        | FieldKind::Multiline { .. }
        | FieldKind::Number { .. }
        | FieldKind::Email
        | FieldKind::Telephone
        | FieldKind::UkAddress
        | FieldKind::Website => "text",
    }
}
