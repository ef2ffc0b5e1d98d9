//! A reader sees what is there and disturbs nobody.

use crate::fixture::{Home, envelope, small};
use kiosk_core::wire::Envelope;
use kiosk_outbox::{OpenError, Overview, Reading, Verified, WaitsFor};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread,
    time::SystemTime,
};

const LARGE: usize = 300 << 10;

fn read(home: &Home) -> Reading {
    Reading::open(&home.path()).unwrap()
}

fn envelopes(reading: &Reading) -> (Vec<Envelope>, usize) {
    let mut all = Vec::new();
    let damaged = reading.envelopes::<OpenError>(|_, envelope| {
        all.push(envelope);
        Ok(())
    });
    (all, damaged.unwrap().len())
}

/// Every file with its content and when it was last written.
fn snapshot(dir: &Path, into: &mut BTreeMap<PathBuf, (Vec<u8>, SystemTime)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            snapshot(&path, into);
        } else {
            let changed = path.metadata().unwrap().modified().unwrap();
            into.insert(path.clone(), (fs::read(&path).unwrap(), changed));
        }
    }
}

#[test]
fn everything_that_waits_is_listed_while_the_owner_has_it_open() {
    let home = Home::new();
    let (outbox, _) = home.open();
    outbox.enqueue(envelope(1, 50)).unwrap();
    outbox.enqueue(envelope(2, LARGE)).unwrap();
    outbox.enqueue(envelope(3, 50)).unwrap();
    outbox.enqueue(envelope(4, 50)).unwrap();
    outbox.dead_letter(envelope(3, 0).id, "key-unknown", "No such key here.").unwrap();
    outbox.settle(envelope(1, 0).id, vec![1]).unwrap();
    let reading = read(&home);
    let stats = outbox.stats();
    let Overview { queued, dead, settled, oldest_ms, bytes, disk_bytes, quarantined, unmet } =
        reading.overview();
    assert_eq!((queued, dead, settled, quarantined, unmet), (2, 1, 1, 0, 0));
    assert_eq!((oldest_ms, bytes, disk_bytes), (stats.oldest_ms, stats.bytes, stats.disk_bytes));
    let entries = reading.entries();
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [2, 4, 3].map(|n| envelope(n, 0).id));
    assert!(entries[0].bytes > 300 << 10);
    let staff = WaitsFor::Staff { code: "key-unknown".into(), detail: "No such key here.".into() };
    assert_eq!((&entries[1].waits_for, &entries[2].waits_for), (&WaitsFor::Gateway, &staff));
    assert!(envelopes(&reading) == (vec![envelope(2, LARGE), envelope(4, 50)], 0));
}

#[test]
fn attempts_are_read_and_nothing_is_touched() {
    let home = Home::new();
    let (outbox, _) = home.open();
    outbox.enqueue(envelope(1, LARGE)).unwrap();
    outbox.enqueue(envelope(2, 50)).unwrap();
    outbox.again(envelope(1, 0).id, 5).unwrap();
    outbox.close();
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    snapshot(&home.path(), &mut before);
    let reading = read(&home);
    let attempts: Vec<_> = reading.entries().iter().map(|entry| entry.attempts).collect();
    assert_eq!(attempts, [Some(1), Some(0)]);
    let whole = Verified { records: 2, whole: 2, ..Verified::default() };
    assert_eq!(reading.verify().unwrap(), whole);
    snapshot(&home.path(), &mut after);
    assert!(before == after, "reading changed a file");
    fs::remove_dir_all(home.state()).unwrap();
    assert_eq!(read(&home).entries()[0].attempts, None);
}

#[test]
fn damage_is_named_and_the_rest_is_whole() {
    let home = Home::new();
    let (outbox, _) = home.open();
    (1..=4).for_each(|n| _ = outbox.enqueue(envelope(n, 50)).unwrap());
    outbox.enqueue(envelope(5, LARGE)).unwrap();
    outbox.close();
    let segment = home.segments().remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let file = fs::read_dir(home.path().join("files")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&file).unwrap();
    let reading = read(&home);
    let found = reading.verify().unwrap();
    assert_eq!((found.records, found.whole, found.gaps), (4, 3, 0));
    assert_eq!(found.damaged, ["0000000000000001-00000000.body".to_owned(), envelope(5, 0).id.to_string()]);
    assert_eq!(envelopes(&reading).1, 1);
    // A reader sets nothing aside, and tells of what the agent has not met.
    let losses = reading.losses().unwrap();
    let told: Vec<_> =
        losses.iter().map(|loss| (loss.what.as_str(), loss.reason.as_str(), loss.at_ms)).collect();
    assert_eq!(told, [("0000000000000001-00000000.body", "body", None)]);
    assert!(losses[0].bytes > 100);
    assert_eq!((reading.overview().quarantined, reading.overview().unmet), (0, 1));
    let (outbox, _) = home.open();
    assert_eq!(outbox.claim(9, crate::fixture::NOW_MS).len(), 3);
    assert_eq!(read(&home).overview().unmet, 0);
    let losses = read(&home).losses().unwrap();
    let mut reasons: Vec<_> = losses.iter().map(|loss| loss.reason.as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["body", "damaged", "damaged", "missing"]);
    assert!(losses.iter().all(|loss| (loss.reason == "damaged") != loss.at_ms.is_some()));
}

#[test]
fn a_missing_record_is_a_gap() {
    let home = Home::new();
    let (outbox, _) = home.open();
    (1..=3).for_each(|n| _ = outbox.enqueue(envelope(n, 50)).unwrap());
    outbox.close();
    let segment = home.segments().remove(0);
    let bytes = fs::read(&segment).unwrap();
    let starts: Vec<usize> =
        bytes.windows(4).enumerate().filter(|(_, w)| *w == b"KOB1").map(|(at, _)| at).collect();
    let without = [&bytes[..starts[1]], &bytes[starts[2]..]].concat();
    fs::write(&segment, without).unwrap();
    let found = read(&home).verify().unwrap();
    assert_eq!((found.records, found.gaps, found.damaged.len()), (2, 1, 0));
}

#[test]
fn a_reader_beside_a_busy_owner_never_sees_damage() {
    let home = Home::new();
    let (outbox, _) = home.open_with(small());
    outbox.enqueue(envelope(0, LARGE)).unwrap();
    let path = home.path();
    let reader = thread::spawn(move || {
        for _ in 0..40 {
            let reading = Reading::open(&path).unwrap();
            let found = reading.verify().unwrap();
            assert_eq!((found.damaged, found.gaps), (Vec::<String>::new(), 0));
            let (all, damaged) = envelopes(&reading);
            assert_eq!((all.first().map(|first| first.id), damaged), (Some(envelope(0, 0).id), 0));
            assert!(all.first() == Some(&envelope(0, LARGE)));
        }
    });
    for n in 1.. {
        if reader.is_finished() {
            break;
        }
        let len = if n % 8 == 0 { 9 << 10 } else { 1500 };
        outbox.enqueue(envelope(n, len)).unwrap();
        outbox.settle(envelope(n, 0).id, vec![1; 80]).unwrap();
    }
    reader.join().unwrap();
}

#[test]
fn what_is_no_outbox_is_refused_in_one_line() {
    let home = Home::new();
    let refused = |path: &Path| Reading::open(path).err().unwrap().to_string();
    let path = home.path();
    assert_eq!(refused(&path), format!("{}: holds no outbox", path.display()));
    fs::write(&path, "a file").unwrap();
    assert_eq!(refused(&path), format!("{}: is not a folder", path.display()));
    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("journal/v2")).unwrap();
    assert!(refused(&path).ends_with("journal/v2: was written by a newer version"));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "nothing was made");
}
