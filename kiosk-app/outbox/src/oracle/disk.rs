//! A disk whose power goes after a number of steps, and that can be full.
//!
//! What was not synced when the power went is there or not, by chance, in pieces of [`PIECE_BYTES`]: written
//! bytes until `sync_data`, made and unlinked files until `sync_dir`.
//!
//! Promises: after the power went every call fails, until [`PoweredDisk::restore`].
//! Never: loses what was synced.

use crate::journal::storage::{Disk, SegmentFile, Storage};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

const PIECE_BYTES: usize = 512;

#[derive(Default)]
struct Power {
    /// Steps until it goes.
    steps_left: Option<u32>,
    gone: bool,
    full: bool,
    /// What lay below a write that is not synced, oldest first.
    unsynced: Vec<(PathBuf, u64, Vec<u8>)>,
    made: Vec<PathBuf>,
    unlinked: Vec<(PathBuf, Vec<u8>)>,
}

/// The disk; clones share it.
#[derive(Clone, Default)]
pub(super) struct PoweredDisk(Arc<Mutex<Power>>);

struct PoweredFile {
    path: PathBuf,
    file: File,
    disk: PoweredDisk,
}

impl PoweredDisk {
    fn power<T>(&self, change: impl FnOnce(&mut Power) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// One step; fails when the power is gone.
    fn step(&self) -> io::Result<()> {
        self.power(|power| {
            power.gone |= power.steps_left == Some(0);
            power.steps_left = power.steps_left.map(|left| left.saturating_sub(1));
            if power.gone { Err(io::Error::other("no power")) } else { Ok(()) }
        })
    }

    /// Lets the power go after so many steps.
    pub(super) fn dies_in(&self, steps: u32) {
        self.power(|power| power.steps_left = Some(steps));
    }

    /// Lets it go now.
    pub(super) fn die(&self) {
        self.power(|power| power.gone = true);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.power(|power| power.gone)
    }

    /// No new file any more, until something is unlinked or there is room again.
    pub(super) fn fill(&self, full: bool) {
        self.power(|power| power.full = full);
    }

    /// The power is back; `kept` says of each piece whether it had reached the disk.
    pub(super) fn restore(&self, mut kept: impl FnMut() -> bool) {
        let power = self.power(std::mem::take);
        for (path, offset, old) in power.unsynced.into_iter().rev() {
            let Ok(file) = OpenOptions::new().write(true).open(&path) else { continue };
            for (piece, at) in old.chunks(PIECE_BYTES).zip((offset..).step_by(PIECE_BYTES)) {
                if !kept() {
                    file.write_all_at(piece, at).unwrap();
                }
            }
        }
        for path in power.made.into_iter().filter(|path| path.exists()) {
            if !kept() {
                fs::remove_file(path).unwrap();
            }
        }
        for (path, bytes) in power.unlinked {
            if !kept() {
                fs::write(path, bytes).unwrap();
            }
        }
    }
}

impl SegmentFile for PoweredFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut old = fs::read(&self.path)?.split_off(usize::try_from(offset).unwrap());
        old.truncate(bytes.len());
        let begun = self.disk.step();
        self.disk.power(|power| power.unsynced.push((self.path.clone(), offset, old)));
        // The write during which the power goes gets half way.
        let bytes = if begun.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        self.file.write_all_at(bytes, offset)?;
        begun
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.step()?;
        self.disk.power(|power| power.unsynced.retain(|(path, ..)| *path != self.path));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.step()?;
        self.file.set_len(len)
    }
}

impl Storage for PoweredDisk {
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn SegmentFile>> {
        self.step()?;
        if self.power(|power| power.full) {
            return Err(ErrorKind::StorageFull.into());
        }
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.set_len(len)?;
        self.power(|power| power.made.push(path.to_owned()));
        Ok(Box::new(PoweredFile { path: path.to_owned(), file, disk: self.clone() }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.step()?;
        let file = OpenOptions::new().write(true).open(path)?;
        Ok(Box::new(PoweredFile { path: path.to_owned(), file, disk: self.clone() }))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.step()?;
        if self.power(|power| power.full) {
            return Err(ErrorKind::StorageFull.into());
        }
        fs::write(path, bytes)?;
        self.power(|power| power.made.push(path.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        fs::rename(from, to)?;
        self.power(|power| power.made.push(to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let bytes = fs::read(path)?;
        fs::remove_file(path)?;
        self.power(|power| {
            power.full = false;
            power.unsynced.retain(|(unsynced, ..)| unsynced != path);
            power.unlinked.push((path.to_owned(), bytes));
        });
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.step()?;
        self.power(|power| {
            power.made.retain(|path| path.parent() != Some(dir));
            power.unlinked.retain(|(path, _)| path.parent() != Some(dir));
        });
        Ok(())
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        Disk.free_bytes(path)
    }
}
