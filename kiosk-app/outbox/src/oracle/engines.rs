//! A second engine, and all engines side by side.
//!
//! Promises: [`Side`] answers only what sled, redb and a `BTreeMap` all answer; a difference ends the
//! outbox's thread, and with it the test.

use super::disk::PoweredDisk;
use crate::state::kv::{Kv, KvError, Memory, Pair, Tree};
use redb::{Database, ReadableDatabase as _, TableDefinition, backends::InMemoryBackend};
use std::{
    fs,
    ops::Bound,
    path::{Path, PathBuf},
    sync::Arc,
};

type Table<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// redb in memory; clones share it.
#[derive(Clone)]
pub(super) struct Second(Arc<Database>);

impl Second {
    pub(super) fn new() -> Self {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let write = database.begin_write().unwrap();
        for tree in Tree::ALL {
            write.open_table(Table::new(tree.name())).unwrap();
        }
        write.commit().unwrap();
        Self(Arc::new(database))
    }

    fn write(&self, tree: Tree, change: impl FnOnce(&mut redb::Table<'_, &'static [u8], &'static [u8]>)) {
        let write = self.0.begin_write().unwrap();
        change(&mut write.open_table(Table::new(tree.name())).unwrap());
        write.commit().unwrap();
    }
}

impl Kv for Second {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        let table = self.0.begin_read().unwrap().open_table(Table::new(tree.name())).unwrap();
        Ok(table.get(key).unwrap().map(|value| value.value().to_vec()))
    }

    fn put(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<(), KvError> {
        self.write(tree, |table| drop(table.insert(key, value).unwrap()));
        Ok(())
    }

    fn remove(&mut self, tree: Tree, key: &[u8]) -> Result<(), KvError> {
        self.write(tree, |table| drop(table.remove(key).unwrap()));
        Ok(())
    }

    fn after(&self, tree: Tree, key: Option<&[u8]>) -> Result<Option<Pair>, KvError> {
        let table = self.0.begin_read().unwrap().open_table(Table::new(tree.name())).unwrap();
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        let next = table.range::<&[u8]>((from, Bound::Unbounded)).unwrap().next();
        Ok(next.map(|pair| pair.unwrap()).map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
    }

    fn last_with(&self, tree: Tree, prefix: &[u8]) -> Result<Option<Pair>, KvError> {
        let table = self.0.begin_read().unwrap().open_table(Table::new(tree.name())).unwrap();
        let pairs = table.range(prefix..).unwrap().map(Result::unwrap);
        let pairs = pairs.map(|(key, value)| (key.value().to_vec(), value.value().to_vec()));
        Ok(pairs.take_while(|(key, _)| key.starts_with(prefix)).last())
    }

    fn flush(&mut self) -> Result<(), KvError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn is_on_disk(&self) -> bool {
        false
    }
}

/// sled's folder as its last flush left it: what a drive has when the power goes.
#[derive(Clone)]
pub(super) struct Flushed {
    state: PathBuf,
    copy: PathBuf,
    disk: PoweredDisk,
}

impl Flushed {
    /// Of the state in `state`, kept in `copy`.
    pub(super) fn new(state: PathBuf, copy: PathBuf, disk: PoweredDisk) -> Self {
        Self { state, copy, disk }
    }

    /// A flush ended; one without power reached nothing.
    pub(super) fn take(&self) {
        if !self.disk.is_dead() {
            replace(&self.state, &self.copy);
        }
    }

    /// The power went: what sled wrote since, also while it closed, is gone. No later than the copy.
    pub(super) fn put_back(&self) {
        if self.copy.exists() && self.state.exists() {
            replace(&self.copy, &self.state);
        }
    }
}

/// Copies a flat folder over another.
fn replace(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            replace(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// sled, redb and a map, side by side.
pub(super) struct Side {
    sled: Box<dyn Kv>,
    second: Second,
    map: Memory,
    flushed: Option<Flushed>,
}

impl Side {
    /// Puts the others beside sled; they begin with what it holds.
    pub(super) fn new(sled: Box<dyn Kv>, second: Second, flushed: Option<Flushed>) -> Self {
        let mut side = Self { sled, second, map: Memory::default(), flushed };
        let (second, map) = (&mut side.second, &mut side.map);
        for tree in Tree::ALL {
            while let Some((key, _)) = second.after(tree, None).unwrap() {
                second.remove(tree, &key).unwrap();
            }
            let copy = &mut |key: &[u8], value: &[u8]| {
                second.put(tree, key, value)?;
                map.put(tree, key, value)
            };
            side.sled.for_each(tree, copy).unwrap();
        }
        side
    }

    fn agreed<T: PartialEq + std::fmt::Debug>(
        &self,
        ask: impl Fn(&dyn Kv) -> Result<T, KvError>,
    ) -> Result<T, KvError> {
        let answer = ask(self.sled.as_ref())?;
        assert_eq!(answer, ask(&self.map)?, "sled and the map differ");
        assert_eq!(answer, ask(&self.second)?, "sled and redb differ");
        Ok(answer)
    }
}

impl Kv for Side {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.agreed(|kv| kv.get(tree, key))
    }

    fn put(&mut self, tree: Tree, key: &[u8], value: &[u8]) -> Result<(), KvError> {
        self.sled.put(tree, key, value)?;
        self.map.put(tree, key, value)?;
        self.second.put(tree, key, value)
    }

    fn remove(&mut self, tree: Tree, key: &[u8]) -> Result<(), KvError> {
        self.sled.remove(tree, key)?;
        self.map.remove(tree, key)?;
        self.second.remove(tree, key)
    }

    fn after(&self, tree: Tree, key: Option<&[u8]>) -> Result<Option<Pair>, KvError> {
        self.agreed(|kv| kv.after(tree, key))
    }

    fn last_with(&self, tree: Tree, prefix: &[u8]) -> Result<Option<Pair>, KvError> {
        self.agreed(|kv| kv.last_with(tree, prefix))
    }

    fn flush(&mut self) -> Result<(), KvError> {
        self.sled.flush()?;
        self.flushed.iter().for_each(Flushed::take);
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn is_on_disk(&self) -> bool {
        self.sled.is_on_disk()
    }
}
