//! Reads `service.toml`.

use super::{Card, CardKind, CatalogueError, Scheme, Service, Target, TargetKey, Words, agree};
use crate::{
    form::{FieldName, Form, xgov},
    ids::{KeyId, ServiceId},
    request::{BodySpec, Open311, RequestSpec, Template},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use std::collections::BTreeMap;

const MINUTES: std::ops::RangeInclusive<u32> = 1..=120;
/// Key id, KEM, an X25519 public key, the length of one suite, one suite (RFC 9458 section 3.1).
const KEY_BYTES_MIN: usize = 1 + 2 + 32 + 2 + 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    minutes: u32,
    languages: Vec<String>,
    words: BTreeMap<String, WordsTable>,
    card: Option<CardTable>,
    target: TargetTable,
    answer: Option<AnswerTable>,
    request: RequestTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WordsTable {
    title: String,
    summary: String,
    operator: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CardTable {
    kind: String,
    field: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetTable {
    #[serde(default)]
    scheme: Scheme,
    authority: String,
    key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerTable {
    reference: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum RequestTable {
    Open311 {
        path: String,
        jurisdiction_id: Option<String>,
        service_code: String,
        address_string: String,
        description: String,
        email: Option<String>,
        account_id: Option<String>,
        #[serde(default)]
        attributes: BTreeMap<String, String>,
    },
    Xgov {
        path: String,
    },
    Multipart {
        path: String,
    },
}

/// Refusals about one file.
pub(super) struct At(pub(super) String);

impl At {
    pub(super) fn fail(&self, place: impl Into<String>, reason: impl Into<String>) -> CatalogueError {
        CatalogueError { file: self.0.clone(), place: place.into(), reason: reason.into() }
    }
}

pub(super) fn parse(
    folder: &str,
    service_toml: &str,
    forms: &BTreeMap<String, (String, String)>,
) -> Result<Service, CatalogueError> {
    let at = At(format!("{folder}/service.toml"));
    let file: File = toml::from_str(service_toml).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = service_toml.get(..start).map_or(1, |before| before.lines().count().max(1));
        at.fail(format!("line {line}"), error.message())
    })?;
    if file.id != folder {
        return Err(at.fail("id", format!("{} is not the folder's name, {folder}", file.id)));
    }
    let id: ServiceId = file.id.parse().map_err(|error| at.fail("id", format!("{error}")))?;
    if !MINUTES.contains(&file.minutes) {
        return Err(at.fail("minutes", "not between 1 and 120"));
    }
    languages(&at, &file)?;
    let service = Service {
        id,
        minutes: file.minutes,
        words: file.words.into_iter().map(|(language, table)| (language, words(table))).collect(),
        forms: import_all(&at, folder, &file.languages, forms)?,
        languages: file.languages,
        card: file.card.map(|table| card(&at, table)).transpose()?,
        reference: reference(&at, file.answer)?,
        target: target(&at, file.target)?,
        request: request(&at, file.request)?,
    };
    let files = forms.iter().map(|(language, (name, _))| (language.clone(), format!("{folder}/{name}")));
    agree::agree(&service, &files.collect())?;
    Ok(service)
}

fn languages(at: &At, file: &File) -> Result<(), CatalogueError> {
    if file.languages.is_empty() {
        return Err(at.fail("languages", "no language"));
    }
    for (n, language) in file.languages.iter().enumerate() {
        let tag = !language.is_empty() && language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !tag || file.languages.iter().take(n).any(|earlier| earlier == language) {
            return Err(
                at.fail(format!("languages[{n}]"), format!("{language} is no language tag, or named twice"))
            );
        }
        let Some(words) = file.words.get(language) else {
            return Err(at.fail(format!("words.{language}"), "missing"));
        };
        for (name, text) in
            [("title", &words.title), ("summary", &words.summary), ("operator", &words.operator)]
        {
            if text.trim().is_empty() {
                return Err(at.fail(format!("words.{language}.{name}"), "empty"));
            }
        }
    }
    match file.words.keys().find(|language| !file.languages.contains(*language)) {
        Some(extra) => Err(at.fail(format!("words.{extra}"), "not one of the languages")),
        None => Ok(()),
    }
}

fn words(table: WordsTable) -> Words {
    Words { title: table.title, summary: table.summary, operator: table.operator }
}

fn import_all(
    at: &At,
    folder: &str,
    languages: &[String],
    forms: &BTreeMap<String, (String, String)>,
) -> Result<BTreeMap<String, Form>, CatalogueError> {
    let mut imported = BTreeMap::new();
    for (n, language) in languages.iter().enumerate() {
        let Some((name, json)) = forms.get(language) else {
            return Err(at.fail(format!("languages[{n}]"), format!("there is no form in {language}")));
        };
        let form = xgov::import(&format!("{folder}/{name}"), json).map_err(|error| CatalogueError {
            file: error.file,
            place: error.place,
            reason: error.reason,
        })?;
        imported.insert(language.clone(), form);
    }
    match forms.iter().find(|(language, _)| !languages.contains(language)) {
        Some((language, (name, _))) => Err(At(format!("{folder}/{name}"))
            .fail("the whole form", format!("{language} is not one of the languages"))),
        None => Ok(imported),
    }
}

fn card(at: &At, table: CardTable) -> Result<Card, CatalogueError> {
    let kind = match table.kind.as_str() {
        "library" => CardKind::Library,
        other => return Err(at.fail("card.kind", format!("a card of the kind {other} cannot be read"))),
    };
    Ok(Card { kind, field: FieldName::new(table.field) })
}

fn reference(at: &At, table: Option<AnswerTable>) -> Result<Option<String>, CatalogueError> {
    let pointer = table.and_then(|table| table.reference);
    match pointer {
        Some(pointer) if !pointer.starts_with('/') => {
            Err(at.fail("answer.reference", "a JSON pointer begins with / (RFC 6901)"))
        }
        other => Ok(other),
    }
}

fn target(at: &At, table: TargetTable) -> Result<Target, CatalogueError> {
    let url = url::Url::parse(&format!("https://{}/", table.authority));
    let plain = !table.authority.contains(['/', '@', '?', '#']);
    if !plain || !url.is_ok_and(|url| url.has_host()) {
        return Err(at.fail("target.authority", "not a host, with or without a port"));
    }
    let key = table.key.map(|text| key(at, &text)).transpose()?;
    Ok(Target { scheme: table.scheme, authority: table.authority, key })
}

fn key(at: &At, text: &str) -> Result<TargetKey, CatalogueError> {
    let config = BASE64_STANDARD
        .decode(text.trim())
        .map_err(|_| at.fail("target.key", "not base64 with its padding"))?;
    match config.first() {
        Some(id) if config.len() >= KEY_BYTES_MIN => Ok(TargetKey { id: KeyId(*id), config }),
        Some(_) | None => {
            Err(at.fail("target.key", "shorter than any Key Configuration (RFC 9458 section 3.1)"))
        }
    }
}

fn request(at: &At, table: RequestTable) -> Result<RequestSpec, CatalogueError> {
    let template = |name: &str, text: &str| {
        text.parse::<Template>().map_err(|error| at.fail(format!("request.{name}"), error.to_string()))
    };
    let optional = |name: &str, text: Option<String>| text.map(|text| template(name, &text)).transpose();
    let (path, body) = match table {
        RequestTable::Xgov { path } => (path, BodySpec::Xgov),
        RequestTable::Multipart { path } => (path, BodySpec::Multipart),
        RequestTable::Open311 {
            path,
            jurisdiction_id,
            service_code,
            address_string,
            description,
            email,
            account_id,
            attributes,
        } => {
            let attributes = attributes.into_iter().map(|(code, text)| {
                let filled = template(&format!("attributes.{code}"), &text)?;
                Ok((code, filled))
            });
            let body = Open311 {
                jurisdiction_id,
                service_code: template("service_code", &service_code)?,
                address_string: template("address_string", &address_string)?,
                description: template("description", &description)?,
                email: optional("email", email)?,
                account_id: optional("account_id", account_id)?,
                attributes: attributes.collect::<Result<_, _>>()?,
            };
            (path, BodySpec::Open311(body))
        }
    };
    let fits = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        Ok(RequestSpec { path, body })
    } else {
        Err(at.fail("request.path", "not a path beginning with /"))
    }
}
