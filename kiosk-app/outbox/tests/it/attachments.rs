//! Sealed requests above 8 KiB are files: whole or in quarantine, and gone once they are settled.

use crate::fixture::{Home, NOW_MS, envelope, queued, small};
use kiosk_core::wire::{ClaimState, NotSaved};
use kiosk_outbox::{Limits, Outbox};
use std::{fs, path::PathBuf};

const LARGE: usize = 300 << 10;
const INLINE_MAX: usize = 8 << 10;

fn files(home: &Home) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(home.path().join("files")) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn quarantine(home: &Home) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(home.path().join("quarantine")).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.extension().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .collect()
}

fn needs_staff(outbox: &Outbox, n: u64) -> bool {
    let found = outbox.find(&envelope(n, 0).claim);
    matches!(found, Some((_, ClaimState::NeedsStaff { code, .. })) if code == "damaged")
}

#[test]
fn only_what_is_above_eight_kib_is_a_file() {
    let home = Home::new();
    let (outbox, _) = home.open();
    outbox.enqueue(envelope(1, INLINE_MAX)).unwrap();
    assert_eq!(files(&home).len(), 0);
    let ticket = outbox.enqueue(envelope(2, INLINE_MAX + 1)).unwrap();
    outbox.enqueue(envelope(3, LARGE)).unwrap();
    assert_eq!(files(&home).len(), 2);
    let stats = outbox.stats();
    let held = u64::try_from(LARGE + 2 * INLINE_MAX).unwrap();
    assert!((held..held + 2000).contains(&stats.bytes), "{stats:?}");
    assert!((held..held + 50_000).contains(&stats.disk_bytes), "{stats:?}");
    outbox.close();
    for lose_state in [false, true] {
        if lose_state {
            fs::remove_dir_all(home.path().join("state")).unwrap();
        }
        let (outbox, opened) = home.open();
        assert_eq!((opened.queued, opened.quarantined), (3, 0));
        assert_eq!(
            queued(&outbox),
            [envelope(1, INLINE_MAX), envelope(2, INLINE_MAX + 1), envelope(3, LARGE)]
        );
        assert_eq!(outbox.enqueue(envelope(2, INLINE_MAX + 1)), Ok(ticket));
        assert_eq!(outbox.enqueue(envelope(3, LARGE + 1)), Err(NotSaved::Storage));
        assert_eq!(outbox.stats().bytes, stats.bytes);
        outbox.close();
    }
}

#[test]
fn a_settled_one_gives_its_space_back_and_a_refused_one_stays() {
    let home = Home::new();
    let (outbox, _) = home.open();
    (1..=3).for_each(|n| _ = outbox.enqueue(envelope(n, LARGE)).unwrap());
    outbox.dead_letter(envelope(2, 0).id, "refused", "").unwrap();
    outbox.settle(envelope(1, 0).id, vec![1]).unwrap();
    assert_eq!(outbox.stats().dead, 1);
    assert_eq!(files(&home).len(), 2);
    outbox.close();
    let (outbox, _) = home.open();
    assert_eq!(files(&home).len(), 2);
    outbox.settle(envelope(2, 0).id, vec![2]).unwrap();
    outbox.settle(envelope(3, 0).id, vec![3]).unwrap();
    let stats = outbox.stats();
    assert_eq!((files(&home).len(), stats.bytes), (0, 0));
}

#[test]
fn a_file_that_two_have_stays_until_both_are_settled() {
    let home = Home::new();
    let (outbox, _) = home.open();
    let twin = kiosk_core::wire::Envelope { sealed: envelope(1, LARGE).sealed, ..envelope(2, 0) };
    outbox.enqueue(envelope(1, LARGE)).unwrap();
    outbox.enqueue(twin.clone()).unwrap();
    assert_eq!(files(&home).len(), 1);
    outbox.settle(envelope(1, 0).id, vec![1]).unwrap();
    assert_eq!(queued(&outbox), std::slice::from_ref(&twin));
    outbox.settle(twin.id, vec![1]).unwrap();
    assert_eq!(outbox.stats().queued, 0);
    assert_eq!(files(&home).len(), 0);
}

#[test]
fn a_carried_record_keeps_its_file() {
    let home = Home::new();
    let (outbox, _) = home.open();
    outbox.enqueue(envelope(1, LARGE)).unwrap();
    let first = home.segments().remove(0);
    for n in 2..80 {
        outbox.enqueue(envelope(n, 2000)).unwrap();
        outbox.settle(envelope(n, 0).id, vec![1]).unwrap();
    }
    assert_eq!(outbox.stats().queued, 1);
    assert!(!first.exists(), "its segment was cleaned");
    assert_eq!(queued(&outbox), [envelope(1, LARGE)]);
    outbox.close();
    let (outbox, _) = home.open();
    assert_eq!(queued(&outbox), [envelope(1, LARGE)]);
}

#[test]
fn a_flipped_bit_or_a_lost_file_costs_its_own_envelope() {
    let home = Home::new();
    let (outbox, _) = home.open();
    for n in 1..=3 {
        outbox.enqueue(envelope(n, LARGE)).unwrap();
        outbox.enqueue(envelope(n + 10, 50)).unwrap();
    }
    let by_content = |n: u64| {
        let of = |path: &PathBuf| fs::read(path).unwrap() == envelope(n, LARGE).sealed;
        files(&home).into_iter().find(of).unwrap()
    };
    let mut flipped = envelope(1, LARGE).sealed;
    flipped[LARGE / 2] ^= 1;
    fs::write(by_content(1), &flipped).unwrap();
    fs::remove_file(by_content(2)).unwrap();
    let claimed = queued(&outbox);
    assert_eq!(claimed, [envelope(11, 50), envelope(12, 50), envelope(3, LARGE), envelope(13, 50)]);
    assert!(needs_staff(&outbox, 1) && needs_staff(&outbox, 2));
    let mut kept = quarantine(&home);
    kept.sort();
    assert_eq!(kept[0], ("mismatch".into(), flipped));
    assert_eq!(kept[1].0, "missing");
    assert_eq!(kept.len(), 2);
    outbox.close();
    let (outbox, opened) = home.open();
    assert_eq!((opened.queued, opened.quarantined), (4, 0));
    assert!(needs_staff(&outbox, 1) && needs_staff(&outbox, 2));
}

#[test]
fn a_file_whose_record_is_damaged_is_set_aside() {
    let home = Home::new();
    let (outbox, _) = home.open();
    outbox.enqueue(envelope(1, LARGE)).unwrap();
    outbox.enqueue(envelope(2, 50)).unwrap();
    outbox.close();
    let segment = home.segments().remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(&segment, bytes).unwrap();
    fs::remove_dir_all(home.path().join("state")).unwrap();
    let (outbox, opened) = home.open();
    assert_eq!((opened.queued, opened.quarantined), (1, 1));
    assert_eq!(queued(&outbox), [envelope(2, 50)]);
    assert_eq!(files(&home).len(), 0);
    assert!(quarantine(&home).contains(&("orphan".into(), envelope(1, LARGE).sealed)));
}

#[test]
fn a_file_that_only_sled_remembers_the_record_of_stays_with_its_dead_letter() {
    let home = Home::new();
    let (outbox, _) = home.open();
    outbox.enqueue(envelope(1, LARGE)).unwrap();
    outbox.close();
    let segment = home.segments().remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(&segment, bytes).unwrap();
    for _ in 0..2 {
        let (outbox, _) = home.open();
        assert!(needs_staff(&outbox, 1));
        assert_eq!(files(&home).len(), 1);
        outbox.close();
    }
}

#[test]
fn attachments_count_against_the_limit() {
    let home = Home::new();
    let (outbox, _) = home.open_with(Limits { bytes_max: 1 << 20, ..small() });
    let taken = (0..).take_while(|&n| outbox.enqueue(envelope(n, LARGE)).is_ok()).count();
    assert_eq!(taken, 3);
    assert_eq!(outbox.enqueue(envelope(9, LARGE)), Err(NotSaved::Full));
    assert_eq!(files(&home).len(), 3);
}

#[test]
fn files_without_an_owner_are_swept_and_strange_ones_left_alone() {
    let home = Home::new();
    let (outbox, _) = home.open();
    outbox.enqueue(envelope(1, LARGE)).unwrap();
    outbox.close();
    let folder = home.path().join("files");
    fs::write(folder.join("ab".repeat(32)), b"left over").unwrap();
    fs::write(folder.join("new"), b"half").unwrap();
    fs::write(folder.join("note.txt"), b"a technician's").unwrap();
    let (outbox, _) = home.open();
    assert_eq!(files(&home).len(), 2);
    assert!(folder.join("note.txt").exists());
    assert_eq!(outbox.claim(9, NOW_MS)[0].envelope, envelope(1, LARGE));
}
