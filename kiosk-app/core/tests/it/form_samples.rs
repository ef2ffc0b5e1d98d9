//! Real, published forms: each imports or is refused for a stated reason, and what imports can be
//! finished. The forms are not part of this repository; the test looks for a folder
//! `shared/forms/xgov` beside it or above it, and says so when there is none.

use crate::form::{demo, today};
use kiosk_core::{
    form::{Answer, Answers, Form, RouteEnd, check, route, sample, xgov},
    ids::EnvelopeId,
    request::{self, BodySpec, Context, RequestSpec},
};
use std::{collections::BTreeMap, path::PathBuf};

/// Forms by `folder/file`, or none where the folder is not there.
#[expect(clippy::disallowed_methods, reason = "a test reads the forms that core itself is only handed")]
fn published() -> BTreeMap<String, String> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = here.ancestors().map(|above| above.join("shared/forms/xgov")).find(|folder| folder.is_dir());
    let Some(folder) = folder else {
        println!("no folder shared/forms/xgov beside the repository: no published form was tried");
        return BTreeMap::new();
    };
    let files = ["cof-en", "cof-cy", "runner"]
        .into_iter()
        .flat_map(|set| folder.join(set).read_dir().unwrap().map(move |entry| (set, entry.unwrap().path())));
    files
        .map(|(set, path)| {
            let name = format!("{set}/{}", path.file_name().unwrap().to_string_lossy());
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Why these cannot be imported; every other can.
const REFUSED: [(&str, &str); 10] = [
    (
        "cof-cy/costau-gweithredol-cof.json",
        "pages[1].next[1]: a second way on without a condition, to /summary: only one can be taken",
    ),
    (
        "cof-cy/cyllid-sydd-ei-angen-cof.json",
        "pages[3]: the page controller RepeatingFieldPageController has no equal on a kiosk",
    ),
    (
        "cof-cy/gwybodaeth-am-yr-ased-cof.json",
        "conditions[12].value.conditions[0].value.value: LaxeJN has no choice with the value Eisoes wedii llogi gan eich sefydliad",
    ),
    (
        "cof-en/funding-required-cof.json",
        "pages[3]: the page controller RepeatingFieldPageController has no equal on a kiosk",
    ),
    ("runner/components.json", "pages[0].components[3]: the component DateField cannot be shown on a kiosk"),
    ("runner/get-condition-evaluation-context.json", "pages[4]: a second question called firstName"),
    (
        "runner/html-templating-example.json",
        "pages[1].components[0].content: a template ({{ ...) cannot be shown as text",
    ),
    (
        "runner/multi-start-page-example.json",
        "pages[0]: the page controller MultiStartPageController has no equal on a kiosk",
    ),
    (
        "runner/runner-components-test.json",
        "pages[1].components[1]: the component DateField cannot be shown on a kiosk",
    ),
    ("runner/test.json", "pages[6]: a second question called firstName"),
];

/// Answers every page with samples until the summary; gives the answers.
fn walk(form: &Form, seed: u64) -> Answers {
    let mut answers = Answers::default();
    for _ in 0..=form.pages.len() {
        let way = route(form, &answers);
        match way.end {
            RouteEnd::Summary => return answers,
            RouteEnd::NoWayOn => panic!("no way on from {}", way.pages.last().unwrap().path),
            RouteEnd::Open => {}
        }
        for field in way.pages.last().unwrap().fields() {
            let draft = sample(form, field, seed, today()).unwrap();
            let answer = check(form, field, &draft, Some(today()));
            let answer = answer.unwrap_or_else(|problem| panic!("{}: {problem:?}", field.name));
            assert_ne!(answer, Answer::Empty);
            answers.set(field.name.clone(), answer);
        }
    }
    panic!("the summary of {} is never reached", form.title);
}

#[test]
fn published_forms_import_or_are_refused_for_a_stated_reason() {
    let published = published();
    let mut refused: Vec<(&str, String)> = Vec::new();
    for (name, json) in &published {
        match xgov::import(name, json) {
            Ok(form) => println!("{name}: {} pages, {} questions", form.pages.len(), form.fields().count()),
            Err(error) => refused.push((name, format!("{}: {}", error.place, error.reason))),
        }
    }
    let expected = REFUSED.iter().filter(|(name, _)| published.contains_key(*name));
    let expected: Vec<(&str, String)> = expected.map(|(name, why)| (*name, (*why).to_owned())).collect();
    assert_eq!(refused, expected);
}

#[test]
fn every_form_that_imports_can_be_finished_and_sent() {
    let published = published().into_iter().filter_map(|(name, json)| xgov::import(&name, &json).ok());
    let demo = demo();
    let spec = RequestSpec { path: "/apply".into(), body: BodySpec::Multipart };
    for form in published.chain(demo.forms.values().cloned()) {
        for seed in 0..25 {
            let answers = walk(&form, seed);
            let envelope = EnvelopeId::new(seed, [7; 10]);
            let context = Context { envelope, language: "en", boundary: [9; 16] };
            let request = request::build(&spec, &form, &answers, context).unwrap();
            assert!(!request.body.expose().is_empty());
            assert_eq!(walk(&form, seed), answers, "the same seed gives the same answers");
        }
    }
}

#[test]
fn samples_take_both_branches() {
    let demo = demo();
    let form = demo.form("en").unwrap();
    let replies: Vec<bool> =
        (0..25).map(|seed| walk(form, seed).get("reply") == Some(&Answer::YesNo(true))).collect();
    assert!(replies.contains(&true) && replies.contains(&false));
}
