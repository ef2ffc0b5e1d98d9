//! What is damaged costs its own envelope, and what is left of it stays until a person has looked.

use super::*;
use crate::journal::{
    frame::{self, Kind},
    quarantine::FILES_MAX,
    record::Parcel,
    segment_path,
};
use proptest::prelude::*;
use std::{fs, path::PathBuf};

const PLENTY: u32 = 1000;

fn large(n: u8) -> Envelope {
    Envelope { sealed: vec![n; 9 << 10], ..envelope(n) }
}

/// A closed outbox with these.
fn closed(dir: &TempDir, envelopes: &[Envelope]) -> PathBuf {
    let outbox = open(dir, &Fake::default());
    envelopes.iter().for_each(|envelope| _ = outbox.enqueue(envelope.clone()).unwrap());
    outbox.close();
    dir.path().join("outbox")
}

/// Flips a bit in the body of the journal's first record, and gives its bytes as they are now.
fn damage_first(root: &Path) -> Vec<u8> {
    let path = segment_path(root, 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let frame::Fault::Body { len } = frame::parse(&bytes).unwrap_err() else { panic!("not the body") };
    bytes[..len].to_vec()
}

fn forget_state(root: &Path) {
    fs::remove_dir_all(root.join("state")).unwrap();
}

fn fill_quarantine(root: &Path) {
    (0..FILES_MAX).for_each(|n| fs::write(root.join(format!("quarantine/{n}.header")), b"old").unwrap());
}

fn inside(folder: PathBuf) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// How often these bytes are somewhere in quarantine, whole.
fn kept(root: &Path, bytes: &[u8]) -> usize {
    let holds = |path: &PathBuf| fs::read(path).unwrap().windows(bytes.len()).any(|part| part == bytes);
    inside(root.join("quarantine")).iter().filter(|path| holds(path)).count()
}

/// Opens, delivers everything and more until the first segment goes, and closes.
fn clean_first(root: &Path, fake: &Fake) {
    let options = options_with(Limits { settled_max: 0, ..limits() });
    let outbox = Outbox::open_on(root, options, Arc::new(fake.clone())).unwrap().0;
    let mut waiting = queued(&outbox);
    waiting.extend((100..140).map(envelope));
    for envelope in waiting {
        outbox.enqueue(envelope.clone()).unwrap();
        outbox.settle(envelope.id, vec![1]).unwrap();
    }
    outbox.close();
    assert!(!segment_path(root, 1).exists(), "the first segment stays");
}

#[test]
fn a_segment_goes_only_when_its_damage_is_kept_whole() {
    // A disk that fills while the copy is made, a crash then, a full quarantine, and none of these.
    for (failing_files, crashes, full) in [
        (PLENTY, false, false),
        (PLENTY, true, false),
        (0, false, true),
        (1, false, false),
        (0, false, false),
    ] {
        let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
        let root = closed(&dir, &(1..20).map(envelope).collect::<Vec<_>>());
        let damaged = damage_first(&root);
        forget_state(&root);
        if full {
            fill_quarantine(&root);
        }
        fake.plan(|plan| (plan.failing_files, plan.crashes) = (failing_files, crashes));
        clean_first(&root, &fake);
        assert_eq!(kept(&root, &damaged), 1, "{failing_files} {crashes} {full}");
        let whole =
            inside(root.join("quarantine")).iter().any(|path| path.ends_with("0000000000000001.segment"));
        assert_eq!(whole, failing_files == PLENTY || full);
    }
}

#[test]
fn half_a_copy_is_made_whole_by_the_next_opening() {
    let dir = TempDir::new().unwrap();
    let root = closed(&dir, &[envelope(1), envelope(2)]);
    let damaged = damage_first(&root);
    let fake = Fake::default();
    fake.plan(|plan| (plan.failing_files, plan.crashes) = (PLENTY, true));
    open(&dir, &fake).close();
    assert_eq!((kept(&root, &damaged), inside(root.join("quarantine")).len()), (0, 1));
    open(&dir, &Fake::default()).close();
    assert_eq!((kept(&root, &damaged), inside(root.join("quarantine")).len()), (1, 1));
    // Also half a copy that has its name.
    let copy = inside(root.join("quarantine")).remove(0);
    fs::write(copy, &damaged[..20]).unwrap();
    open(&dir, &Fake::default()).close();
    assert_eq!((kept(&root, &damaged), inside(root.join("quarantine")).len()), (1, 1));
}

#[test]
fn an_attachment_stays_while_its_record_may_be_what_is_damaged() {
    let dir = TempDir::new().unwrap();
    let root = closed(&dir, &[large(1), envelope(2)]);
    damage_first(&root);
    let file = inside(root.join("files")).remove(0);
    for _ in 0..2 {
        forget_state(&root);
        open(&dir, &Fake::default()).close();
        assert_eq!(kept(&root, &large(1).sealed), 1);
        // As if a crash had come between the copy of the record and this move.
        let aside =
            inside(root.join("quarantine")).into_iter().find(|path| path.extension().unwrap() == "orphan");
        fs::rename(aside.unwrap(), &file).unwrap();
    }
    fill_quarantine(&root);
    for _ in 0..2 {
        forget_state(&root);
        open(&dir, &Fake::default()).close();
        assert!(file.exists(), "quarantine has no room for it");
    }
    // Neither when the damage is no longer in the journal.
    clean_first(&root, &Fake::default());
    open(&dir, &Fake::default()).close();
    assert!(file.exists());
}

#[test]
fn a_bad_block_is_no_verdict() {
    let dir = TempDir::new().unwrap();
    let outbox = open(&dir, &Fake::default());
    outbox.enqueue(envelope(1)).unwrap();
    outbox.enqueue(large(2)).unwrap();
    let root = dir.path().join("outbox");
    let file = inside(root.join("files")).remove(0);
    for path in [&segment_path(&root, 1), &file] {
        // A folder opens, has a length, and cannot be read.
        let away = dir.path().join("away");
        fs::rename(path, &away).unwrap();
        fs::create_dir(path).unwrap();
        let before = queued(&outbox);
        assert_eq!((outbox.stats().queued, outbox.stats().dead), (2, 0));
        fs::remove_dir(path).unwrap();
        fs::rename(&away, path).unwrap();
        let later = outbox.claim(100, 60_000).into_iter().map(|waiting| waiting.envelope);
        let mut both: Vec<Envelope> = before.into_iter().chain(later).collect();
        both.sort_by_key(|envelope| envelope.id);
        assert_eq!(both, [envelope(1), large(2)]);
        both.iter().for_each(|envelope| outbox.again(envelope.id, 0).unwrap());
    }
}

#[test]
fn what_is_delivered_while_sled_is_broken_is_not_missed_later() {
    let dir = TempDir::new().unwrap();
    let root = closed(&dir, &(1..20).map(envelope).collect::<Vec<_>>());
    let options = || options_with(Limits { settled_max: 0, ..limits() });
    let (mut committer, lock, _) = crate::open::open(&root, options(), Arc::new(Disk)).unwrap();
    committer.state.replace_kv(Box::new(Broken));
    let outbox = Outbox::start(committer, lock).unwrap();
    for n in (1..20).chain(100..140) {
        outbox.enqueue(envelope(n)).unwrap();
        outbox.settle(envelope(n).id, vec![1]).unwrap();
    }
    assert!(!segment_path(&root, 1).exists());
    outbox.close();
    let (outbox, _) = Outbox::open_on(&root, options(), Arc::new(Disk)).unwrap();
    assert_eq!((outbox.stats().queued, outbox.stats().dead), (0, 0));
}

/// The journal lost one that sled remembers, and the disk is full at opening.
#[test]
fn a_full_disk_does_not_make_sled_forget() {
    for ballast in [true, false] {
        let dir = TempDir::new().unwrap();
        let root = closed(&dir, &[envelope(1), envelope(2)]);
        damage_first(&root);
        let fake = Fake::default();
        fake.plan(|plan| (plan.full, plan.removals_free_space) = (true, true));
        if !ballast {
            fs::remove_file(root.join("ballast")).unwrap();
        }
        let needs_staff = |outbox: &Outbox| matches!(outbox.find(&envelope(1).claim), Some((_, ClaimState::NeedsStaff { code, .. })) if code == "damaged");
        let outbox = open(&dir, &fake);
        assert_eq!(needs_staff(&outbox), ballast);
        assert_eq!(outbox.enqueue(envelope(3)).is_ok(), ballast);
        outbox.close();
        // Noted with the first write that goes through, in the same run or a later one.
        let outbox = open(&dir, &fake);
        fake.plan(|plan| plan.full = false);
        outbox.enqueue(envelope(4)).unwrap();
        assert!(needs_staff(&outbox));
        outbox.close();
        forget_state(&root);
        let outbox = open(&dir, &Fake::default());
        assert!(needs_staff(&outbox));
        assert!(queued(&outbox).contains(&envelope(4)));
    }
}

/// The newest record is damaged and sled is gone: its header still says which number it had.
#[test]
fn the_number_of_a_damaged_record_is_not_given_again() {
    let dir = TempDir::new().unwrap();
    let root = closed(&dir, &[envelope(1)]);
    let save = |n| {
        let outbox = open(&dir, &Fake::default());
        let ticket = outbox.enqueue(envelope(n)).unwrap();
        outbox.close();
        ticket
    };
    let ticket = save(1);
    damage_first(&root);
    forget_state(&root);
    let next = save(2);
    assert!(next.order > ticket.order, "{next:?} after {ticket:?}");
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(u64::MAX),
        Just(u64::MAX - 1),
        Just(u64::MAX >> 1),
        Just((u64::MAX >> 1) + 1),
        Just(0),
        Just(1),
        any::<u64>(),
        0..9_u64
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Names of segments, numbers of records, what sled says is applied: whatever they are, nothing panics, what
    /// was saved is there, and what is saved then too.
    #[test]
    fn any_numbers_on_the_disk(segments in proptest::collection::vec((number(), number(), number()), 0..4), applied in proptest::option::of((number(), number()))) {
        let dir = TempDir::new().unwrap();
        let root = closed(&dir, &[envelope(1)]);
        for (n, (id, order, frame_number)) in (10..).zip(segments) {
            let (_, draft) = Parcel::new(envelope(n)).unwrap().number(order);
            let path = segment_path(&root, id);
            if !path.exists() {
                fs::write(path, frame::encode(Kind::Put, frame_number, &[0; 32], &draft.body)).unwrap();
            }
        }
        if let Some((applied, floor)) = applied {
            let mut sled = crate::state::sled_kv::SledKv::open(&root.join("state/v1")).unwrap();
            sled.put(Tree::Meta, b"applied", &applied.to_be_bytes()).unwrap();
            sled.put(Tree::Meta, b"floor", &floor.to_be_bytes()).unwrap();
            sled.flush().unwrap();
            drop(sled);
            crate::state::home::wait_closed(&root).unwrap();
        }
        for n in [2, 3] {
            let outbox = open(&dir, &Fake::default());
            let found = outbox.find(&envelope(1).claim);
            prop_assert!(matches!(&found, Some((_, ClaimState::SavedHere))), "{:?}", found);
            // A number that was the last one to give leaves none: then nothing is saved, and that is said.
            let at_the_end = inside(root.join("journal/v1")).contains(&segment_path(&root, u64::MAX >> 1));
            let saved = outbox.enqueue(envelope(n));
            prop_assert!(saved.is_ok() || at_the_end, "{:?}", saved);
            if saved.is_ok() {
                outbox.settle(envelope(n).id, vec![1]).unwrap();
            }
            outbox.close();
        }
    }
}
