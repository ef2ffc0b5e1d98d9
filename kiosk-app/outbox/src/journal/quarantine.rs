//! Damaged bytes are kept, out of the way.
//!
//! `quarantine/<segment>-<offset>.<reason>`, both numbers in hexadecimal, the reason one of `header`,
//! `cut`, `body`, `undecodable`, `missing` (its attachment is gone); the content is the bytes as they were
//! found. The same damage has the same name, so it is copied and counted once however often the journal is
//! read. `quarantine/<sha256>.<reason>` is an attachment: `mismatch`, it does not hold what its name says;
//! `orphan`, no record names it and records were lost.
//!
//! `quarantine/<segment>.segment` is a whole segment that is needed no longer, but for a damaged place of it that
//! could not be copied; or one whose number is none that is ever given. `quarantine/new` is a copy being made.
//!
//! Promises: a name here is a whole copy. Holds at most [`FILES_MAX`] files besides whole segments, and takes no
//! attachment when its bytes would be more than [`BYTES_MAX`]; what no longer fits stays where it is and is
//! logged.
//! Never: stops the journal from opening or the queue from moving.

use super::{scan::Damage, storage::Storage};
use crate::failpoint::{Step, reach};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The name of a copy being made.
pub(crate) const NEW: &str = "new";

/// The most files kept.
pub(crate) const FILES_MAX: usize = 256;
/// The most bytes kept, when an attachment comes.
pub(crate) const BYTES_MAX: u64 = 64 << 20;

/// The ending of a whole segment's name.
pub(crate) const SEGMENT: &str = "segment";

/// Where damaged bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Here, since now.
    Now,
    /// Here already.
    Before,
    /// In their segment only.
    Not,
}

/// The folder of damaged bytes.
#[derive(Debug)]
pub(crate) struct Quarantine {
    dir: PathBuf,
    kept: usize,
    bytes: u64,
}

impl Quarantine {
    /// Opens the folder, making it where it is missing; half a copy goes.
    pub(crate) fn open(dir: PathBuf, storage: &dyn Storage) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        if dir.join(NEW).exists() {
            storage.remove(&dir.join(NEW))?;
        }
        let (mut kept, mut bytes) = (0, 0_u64);
        for entry in fs::read_dir(&dir)? {
            kept += 1;
            bytes = bytes.saturating_add(entry?.metadata()?.len());
        }
        Ok(Self { dir, kept, bytes })
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.kept
    }

    /// Copies damaged bytes.
    pub(crate) fn keep(
        &mut self,
        segment: u64,
        damage: &Damage,
        bytes: &[u8],
        storage: &dyn Storage,
    ) -> Kept {
        let (name, len) = (damage.name(segment), damage.len);
        let path = self.dir.join(&name);
        // A shorter one is of a crash while it was copied, or there is more damage now.
        let there = fs::metadata(&path).ok().map(|found| found.len());
        if there.is_some_and(|there| there >= u64::try_from(bytes.len()).unwrap_or(u64::MAX)) {
            return Kept::Before;
        }
        tracing::warn!(%name, len, "damaged bytes in the journal");
        if there.is_none() && self.kept >= FILES_MAX {
            tracing::error!(%name, "quarantine is full: the bytes stay in their segment only");
            return Kept::Not;
        }
        match self.write(&path, bytes, storage) {
            Ok(()) => {
                self.kept -= usize::from(there.is_some());
                self.count(bytes.len());
                Kept::Now
            }
            Err(error) => {
                tracing::error!(%name, %error, "damaged bytes could not be copied: they stay in their segment");
                Kept::Not
            }
        }
    }

    fn write(&self, path: &Path, bytes: &[u8], storage: &dyn Storage) -> io::Result<()> {
        let new = self.dir.join(NEW);
        if new.exists() {
            storage.remove(&new)?;
        }
        storage.write_new(&new, bytes)?;
        reach(Step::Quarantining);
        storage.rename(&new, path)?;
        storage.sync_dir(&self.dir)?;
        reach(Step::Quarantined);
        Ok(())
    }

    /// Moves a whole segment here, also when there is room for nothing else: it is on the disk already.
    pub(crate) fn keep_segment(&mut self, from: &Path, name: &str, storage: &dyn Storage) -> io::Result<()> {
        let len = fs::metadata(from)?.len();
        tracing::error!(%name, len, "a journal segment is set aside whole");
        let names = (1_u64..).map(|nth| self.dir.join(format!("{name}-{nth}.{SEGMENT}")));
        let first = std::iter::once(self.dir.join(format!("{name}.{SEGMENT}")));
        let to = first.chain(names).find(|path| !path.exists());
        storage.rename(from, &to.ok_or(io::ErrorKind::AlreadyExists)?)?;
        storage.sync_dir(&self.dir)?;
        self.count(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    /// Whether an attachment of `len` bytes has room here.
    pub(crate) fn has_room(&self, len: u64) -> bool {
        self.kept < FILES_MAX && self.bytes.saturating_add(len) <= BYTES_MAX
    }

    /// Moves an attachment here; false when it stays where it is.
    pub(crate) fn keep_file(&mut self, from: &Path, name: &str, storage: &dyn Storage) -> bool {
        let len = fs::metadata(from).map_or(0, |found| found.len());
        tracing::warn!(%name, len, "an attachment is set aside");
        if !self.has_room(len) {
            tracing::error!(%name, "quarantine is full: the attachment stays where it is");
            return false;
        }
        let to = self.dir.join(name);
        let again = to.exists();
        let moved = storage.rename(from, &to).and_then(|()| storage.sync_dir(&self.dir));
        match moved {
            Ok(()) if again => {}
            Ok(()) => self.count(usize::try_from(len).unwrap_or(usize::MAX)),
            Err(error) => tracing::error!(%name, %error, "an attachment could not be set aside"),
        }
        !from.exists()
    }

    fn count(&mut self, len: usize) {
        self.kept += 1;
        self.bytes = self.bytes.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
    }
}
