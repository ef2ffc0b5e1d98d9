//! Open311 GeoReport v2, `POST /requests` (wiki.open311.org/GeoReport_v2).
//!
//! The interface has no idempotency, so the description ends with a space and the [`mark`] of the envelope:
//! whoever sends the request again after a lost reply asks for it first.

use super::{RequestError, template::Template};
use crate::{
    form::Answers,
    ids::EnvelopeId,
    secret::{Secret, SecretBytes},
    wire::mark::mark,
};
use std::collections::BTreeMap;
use url::form_urlencoded::Serializer;

pub(super) const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// GeoReport v2, argument `description`.
pub(super) const DESCRIPTION_CHARS_MAX: usize = 4000;

/// Which answer goes into which argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open311 {
    /// Which city, where one server has several.
    pub jurisdiction_id: Option<String>,
    /// What kind of request it is.
    pub service_code: Template,
    /// Where it is.
    pub address_string: Template,
    /// What it is about.
    pub description: Template,
    /// Where to reply to.
    pub email: Option<Template>,
    /// The citizen's account with the service.
    pub account_id: Option<Template>,
    /// Further arguments `attribute[CODE]`.
    pub attributes: BTreeMap<String, Template>,
}

impl Open311 {
    /// Every template, with the name it has in `service.toml`.
    pub fn templates(&self) -> impl Iterator<Item = (String, &Template)> {
        let fixed = [
            ("service_code", Some(&self.service_code)),
            ("address_string", Some(&self.address_string)),
            ("description", Some(&self.description)),
            ("email", self.email.as_ref()),
            ("account_id", self.account_id.as_ref()),
        ];
        fixed
            .into_iter()
            .filter_map(|(name, template)| Some((name.to_owned(), template?)))
            .chain(self.attributes.iter().map(|(code, template)| (format!("attributes.{code}"), template)))
    }

    pub(super) fn body(&self, answers: &Answers, envelope: EnvelopeId) -> Result<SecretBytes, RequestError> {
        let text = self.description.fill(answers).unwrap_or_default();
        let mark = format!(" {}", mark(envelope));
        let description = Secret::new([text.expose(), &mark].concat());
        if description.expose().chars().count() > DESCRIPTION_CHARS_MAX {
            return Err(RequestError::DescriptionTooLong { max: DESCRIPTION_CHARS_MAX - mark.len() });
        }
        let mut pairs: Vec<(String, Secret)> = Vec::new();
        if let Some(jurisdiction) = &self.jurisdiction_id {
            pairs.push(("jurisdiction_id".to_owned(), Secret::from(jurisdiction.as_str())));
        }
        for (name, template) in self.templates() {
            let name = match name.strip_prefix("attributes.") {
                Some(code) => format!("attribute[{code}]"),
                None => name,
            };
            if name == "description" {
                pairs.push((name, description.clone()));
            } else if let Some(value) = template.fill(answers) {
                pairs.push((name, value));
            }
        }
        // A character is at most three escapes per byte: the buffer never moves.
        let len = pairs.iter().map(|(name, value)| 3 * (name.len() + value.expose().len()) + 2).sum();
        let mut body = Serializer::new(String::with_capacity(len));
        for (name, value) in &pairs {
            body.append_pair(name, value.expose());
        }
        Ok(SecretBytes::new(body.finish().into_bytes()))
    }
}
