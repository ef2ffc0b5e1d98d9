//! Attachments: a sealed request above 8 KiB is a file, named after what it holds.
//!
//! ```text
//! files/<SHA-256 in hexadecimal>    the sealed request and nothing else
//! files/new                         one being written
//!
//! save:   write `new`, sync it -> rename -> sync the folder -> the record that names it, fdatasync -> *saved*
//! settle: the ending, fdatasync -> unlink, once nothing that waits has it
//! ```
//!
//! Promises:
//! * a record that is durable names a file that was durable before it;
//! * what is handed out has the hash its record names; a file that has not, or is gone, costs its own
//!   envelope: that needs staff, and what is left of it is in quarantine;
//! * a file without an owner is gone at the next opening; when that opening sees damage, new or old, one that no
//!   receipt is for is set aside instead: its record may be what was damaged. Where quarantine has no room for
//!   it, it stays where it is.
//!
//! Never: opens one, takes the ballast's room for one.

use crate::{
    batch::Batch,
    committer::Committer,
    journal::{
        Journal,
        record::{FileRef, Record},
        storage::{Storage, read_at},
    },
    state::{
        State,
        kv::{KvError, Tree},
        rows::{Kept, Waits, from_row},
    },
};
use kiosk_core::wire::{Envelope, NotSaved};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

const FOLDER: &str = "files";
const NEW: &str = "new";

/// The folder of attachments.
pub(crate) struct Files {
    root: PathBuf,
    dir: PathBuf,
    storage: Arc<dyn Storage>,
}

/// What reading an attachment gives.
enum Found {
    Whole(Vec<u8>),
    Differs,
    Missing,
}

impl Files {
    /// The attachments of the outbox in `root`; their folder is made by the first one.
    pub(crate) fn new(root: &Path, storage: Arc<dyn Storage>) -> Self {
        Self { root: root.to_owned(), dir: root.join(FOLDER), storage }
    }

    fn path(&self, file: &FileRef) -> PathBuf {
        self.dir.join(name(&file.sha256))
    }

    /// Writes one; durable after [`Self::sync`].
    fn put(&self, file: &FileRef, bytes: &[u8]) -> io::Result<()> {
        if !self.dir.is_dir() {
            fs::create_dir(&self.dir)?;
            self.storage.sync_dir(&self.root)?;
        }
        let new = self.dir.join(NEW);
        if new.exists() {
            self.storage.remove(&new)?;
        }
        self.storage.write_new(&new, bytes)?;
        self.storage.rename(&new, &self.path(file))
    }

    fn sync(&self) -> io::Result<()> {
        self.storage.sync_dir(&self.dir)
    }

    fn read(&self, file: &FileRef) -> io::Result<Found> {
        let bytes = match read_at(&self.path(file), 0, file.len.saturating_add(1)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Missing),
            Err(error) => return Err(error),
        };
        let whole = <[u8; 32]>::from(Sha256::digest(&bytes)) == file.sha256;
        Ok(if whole { Found::Whole(bytes) } else { Found::Differs })
    }

    /// The bytes; `None` when they are gone or differ.
    pub(crate) fn whole(&self, file: &FileRef) -> io::Result<Option<Vec<u8>>> {
        Ok(match self.read(file)? {
            Found::Whole(bytes) => Some(bytes),
            Found::Differs | Found::Missing => None,
        })
    }

    fn remove(&self, file: &FileRef) {
        match self.storage.remove(&self.path(file)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "a settled attachment stays until the next opening"),
        }
    }

    /// Removes what has no owner. Where the journal is damaged, or was and quarantine has no room, what no
    /// receipt is for is set aside instead, or stays.
    pub(crate) fn sweep(&self, state: &State, journal: &mut Journal) -> io::Result<()> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let settled = settled(state).map_err(io::Error::other)?;
        for entry in entries {
            let entry = entry?;
            let (path, len) = (entry.path(), entry.metadata()?.len());
            let keep = journal.is_damaged() || !journal.has_room_aside(len);
            let file = path.file_name().and_then(|name| name.to_str());
            let Some(file) = file.filter(|&file| file == NEW || sha256(file).is_some()) else { continue };
            match sha256(file) {
                Some(hash) if state.tally().has_file(&hash) => {}
                Some(hash) if keep && !settled.contains(&hash) => {
                    journal.set_file_aside(&path, &format!("{file}.orphan"));
                }
                Some(_) | None => self.storage.remove(&path)?,
            }
        }
        Ok(())
    }
}

impl Committer {
    /// Makes a batch's attachments durable; those who wait for one that is not hear so.
    pub(crate) fn write_attached(&mut self, batch: &mut Batch) {
        let mut failed = Vec::new();
        let mut written = false;
        for (file, bytes) in batch.attached() {
            match self.files.put(&file, bytes) {
                Ok(()) => written = true,
                Err(error) => failed.push((file, error)),
            }
        }
        if written && let Err(error) = self.files.sync() {
            let kind = error.kind();
            failed.extend(batch.attached().map(|(file, _)| (file, io::Error::from(kind))));
        }
        for (file, error) in failed {
            tracing::warn!(%error, "an attachment could not be written");
            let full = error.kind() == ErrorKind::StorageFull;
            let reason = if full { NotSaved::Full } else { NotSaved::Storage };
            let replies = batch.drop_attached(&file);
            self.drop_file(&file);
            replies.into_iter().for_each(|reply| _ = reply.give(Err(reason)));
        }
    }

    /// Unlinks an attachment that nothing has.
    pub(crate) fn drop_file(&self, file: &FileRef) {
        if !self.state.tally().has_file(&file.sha256) {
            self.files.remove(file);
        }
    }

    /// Unlinks attachments whose last owner left durably.
    pub(crate) fn drop_freed(&mut self) {
        for file in self.state.take_freed() {
            self.files.remove(&file);
        }
    }

    /// The whole envelope of a row; `None` when it is damaged, and then what is left is in quarantine.
    pub(crate) fn fetch(&mut self, row: &Waits) -> io::Result<Option<Envelope>> {
        let Some(Record::Put { facts, mut envelope }) = self.journal.read(row.put)? else { return Ok(None) };
        if facts.id != row.facts.id {
            return Ok(None);
        }
        let Some(file) = facts.file else { return Ok(Some(envelope)) };
        match self.files.read(&file)? {
            Found::Whole(bytes) => {
                envelope.sealed = bytes;
                return Ok(Some(envelope));
            }
            Found::Differs => {
                let name = format!("{}.mismatch", name(&file.sha256));
                self.journal.set_file_aside(&self.files.path(&file), &name);
            }
            Found::Missing => self.journal.set_record_aside(row.put)?,
        }
        Ok(None)
    }
}

/// The attachments of settled envelopes that are still remembered.
fn settled(state: &State) -> Result<BTreeSet<[u8; 32]>, KvError> {
    let mut settled = BTreeSet::new();
    state.kv().for_each(Tree::Receipts, &mut |_, row| {
        let row: Kept = from_row(Tree::Receipts, row)?;
        settled.extend(row.facts.file.map(|file| file.sha256));
        Ok(())
    })?;
    Ok(settled)
}

/// A file's name: 64 hexadecimal digits.
fn name(sha256: &[u8; 32]) -> String {
    sha256.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash in a file's name; `None` for a file that is none of ours.
fn sha256(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    let hash: [u8; 32] = digits.collect::<Option<Vec<u8>>>()?.try_into().ok()?;
    (name(&hash) == text).then_some(hash)
}
