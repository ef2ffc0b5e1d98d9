//! Services as data: a folder with `service.toml` and one form for each language.
//!
//! ```toml
//! id = "report-street-problem"        # the folder's name
//! minutes = 3                         # how long it takes
//! languages = ["en", "fr"]            # the first is shown where no other fits
//!
//! [words.en]                          # one table for each language
//! title = "Report a street problem"
//! summary = "Tell the council about a pothole."
//! operator = "Example Council"
//!
//! [card]                              # optional: a card that fills in a question
//! kind = "library"
//! field = "library-card"
//!
//! [target]
//! authority = "open311.example.org"   # whom the opened request is for
//! scheme = "https"                    # optional; "http" is for the gateway's own machine
//! key = "AQAg..."                     # base64 of one Key Configuration, RFC 9458 section 3.1
//!
//! [answer]
//! reference = "/0/service_request_id" # where in the reply's JSON, RFC 6901
//!
//! [request]                           # see `crate::request`
//! ```
//!
//! Promises: a service that parses can be shown whole in every language it names, and asks the same
//! in each; every refusal names the file and the place.
//! Never: reads a file itself; shows a service in part.

mod agree;
mod parse;

use crate::{
    form::{FieldName, Form},
    ids::{KeyId, ServiceId},
    request::RequestSpec,
    wire::reference,
};
use std::collections::BTreeMap;

/// Why a service is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {place}: {reason}")]
pub struct CatalogueError {
    /// The file, with its folder.
    pub file: String,
    /// Where in it.
    pub place: String,
    /// What is wrong, in English, for whoever publishes the service.
    pub reason: String,
}

/// What a service is called in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Such as "Report a street problem".
    pub title: String,
    /// One sentence about what it does.
    pub summary: String,
    /// Who runs it.
    pub operator: String,
}

/// A card that fills in a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Which kind of card.
    pub kind: CardKind,
    /// The question it answers.
    pub field: FieldName,
}

/// Kinds of card a service can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardKind {
    /// A library's membership card.
    Library,
}

/// How the opened request travels from the gateway to the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Over TLS: everywhere but on the gateway's own machine.
    #[default]
    Https,
    /// In clear; a gateway calls it on its loopback only.
    Http,
}

impl Scheme {
    /// As it stands in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }
}

/// Whom a request is for, and the key it is sealed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Over TLS or not.
    pub scheme: Scheme,
    /// Host and perhaps port.
    pub authority: String,
    /// `None` where the unit is given the key apart from the catalogue.
    pub key: Option<TargetKey>,
}

/// One Key Configuration, RFC 9458 section 3.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetKey {
    /// Its first byte.
    pub id: KeyId,
    /// All of it, as an Oblivious HTTP library reads it.
    pub config: Vec<u8>,
}

/// One service, in every language it speaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its folder's name.
    pub id: ServiceId,
    /// Its languages as BCP 47 tags, the one to fall back to first.
    pub languages: Vec<String>,
    /// What it is called, by language.
    pub words: BTreeMap<String, Words>,
    /// What it asks, by language.
    pub forms: BTreeMap<String, Form>,
    /// How many minutes it takes.
    pub minutes: u32,
    /// The card it takes.
    pub card: Option<Card>,
    /// What it is sent.
    pub request: RequestSpec,
    /// JSON pointer (RFC 6901) to the reference in the reply.
    pub reference: Option<String>,
    /// Whom it is sent to.
    pub target: Target,
}

impl Service {
    /// Reads a service from the text of its files. `forms` holds, by language, a file name and its text.
    ///
    /// # Errors
    /// The first thing that keeps the service from being shown whole.
    pub fn parse(
        folder: &str,
        service_toml: &str,
        forms: &BTreeMap<String, (String, String)>,
    ) -> Result<Self, CatalogueError> {
        parse::parse(folder, service_toml, forms)
    }

    /// Wraps one form as a service in one language.
    ///
    /// # Errors
    /// When the request does not fit the form.
    pub fn from_form(
        id: ServiceId,
        language: &str,
        form: Form,
        words: Words,
        request: RequestSpec,
        target: Target,
    ) -> Result<Self, CatalogueError> {
        let service = Self {
            languages: vec![language.to_owned()],
            words: BTreeMap::from([(language.to_owned(), words)]),
            forms: BTreeMap::from([(language.to_owned(), form)]),
            minutes: 10,
            card: None,
            reference: None,
            id,
            request,
            target,
        };
        agree::agree(&service, &BTreeMap::new())?;
        Ok(service)
    }

    /// `language` where the service speaks it, else the service's first.
    #[must_use]
    pub fn language<'a>(&'a self, language: &str) -> &'a str {
        let known = self.languages.iter().find(|known| *known == language);
        known.or(self.languages.first()).map_or("", String::as_str)
    }

    /// The form in `language`, or in the service's first.
    #[must_use]
    pub fn form(&self, language: &str) -> Option<&Form> {
        self.forms.get(self.language(language))
    }

    /// What the service is called in `language`, or in its first.
    #[must_use]
    pub fn words(&self, language: &str) -> Option<&Words> {
        self.words.get(self.language(language))
    }

    /// The reference in a reply, where the service gives one there; the rule is [`reference::read`].
    #[must_use]
    pub fn reference_in(&self, reply: &[u8]) -> Option<String> {
        reference::read(reply, self.reference.as_deref()?)
    }
}

/// Every service a unit offers, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    services: Vec<Service>,
}

impl Catalogue {
    /// Keeps the order given.
    ///
    /// # Errors
    /// Two services with one id.
    pub fn new(services: Vec<Service>) -> Result<Self, CatalogueError> {
        for (n, service) in services.iter().enumerate() {
            if services.iter().take(n).any(|earlier| earlier.id == service.id) {
                return Err(CatalogueError {
                    file: format!("{}/service.toml", service.id),
                    place: "id".to_owned(),
                    reason: format!("a second service called {}", service.id),
                });
            }
        }
        Ok(Self { services })
    }

    /// All services, in order.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service called `id`.
    #[must_use]
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.iter().find(|service| service.id == *id)
    }

    /// Every language some service speaks, in the order first met.
    #[must_use]
    pub fn languages(&self) -> Vec<&str> {
        let mut languages: Vec<&str> = Vec::new();
        for language in self.services.iter().flat_map(|service| &service.languages) {
            if !languages.contains(&language.as_str()) {
                languages.push(language);
            }
        }
        languages
    }
}
