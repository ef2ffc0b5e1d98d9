//! Published government forms go through the real screen. They are not part of this repository: where
//! they are not beside it, the demo's own form is walked instead, and the test says so.

use super::{KEPT, demo};
use std::path::{Path, PathBuf};

/// As published, or our own form in the same language.
fn walk_shared(name: &str, language: &str) {
    let run = walk(&shared(name).unwrap_or_else(|| own(language)));
    assert!(run.stdout.contains("\"questions\""), "{}", run.stdout);
}

fn walk(form: &Path) -> kiosk_tests::Run {
    let (_out, run) = demo(&["--form", form.to_str().unwrap()]);
    assert_eq!((run.last_line(), run.code), (KEPT, Some(0)), "{}{}", run.stdout, run.stderr);
    run
}

fn shared(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = root.ancestors().map(|at| at.join("shared/forms/xgov").join(name)).find(|path| path.exists());
    if found.is_none() {
        println!("{name}: not here; walking the demo's own form instead");
    }
    found
}

fn own(language: &str) -> PathBuf {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../kiosk-app/demo/services/report-street-problem");
    folder.join(format!("form.{language}.json"))
}

#[test]
fn questions_are_answered_in_english() {
    walk_shared("cof-en/applicant-information-cof.json", "en");
}

#[test]
fn the_same_questions_are_answered_in_welsh() {
    walk_shared("cof-cy/gwybodaeth-am-yr-ymgeisydd-cof.json", "cy");
}

#[test]
fn a_document_is_scanned_and_sent_in_english() {
    walk_shared("cof-en/risk-cof.json", "en");
}

#[test]
fn the_same_document_is_scanned_and_sent_in_welsh() {
    walk_shared("cof-cy/risg-cof.json", "cy");
}

#[test]
fn our_own_form_is_answered_from_right_to_left() {
    assert!(walk(&own("ar")).stdout.contains("\"questions\""));
}
