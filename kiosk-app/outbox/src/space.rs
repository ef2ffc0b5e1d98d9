//! Room on the disk: a low-water mark for new envelopes, and a ballast to throw off.
//!
//! `ballast` is a file of zeroes. When the disk is full although new envelopes are refused below the
//! low-water mark (something else filled it), the ballast goes, so that receipts can still be written;
//! they free whole segments, and the ballast comes back when there is room for it twice.
//!
//! Promises: delivery goes on where saving stops.
//! Never: counts the ballast as room for new envelopes.

use crate::{
    failpoint::{Step, reach},
    journal::{Appended, Failed, Journal, record::Draft, storage::Storage},
    options::Limits,
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The ballast of one outbox.
pub(crate) struct Ballast {
    dir: PathBuf,
    path: PathBuf,
    bytes: u64,
    free_bytes_min: u64,
    aboard: bool,
    storage: Arc<dyn Storage>,
}

impl Ballast {
    /// Finds the ballast in `dir`; it is taken aboard by [`Self::restore`].
    pub(crate) fn new(dir: &Path, limits: &Limits, storage: Arc<dyn Storage>) -> Self {
        let path = dir.join("ballast");
        Self {
            aboard: path.exists(),
            dir: dir.to_owned(),
            path,
            bytes: limits.ballast_bytes,
            free_bytes_min: limits.free_bytes_min,
            storage,
        }
    }

    /// Takes the ballast aboard when there is room for it twice above the low-water mark.
    pub(crate) fn restore(&mut self) {
        if self.aboard || self.bytes == 0 {
            return;
        }
        let room = self.storage.free_bytes(&self.dir).unwrap_or(0).saturating_sub(self.free_bytes_min);
        if room >= self.bytes.saturating_mul(2) {
            match self.storage.create(&self.path, self.bytes) {
                Ok(_) => {
                    self.aboard = true;
                    reach(Step::BallastAboard);
                }
                Err(error) => tracing::warn!(%error, "no room for the ballast"),
            }
        }
    }

    /// Appends; where the disk is full the first `ends` get the ballast's room, which the others do not.
    pub(crate) fn append(&mut self, journal: &mut Journal, drafts: &[Draft], ends: usize) -> Appended {
        let mut appended = journal.append(drafts);
        let waiting = drafts.get(appended.places.len()..ends).unwrap_or_default();
        if waiting.is_empty() || !appended.failed.as_ref().is_some_and(Failed::is_full) || !self.release() {
            return appended;
        }
        let again = journal.append(waiting);
        appended.places.extend(again.places);
        appended.failed = again.failed.or(appended.failed).filter(|_| appended.places.len() < drafts.len());
        appended
    }

    /// Throws it off; true when that freed anything.
    pub(crate) fn release(&mut self) -> bool {
        if !self.aboard {
            return false;
        }
        tracing::warn!(bytes = self.bytes, "the disk is full: the ballast goes");
        let freed: io::Result<()> = self.storage.remove(&self.path).and_then(|()| {
            reach(Step::BallastGone);
            self.storage.sync_dir(&self.dir)
        });
        self.aboard = false;
        freed.is_ok()
    }
}
