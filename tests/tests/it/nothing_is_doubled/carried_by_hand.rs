//! A unit without a link: what waits is carried to the gateway by hand, once, and nothing is removed before
//! a signed receipt is home.

use crate::place::{Place, outbox};
use std::{fs, path::Path, process::Command};

const LARGE: usize = 300 << 10;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The last line and the exit status.
fn last(args: &[&str]) -> (String, Option<i32>) {
    let run = outbox(args);
    (run.last_line().to_owned(), run.code)
}

fn refused(args: &[&str], parts: &[&str]) {
    let run = outbox(args);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    parts.iter().for_each(|part| assert!(run.stderr.contains(part), "'{part}' is not in: {}", run.stderr));
}

#[test]
fn by_another_unit_and_the_receipts_home() {
    let place = Place::new();
    let envelopes = [place.envelope(1, 100), place.envelope(2, LARGE), place.envelope(3, 100)];
    place.save("unit-a", &envelopes);
    let (a, b, usb) = (place.unit("unit-a", false), place.unit("unit-b", true), place.folder("usb"));
    let agent = place.agent(&a);

    // Beside the running agent.
    let listed = outbox(&["list", "--config", &a]);
    assert_eq!((listed.last_line(), listed.code), ("list: envelopes 3", Some(0)));
    let lines: Vec<_> = listed.stdout.lines().collect();
    for (line, envelope) in lines.iter().zip(&envelopes) {
        assert!(line.starts_with(&format!("{}  street  age ", envelope.id)), "{line}");
        assert!(line.contains("  queued  attempts "), "{line}");
    }
    let json: serde_json::Value =
        serde_json::from_str(outbox(&["status", "--config", &a, "--json"]).stdout.trim()).unwrap();
    assert_eq!(
        (&json["queued"], &json["needs_staff"], &json["quarantined"]),
        (&3.into(), &0.into(), &0.into())
    );
    let whole = "verify: records 3, envelopes 3, damaged 0, gaps 0".to_owned();
    assert_eq!(last(&["verify", "--config", &a]), (whole, Some(0)));
    let (line, code) = last(&["export", "--to", text(&usb), "--config", &a]);
    assert!(line.starts_with("export: envelopes 3, bytes ") && line.ends_with(", damaged 0"), "{line}");
    assert_eq!(code, Some(0));
    refused(&["export", "--to", text(&usb), "--config", &a], &["usb", "holds an export already"]);

    // By another unit, twice; its own outbox does not even exist.
    let done = "deliver: unit unit-a, envelopes 3, delivered 3, refused 0, waiting 0, settled 0, unsettled 0";
    for _ in 0..2 {
        assert_eq!(last(&["deliver", text(&usb), "--config", &b]), (done.to_owned(), Some(0)));
    }
    let once = envelopes.iter().map(|envelope| (envelope.id.to_string(), 1)).collect();
    assert_eq!(place.effects.seen(), once);
    assert!(!place.state("unit-b").exists());

    // Home: not while the agent has the outbox, then all of it; the link is still down.
    let busy = "deliver: unit unit-a, envelopes 3, delivered 3, refused 0, waiting 0, settled 0, unsettled 3";
    assert_eq!(last(&["deliver", text(&usb), "--config", &a]), (busy.to_owned(), Some(1)));
    agent.stop();
    let home = "deliver: unit unit-a, envelopes 3, delivered 3, refused 0, waiting 0, settled 3, unsettled 0";
    assert_eq!(last(&["deliver", text(&usb), "--config", &a]), (home.to_owned(), Some(0)));
    let line = last(&["status", "--config", &a]).0;
    assert!(line.starts_with("outbox: queued 0, needs staff 0, settled 3, oldest none, bytes 0, "), "{line}");
    assert_eq!(fs::read_dir(place.state("unit-a").join("files")).unwrap().count(), 0);

    // The link returns: only what is new goes.
    place.save("unit-a", &[place.envelope(4, 100)]);
    let agent = place.agent(&place.unit("unit-a", true));
    until_empty(&a);
    agent.stop();
    assert_eq!(place.effects.seen().values().sum::<usize>(), 4);
}

#[test]
fn the_link_returns_before_the_receipts() {
    let place = Place::new();
    let envelopes = [place.envelope(1, 100), place.envelope(2, LARGE)];
    place.save("unit-a", &envelopes);
    let (a, b, usb) = (place.unit("unit-a", false), place.unit("unit-b", true), place.folder("usb"));
    assert_eq!(last(&["export", "--to", text(&usb), "--config", &a]).1, Some(0));
    // No way: nothing is settled, nothing is lost.
    let none = "deliver: unit unit-a, envelopes 2, delivered 0, refused 0, waiting 2, settled 0, unsettled 0";
    assert_eq!(last(&["deliver", text(&usb), "--config", &a]), (none.to_owned(), Some(1)));
    assert_eq!(last(&["deliver", text(&usb), "--config", &b]).1, Some(0));
    let agent = place.agent(&place.unit("unit-a", true));
    until_empty(&a);
    agent.stop();
    assert_eq!(place.effects.seen(), envelopes.iter().map(|one| (one.id.to_string(), 1)).collect());
    // The receipts come too late and are harmless.
    assert_eq!(last(&["deliver", text(&usb), "--config", &a]).1, Some(0));
    assert_eq!(place.effects.seen().values().sum::<usize>(), 2);
}

fn until_empty(config: &str) {
    let empty = |_: &usize| last(&["status", "--config", config]).0.starts_with("outbox: queued 0, ");
    assert!((0..2000).find(empty).is_some(), "it does not empty");
}

#[test]
fn what_is_wrong_with_a_stick_is_one_line_and_nothing_is_touched() {
    let place = Place::new();
    place.save("unit-a", &[place.envelope(1, 100), place.envelope(2, LARGE)]);
    let (a, usb) = (place.unit("unit-a", false), place.folder("usb"));
    let b = place.unit("unit-b", true);
    refused(&["deliver", text(&usb), "--config", &b], &["manifest.cbor", "nothing was exported"]);
    refused(&["deliver", "/nowhere", "--config", &b], &["/nowhere"]);
    refused(&["export", "--to", "/nowhere", "--config", &a], &["/nowhere"]);
    refused(&["export", "--to", &a, "--config", &a], &["unit-a.toml", "is not a folder"]);
    refused(&["status", "--config", &b], &["unit-b-state", "holds no outbox"]);

    // A stick that fills half way: the shell lets this process write no file above 100 KiB.
    let kiosk = kiosk_tests::binary("kiosk");
    let full = format!(
        "trap '' XFSZ; ulimit -f 100; exec {} outbox export --to {} --config {a}",
        text(&kiosk),
        text(&usb)
    );
    let full = Command::new("bash").args(["-c", &full]).output().unwrap();
    let line = String::from_utf8(full.stderr).unwrap();
    assert_eq!(full.status.code(), Some(2), "{line}");
    assert!(line.contains("envelopes.kob") && line.lines().count() == 1, "{line}");
    assert_eq!(fs::read_dir(&usb).unwrap().count(), 0);

    assert_eq!(last(&["export", "--to", text(&usb), "--config", &a]).1, Some(0));
    let (envelopes, manifest) = (usb.join("envelopes.kob"), usb.join("manifest.cbor"));
    let (good, signed) = (fs::read(&envelopes).unwrap(), fs::read(&manifest).unwrap());
    let deliver = ["deliver", text(&usb), "--config", &b];
    fs::write(&envelopes, &good[..good.len() / 2]).unwrap();
    refused(&deliver, &["envelopes.kob", "interrupted"]);
    let mut tampered = good.clone();
    tampered[good.len() / 2] ^= 1;
    fs::write(&envelopes, tampered).unwrap();
    refused(&deliver, &["envelopes.kob", "not the ones that were signed"]);
    fs::write(&envelopes, &good).unwrap();
    let mut forged = signed.clone();
    let at = forged.windows(6).position(|window| window == b"unit-a").unwrap();
    forged[at + 5] = b'c';
    fs::write(&manifest, forged).unwrap();
    refused(&deliver, &["manifest.cbor"]);
    fs::write(&manifest, b"not a manifest").unwrap();
    refused(&deliver, &["manifest.cbor", "is not a manifest"]);
    assert!(!usb.join("receipts").exists());
    assert!(place.effects.seen().is_empty());
    let line = last(&["status", "--config", &a]).0;
    assert!(line.starts_with("outbox: queued 2, "), "{line}");
    // A newer version's outbox is left alone.
    fs::create_dir(place.state("unit-a").join("journal/v2")).unwrap();
    refused(&["export", "--to", text(&usb), "--config", &a], &["journal/v2", "newer version"]);
}

#[test]
fn what_was_damaged_is_listed_with_its_reason() {
    let place = Place::new();
    let (good, damaged) = (place.envelope(1, 100), place.envelope(2, LARGE));
    place.save("unit-a", &[good.clone(), damaged.clone()]);
    let a = place.unit("unit-a", true);
    assert_eq!(
        last(&["list", "--losses", "--config", &a]),
        ("list: losses 0, refused 0".to_owned(), Some(0))
    );
    let files = place.state("unit-a").join("files");
    let file = fs::read_dir(&files).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    bytes[1000] ^= 1;
    fs::write(&file, bytes).unwrap();
    let agent = place.agent(&a);
    until_empty(&a);
    agent.stop();
    assert_eq!(place.effects.seen(), [(good.id.to_string(), 1)].into());
    let listed = outbox(&["list", "--losses", "--config", &a]);
    assert_eq!((listed.last_line(), listed.code), ("list: losses 2, refused 0", Some(0)));
    // The bytes that were set aside, and the envelope that waits for a person.
    let of = |what: &str| listed.stdout.lines().filter(|line| line.contains(what)).count();
    assert_eq!(
        (of("  mismatch  age "), of(&format!("{}  damaged  ", damaged.id))),
        (1, 1),
        "{}",
        listed.stdout
    );
    let listed = outbox(&["list", "--config", &a]);
    assert!(listed.stdout.contains("needs staff (damaged)"), "{}", listed.stdout);
}

#[test]
fn an_export_that_a_foreign_authority_signed_stores_nothing() {
    let (place, elsewhere) = (Place::new(), Place::new());
    elsewhere.save("unit-a", &[elsewhere.envelope(1, 100)]);
    let usb = place.folder("usb");
    assert_eq!(
        last(&["export", "--to", text(&usb), "--config", &elsewhere.unit("unit-a", false)]).1,
        Some(0)
    );
    let run = outbox(&["deliver", text(&usb), "--config", &place.unit("unit-b", true)]);
    assert_eq!(run.code, Some(1));
    assert!(run.stdout.contains("origin-unproven"), "{}", run.stdout);
    assert!(run.last_line().contains("delivered 0, refused 1, waiting 0"), "{}", run.stdout);
    assert!(place.effects.seen().is_empty());
}
