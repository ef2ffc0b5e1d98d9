//! Published government forms go through the real screen. They are not part of this repository: where
//! they are not beside it, the demo's own form is walked instead, and the test says so.

use super::{KEPT, demo};
use std::path::{Path, PathBuf};

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
fn a_document_is_scanned_and_sent() {
    let run = walk(&shared("cof-en/risk-cof.json").unwrap_or_else(|| own("en")));
    assert!(run.stdout.contains("\"questions\""), "{}", run.stdout);
}

#[test]
fn a_welsh_form_is_answered_in_welsh() {
    let form = shared("cof-cy/gwybodaeth-am-yr-ymgeisydd-cof.json").unwrap_or_else(|| own("cy"));
    let run = walk(&form);
    assert!(run.stdout.contains("\"questions\""), "{}", run.stdout);
}
