//! What the form tests share: a day, a form of one question, the demonstration's service.

use kiosk_core::{
    catalogue::Service,
    form::{Date, Field, Form, date_at, xgov},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// 15 March 2026.
pub(crate) fn today() -> Date {
    date_at(1_773_532_800_000, 0).unwrap()
}

/// A form with one page that holds `component`.
pub(crate) fn form_of(component: Value) -> Value {
    json!({
        "name": "Test", "startPage": "/a",
        "pages": [
            { "path": "/a", "title": "A", "components": [component], "next": [{ "path": "/summary" }] },
            { "path": "/summary", "title": "Check", "controller": "./pages/summary.js", "components": [], "next": [] }
        ],
        "lists": [{ "name": "colours", "title": "", "type": "string", "items": [
            { "text": "Red", "value": "r" }, { "text": "Green", "value": "g" }, { "text": "Blue", "value": "b" }
        ] }],
        "sections": [], "conditions": []
    })
}

pub(crate) fn import(form: &Value) -> Form {
    xgov::import("test.json", &form.to_string()).unwrap()
}

/// One question `q` of type `kind` with `more` merged in, and its form.
pub(crate) fn question(kind: &str, more: Value) -> (Form, Field) {
    let mut component = json!({ "type": kind, "name": "q", "title": "Q" });
    let Value::Object(more) = more else { panic!("not an object") };
    component.as_object_mut().unwrap().extend(more);
    let form = import(&form_of(component));
    let field = form.field("q").unwrap().clone();
    (form, field)
}

pub(crate) const SERVICE: &str = include_str!("../../../demo/services/report-street-problem/service.toml");

pub(crate) fn demo_forms() -> BTreeMap<String, (String, String)> {
    let form = |language: &str, text: &str| {
        (language.to_owned(), (format!("form.{language}.json"), text.to_owned()))
    };
    BTreeMap::from([
        form("en", include_str!("../../../demo/services/report-street-problem/form.en.json")),
        form("fr", include_str!("../../../demo/services/report-street-problem/form.fr.json")),
        form("cy", include_str!("../../../demo/services/report-street-problem/form.cy.json")),
        form("ar", include_str!("../../../demo/services/report-street-problem/form.ar.json")),
    ])
}

pub(crate) fn demo() -> Service {
    Service::parse("report-street-problem", SERVICE, &demo_forms()).unwrap()
}
