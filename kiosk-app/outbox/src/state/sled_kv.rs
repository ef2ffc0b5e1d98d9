//! sled 0.34.7, held at arm's length.
//!
//! sled's `flush()` ends in `sync_file_range(2)`, which neither empties the drive's cache nor records the
//! file's size; so [`SledKv::flush`] adds an `fdatasync(2)` of sled's file through a descriptor of its own.
//! `flush_async` is never called: from seven callers on it locks up.
//!
//! Promises: a panic inside sled comes out as [`KvError::Panicked`]; opening has a limit.
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

const CACHE_BYTES: u64 = 1 << 20;
const SEGMENT_BYTES: usize = 128 << 10;

/// An open sled database.
pub(crate) struct SledKv {
    // Dropped in this order: trees before the database they belong to.
    trees: Vec<(Tree, sled::Tree)>,
    db: sled::Db,
    file: File,
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
        Ok(Self { trees, db, file })
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
            self.db.flush()?;
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
