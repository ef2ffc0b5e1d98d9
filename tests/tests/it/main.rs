//! The promises, tested on the whole system.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod nobody_reads_it;
#[cfg(test)]
mod nothing_is_doubled;
#[cfg(test)]
mod nothing_is_lost;
#[cfg(test)]
mod place;
#[cfg(test)]
mod published_forms;

/// Runs the demo with its own stage and checks its last line.
#[cfg(test)]
fn demo(args: &[&str]) -> (tempfile::TempDir, kiosk_tests::Run) {
    let out = tempfile::tempdir().unwrap();
    let stage = out.path().join("stage");
    let all = [&["demo", "--script", "--out", stage.to_str().unwrap()], args].concat();
    let run = kiosk_tests::run("kiosk", &all);
    (out, run)
}

/// What a kept promise looks like.
#[cfg(test)]
const KEPT: &str = "demo: saved 1, delivered 1, lost 0, doubled 0";
