//! Damaged bytes are kept, out of the way.
//!
//! `quarantine/<segment>-<offset>.<reason>`, both numbers in hexadecimal, the reason one of `header`,
//! `cut`, `body`, `undecodable`; the content is the bytes as they were found. The same damage has the same
//! name, so it is copied and counted once however often the journal is read.
//!
//! Promises: holds at most [`FILES_MAX`] files; what no longer fits stays in its segment and is logged.
//! Never: stops the journal from opening or the queue from moving.

use super::{scan::Damage, segment_name};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The most files kept.
pub(crate) const FILES_MAX: usize = 256;

/// The folder of damaged bytes.
#[derive(Debug)]
pub(crate) struct Quarantine {
    dir: PathBuf,
    kept: usize,
}

impl Quarantine {
    /// Opens the folder, making it where it is missing.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let kept = fs::read_dir(&dir)?.count();
        Ok(Self { dir, kept })
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.kept
    }

    /// Copies damaged bytes; true when they are here now for the first time.
    pub(crate) fn keep(&mut self, segment: u64, damage: &Damage, bytes: &[u8]) -> bool {
        let Damage { offset, len, reason } = damage;
        let name = format!("{}-{offset:08x}.{}", segment_name(segment), reason.word());
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
            Ok(()) => self.kept += 1,
            Err(error) => tracing::error!(%name, %error, "damaged bytes could not be copied"),
        }
        true
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
