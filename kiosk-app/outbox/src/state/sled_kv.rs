//! sled 0.34.7, held at arm's length.
//!
//! sled's `flush()` ends in `sync_file_range(2)`, which neither empties the drive's cache nor records the
//! file's size; so [`SledKv::flush`] adds an `fdatasync(2)` of sled's file through a descriptor of its own.
//! `flush_async` is never called: from seven callers on it locks up.
//!
//! Promises: a panic inside sled comes out as [`KvError::Panicked`]; opening has a limit.
//! Never: holds a value above 8 KiB (sled would put it into a blob file that it never syncs), retries.

use super::kv::{Kv, KvError, Pair, Tree};
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

const CACHE_BYTES: u64 = 8 << 20;

/// An open sled database.
pub(crate) struct SledKv {
    // Dropped in this order: trees before the database they belong to.
    trees: Vec<(Tree, sled::Tree)>,
    db: sled::Db,
    file: File,
}

impl SledKv {
    /// Opens or makes the database in `path`, in a thread of its own, within [`OPEN_MS_MAX`].
    pub(crate) fn open(path: &Path) -> Result<Self, KvError> {
        let (answer, opened) = mpsc::sync_channel(1);
        let path = path.to_owned();
        thread::Builder::new().name("outbox-sled-open".into()).spawn(move || {
            let result = guarded(|| Self::open_here(&path));
            // Nobody listens any more when the limit has passed; the database closes again.
            let _ = answer.send(result);
        })?;
        opened.recv_timeout(Duration::from_millis(OPEN_MS_MAX)).map_err(|_| KvError::TimedOut(OPEN_MS_MAX))?
    }

    fn open_here(path: &PathBuf) -> Result<Self, KvError> {
        wait_for_lock(path)?;
        let db = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None).open()?;
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

    fn last_with(&self, tree: Tree, prefix: &[u8]) -> Result<Option<Pair>, KvError> {
        guarded(|| Ok(self.tree(tree)?.scan_prefix(prefix).next_back().transpose()?.map(pair)))
    }

    fn flush(&mut self) -> Result<(), KvError> {
        guarded(|| {
            self.db.flush()?;
            Ok(self.file.sync_data()?)
        })
    }

    fn is_on_disk(&self) -> bool {
        true
    }
}
