//! Which page comes next.

use crate::form::{demo, import, today};
use kiosk_core::form::{Answers, Draft, Form, NO, PartId, RouteEnd, YES, check, route};
use serde_json::{Value, json};

fn answer(form: &Form, answers: &mut Answers, name: &str, draft: &Draft) {
    let field = form.field(name).unwrap();
    answers.set(field.name.clone(), check(form, field, draft, Some(today())).unwrap());
}

fn paths(form: &Form, answers: &Answers) -> (Vec<String>, RouteEnd) {
    let route = route(form, answers);
    (route.pages.iter().map(|page| page.path.to_string()).collect(), route.end)
}

#[test]
fn the_route_stops_at_the_first_open_question() {
    let service = demo();
    let form = service.form("en").unwrap();
    let mut answers = Answers::default();
    assert_eq!(paths(form, &answers), (vec!["/start".to_owned(), "/kind".to_owned()], RouteEnd::Open));
    answer(form, &mut answers, "kind", &Draft::choice("pothole"));
    answer(form, &mut answers, "what", &Draft::text("deep"));
    assert_eq!(paths(form, &answers).0.last().unwrap(), "/where");
}

#[test]
fn a_changed_answer_takes_its_page_off_the_route_and_out_of_the_request() {
    let service = demo();
    let form = service.form("cy").unwrap();
    let mut answers = Answers::default();
    answer(form, &mut answers, "kind", &Draft::choice("rubbish"));
    answer(form, &mut answers, "where", &Draft::text("Y Stryd Fawr"));
    answer(form, &mut answers, "what", &Draft::text("sbwriel"));
    answer(form, &mut answers, "noticed", &Draft::default());
    answer(form, &mut answers, "library-card", &Draft::default());
    answer(form, &mut answers, "reply", &Draft::choice(YES));
    assert_eq!(paths(form, &answers).0.last().unwrap(), "/email");
    answer(form, &mut answers, "email", &Draft::text("gwen@example.org"));
    assert_eq!(paths(form, &answers).1, RouteEnd::Summary);
    assert!(answers.on_route(form).get("email").is_some());

    answer(form, &mut answers, "reply", &Draft::choice(NO));
    let (pages, end) = paths(form, &answers);
    assert_eq!(end, RouteEnd::Summary);
    assert!(!pages.contains(&"/email".to_owned()));
    assert!(answers.get("email").is_some(), "kept, should the citizen change back");
    assert!(answers.on_route(form).get("email").is_none(), "but not sent");
}

/// `/a` asks `q`; when `test` holds the way leads to `/b`, else to the summary.
fn branch(component: Value, test: Value) -> Form {
    let mut form = crate::form::form_of(component);
    form["pages"][0]["next"] = json!([{ "path": "/b", "condition": "c" }, { "path": "/summary" }]);
    let b = json!({ "path": "/b", "title": "B", "components": [
        { "type": "TextField", "name": "b", "title": "B" }], "next": [{ "path": "/summary" }] });
    form["pages"].as_array_mut().unwrap().push(b);
    form["sections"] = json!([{ "name": "s", "title": "S" }]);
    form["conditions"] = json!([{ "name": "c", "displayName": "c", "value": test }]);
    import(&form)
}

fn compare(operator: &str, value: &Value) -> Value {
    json!({ "name": "c", "conditions": [
        { "field": { "name": "s.q" }, "operator": operator, "value": { "type": "Value", "value": value } }] })
}

fn takes(form: &Form, draft: &Draft) -> bool {
    let mut answers = Answers::default();
    answer(form, &mut answers, "q", draft);
    paths(form, &answers).0.contains(&"/b".to_owned())
}

#[test]
fn every_operator_decides_a_branch() {
    let text = || json!({ "type": "TextField", "name": "q", "title": "Q", "options": { "required": false } });
    let number = || json!({ "type": "NumberField", "name": "q", "title": "Q" });
    let radios = || json!({ "type": "RadiosField", "name": "q", "title": "Q", "list": "colours" });
    let boxes = || json!({ "type": "CheckboxesField", "name": "q", "title": "Q", "list": "colours" });
    let day = || json!({ "type": "DatePartsField", "name": "q", "title": "Q" });
    let date =
        |d: &str| Draft::default().with(PartId::Day, d).with(PartId::Month, "3").with(PartId::Year, "2026");
    let (red, green) = (Draft::choice("r"), Draft::choice("g"));
    let typed = Draft::text;
    for (component, operator, value, yes, no) in [
        (text(), "is", json!("abc"), typed("abc"), typed("abd")),
        (text(), "is not", json!("abc"), Draft::default(), typed("abc")),
        (text(), "is longer than", json!("3"), typed("abcd"), typed("abc")),
        (text(), "is shorter than", json!(3), typed("ab"), typed("abc")),
        (text(), "has length", json!("3"), typed("ééé"), typed("éé")),
        (number(), "is at least", json!("10"), typed("10"), typed("9.9")),
        (number(), "is at most", json!(10), typed("10"), typed("10.1")),
        (number(), "is less than", json!("10"), typed("9"), typed("10")),
        (number(), "is more than", json!("10"), typed("11"), typed("10")),
        (radios(), "is", json!("r"), red.clone(), green.clone()),
        (radios(), "is not", json!("r"), green.clone(), red.clone()),
        (boxes(), "contains", json!("r"), red.clone(), green.clone()),
        (boxes(), "does not contain", json!("r"), green.clone(), red.clone()),
        (day(), "is before", json!("2026-03-10"), date("9"), date("10")),
        (day(), "is after", json!("2026-03-10"), date("11"), date("10")),
        (day(), "is", json!("2026-03-10"), date("10"), date("11")),
    ] {
        let form = branch(component, compare(operator, &value));
        assert!(takes(&form, &yes), "{operator} {value} should hold");
        assert!(!takes(&form, &no), "{operator} {value} should not hold");
    }
}

#[test]
fn string_conditions_mean_the_same() {
    let number = json!({ "type": "NumberField", "name": "q", "title": "Q" });
    let form = branch(number, json!("s.q > 1 and (q <= 5 or q==9) and not q == 3"));
    for (text, holds) in [("1", false), ("2", true), ("3", false), ("5", true), ("6", false), ("9", true)] {
        assert_eq!(takes(&form, &Draft::text(text)), holds, "{text}");
    }
    let yes_no = json!({ "type": "YesNoField", "name": "q", "title": "Q" });
    let form = branch(yes_no, json!("s.q==false"));
    assert!(takes(&form, &Draft::choice(NO)) && !takes(&form, &Draft::choice(YES)));
    let boxes = json!({ "type": "CheckboxesField", "name": "q", "title": "Q", "list": "colours" });
    let form = branch(boxes, json!("'r' in s.q"));
    assert!(takes(&form, &Draft::choice("r")) && !takes(&form, &Draft::choice("b")));
    let text = json!({ "type": "TextField", "name": "q", "title": "Q" });
    let form = branch(text, json!("length(q) > 2 or q == 'x'"));
    assert!(takes(&form, &Draft::text("x")) && takes(&form, &Draft::text("abc")));
    assert!(!takes(&form, &Draft::text("ab")));
}

#[test]
fn and_binds_closer_than_or() {
    let one = |operator: &str, value: &str, coordinator: &str| {
        json!({ "field": { "name": "q" }, "operator": operator, "value": { "type": "Value", "value": value },
                "coordinator": coordinator })
    };
    let test = json!({ "conditions": [
        one("is", "1", ""), one("is more than", "5", "or"), one("is less than", "8", "and")] });
    let form = branch(json!({ "type": "NumberField", "name": "q", "title": "Q" }), test);
    for (text, holds) in [("1", true), ("2", false), ("6", true), ("9", false)] {
        assert_eq!(takes(&form, &Draft::text(text)), holds, "{text}");
    }
}
