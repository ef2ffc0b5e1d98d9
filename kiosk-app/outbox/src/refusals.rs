//! What was not taken in: how often, why, and when first and last.
//!
//! ```text
//! <dir>/refused        CBOR array of at most three [`Refused`], then the CRC32C of it, 4 bytes, big-endian
//! <dir>/refused.new    one being written
//!
//! whoever tells a caller *not saved* -> counted in memory -> the outbox's thread: file, when there is time
//! ```
//!
//! A refusal is told before it is written down: a full disk must not be needed to say that the disk is full.
//! It is counted in memory, and written when the outbox next rests and at its end, until a write succeeds; a
//! kill or a power cut before that costs the counts since the last write, and nothing else.
//!
//! Promises: bounded: one row for each reason, whatever comes. A file that does not check is set aside in
//! `quarantine/`, and counting begins again.
//! Never: knows whose submission it was, nor which; takes the ballast's room; delays an answer.

use crate::{
    journal::{
        Journal,
        record::{from_cbor, to_cbor},
        storage::Storage,
    },
    options::Clock,
};
use kiosk_core::wire::NotSaved;
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, ErrorKind, Read as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

const FILE: &str = "refused";
/// Three rows are below 200 bytes.
const FILE_BYTES_MAX: u64 = 4096;
const REASONS: [NotSaved; 3] = [NotSaved::Full, NotSaved::Storage, NotSaved::TooLarge];

/// Submissions that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What the shell was told.
    pub reason: NotSaved,
    /// How many.
    pub count: u64,
    /// When the first one was, milliseconds since 1970 by the unit's clock.
    pub first_ms: u64,
    /// And the last.
    pub last_ms: u64,
}

/// Refusals that were told and not written down yet; shared by everybody who tells.
#[derive(Default)]
pub(crate) struct Told([AtomicU64; REASONS.len()]);

impl Told {
    /// Counts one.
    pub(crate) fn count(&self, reason: NotSaved) {
        for (count, _) in self.0.iter().zip(REASONS).filter(|(_, known)| *known == reason) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The rows and their file.
pub(crate) struct Refusals {
    dir: PathBuf,
    storage: Arc<dyn Storage>,
    told: Arc<Told>,
    rows: Vec<Refused>,
    unwritten: bool,
    /// It is worth a try: something happened since the last one.
    due: bool,
}

impl Refusals {
    /// Reads what is written down in `dir`.
    pub(crate) fn open(dir: &Path, storage: Arc<dyn Storage>, journal: &mut Journal) -> Self {
        let rows = read(dir).unwrap_or_else(|error| {
            tracing::error!(%error, "the count of refused submissions is damaged and begins again");
            journal.set_file_aside(&dir.join(FILE), "refused.undecodable");
            Vec::new()
        });
        Self { dir: dir.to_owned(), storage, told: Arc::default(), rows, unwritten: false, due: false }
    }

    /// Where to count.
    pub(crate) fn told(&self) -> Arc<Told> {
        Arc::clone(&self.told)
    }

    /// Takes over what was told until now.
    pub(crate) fn gather(&mut self, clock: &Clock) {
        for (count, reason) in self.told.0.iter().zip(REASONS) {
            let count = count.swap(0, Ordering::Relaxed);
            if count == 0 {
                continue;
            }
            let now_ms = clock();
            self.unwritten = true;
            match self.rows.iter_mut().find(|row| row.reason == reason) {
                Some(row) => (row.count, row.last_ms) = (row.count.saturating_add(count), now_ms),
                None => self.rows.push(Refused { reason, count, first_ms: now_ms, last_ms: now_ms }),
            }
        }
        self.due = self.unwritten;
    }

    /// Whether [`Self::write`] has something to do that may succeed.
    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    /// Writes the rows down; what fails is tried again after the next [`Self::gather`].
    pub(crate) fn write(&mut self) {
        if !std::mem::take(&mut self.due) {
            return;
        }
        match self.put() {
            Ok(()) => self.unwritten = false,
            Err(error) => tracing::warn!(%error, "refused submissions are counted in memory only"),
        }
    }

    fn put(&self) -> io::Result<()> {
        let (new, path) = (self.dir.join("refused.new"), self.dir.join(FILE));
        let mut bytes = to_cbor(&self.rows).ok_or(ErrorKind::InvalidData)?;
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        if new.exists() {
            self.storage.remove(&new)?;
        }
        self.storage.write_new(&new, &bytes)?;
        self.storage.rename(&new, &path)?;
        self.storage.sync_dir(&self.dir)
    }
}

/// The rows in `dir`; none where no file is.
///
/// # Errors
/// When they cannot be read or do not check.
pub(crate) fn read(dir: &Path) -> io::Result<Vec<Refused>> {
    let file = match File::open(dir.join(FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    parse(&bytes).ok_or_else(|| ErrorKind::InvalidData.into())
}

fn parse(bytes: &[u8]) -> Option<Vec<Refused>> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    (crc32c::crc32c(body) == u32::from_be_bytes(*crc)).then_some(())?;
    from_cbor(body).filter(|rows: &Vec<Refused>| rows.len() <= REASONS.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, at: usize, bit in 0..8_u8) {
            let _ = parse(&bytes);
            let mut good = to_cbor(&vec![Refused { reason: NotSaved::Full, count: 3, first_ms: 1, last_ms: 2 }]).unwrap();
            good.extend(crc32c::crc32c(&good).to_be_bytes());
            prop_assert!(parse(&good).is_some());
            let at = at % good.len();
            good[at] ^= 1 << bit;
            prop_assert_eq!(parse(&good), None);
            prop_assert_eq!(parse(&good[..at]), None);
        }
    }
}
