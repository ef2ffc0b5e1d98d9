//! An attachment is durable before the record that names it, and no half of one is ever seen.

use super::*;
use std::{fs, path::PathBuf};

fn large(n: u8) -> Envelope {
    let sealed = (0_u32..300 << 10).map(|at| at.to_be_bytes()[2] ^ at.to_be_bytes()[3] ^ n).collect();
    Envelope { sealed, ..envelope(n) }
}

fn files(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root.join("files")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A copy of the outbox's files, but for the lock, as a killed process would leave them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() { copy(&path, &to) } else { _ = fs::copy(&path, &to).unwrap() }
    }
}

#[test]
fn the_file_is_durable_before_its_record() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    outbox.enqueue(envelope(9)).unwrap();
    fake.plan(|plan| plan.done.clear());
    outbox.enqueue(large(1)).unwrap();
    // The first folder is the outbox's, which holds a new folder.
    assert_eq!(fake.plan(|plan| plan.done.clone()), ["folder", "file", "named", "folder", "write", "synced"]);
    fake.plan(|plan| plan.done.clear());
    outbox.settle(large(1).id, vec![1]).unwrap();
    assert!(outbox.stats().bytes < 1000);
    assert_eq!(fake.plan(|plan| plan.done.clone())[..3], ["write", "synced", "file gone"]);
}

#[test]
fn a_crash_between_file_and_record_leaves_nothing() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    outbox.enqueue(envelope(9)).unwrap();
    let (arrived, arrivals) = bounded(1);
    let (go, gone) = bounded(1);
    fake.plan(|plan| plan.gate = Some(Gate { arrived, go: gone }));
    let (tell, told) = unbounded();
    let cut = dir.path().join("cut");
    let journal = fs::read(segment(&dir)).unwrap();
    outbox.enqueue_with(large(1), move |result| tell.send(result).unwrap());
    arrivals.recv_timeout(PATIENCE).unwrap();
    copy(&dir.path().join("outbox"), &cut);
    fs::write(cut.join("journal/v1").join(segment(&dir).file_name().unwrap()), journal).unwrap();
    fake.plan(|plan| plan.gate = None);
    go.send(()).unwrap();
    told.recv_timeout(PATIENCE).unwrap().unwrap();

    assert_eq!(files(&cut).len(), 1);
    let (outbox, opened) = Outbox::open_on(&cut, options(), Arc::new(Disk)).unwrap();
    assert_eq!((opened.queued, opened.quarantined), (1, 0));
    assert_eq!(files(&cut), Vec::<PathBuf>::new());
    assert_eq!(queued(&outbox), [envelope(9)]);
    outbox.enqueue(large(1)).unwrap();
    assert_eq!(queued(&outbox), [large(1)]);
}

fn segment(dir: &TempDir) -> PathBuf {
    fs::read_dir(dir.path().join("outbox/journal/v1")).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_disk_that_fills_half_way_refuses_with_a_reason() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    let root = dir.path().join("outbox");
    for crashes in [false, true] {
        fake.plan(|plan| (plan.failing_files, plan.crashes) = (1, crashes));
        assert_eq!(outbox.enqueue(large(1)), Err(NotSaved::Full));
        assert_eq!(outbox.find(&large(1).claim), None);
        assert_eq!(files(&root).len(), usize::from(crashes), "half a file is left by a crash only");
    }
    // What is small goes on, and so does what is large once there is room.
    outbox.enqueue(envelope(2)).unwrap();
    outbox.enqueue(large(1)).unwrap();
    assert_eq!(queued(&outbox), [envelope(2), large(1)]);
    outbox.close();
    fs::write(root.join("files/new"), b"half of one").unwrap();
    let outbox = open(&dir, &Fake::default());
    assert_eq!(queued(&outbox), [envelope(2), large(1)]);
    assert_eq!(files(&root).len(), 1);
}

#[test]
fn a_record_that_fails_takes_its_file_with_it() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    let root = dir.path().join("outbox");
    fake.plan(|plan| plan.failing_writes = 2);
    assert_eq!(outbox.enqueue(large(1)), Err(NotSaved::Storage));
    assert_eq!(files(&root), Vec::<PathBuf>::new());
    // A record that may be found again keeps its file until the next opening has read its withdrawal.
    fake.plan(|plan| plan.failing_syncs = 3);
    assert_eq!(outbox.enqueue(large(1)), Err(NotSaved::Storage));
    assert_eq!(files(&root).len(), 1);
    outbox.enqueue(large(2)).unwrap();
    assert_eq!(queued(&outbox), [large(2)]);
    outbox.close();
    let outbox = open(&dir, &Fake::default());
    assert_eq!(queued(&outbox), [large(2)]);
    assert_eq!(files(&root).len(), 1);
}

#[test]
fn an_attachment_needs_room_above_the_low_water_mark() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    // `free_bytes_min` is 1 MiB.
    fake.plan(|plan| plan.free_bytes = Some((1 << 20) + (300 << 10)));
    assert_eq!(outbox.enqueue(large(1)), Err(NotSaved::Full));
    outbox.enqueue(envelope(1)).unwrap();
    fake.plan(|plan| plan.free_bytes = Some((1 << 20) + (301 << 10)));
    outbox.enqueue(large(2)).unwrap();
}
