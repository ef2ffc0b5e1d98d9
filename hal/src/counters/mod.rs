//! Counters that outlive the process: what each device did and which faults it had, as UnifiedPOS has them.
//!
//! | counter | counts | UnifiedPOS |
//! |---|---|---|
//! | `opened` | times it became ready | |
//! | `ready-seconds` | seconds it could serve | `HoursPoweredCount` |
//! | `receipts`, `lines`, `cuts` | printed with proof, and what was on them | `ReceiptLinePrintedCount`, `PaperCutCount` |
//! | `receipts-unproven`, `receipts-failed` | sent without proof; not printed, or in part | `PrinterFaultCount` |
//! | `cards`, `cards-read` | put in; read for who asked | `GoodReadCount` |
//! | `cards-unread`, `cards-refused`, `cards-forgotten` | mute, torn, damaged; payment cards; left behind | `FailedReadCount` |
//! | `scans`, `scans-garbled` | read for who asked; no scan | `GoodScanCount` |
//! | `presses`, `touches` | keys and fingers | |
//! | `pages`, `pages-failed` | of the document scanner | |
//! | `fault.CODE` | times a fault began: `fault.paper-out`, `fault.gone`, `fault.E-PRN-SILENT` | `CommunicationErrorCount`, `ReceiptCoverOpenCount` |
//!
//! A device is known by [`DeviceKey`]: what it is, and its serial number, or else the port it hangs on, or
//! else how the config names it. Several pointers count as one.
//!
//! ```text
//! events -> Tally (pure) --every WRITE_EVERY if it changed, and at the end--> file.new, fdatasync, rename
//! ```
//! Flash: at most 96 writes a day of one file of about a kilobyte.
//!
//! Promises: a power cut costs what was counted since the last write, never the file; at most 16 devices with 32 counters each are kept; a file that is damaged is
//! moved aside and reported, and counting begins anew. Never: counts who did something, or when.

mod file;
mod key;
mod tally;

pub use file::{CountersError, Counts, Damage, FILE_NAME, read};
pub use key::DeviceKey;
pub use tally::Tally;

use crate::{
    device::Event,
    factory::Config,
    input::now_us,
    keeper::lock,
    printer::{Job, JobId},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// The file is not written more often, but at the end.
pub const WRITE_EVERY: Duration = Duration::from_secs(15 * 60);

/// Counters and their file. Clones are the same; the last one that is dropped writes.
#[derive(Clone)]
pub struct Counters(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    kept: Mutex<Kept>,
    /// Held while the file is written, so that who counts does not wait for a disk.
    writing: Mutex<()>,
}

struct Kept {
    tally: Tally,
    written_us: u64,
}

impl Counters {
    /// Takes up the counters in `folder`, for the devices of `config`. The second half says what was wrong with
    /// a file that had to be moved aside.
    ///
    /// # Errors
    /// [`CountersError`] when the folder cannot be read, or a damaged file not be moved.
    pub fn open(folder: &Path, config: &Config) -> Result<(Self, Option<Damage>), CountersError> {
        let (counts, damage) = file::take_up(folder)?;
        let keys = DeviceKey::of_config(config);
        let tally = Tally::new(counts, keys);
        let kept = Mutex::new(Kept { tally, written_us: now_us() });
        let shared = Shared { folder: folder.to_owned(), kept, writing: Mutex::default() };
        Ok((Self(Arc::new(shared)), damage))
    }

    /// A job goes to the printer: its end will count its lines. Waits for no disk.
    pub fn printing(&self, id: JobId, job: &Job) {
        lock(&self.0.kept).tally.printing(id, job);
    }

    /// Counts an event; writes the file when it is time. A file that cannot be written is logged and tried
    /// again when it is time again.
    pub fn observe(&self, event: &Event) {
        let now = now_us();
        let age = {
            let mut kept = lock(&self.0.kept);
            kept.tally.observe(now, event);
            Duration::from_micros(now.saturating_sub(kept.written_us))
        };
        if age >= WRITE_EVERY {
            self.0.write(now);
        }
    }

    /// Writes what changed.
    pub fn save(&self) {
        self.0.write(now_us());
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut kept = lock(&self.0.kept);
        kept.tally.settle(now_us());
        kept.tally.counts().clone()
    }
}

impl Shared {
    fn write(&self, now: u64) {
        let _writing = lock(&self.writing);
        let counts = {
            let mut kept = lock(&self.kept);
            kept.written_us = now;
            kept.tally.settle(now);
            if !kept.tally.changed() {
                return;
            }
            kept.tally.set_changed(false);
            kept.tally.counts().clone()
        };
        if let Err(error) = file::write(&self.folder, &counts) {
            tracing::warn!(%error, "the device counters are not written");
            lock(&self.kept).tally.set_changed(true);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.write(now_us());
    }
}
