//! A JSON value that knows where it stands, so that every refusal names its place.

use super::FormError;
use serde_json::Value;

#[derive(Clone)]
pub(super) struct Place<'a> {
    file: &'a str,
    path: String,
    value: &'a Value,
}

impl<'a> Place<'a> {
    pub(super) fn root(file: &'a str, value: &'a Value) -> Self {
        Self { file, path: String::new(), value }
    }

    pub(super) fn fail(&self, reason: impl Into<String>) -> FormError {
        let place = if self.path.is_empty() { "the whole form".to_owned() } else { self.path.clone() };
        FormError { file: self.file.to_owned(), place, reason: reason.into() }
    }

    /// The value under `name`; absent, null and the empty text are the same to the form designer.
    pub(super) fn key(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name)?;
        if value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty()) {
            return None;
        }
        let dot = if self.path.is_empty() { "" } else { "." };
        Some(Self { file: self.file, path: format!("{}{dot}{name}", self.path), value })
    }

    pub(super) fn need(&self, name: &str) -> Result<Self, FormError> {
        self.key(name).ok_or_else(|| self.fail(format!("{name} is missing")))
    }

    /// This value as text. An object with one entry is a text in its only language.
    pub(super) fn own_text(&self) -> Result<String, FormError> {
        let text = match self.value {
            Value::String(text) => Some(text),
            Value::Object(languages) if languages.len() == 1 => match languages.values().next() {
                Some(Value::String(text)) => Some(text),
                _ => None,
            },
            Value::Object(_) => {
                return Err(self.fail("a text in several languages; one form has one language"));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        };
        text.map(|text| text.trim().to_owned()).ok_or_else(|| self.fail("not a text"))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, FormError> {
        self.key(name).map(|place| place.own_text()).transpose()
    }

    pub(super) fn need_text(&self, name: &str) -> Result<String, FormError> {
        self.need(name)?.own_text()
    }

    /// A text, a number or a truth value, as text.
    pub(super) fn scalar(&self) -> Option<String> {
        match self.value {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(super) fn own_items(&self) -> Result<Vec<Self>, FormError> {
        let Value::Array(items) = self.value else { return Err(self.fail("not a list")) };
        let item = |(n, value)| Self { file: self.file, path: format!("{}[{n}]", self.path), value };
        Ok(items.iter().enumerate().map(item).collect())
    }

    pub(super) fn items(&self, name: &str) -> Result<Vec<Self>, FormError> {
        self.key(name).map_or_else(|| Ok(Vec::new()), |place| place.own_items())
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, FormError> {
        let Some(place) = self.key(name) else { return Ok(None) };
        match place.scalar().as_deref() {
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) | None => Err(place.fail("not true or false")),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, FormError> {
        let Some(place) = self.key(name) else { return Ok(None) };
        let number = place.scalar().and_then(|text| text.parse::<f64>().ok()).filter(|n| n.is_finite());
        number.map(Some).ok_or_else(|| place.fail("not a number"))
    }

    pub(super) fn count(&self, name: &str) -> Result<Option<u32>, FormError> {
        let Some(place) = self.key(name) else { return Ok(None) };
        let count = place.scalar().and_then(|text| text.parse().ok());
        count.map(Some).ok_or_else(|| place.fail("not a whole number"))
    }

    /// The names of the entries that say something, where this is an object.
    pub(super) fn names(&self) -> Vec<&'a str> {
        match self.value {
            Value::Object(map) => map.keys().map(String::as_str).filter(|k| self.key(k).is_some()).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Vec::new()
            }
        }
    }
}
