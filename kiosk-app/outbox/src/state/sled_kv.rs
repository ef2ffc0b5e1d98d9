//! sled 0.34.7, held at arm's length.
//!
//! sled's `flush()` ends in `sync_file_range(2)`, which neither empties the drive's cache nor records the
//! file's size; so [`SledKv::flush`] adds an `fdatasync(2)` of sled's file through a descriptor of its own.
//! `flush_async` is never called: from seven callers on it locks up.
//!
//! Promises: a panic inside sled comes out as [`KvError::Panicked`], or is logged when the database goes;
//! opening and going have a limit.
//! Never: holds a value above 8 KiB (sled would put it into a blob file that it never syncs), retries.

use super::kv::{Each, Kv, KvError, Pair, Tree};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::File,
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long sled may take to open. A hundred thousand rows take 3 s on a busy machine; cards are slower.
pub(crate) const OPEN_MS_MAX: u64 = 60_000;

/// How long a caller waits for a database to go; longer than that it goes on its own.
const GO_MS_MAX: u64 = 10_000;

const CACHE_BYTES: u64 = 1 << 20;
const SEGMENT_BYTES: usize = 128 << 10;

/// An open sled database.
pub(crate) struct SledKv {
    trees: Vec<(Tree, sled::Tree)>,
    /// `None` only while it goes.
    db: Option<sled::Db>,
    file: File,
}

impl Drop for SledKv {
    /// sled syncs its file once more when its last handle goes, and panics when the drive refuses that.
    fn drop(&mut self) {
        // In this order: trees before the database they belong to.
        let sled = (std::mem::take(&mut self.trees), self.db.take());
        let_go(sled, Duration::from_millis(GO_MS_MAX));
    }
}

/// A database that a thread of its own is opening.
pub(crate) struct Opening(mpsc::Receiver<Result<SledKv, KvError>>);

impl Opening {
    /// Begins.
    pub(crate) fn begin(path: &Path) -> Result<Self, KvError> {
        let (answer, opened) = mpsc::sync_channel(1);
        let path = path.to_owned();
        thread::Builder::new().name("outbox-sled-open".into()).spawn(move || {
            let result = guarded(|| SledKv::open_here(&path));
            // Nobody listens any more when the limit has passed; the database closes again.
            let _ = answer.send(result);
        })?;
        Ok(Self(opened))
    }

    /// The database, within [`OPEN_MS_MAX`] from now.
    pub(crate) fn wait(self) -> Result<SledKv, KvError> {
        let limit = Duration::from_millis(OPEN_MS_MAX);
        self.0.recv_timeout(limit).map_err(|_| KvError::TimedOut(OPEN_MS_MAX))?
    }
}

impl Drop for Opening {
    /// Nobody wants it any longer: what opens closes again before anything else is done in its folder.
    fn drop(&mut self) {
        _ = self.0.recv_timeout(Duration::from_millis(OPEN_MS_MAX));
    }
}

impl SledKv {
    /// Opens or makes the database in `path`, within [`OPEN_MS_MAX`].
    pub(crate) fn open(path: &Path) -> Result<Self, KvError> {
        Opening::begin(path)?.wait()
    }

    fn open_here(path: &PathBuf) -> Result<Self, KvError> {
        wait_for_lock(path)?;
        let db = config(path).open()?;
        let mut trees = Vec::new();
        for tree in Tree::ALL {
            trees.push((tree, db.open_tree(tree.name())?));
        }
        let file = File::open(path.join("db"))?;
        // sled syncs none of its folder entries.
        File::open(path)?.sync_all()?;
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { trees, db: Some(db), file })
    }

    fn tree(&self, tree: Tree) -> Result<&sled::Tree, KvError> {
        let named = self.trees.iter().find(|(name, _)| *name == tree);
        named.map(|(_, tree)| tree).ok_or(KvError::Row(tree.name()))
    }
}

/// With sled's own segments of 512 KiB a nearly empty queue takes 2 MB and more.
fn config(path: &Path) -> sled::Config {
    let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    config.segment_size(SEGMENT_BYTES)
}

/// Returns when nothing of a closed database is at work in `path` any longer, within [`OPEN_MS_MAX`].
pub(crate) fn wait_closed(path: &Path) -> Result<(), KvError> {
    let (answer, closed) = mpsc::sync_channel(1);
    let path = path.to_owned();
    thread::Builder::new().name("outbox-sled-close".into()).spawn(move || {
        // Nobody listens any more when the limit has passed.
        let _ = answer.send(wait_for_lock(&path));
    })?;
    let limit = Duration::from_millis(OPEN_MS_MAX);
    closed.recv_timeout(limit).map_err(|_| KvError::TimedOut(OPEN_MS_MAX))?
}

/// A closed sled's own threads may hold its lock a moment longer; sled would refuse to open.
fn wait_for_lock(path: &Path) -> Result<(), KvError> {
    match File::open(path.join("db")) {
        Ok(file) => Ok(flock(&file, FlockOperation::LockExclusive).map_err(std::io::Error::from)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn guarded<T>(work: impl FnOnce() -> Result<T, KvError>) -> Result<T, KvError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(KvError::Panicked))
}

/// Drops `value` on a thread of its own, and waits at most `limit` for that. Its panic ends there.
fn let_go<T: Send + 'static>(value: T, limit: Duration) {
    let (give, taken) = mpsc::sync_channel::<T>(1);
    let (going, gone) = mpsc::sync_channel::<()>(0);
    let work = move || {
        let value = taken.recv();
        if catch_unwind(AssertUnwindSafe(|| drop(value))).is_err() {
            tracing::error!("sled panicked while it closed");
        }
        drop(going);
    };
    let thread = thread::Builder::new().name("outbox-sled-go".into()).spawn(work);
    // Without a thread the channel gives the value back: then here, without a limit.
    match give.send(value) {
        Ok(()) => {}
        Err(mpsc::SendError(value)) => {
            let went = catch_unwind(AssertUnwindSafe(|| drop(value)));
            tracing::error!(went = went.is_ok(), spawned = thread.is_ok(), "no thread to close sled on");
            return;
        }
    }
    if gone.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
        tracing::error!("sled takes too long to close: it goes on closing on its own");
    }
}

fn pair((key, value): (sled::IVec, sled::IVec)) -> Pair {
    (key.to_vec(), value.to_vec())
}

impl Kv for SledKv {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        guarded(|| Ok(self.tree(tree)?.get(key)?.map(|value| value.to_vec())))
    }

    fn put(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<(), KvError> {
        guarded(|| Ok(self.tree(tree)?.insert(key, value).map(drop)?))
    }

    fn remove(&mut self, tree: Tree, key: &[u8]) -> Result<(), KvError> {
        guarded(|| Ok(self.tree(tree)?.remove(key).map(drop)?))
    }

    fn after(&self, tree: Tree, key: Option<&[u8]>) -> Result<Option<Pair>, KvError> {
        guarded(|| {
            let tree = self.tree(tree)?;
            let found = match key {
                Some(key) => tree.get_gt(key)?,
                None => tree.first()?,
            };
            Ok(found.map(pair))
        })
    }

    fn for_each(&self, tree: Tree, each: &mut Each<'_>) -> Result<(), KvError> {
        guarded(|| {
            for found in self.tree(tree)?.iter() {
                let (key, value) = found?;
                each(&key, &value)?;
            }
            Ok(())
        })
    }

    fn last_with(&self, tree: Tree, prefix: &[u8]) -> Result<Option<Pair>, KvError> {
        guarded(|| Ok(self.tree(tree)?.scan_prefix(prefix).next_back().transpose()?.map(pair)))
    }

    fn flush(&mut self) -> Result<(), KvError> {
        guarded(|| {
            self.db.iter().try_for_each(|db| db.flush().map(drop))?;
            Ok(self.file.sync_data()?)
        })
    }

    fn disk_bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |meta| meta.len())
    }

    fn is_on_disk(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs, io,
        os::fd::{FromRawFd, IntoRawFd, OwnedFd},
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };
    use tempfile::TempDir;

    /// Puts a pipe in the place of every descriptor of `path`: `fsync(2)` of a pipe fails.
    #[expect(unsafe_code, reason = "sled keeps its descriptor to itself")]
    fn fail_syncs_of(path: &Path) -> usize {
        let (pipe, _) = io::pipe().unwrap();
        let mut replaced = 0;
        for entry in fs::read_dir("/proc/self/fd").unwrap() {
            let entry = entry.unwrap().path();
            if fs::read_link(&entry).is_ok_and(|file| file == path) {
                let number = entry.file_name().unwrap().to_str().unwrap().parse().unwrap();
                // SAFETY: the number is open, and is given back to its owner before anything closes it.
                let mut theirs = unsafe { OwnedFd::from_raw_fd(number) };
                rustix::io::dup2(&pipe, &mut theirs).unwrap();
                assert_eq!(theirs.into_raw_fd(), number);
                replaced += 1;
            }
        }
        replaced
    }

    fn with_failing_syncs() -> SledKv {
        let dir = TempDir::new().unwrap();
        let mut sled = SledKv::open(dir.path()).unwrap();
        sled.put(Tree::Meta, b"key", b"value").unwrap();
        sled.flush().unwrap();
        assert!(fail_syncs_of(&dir.path().join("db")) >= 2, "sled's descriptor and ours");
        sled
    }

    #[test]
    fn a_drive_that_refuses_the_last_sync_stops_nobody() {
        drop(with_failing_syncs());
        // The same without our care, or this test shows nothing.
        let mut sled = with_failing_syncs();
        let bare = (std::mem::take(&mut sled.trees), sled.db.take());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(bare))).is_err(), "sled panics no longer");
    }

    struct Slow(Arc<AtomicBool>, mpsc::Receiver<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            _ = self.1.recv();
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn one_that_does_not_go_is_left_behind() {
        let (gone, (go, wait)) = (Arc::new(AtomicBool::new(false)), mpsc::sync_channel(1));
        let_go(Slow(Arc::clone(&gone), wait), Duration::ZERO);
        assert!(!gone.load(Ordering::SeqCst));
        drop(go);
    }
}
