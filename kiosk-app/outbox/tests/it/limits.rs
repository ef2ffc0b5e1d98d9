//! A full outbox refuses with a reason before anything is written; delivery goes on.

use crate::fixture::{Home, NOW_MS, envelope, open, small};
use kiosk_core::wire::{ClaimState, NotSaved, SEALED_BYTES_MAX};
use kiosk_outbox::{Limits, Options, Outbox, OutcomeError, RECEIPT_BYTES_MAX, Reading, Refused};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

#[test]
fn as_many_as_allowed() {
    let home = Home::new();
    let (outbox, _) = home.open_with(Limits { envelopes_max: 2, ..small() });
    outbox.enqueue(envelope(1, 50)).unwrap();
    outbox.enqueue(envelope(2, 50)).unwrap();
    assert_eq!(outbox.enqueue(envelope(3, 50)), Err(NotSaved::Full));
    assert_eq!(outbox.stats().records, 2);
    outbox.enqueue(envelope(2, 50)).unwrap();
    outbox.settle(envelope(1, 50).id, vec![]).unwrap();
    outbox.enqueue(envelope(3, 50)).unwrap();
}

#[test]
fn as_many_bytes_as_allowed() {
    let home = Home::new();
    let (outbox, _) = home.open_with(Limits { bytes_max: 10_000, ..small() });
    let taken = (0..).take_while(|&n| outbox.enqueue(envelope(n, 2000)).is_ok()).count();
    assert_eq!(taken, 4);
    assert!(outbox.stats().bytes <= 10_000);
    assert_eq!(outbox.enqueue(envelope(9, 2000)), Err(NotSaved::Full));
}

#[test]
fn the_disk_keeps_its_low_water_mark() {
    let home = Home::new();
    let (outbox, _) = home.open_with(Limits { free_bytes_min: u64::MAX / 2, ..small() });
    assert_eq!(outbox.enqueue(envelope(1, 50)), Err(NotSaved::Full));
}

#[test]
fn the_largest_envelope_fits_and_a_larger_one_does_not() {
    let home = Home::new();
    let (outbox, _) = home.open();
    outbox.enqueue(envelope(1, SEALED_BYTES_MAX)).unwrap();
    assert_eq!(outbox.enqueue(envelope(2, SEALED_BYTES_MAX + 1)), Err(NotSaved::TooLarge));
    outbox.close();
    let (outbox, _) = home.open();
    assert_eq!(outbox.claim(1, NOW_MS)[0].envelope, envelope(1, SEALED_BYTES_MAX));
    let receipt = vec![0; RECEIPT_BYTES_MAX + 1];
    assert_eq!(outbox.settle(envelope(1, 0).id, receipt), Err(OutcomeError::TooLarge));
}

#[test]
fn settled_ones_are_forgotten_by_number_and_by_age() {
    let home = Home::new();
    let now = Arc::new(AtomicU64::new(NOW_MS));
    let limits = Limits { settled_max: 3, settled_ms_max: 1000, ..small() };
    let clock = Arc::clone(&now);
    let options = Options { limits, clock: Box::new(move || clock.load(Ordering::Relaxed)) };
    let (outbox, _) = Outbox::open(&home.path(), options).unwrap();
    let settle = |n| {
        outbox.enqueue(envelope(n, 50)).unwrap();
        outbox.settle(envelope(n, 50).id, vec![]).unwrap();
    };
    let found =
        || -> Vec<u64> { (0..9).filter(|&n| outbox.find(&envelope(n, 50).claim).is_some()).collect() };
    (0..5).for_each(settle);
    assert_eq!(found(), [2, 3, 4]);
    now.store(NOW_MS + 1001, Ordering::Relaxed);
    settle(5);
    assert_eq!(found(), [5]);
    outbox.close();
    // The clock of another test is behind: what is forgotten stays forgotten.
    let (outbox, opened) = open(&home.path(), limits);
    assert!(!opened.rebuilt);
    assert_eq!(outbox.find(&envelope(4, 50).claim), None);
    assert_eq!(outbox.find(&envelope(5, 50).claim).map(|(_, state)| state), Some(ClaimState::Sent));
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let home = Home::new();
    let (outbox, _) = home.open();
    let id = outbox.enqueue(envelope(1, 50)).unwrap().id;
    outbox.dead_letter(id, &"ä".repeat(100), &"€".repeat(10_000)).unwrap();
    let Some((_, ClaimState::NeedsStaff { code, detail })) = outbox.find(&envelope(1, 50).claim) else {
        panic!("not dead")
    };
    assert_eq!((code.len(), detail.len()), (64, 2046));
}

fn refused(home: &Home) -> Vec<Refused> {
    Reading::open(&home.path()).unwrap().refused().unwrap()
}

#[test]
fn what_is_refused_is_counted_by_reason_and_outlives_the_process() {
    let home = Home::new();
    let now = Arc::new(AtomicU64::new(NOW_MS));
    let clock = Arc::clone(&now);
    let limits = Limits { envelopes_max: 1, ..small() };
    let options = Options { limits, clock: Box::new(move || clock.load(Ordering::Relaxed)) };
    let (outbox, _) = Outbox::open(&home.path(), options).unwrap();
    outbox.enqueue(envelope(1, 50)).unwrap();
    assert_eq!(refused(&home), []);
    assert_eq!(outbox.enqueue(envelope(2, 50)), Err(NotSaved::Full));
    // Whatever is answered after the refusal is answered after it was taken over.
    assert_eq!(outbox.stats().queued, 1);
    now.store(NOW_MS + 7, Ordering::Relaxed);
    let (tell, told) = std::sync::mpsc::channel();
    outbox.enqueue_with(envelope(3, 50), move |result| tell.send(result).unwrap());
    assert_eq!(told.recv(), Ok(Err(NotSaved::Full)));
    assert_eq!(outbox.enqueue(envelope(1, 51)), Err(NotSaved::Storage));
    assert_eq!(outbox.enqueue(envelope(4, SEALED_BYTES_MAX + 1)), Err(NotSaved::TooLarge));
    outbox.close();
    let row = |reason, count, first_ms| Refused { reason, count, first_ms, last_ms: NOW_MS + 7 };
    let mut rows = refused(&home);
    rows.sort_by_key(|row| row.count);
    assert_eq!(rows.pop(), Some(row(NotSaved::Full, 2, NOW_MS)));
    let once = [NotSaved::Storage, NotSaved::TooLarge].map(|reason| row(reason, 1, NOW_MS + 7));
    assert_eq!(rows, once);
    // The next run counts on.
    let (outbox, _) = home.open_with(limits);
    assert_eq!(outbox.enqueue(envelope(2, 50)), Err(NotSaved::Full));
    outbox.close();
    assert_eq!(refused(&home).iter().find(|row| row.reason == NotSaved::Full).map(|row| row.count), Some(3));
}

#[test]
fn a_refusal_is_written_down_while_the_outbox_rests() {
    let home = Home::new();
    let (outbox, _) = home.open_with(Limits { envelopes_max: 0, ..small() });
    assert_eq!(outbox.enqueue(envelope(1, 50)), Err(NotSaved::Full));
    let begun = std::time::Instant::now();
    while refused(&home).is_empty() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it is never written down");
        std::thread::yield_now();
    }
    outbox.close();
}

#[test]
fn a_damaged_count_is_set_aside_and_begins_again() {
    let home = Home::new();
    let (outbox, _) = home.open_with(Limits { envelopes_max: 0, ..small() });
    assert_eq!(outbox.enqueue(envelope(1, 50)), Err(NotSaved::Full));
    outbox.close();
    let file = home.path().join("refused");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert!(Reading::open(&home.path()).unwrap().refused().is_err());
    let (outbox, opened) = home.open();
    assert_eq!((opened.quarantined, outbox.stats().quarantined), (0, 1));
    outbox.close();
    assert_eq!(refused(&home), []);
    let lost = Reading::open(&home.path()).unwrap().losses().unwrap();
    assert_eq!(lost.first().map(|loss| loss.reason.as_str()), Some("undecodable"));
}
