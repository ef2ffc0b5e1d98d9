//! What is refused, and that every refusal names the file and the place.

use crate::form::{form_of, import};
use kiosk_core::form::{Block, FieldKind, TextBlock, model::FILE_BYTES_MAX, xgov};
use proptest::prelude::*;
use serde_json::{Value, json};

fn field(kind: &str) -> Value {
    json!({ "type": kind, "name": "q", "title": "Q" })
}

/// `place: reason` of the refusal; the file is always named.
fn refusal(form: &Value) -> String {
    let error = xgov::import("folder/test.json", &form.to_string()).unwrap_err();
    let text = error.to_string();
    text.strip_prefix("folder/test.json: ").unwrap().to_owned()
}

/// A way on to the summary under `condition`, and one without.
fn branch(condition: &str) -> Value {
    json!([{ "path": "/summary", "condition": condition }, { "path": "/summary" }])
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut form = form_of(field("YesNoField"));
    form["conditions"] =
        json!([{ "name": "yes", "value": "q == true" }, { "name": "no", "value": "q == false" }]);
    change(&mut form);
    form
}

#[test]
fn components_we_cannot_show_are_refused_by_name() {
    for kind in
        ["MultiInputField", "TimeField", "DateField", "DateTimeField", "DateTimePartsField", "Invented"]
    {
        let text = format!("pages[0].components[0]: the component {kind} cannot be shown on a kiosk");
        assert_eq!(refusal(&form_of(field(kind))), text);
    }
}

#[test]
fn pages_we_cannot_walk_are_refused_by_name() {
    for (change, text) in [
        (
            json!({ "controller": "RepeatingFieldPageController" }),
            "pages[0]: the page controller RepeatingFieldPageController has no equal on a kiosk",
        ),
        (json!({ "repeatField": "q" }), "pages[0].repeatField: a page that repeats cannot be shown"),
        (json!({ "path": "" }), "pages[0]: path is missing"),
        (json!({ "title": null, "components": [] }), "pages[0]: title is missing"),
        (json!({ "components": {} }), "pages[0].components: not a list"),
        (json!({ "section": "x" }), "pages[0]: there is no section called x"),
        (json!({ "next": [] }), "pages[0]: /a has no way on to a summary"),
        (json!({ "next": [{ "path": "/x" }] }), "pages[0].next[0]: there is no page at /x"),
        (json!({ "next": [{ "path": "/a" }] }), "pages[0]: the way on to /a leads round in a loop"),
        (
            json!({ "next": [{ "path": "/summary" }, { "path": "/a" }] }),
            "pages[0].next[1]: a second way on without a condition, to /a: only one can be taken",
        ),
        (
            json!({ "next": [{ "path": "/summary", "condition": "x" }] }),
            "pages[0].next[0]: there is no condition called x",
        ),
        (
            json!({ "next": [{ "path": "/summary", "condition": "yes" }] }),
            "pages[0].next: no way on when q is no",
        ),
        (
            json!({ "components": [field("YesNoField"), field("TextField")] }),
            "pages[0]: a second question called q",
        ),
    ] {
        let form = changed(|form| {
            form["pages"][0].as_object_mut().unwrap().extend(change.as_object().unwrap().clone())
        });
        assert_eq!(refusal(&form), text);
    }
    let both = json!([{ "path": "/summary", "condition": "yes" }, { "path": "/summary", "condition": "no" }]);
    import(&changed(|form| form["pages"][0]["next"] = both));
}

#[test]
fn an_open_question_needs_a_way_on_too() {
    let form = changed(|form| {
        form["pages"][0]["components"][0]["options"] = json!({ "required": false });
        form["pages"][0]["next"] =
            json!([{ "path": "/summary", "condition": "yes" }, { "path": "/summary", "condition": "no" }]);
    });
    assert_eq!(refusal(&form), "pages[0].next: no way on when q is left open");
}

#[test]
fn a_longer_loop_is_found_where_it_closes() {
    let form = changed(|form| {
        let page =
            |path: &str, next: Value| json!({ "path": path, "title": path, "components": [], "next": next });
        form["pages"][0]["next"] = json!([{ "path": "/b" }]);
        form["pages"].as_array_mut().unwrap().extend([
            page("/b", json!([{ "path": "/c", "condition": "yes" }, { "path": "/summary" }])),
            page("/c", json!([{ "path": "/b" }])),
        ]);
    });
    assert_eq!(refusal(&form), "pages[3]: the way on to /b leads round in a loop");
}

#[test]
fn parts_of_a_form_that_do_not_fit_are_refused_in_place() {
    for (pointer, value, text) in [
        ("/startPage", json!("/x"), "startPage: there is no page at /x"),
        ("/startPage", json!(7), "startPage: not a text"),
        ("/startPage", json!(""), "the whole form: startPage is missing"),
        (
            "/fees",
            json!([{ "amount": 5 }]),
            "fees[0]: a kiosk takes no payments, and this form asks for a fee",
        ),
        ("/lists/0/items/1/value", json!("r"), "lists[0].items[1]: a second choice with the value r"),
        ("/lists/0/items", json!([]), "lists[0]: the list colours has no choices"),
        (
            "/lists/0/items/0/condition",
            json!("x"),
            "lists[0].items[0]: choices that depend on a condition cannot be shown",
        ),
        (
            "/lists/0/items/0/text",
            json!({ "en": "a", "cy": "b" }),
            "lists[0].items[0].text: a text in several languages; one form has one language",
        ),
        ("/pages/1/path", json!("/a"), "pages[1]: a second page at /a"),
        ("/conditions/1/name", json!("yes"), "conditions[1]: a second condition called yes"),
    ] {
        let form = changed(|form| {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let parent = form.pointer_mut(parent).unwrap();
            if let Value::Array(items) = parent {
                items[key.parse::<usize>().unwrap()] = value;
            } else {
                parent[key] = value;
            }
        });
        assert_eq!(refusal(&form), text);
    }
}

#[test]
fn components_that_do_not_fit_are_refused_in_place() {
    let at = "pages[0].components[0]";
    for (kind, more, text) in [
        ("RadiosField", json!({}), "list is missing"),
        ("RadiosField", json!({ "list": "x" }), ".list: there is no list called x"),
        ("TextField", json!({ "name": "" }), "name is missing"),
        ("TextField", json!({ "schema": { "max": "many" } }), ".schema.max: not a whole number"),
        ("TextField", json!({ "schema": { "max": -1 } }), ".schema.max: not a whole number"),
        (
            "TextField",
            json!({ "schema": { "regex": "(?<=a)b" } }),
            ".schema.regex: the regular expression cannot be kept",
        ),
        ("TextField", json!({ "schema": { "uppercase": true } }), "the rule schema.uppercase cannot be kept"),
        ("EmailAddressField", json!({ "schema": { "max": 5 } }), "the rule schema.max cannot be kept"),
        ("TextField", json!({ "hint": "<table></table>" }), ".hint: <table> cannot be shown as text"),
        (
            "Html",
            json!({ "content": "Dear {{ name }}" }),
            ".content: a template ({{ ...) cannot be shown as text",
        ),
        (
            "Para",
            json!({ "content": "x", "options": { "condition": "yes" } }),
            ".options.condition: text that depends on a condition cannot be shown",
        ),
        (
            "YesNoField",
            json!({ "options": { "required": "perhaps" } }),
            ".options.required: not true or false",
        ),
        ("ClientSideFileUploadField", json!({ "options": {} }), "dropzoneConfig is missing"),
    ] {
        let mut component = field(kind);
        component.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let refused = refusal(&form_of(component));
        let rest = refused.strip_prefix(at).unwrap_or_else(|| panic!("{refused}"));
        assert!(rest.contains(text), "{refused} / {text}");
    }
}

#[test]
fn conditions_that_do_not_fit_are_refused_in_place() {
    let structured = |more: Value| {
        let mut test = json!({ "field": { "name": "q" }, "operator": "is", "value": { "type": "Value", "value": "true" } });
        test.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "conditions": [test] })
    };
    for (value, text) in [
        (
            structured(json!({ "operator": "sounds like" })),
            "value.conditions[0].operator: the operator sounds like is unknown",
        ),
        (
            structured(json!({ "field": { "name": "s.x" } })),
            "value.conditions[0].field.name: there is no question called s.x",
        ),
        (
            structured(json!({ "value": { "value": "maybe" } })),
            "value.conditions[0].value.value: q is answered by true or false, not maybe",
        ),
        (
            structured(json!({ "operator": "is more than" })),
            "value.conditions[0].value.value: q (yes or no) is not a number",
        ),
        (
            structured(json!({ "operator": "contains" })),
            "value.conditions[0].value.value: q (yes or no) contains nothing",
        ),
        (
            structured(json!({ "value": { "type": "RelativeTime", "value": "1" } })),
            "value.conditions[0].value: a value of the type RelativeTime cannot be compared",
        ),
        (
            structured(json!({ "coordinator": "xor" })),
            "value.conditions[0]: the coordinator xor is neither and nor or",
        ),
        (
            json!({ "conditions": [{ "conditionName": "x" }] }),
            "value.conditions[0].conditionName: there is no condition called x",
        ),
        (
            json!({ "conditions": [{ "conditionName": "yes" }] }),
            ": the condition yes leads back to itself or is nested too deep",
        ),
        (json!("q = true"), "value: the operator = is unknown"),
        (json!("q matches true"), "value: the operator matches is unknown"),
        (json!("q == true and"), "value: the condition ends too soon"),
        (json!("q == 'true"), "value: a quotation mark without its pair"),
        (json!("(q == true"), "value: ) is missing"),
        (json!("q == true)"), "value: ) is out of place in a condition"),
        (json!("other == true"), "value: there is no question called other"),
        (json!(["q"]), "value: not a text"),
    ] {
        let form = changed(|form| {
            form["conditions"][0]["value"] = value;
            form["pages"][0]["next"] = branch("yes");
        });
        let refused = refusal(&form);
        let rest = refused.strip_prefix("conditions[0]").unwrap_or_else(|| panic!("{refused}"));
        assert_eq!(rest.strip_prefix('.').unwrap_or(rest), text);
    }
    let form = form_of(json!({ "type": "RadiosField", "name": "q", "title": "Q", "list": "colours" }));
    let mut misspelt = form.clone();
    let value = structured(json!({ "value": { "value": "red" } }));
    misspelt["conditions"] = json!([{ "name": "c", "value": value }]);
    import(&misspelt);
    misspelt["pages"][0]["next"] = branch("c");
    assert_eq!(
        refusal(&misspelt),
        "conditions[0].value.conditions[0].value.value: q has no choice with the value red"
    );
}

#[test]
fn a_file_that_is_no_form_says_where() {
    let error = xgov::import("x.json", "{\n  \"pages\": [,]\n}").unwrap_err();
    assert_eq!((error.file.as_str(), error.place.as_str()), ("x.json", "line 2 column 13"));
    assert_eq!(xgov::import("x.json", "[]").unwrap_err().place, "the whole form");
}

#[test]
fn text_around_questions_is_reduced_and_kept() {
    let mut form = form_of(json!({ "type": "Details", "title": "Help", "content": "<ul><li>one</li></ul>" }));
    let more = [
        json!({ "type": "Html", "content": "</fieldset>" }),
        json!({ "type": "InsetText", "content": "Mind the gap" }),
        json!({ "type": "List", "title": "Colours", "list": "colours" }),
        json!({ "type": "FileUploadField", "name": "f", "title": "F", "options": { "multiple": true } }),
    ];
    form["pages"][0]["components"].as_array_mut().unwrap().extend(more);
    let form = import(&form);
    let blocks = &form.pages[0].blocks;
    assert_eq!(
        blocks[0],
        Block::Details { title: "Help".into(), text: vec![TextBlock::Bullet("one".into())] }
    );
    assert_eq!(blocks[1], Block::Para(vec![TextBlock::Paragraph("Mind the gap".into())]));
    let Block::Para(list) = &blocks[2] else { panic!("{:?}", blocks[2]) };
    assert_eq!(list[..2], [TextBlock::Heading("Colours".into()), TextBlock::Bullet("Red".into())]);
    let accept = ["application/pdf", "image/jpeg", "image/png"].map(str::to_owned).to_vec();
    let kind = FieldKind::File { files_min: 1, files_max: 5, bytes_max: FILE_BYTES_MAX, accept };
    assert_eq!(form.field("f").unwrap().kind, kind);
}

fn json_value() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "pages",
        "path",
        "title",
        "components",
        "type",
        "name",
        "next",
        "condition",
        "conditions",
        "value",
        "lists",
        "items",
        "startPage",
        "options",
        "schema",
        "field",
        "operator",
        "coordinator",
        "content",
        "list",
        "text",
    ]);
    let words = prop::sample::select(vec![
        "/a",
        "/summary",
        "q",
        "TextField",
        "RadiosField",
        "Html",
        "is",
        "true",
        "or",
        "<li>",
        "q == true",
        "(",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(names.clone(), inner, 0..8)
                .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_a_form_or_a_refusal(text in "\\PC{0,60}") {
        let _ = xgov::import("x", &text);
    }

    #[test]
    fn any_json_is_a_form_or_a_refusal(value in json_value()) {
        let _ = xgov::import("x", &value.to_string());
    }

    #[test]
    fn a_form_with_any_part_replaced_is_a_form_or_a_refusal(part in 0_usize..60, value in json_value()) {
        let mut form: Value = serde_json::from_str(&crate::form::demo_forms()["en"].1).unwrap();
        let mut left = part;
        replace(&mut form, &mut left, &value);
        if let Err(error) = xgov::import("x", &form.to_string()) {
            prop_assert!(!error.place.is_empty() && !error.reason.is_empty());
        }
    }

    #[test]
    fn any_condition_text_is_a_test_or_a_refusal(text in "(q|==|!=|>|<=|\\(|\\)|not |and |or |in |length|'r'|true|1| |=|é){0,30}") {
        let form = changed(|form| {
form["conditions"][0]["value"] = json!(text);
form["pages"][0]["next"] = branch("yes");
});
        let _ = xgov::import("x", &form.to_string());
    }
}

/// Puts `value` in place of the `left`th part of `form`, counted depth first.
fn replace(form: &mut Value, left: &mut usize, value: &Value) {
    if *left == 0 {
        *form = value.clone();
    }
    *left = left.wrapping_sub(1);
    match form {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, left, value)),
        Value::Object(map) => map.values_mut().for_each(|item| replace(item, left, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
