//! What is said and when, proven with a storage that fails and waits on request.

mod attached;
mod damage;
mod refused;

use crate::{
    Limits, Options, Outbox,
    journal::storage::{Disk, SegmentFile, Storage},
    state::kv::{Kv, KvError, Pair, Tree},
};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, KeyId},
    wire::{ClaimState, ClockQuality, Envelope, NotSaved, Stamp},
};
use std::{
    io::{self, ErrorKind},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// What the storage does next. Counters count down with each call.
#[derive(Default)]
struct Plan {
    failing_syncs: u32,
    /// Writes that still succeed before these fail.
    good_writes: u32,
    failing_writes: u32,
    failing_cuts: u32,
    failing_files: u32,
    /// A failing file leaves half of its bytes behind.
    crashes: bool,
    full: bool,
    removals_free_space: bool,
    free_bytes: Option<u64>,
    gate: Option<Gate>,
    done: Vec<&'static str>,
}

/// A sync says that it began, and ends when it is told to.
#[derive(Clone)]
struct Gate {
    arrived: Sender<()>,
    go: Receiver<()>,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Plan>>);

struct FakeFile {
    inner: Box<dyn SegmentFile>,
    plan: Arc<Mutex<Plan>>,
}

impl Fake {
    fn plan<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn file(&self, inner: Box<dyn SegmentFile>) -> Box<dyn SegmentFile> {
        Box::new(FakeFile { inner, plan: Arc::clone(&self.0) })
    }
}

fn fails(counter: &mut u32) -> io::Result<()> {
    if *counter == 0 {
        return Ok(());
    }
    *counter -= 1;
    Err(io::Error::other("as planned"))
}

impl SegmentFile for FakeFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut plan = self.plan.lock().unwrap();
        plan.done.push("write");
        // A failing write gets half way.
        let half = bytes.len() / 2;
        if plan.good_writes > 0 {
            plan.good_writes -= 1;
            return self.inner.write_at(bytes, offset);
        }
        match fails(&mut plan.failing_writes) {
            Ok(()) => self.inner.write_at(bytes, offset),
            Err(error) => self.inner.write_at(&bytes[..half], offset).and(Err(error)),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let gate = self.plan.lock().unwrap().gate.clone();
        if let Some(gate) = gate {
            gate.arrived.send(()).unwrap();
            gate.go.recv_timeout(PATIENCE).unwrap();
        }
        fails(&mut self.plan.lock().unwrap().failing_syncs)?;
        self.inner.sync_data()?;
        self.plan.lock().unwrap().done.push("synced");
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        fails(&mut self.plan.lock().unwrap().failing_cuts)?;
        self.inner.set_len(len)
    }
}

impl Storage for Fake {
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn SegmentFile>> {
        if self.plan(|plan| plan.full) {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(self.file(Disk.create(path, len)?))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        // A disk that fills half way leaves half a file where a crash comes before the clean-up.
        if self.plan(|plan| fails(&mut plan.failing_files).is_err()) {
            return match self.plan(|plan| plan.crashes) {
                true => {
                    Disk.write_new(path, &bytes[..bytes.len() / 2]).and(Err(ErrorKind::StorageFull.into()))
                }
                false => Err(ErrorKind::StorageFull.into()),
            };
        }
        Disk.write_new(path, bytes)?;
        self.plan(|plan| plan.done.push("file"));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan(|plan| plan.done.push("named"));
        Disk.rename(from, to)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(self.file(Disk.open(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.plan(|plan| {
            plan.full &= !plan.removals_free_space;
            plan.done.push(match path.parent().and_then(Path::file_name) {
                Some(folder) if folder == "files" => "file gone",
                _ if path.ends_with("ballast") => "ballast gone",
                _ => "segment gone",
            });
        });
        Disk.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.plan(|plan| plan.done.push("folder"));
        Disk.sync_dir(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.plan(|plan| plan.free_bytes).map_or_else(|| Disk.free_bytes(path), Ok)
    }
}

fn limits() -> Limits {
    Limits { segment_bytes: 4096, ballast_bytes: 4096, free_bytes_min: 1 << 20, ..Limits::default() }
}

fn options() -> Options {
    options_with(limits())
}

fn options_with(limits: Limits) -> Options {
    Options { limits, clock: Box::new(|| 1_800_000_000_000) }
}

fn open(dir: &TempDir, fake: &Fake) -> Outbox {
    Outbox::open_on(&dir.path().join("outbox"), options(), Arc::new(fake.clone())).unwrap().0
}

/// One of its kind for each `n`.
pub(crate) fn envelope(n: u8) -> Envelope {
    Envelope {
        id: EnvelopeId::new(u64::from(n), [n; 10]),
        service: "test".parse().unwrap(),
        claim: ClaimDigest([n; 32]),
        key: KeyId(1),
        made_at: Stamp { unix_ms: 1_700_000_000_000, clock: ClockQuality::Synced },
        sealed: vec![n; 300],
    }
}

fn queued(outbox: &Outbox) -> Vec<Envelope> {
    outbox.claim(100, 0).into_iter().map(|waiting| waiting.envelope).collect()
}

/// An engine that has stopped working.
struct Broken;

impl Kv for Broken {
    fn get(&self, _: Tree, _: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Err(KvError::Panicked)
    }
    fn put(&mut self, _: Tree, _: &[u8], _: &[u8]) -> Result<(), KvError> {
        Err(KvError::Panicked)
    }
    fn remove(&mut self, _: Tree, _: &[u8]) -> Result<(), KvError> {
        Err(KvError::Panicked)
    }
    fn after(&self, _: Tree, _: Option<&[u8]>) -> Result<Option<Pair>, KvError> {
        Err(KvError::Panicked)
    }
    fn last_with(&self, _: Tree, _: &[u8]) -> Result<Option<Pair>, KvError> {
        Err(KvError::Panicked)
    }
    fn flush(&mut self) -> Result<(), KvError> {
        Err(KvError::Panicked)
    }
    fn disk_bytes(&self) -> u64 {
        0
    }
    fn is_on_disk(&self) -> bool {
        true
    }
}

#[test]
fn when_sled_fails_the_queue_goes_on_from_the_journal() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    outbox.enqueue(envelope(1)).unwrap();
    outbox.enqueue(envelope(2)).unwrap();
    outbox.close();
    let path = dir.path().join("outbox");
    let (mut committer, lock, _) = crate::open::open(&path, options(), Arc::new(Disk)).unwrap();
    committer.state.replace_kv(Box::new(Broken));
    let outbox = Outbox::start(committer, lock).unwrap();
    outbox.enqueue(envelope(3)).unwrap();
    outbox.settle(envelope(1).id, vec![1]).unwrap();
    assert_eq!(queued(&outbox), [envelope(2), envelope(3)]);
    assert!(!outbox.stats().state_on_disk);
    outbox.close();
    let (outbox, opened) = Outbox::open_on(&path, options(), Arc::new(Disk)).unwrap();
    assert_eq!((opened.queued, opened.rebuilt), (2, false));
    assert!(matches!(outbox.find(&envelope(1).claim), Some((_, ClaimState::Sent))));
}

#[test]
fn saved_is_said_only_after_fdatasync_returned() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    let (arrived, arrivals) = bounded(1);
    let (go, gone) = bounded(1);
    fake.plan(|plan| plan.gate = Some(Gate { arrived, go: gone }));
    let (tell, told) = unbounded();
    outbox.enqueue_with(envelope(1), move |result| tell.send(result).unwrap());
    arrivals.recv_timeout(PATIENCE).unwrap();
    assert!(told.try_recv().is_err(), "told while fdatasync ran");
    go.send(()).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().unwrap().id, envelope(1).id);
    let done = fake.plan(|plan| std::mem::take(&mut plan.done));
    assert_eq!(done[done.len() - 3..], ["folder", "write", "synced"]);
}

#[test]
fn callers_that_wait_together_share_one_fdatasync() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    outbox.enqueue(envelope(100)).unwrap();
    let before = outbox.stats();
    let (arrived, arrivals) = bounded(8);
    let (go, gone) = bounded(8);
    fake.plan(|plan| plan.gate = Some(Gate { arrived, go: gone }));
    let (tell, told) = unbounded();
    let send = |n| {
        let tell = tell.clone();
        outbox.enqueue_with(envelope(n), move |result| tell.send(result).unwrap());
    };
    send(0);
    arrivals.recv_timeout(PATIENCE).unwrap();
    // These wait for their turn while the first is being synced; they fit into one segment.
    (1..=5).for_each(send);
    fake.plan(|plan| plan.gate = None);
    go.send(()).unwrap();
    for _ in 0..=5 {
        told.recv_timeout(PATIENCE).unwrap().unwrap();
    }
    let after = outbox.stats();
    assert_eq!((after.records - before.records, after.syncs - before.syncs), (6, 2));
}

#[test]
fn a_failed_fdatasync_poisons_its_segment_and_nothing_else() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    outbox.enqueue(envelope(1)).unwrap();
    fake.plan(|plan| plan.failing_syncs = 1);
    outbox.enqueue(envelope(2)).unwrap();
    outbox.enqueue(envelope(3)).unwrap();
    let segments = std::fs::read_dir(dir.path().join("outbox/journal/v1")).unwrap().count();
    assert_eq!(segments, 2);
    outbox.close();
    let outbox = open(&dir, &Fake::default());
    assert_eq!(queued(&outbox), [envelope(1), envelope(2), envelope(3)]);
}

/// Sync fails, its repetition fails; with `cuts` the refused bytes cannot even be cut off again.
fn refused_while_syncs_fail(cuts: u32) {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    outbox.enqueue(envelope(1)).unwrap();
    fake.plan(|plan| (plan.failing_syncs, plan.failing_cuts) = (if cuts > 0 { 2 } else { 3 }, cuts));
    assert_eq!(outbox.enqueue(envelope(2)), Err(NotSaved::Storage));
    assert_eq!(outbox.find(&envelope(2).claim), None);
    fake.plan(|plan| (plan.failing_syncs, plan.failing_cuts) = (0, 0));
    outbox.enqueue(envelope(3)).unwrap();
    assert_eq!(queued(&outbox), [envelope(1), envelope(3)]);
    outbox.close();
    std::fs::remove_dir_all(dir.path().join("outbox/state")).unwrap();
    let outbox = open(&dir, &Fake::default());
    assert_eq!(queued(&outbox), [envelope(1), envelope(3)]);
    outbox.enqueue(envelope(2)).unwrap();
}

#[test]
fn nothing_is_acknowledged_while_syncs_fail() {
    refused_while_syncs_fail(0);
}

#[test]
fn a_refused_envelope_never_comes_back() {
    refused_while_syncs_fail(2);
}

#[test]
fn a_write_that_gets_half_way_is_written_again() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    outbox.enqueue(envelope(1)).unwrap();
    fake.plan(|plan| (plan.failing_writes, plan.failing_cuts) = (1, 1));
    outbox.enqueue(envelope(2)).unwrap();
    outbox.close();
    let (outbox, opened) = Outbox::open_on(&dir.path().join("outbox"), options(), Arc::new(Disk)).unwrap();
    assert_eq!(opened.quarantined, 1);
    assert_eq!(queued(&outbox), [envelope(1), envelope(2)]);
}

#[test]
fn a_full_disk_refuses_with_a_reason_and_delivery_goes_on() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    outbox.enqueue(envelope(1)).unwrap();
    fake.plan(|plan| (plan.full, plan.removals_free_space) = (true, true));
    let refused = (2..).map(|n| outbox.enqueue(envelope(n))).find_map(Result::err);
    assert_eq!(refused, Some(NotSaved::Full));
    let ballast = dir.path().join("outbox/ballast");
    assert!(ballast.exists(), "the ballast is for receipts");
    let before = outbox.stats();
    outbox.settle(envelope(1).id, b"receipt".to_vec()).unwrap();
    assert!(matches!(outbox.find(&envelope(1).claim), Some((_, ClaimState::Sent))));
    assert!(fake.plan(|plan| plan.done.contains(&"ballast gone")));
    outbox.enqueue(envelope(50)).unwrap();
    assert_eq!(outbox.stats().queued, before.queued);
}

#[test]
fn the_ballast_makes_room_for_receipts() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    let ballast = dir.path().join("outbox/ballast");
    assert!(ballast.exists());
    outbox.enqueue(envelope(1)).unwrap();
    fake.plan(|plan| (plan.full, plan.removals_free_space) = (true, true));
    // Does not fit into what is left of the segment.
    outbox.settle(envelope(1).id, vec![7; 4000]).unwrap();
    assert!(fake.plan(|plan| plan.done.contains(&"ballast gone")));
    assert_eq!(outbox.receipt(envelope(1).id), Some(vec![7; 4000]));
}

#[test]
fn below_the_low_water_mark_nothing_new_is_written() {
    let (dir, fake) = (TempDir::new().unwrap(), Fake::default());
    let outbox = open(&dir, &fake);
    outbox.enqueue(envelope(1)).unwrap();
    fake.plan(|plan| (plan.free_bytes, plan.done) = (Some(1 << 20), Vec::new()));
    assert_eq!(outbox.enqueue(envelope(2)), Err(NotSaved::Full));
    assert_eq!(fake.plan(|plan| plan.done.clone()), Vec::<&str>::new());
    outbox.settle(envelope(1).id, vec![]).unwrap();
}
