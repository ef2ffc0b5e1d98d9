//! Whether the parts of a service agree: languages with each other, request and card with the form.

use super::{CatalogueError, Service, parse::At};
use crate::{
    form::{Field, FieldKind, Form, Page},
    request::{ANSWERS_PART, BodySpec},
};
use std::collections::BTreeMap;

/// `files` names each language's form file, for refusals.
pub(super) fn agree(service: &Service, files: &BTreeMap<String, String>) -> Result<(), CatalogueError> {
    let at = At(format!("{}/service.toml", service.id));
    let Some(first) = service.languages.first() else { return Err(at.fail("languages", "no language")) };
    let form = |language: &String| {
        service
            .forms
            .get(language)
            .ok_or_else(|| at.fail("languages", format!("there is no form in {language}")))
    };
    let model = form(first)?;
    for language in service.languages.iter().skip(1) {
        let name = files.get(language).cloned().unwrap_or_else(|| format!("{} in {language}", service.id));
        same(&At(name), first, model, form(language)?)?;
    }
    if let Some(card) = &service.card {
        match model.field(card.field.as_str()).map(|field| &field.kind) {
            Some(FieldKind::Text { .. } | FieldKind::Number { .. }) => {}
            Some(other) => {
                return Err(at.fail("card.field", format!("{} ({}) is not a text", card.field, other.name())));
            }
            None => return Err(at.fail("card.field", format!("there is no question called {}", card.field))),
        }
    }
    request(&at, service, model)
}

fn request(at: &At, service: &Service, form: &Form) -> Result<(), CatalogueError> {
    let files = form.fields().find(|field| matches!(field.kind, FieldKind::File { .. }));
    match &service.request.body {
        BodySpec::Open311(open311) => {
            for (place, template) in open311.templates() {
                if let Some(name) = template.names().find(|name| form.field(name).is_none()) {
                    return Err(
                        at.fail(format!("request.{place}"), format!("there is no question called {name}"))
                    );
                }
            }
            must_be_there(at, "service_code", open311.service_code.names(), form)?;
            must_be_there(at, "address_string", open311.address_string.names(), form)?;
        }
        BodySpec::Xgov => {}
        BodySpec::Multipart => {
            if form.field(ANSWERS_PART).is_some() {
                return Err(
                    at.fail("request.kind", "a question called answers clashes with the part of that name")
                );
            }
            return Ok(());
        }
    }
    match files {
        Some(field) => Err(at.fail(
            "request.kind",
            format!("{} asks for files, and only the kind multipart sends them", field.name),
        )),
        None => Ok(()),
    }
}

/// Arguments the receiver insists on must not hang on a question that may be left open.
fn must_be_there<'a>(
    at: &At,
    place: &str,
    names: impl Iterator<Item = &'a str>,
    form: &Form,
) -> Result<(), CatalogueError> {
    for field in names.filter_map(|name| form.field(name)) {
        if field.optional {
            return Err(at.fail(format!("request.{place}"), format!("{} may be left open", field.name)));
        }
    }
    Ok(())
}

/// Pages, ways, questions and choices are the same; only words differ.
fn same(at: &At, first: &str, model: &Form, form: &Form) -> Result<(), CatalogueError> {
    if model.start != form.start {
        return Err(at.fail("startPage", format!("{} in {first}, {} here", model.start, form.start)));
    }
    if model.pages.len() != form.pages.len() {
        let (there, here) = (model.pages.len(), form.pages.len());
        return Err(at.fail("pages", format!("{there} pages in {first}, {here} here")));
    }
    for (n, (left, right)) in model.pages.iter().zip(&form.pages).enumerate() {
        page(at, &format!("pages[{n}]"), first, left, right)?;
    }
    if model.conditions != form.conditions {
        return Err(at.fail("conditions", format!("not the conditions of {first}")));
    }
    for (left, right) in model.fields().zip(form.fields()) {
        let values = |form: &Form, field| form.choices(field).iter().map(|item| item.value.clone()).collect();
        let (there, here): (Vec<String>, Vec<String>) = (values(model, left), values(form, right));
        if there != here {
            let n = there.iter().zip(&here).position(|(l, r)| l != r).unwrap_or(there.len().min(here.len()));
            let list = right.kind.list().map(ToString::to_string).unwrap_or_default();
            return Err(at.fail(
                format!("list {list}, items[{n}]"),
                format!("the choices of {} have not the values they have in {first}", right.name),
            ));
        }
    }
    Ok(())
}

fn page(at: &At, place: &str, first: &str, left: &Page, right: &Page) -> Result<(), CatalogueError> {
    if left.path != right.path || left.kind != right.kind {
        return Err(at.fail(place, format!("{} in {first}, {} here", left.path, right.path)));
    }
    if left.next != right.next {
        return Err(at.fail(format!("{place}.next"), format!("not the ways on that {first} has")));
    }
    let (there, here): (Vec<&Field>, Vec<&Field>) = (left.fields().collect(), right.fields().collect());
    if there.len() != here.len() {
        return Err(at.fail(place, format!("{} questions in {first}, {} here", there.len(), here.len())));
    }
    for (l, r) in there.into_iter().zip(here) {
        if l.name != r.name {
            return Err(
                at.fail(place, format!("the question {} of {first} is called {} here", l.name, r.name))
            );
        }
        if l.optional != r.optional || !same_kind(&l.kind, &r.kind) {
            return Err(at.fail(place, format!("{} asks for something else than in {first}", r.name)));
        }
    }
    Ok(())
}

/// Equal but for the words around a number.
fn same_kind(left: &FieldKind, right: &FieldKind) -> bool {
    match (left, right) {
        (
            FieldKind::Number { min: a, max: b, decimals_max: c, .. },
            FieldKind::Number { min: d, max: e, decimals_max: f, .. },
        ) => a == d && b == e && c == f,
        (left, right) => left == right,
    }
}
