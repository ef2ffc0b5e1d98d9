//! Templates: text with questions in it, `{question}`.
//!
//! Promises: a line with a question that was left open is left out, so that no label stands alone;
//! a name that is no question is found when the service is published ([`Template::names`]).
//! Never: runs anything; an answer with braces in it stays as it is.

use crate::{form::Answers, secret::Secret};
use std::{fmt, str::FromStr};
use zeroize::Zeroizing;

/// A text with questions in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    lines: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Answer(String),
}

/// Braces that do not pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a template has braces around names of questions only, such as {{where}}")]
pub struct TemplateError;

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        text.lines().map(pieces).collect::<Result<_, _>>().map(|lines| Self { lines })
    }
}

fn pieces(line: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or(TemplateError)?;
        if before.contains('}') || name.is_empty() || name.contains('{') {
            return Err(TemplateError);
        }
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Answer(name.to_owned()));
        rest = after;
    }
    if rest.contains('}') {
        return Err(TemplateError);
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, line) in self.lines.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { "\n" })?;
            for piece in line {
                match piece {
                    Piece::Text(text) => f.write_str(text)?,
                    Piece::Answer(name) => write!(f, "{{{name}}}")?,
                }
            }
        }
        Ok(())
    }
}

impl Template {
    /// The names of the questions in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().flatten().filter_map(|piece| match piece {
            Piece::Answer(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The text with answers in place, or `None` where nothing of it is left.
    #[must_use]
    pub fn fill(&self, answers: &Answers) -> Option<Secret> {
        let lines: Vec<Zeroizing<String>> =
            self.lines.iter().filter_map(|line| fill_line(line, answers)).collect();
        let len = lines.iter().map(|line| line.len() + 1).sum();
        let mut text = Zeroizing::new(String::with_capacity(len));
        for (n, line) in lines.iter().enumerate() {
            text.push_str(if n == 0 { "" } else { "\n" });
            text.push_str(line);
        }
        let text = Secret::from(text.trim());
        if text.is_blank() { None } else { Some(text) }
    }
}

fn fill_line(line: &[Piece], answers: &Answers) -> Option<Zeroizing<String>> {
    let words: Option<Vec<Secret>> = line
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => Some(Secret::from(text.as_str())),
            Piece::Answer(name) => answers.get(name).and_then(crate::form::Answer::text),
        })
        .collect();
    let words = words?;
    let len = words.iter().map(|word| word.expose().len()).sum();
    let mut text = Zeroizing::new(String::with_capacity(len));
    words.iter().for_each(|word| text.push_str(word.expose()));
    Some(text)
}
