//! A storage whose journal is never synced: *saved* is said while the bytes are in memory only.
//!
//! It shows that a power cut test can fail. Everything but [`SegmentFile::sync_data`] is [`Disk`]'s.
//!
//! Never: part of a release build, or of any build that does not ask for the feature `powercut`.

use super::storage::{Disk, SegmentFile, Storage};
use std::{io, path::Path};

#[cfg(not(debug_assertions))]
compile_error!("the feature `powercut` is for tests; a release build must not have it");

/// The storage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsynced;

struct UnsyncedFile(Box<dyn SegmentFile>);

impl SegmentFile for UnsyncedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

impl Storage for Unsynced {
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(UnsyncedFile(Disk.create(path, len)?)))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        Disk.write_new(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(UnsyncedFile(Disk.open(path)?)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        Disk.sync_dir(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        Disk.free_bytes(path)
    }
}
