//! The recorder is in no build that nobody asked it for.

use std::{collections::BTreeSet, fs, path::Path};
use toml::{Table, Value};

fn manifest(path: &str) -> Table {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(file).unwrap().parse().unwrap()
}

fn words(value: Option<&Value>) -> Vec<String> {
    let words = value.and_then(Value::as_array).into_iter().flatten();
    words.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Everything that switching `feature` on switches on, as manifests write it.
fn reach(manifest: &Table, feature: &str) -> BTreeSet<String> {
    let features = manifest.get("features").and_then(Value::as_table).unwrap();
    let (mut reached, mut open) = (BTreeSet::new(), vec![feature.to_owned()]);
    while let Some(next) = open.pop() {
        if reached.insert(next.clone()) {
            open.extend(words(features.get(&next)));
        }
    }
    reached
}

/// The features that reach the recorder without being named after it.
fn leaks(manifest: &Table) -> Vec<String> {
    let features = manifest.get("features").and_then(Value::as_table).unwrap();
    let others = features.keys().filter(|feature| *feature != "recording");
    let recorder = |reached: &String| reached == "recording" || reached.ends_with("/recording");
    others.filter(|feature| reach(manifest, feature).iter().any(recorder)).cloned().collect()
}

#[test]
fn no_other_feature_reaches_the_recorder() {
    let (app, hal) = (manifest("Cargo.toml"), manifest("../hal/Cargo.toml"));
    assert_eq!((leaks(&app), leaks(&hal)), (Vec::new(), Vec::new()));
    assert!(reach(&app, "recording").contains("hal/recording"), "the chain is read");
    assert!(reach(&app, "default").contains("hal/sim"), "the chain is followed");
    // Nor is it switched on where hal is named.
    let named = |manifest: &Table, path: &[&str]| {
        let mut at = Some(&Value::Table(manifest.clone())).cloned();
        for key in path {
            at = at.and_then(|value| value.get(key).cloned());
        }
        words(at.as_ref().and_then(|hal| hal.get("features")))
    };
    assert_eq!(named(&app, &["dependencies", "hal"]), ["text"]);
    assert_eq!(
        named(&manifest("../Cargo.toml"), &["workspace", "dependencies", "hal"]),
        Vec::<String>::new()
    );
}

#[test]
fn a_chain_that_leaks_is_found() {
    let manifest: Table =
        "[features]\ndefault = ['desk']\ndesk = ['demo']\ndemo = ['hal/recording']\nkms = []"
            .parse()
            .unwrap();
    assert_eq!(leaks(&manifest), ["default", "demo", "desk"]);
}
