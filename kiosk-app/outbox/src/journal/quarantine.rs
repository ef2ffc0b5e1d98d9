//! Damaged bytes are kept, out of the way.
//!
//! `quarantine/<segment>-<offset>.<reason>`, both numbers in hexadecimal, the reason one of `header`,
//! `cut`, `body`, `undecodable`, `missing` (its attachment is gone); the content is the bytes as they were
//! found. The same damage has the same name, so it is copied and counted once however often the journal is
//! read. `quarantine/<sha256>.<reason>` is an attachment: `mismatch`, it does not hold what its name says;
//! `orphan`, no record names it and records were lost.
//!
//! Promises: holds at most [`FILES_MAX`] files, and takes no attachment when its bytes would be more than
//! [`BYTES_MAX`]; what no longer fits stays where it is and is logged.
//! Never: stops the journal from opening or the queue from moving.

use super::{scan::Damage, storage::Storage};
use crate::failpoint::{Step, reach};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The most files kept.
pub(crate) const FILES_MAX: usize = 256;
/// The most bytes kept, when an attachment comes.
pub(crate) const BYTES_MAX: u64 = 64 << 20;

/// The folder of damaged bytes.
#[derive(Debug)]
pub(crate) struct Quarantine {
    dir: PathBuf,
    kept: usize,
    bytes: u64,
}

impl Quarantine {
    /// Opens the folder, making it where it is missing.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
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

    /// Copies damaged bytes; true when they are here now for the first time.
    pub(crate) fn keep(&mut self, segment: u64, damage: &Damage, bytes: &[u8]) -> bool {
        let (name, len) = (damage.name(segment), damage.len);
        let path = self.dir.join(&name);
        if path.exists() {
            return false;
        }
        tracing::warn!(%name, len, "damaged bytes in the journal");
        if self.kept >= FILES_MAX {
            tracing::error!(%name, "quarantine is full: the bytes stay in their segment only");
            return false;
        }
        match write(&path, bytes) {
            Ok(()) => self.count(bytes.len()),
            Err(error) => tracing::error!(%name, %error, "damaged bytes could not be copied"),
        }
        true
    }

    /// Moves an attachment here; false when it stays where it is.
    pub(crate) fn keep_file(&mut self, from: &Path, name: &str, storage: &dyn Storage) -> bool {
        let len = fs::metadata(from).map_or(0, |found| found.len());
        tracing::warn!(%name, len, "an attachment is set aside");
        if self.kept >= FILES_MAX || self.bytes.saturating_add(len) > BYTES_MAX {
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

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    reach(Step::Quarantining);
    file.write_all(bytes)?;
    file.sync_all()?;
    reach(Step::Quarantined);
    Ok(())
}
