//! The disk gets back what is delivered; what is still needed survives that.

use crate::fixture::{Home, envelope, queued, small};
use kiosk_core::wire::ClaimState;
use kiosk_outbox::Limits;
use std::{fs, thread};

#[test]
fn segments_of_settled_envelopes_go() {
    let home = Home::new();
    let limits = Limits { settled_max: 5, ..small() };
    let (outbox, _) = home.open_with(limits);
    for n in 0..100 {
        outbox.enqueue(envelope(n, 1000)).unwrap();
    }
    let full = outbox.stats().disk_bytes;
    assert!(full > 100_000);
    for n in 0..100 {
        outbox.settle(envelope(n, 1000).id, vec![1; 100]).unwrap();
    }
    let files =
        |home: &Home| -> u64 { home.segments().iter().map(|path| fs::metadata(path).unwrap().len()).sum() };
    let said = outbox.stats().disk_bytes;
    assert_eq!(files(&home), said);
    assert!(files(&home) < 6 * limits.segment_bytes, "{}", files(&home));
    outbox.close();
    let (outbox, opened) = home.open_with(limits);
    assert!(!opened.rebuilt);
    assert_eq!(outbox.stats().settled, 5);
}

/// One old envelope that nobody delivers, and one dead letter, do not hold the disk for ever.
#[test]
fn what_stays_behind_is_carried_along() {
    let home = Home::new();
    let (outbox, _) = home.open();
    outbox.enqueue(envelope(1000, 1000)).unwrap();
    outbox.enqueue(envelope(1001, 1000)).unwrap();
    outbox.dead_letter(envelope(1001, 1000).id, "key-unknown", "No such key.").unwrap();
    let oldest = home.segments()[0].clone();
    for n in 0..60 {
        outbox.enqueue(envelope(n, 1000)).unwrap();
        outbox.settle(envelope(n, 1000).id, vec![1; 100]).unwrap();
    }
    assert!(!oldest.exists());
    assert_eq!((outbox.stats().queued, outbox.stats().dead), (1, 1));
    outbox.close();
    fs::remove_dir_all(home.path().join("state")).unwrap();
    let (outbox, opened) = home.open();
    assert!(opened.rebuilt);
    assert_eq!(queued(&outbox), [envelope(1000, 1000)]);
    // Lookups survive the segments and sled.
    for n in 0..60 {
        assert_eq!(outbox.find(&envelope(n, 1000).claim).unwrap().1, ClaimState::Sent);
        assert_eq!(outbox.receipt(envelope(n, 1000).id), Some(vec![1; 100]));
    }
    let (_, state) = outbox.find(&envelope(1001, 1000).claim).unwrap();
    let (code, detail) = ("key-unknown".into(), "No such key.".into());
    assert_eq!(state, ClaimState::NeedsStaff { code, detail });
}

/// sled alone would keep the length it once had.
#[test]
fn the_state_shrinks_when_what_it_held_is_gone() {
    const EACH: u64 = 250;
    let home = Home::new();
    let limits = Limits { settled_max: 5, segment_bytes: 1 << 20, ..small() };
    let (outbox, _) = home.open_with(limits);
    let everybody = |work: &(dyn Fn(u64) + Sync)| {
        thread::scope(|scope| {
            for caller in 0..32 {
                scope.spawn(move || (caller * EACH..(caller + 1) * EACH).for_each(work));
            }
        });
    };
    let db = home.state().join("db");
    let length = || fs::metadata(&db).unwrap().len();
    everybody(&|n| _ = outbox.enqueue(envelope(n, 50)).unwrap());
    everybody(&|n| outbox.settle(envelope(n, 50).id, vec![1; 50]).unwrap());
    outbox.enqueue(envelope(1 << 32, 50)).unwrap();
    let once = length();
    assert!(once > 3 << 20, "{once}");
    outbox.close();
    assert!(length() < once / 4, "{} of {once}", length());
    let (outbox, opened) = home.open_with(limits);
    assert_eq!((opened.queued, opened.rebuilt), (1, false));
    assert_eq!(queued(&outbox), [envelope(1 << 32, 50)]);
    assert_eq!(outbox.stats().settled, 5);
}
