//! `kiosk hal` says by its exit code what its last line says.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Command, Stdio},
};

const SIMULATED: &str = "[devices.printer]\nselector = 'sim:printer'\nprofile = 'epson-tm-t20iii'\n\
                         [devices.card_reader]\nselector = 'sim:ccid'\n[[devices.pointer]]\nselector = 'sim:touch'\n";

/// Nothing listens on port 1 of this machine.
const ABSENT: &str = "[devices.printer]\nselector = 'tcp://127.0.0.1:1'\nprofile = 'generic-80'\n";

fn hal() -> Command {
    let mut kiosk = Command::new(env!("CARGO_BIN_EXE_kiosk"));
    kiosk.arg("hal").env("KIOSK_LOG", "error");
    kiosk
}

fn config(folder: &Path, text: &str) -> String {
    let file = folder.join("kiosk.toml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// Exit code, standard output, standard error.
fn run(text: &str, words: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), text);
    let ended = hal().args(words).args(["--config", &config]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
}

fn last(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

#[test]
fn zero_when_all_is_well() {
    let (code, out, err) = run(SIMULATED, &["test", "--level", "external"]);
    assert_eq!(last(&out), "hal test: devices 3, passed 1, not wholly tried 2, failed 0", "{out}{err}");
    assert_eq!(code, Some(0));
    let (code, out, _) = run(SIMULATED, &["list"]);
    assert!(out.contains("receipt-printer sim:printer: simulated, configured, driver sim:printer"), "{out}");
    assert_eq!(code, Some(0));
}

#[test]
fn one_when_a_device_is_not_there() {
    let (code, out, _) = run(ABSENT, &["test", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(last(&out)).unwrap();
    assert_eq!((&summary["kind"], &summary["failed"]), (&"summary".into(), &1.into()));
    assert_eq!(code, Some(1));
    let (code, out, _) = run("[[devices.pointer]]\nselector = '/dev/input/nowhere'", &["list"]);
    assert!(out.contains("pointer /dev/input/nowhere: not-found"), "{out}");
    assert_eq!(code, Some(1));
}

#[test]
fn two_when_the_input_is_wrong() {
    for text in
        ["[devices.printer]\nselector = 'nonsense'", "[devices.card_reader]\nselector = 'sim:nothing'"]
    {
        let (code, out, err) = run(text, &["test"]);
        assert_eq!((code, out.as_str(), err.lines().count()), (Some(2), "", 1), "{err}");
        assert!(err.contains("kiosk.toml: "), "{err}");
    }
}

#[test]
fn an_interrupt_ends_a_watch_with_its_summary() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), SIMULATED);
    let mut child = hal().args(["watch", "--config", &config]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    // Once a device is ready the watch listens for Ctrl-C too: it begins to before it opens them.
    let mut text = String::new();
    while text.matches("health ready").count() < 3 {
        assert!(out.read_line(&mut text).unwrap() > 0, "{text}");
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    out.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{text}");
    assert!(last(&text).starts_with("hal watch: devices 3, events "), "{text}");
}
