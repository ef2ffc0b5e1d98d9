//! The journal: the one place where *saved* becomes true.
//!
//! `journal/v1/<n>.seg`, n rising in hexadecimal. A segment is a file of zeroes, usually 1 MiB, filled with
//! [`frame`]s from the start. The newest is written to; the others are cut to what they hold. A
//! segment is longer when one record needs it.
//!
//! Promises:
//! * a place that [`Journal::append`] returns is on stable storage: written, then `fdatasync`ed, in a file
//!   whose folder entry was synced before;
//! * after a failed write or sync nothing more goes into that segment and nothing it did not already hold
//!   durably is ever claimed; the records are written again into a new one;
//! * damaged bytes cost the records they hit and no others.
//!
//! Never: appends behind damage, reuses a record number whose header it can read, decides which records are still needed.

pub(crate) mod frame;
pub(crate) mod look;
mod name;
pub(crate) mod quarantine;
pub(crate) mod record;
pub(crate) mod scan;
pub(crate) mod storage;
#[cfg(feature = "powercut")]
pub(crate) mod unsynced;

use crate::failpoint::{Step, reach};
use frame::Link;
use name::list;
pub(crate) use name::{NUMBER_MAX, segment_name, segment_path};
use quarantine::{Kept, Quarantine};
use record::{Draft, Record};
use scan::{Damage, Reason, Walk};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use storage::{SegmentFile, Storage, Whole};

/// Where a record's frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Which segment.
    pub(crate) segment: u64,
    /// Bytes from its start.
    pub(crate) offset: u64,
    /// The whole frame, in bytes.
    pub(crate) len: u64,
}

/// The segments of one outbox.
pub(crate) struct Journal {
    dir: PathBuf,
    storage: Arc<dyn Storage>,
    quarantine: Quarantine,
    segment_bytes: u64,
    segments: BTreeMap<u64, Extent>,
    current: Option<Current>,
    next_segment: u64,
    next_number: u64,
    chain: Link,
    counts: Counts,
    damaged: bool,
}

/// One segment on the disk.
#[derive(Clone, Copy, Debug, Default)]
struct Extent {
    len: u64,
    last_number: u64,
    /// Something of it is no record, could not be copied, and is nowhere else.
    unkept: bool,
}

/// The segment being written.
struct Current {
    id: u64,
    file: Box<dyn SegmentFile>,
    end: u64,
    len: u64,
    /// A write or a sync failed: what lies behind `end` is unknown.
    poisoned: bool,
}

/// What the journal did since it was opened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Records made durable.
    pub(crate) records: u64,
    /// Calls of `fdatasync` that made them so.
    pub(crate) syncs: u64,
}

/// What became of a batch: the first records have places, the rest failed.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    /// Durable, in the order given.
    pub(crate) places: Vec<Place>,
    /// Why the rest is not.
    pub(crate) failed: Option<Failed>,
}

/// Why records were not written.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What the file system said last.
    pub(crate) error: io::Error,
    /// The refused bytes could not be cut off again: a later reading may find them.
    pub(crate) may_resurface: bool,
}

impl Failed {
    /// Whether there was no room.
    pub(crate) fn is_full(&self) -> bool {
        self.error.kind() == io::ErrorKind::StorageFull
    }
}

impl Journal {
    /// Whether every segment can be opened for writing; changes nothing.
    pub(crate) fn check(root: &Path, storage: &dyn Storage) -> io::Result<()> {
        let ids = list(&root.join("journal/v1"))?;
        ids.into_iter().try_for_each(|id| storage.open(&segment_path(root, id)).map(drop))
    }

    /// Reads every segment, calls `each` with every good record in order and copies damage aside.
    /// Returns the number of damaged places seen for the first time too.
    pub(crate) fn open(
        root: &Path,
        storage: Arc<dyn Storage>,
        segment_bytes: u64,
        mut each: impl FnMut(Place, u64, Record),
    ) -> io::Result<(Self, u64)> {
        let dir = root.join("journal/v1");
        fs::create_dir_all(&dir)?;
        let mut journal = Self {
            quarantine: Quarantine::open(root.join("quarantine"), &*storage)?,
            dir,
            storage,
            segment_bytes,
            segments: BTreeMap::new(),
            current: None,
            next_segment: 1,
            next_number: 1,
            chain: [0; 32],
            counts: Counts::default(),
            damaged: false,
        };
        for id in list(&journal.dir)? {
            if id > NUMBER_MAX {
                journal.damaged = true;
                if let Err(error) = journal.set_segment_aside(id) {
                    tracing::error!(%error, "a segment whose number was never given stays where it is");
                }
                continue;
            }
            journal.segments.insert(id, Extent::default());
            journal.next_segment = id.saturating_add(1);
        }
        let mut quarantined = 0;
        for id in journal.ids() {
            journal.take_in(id, &mut quarantined, &mut each)?;
        }
        journal.storage.sync_dir(&journal.dir)?;
        Ok((journal, quarantined))
    }

    fn take_in(
        &mut self,
        id: u64,
        quarantined: &mut u64,
        each: &mut impl FnMut(Place, u64, Record),
    ) -> io::Result<()> {
        // What the page cache holds after a killed process is not yet on the disk: sync, then believe it.
        let file = self.storage.open(&self.path(id))?;
        file.sync_data()?;
        let Whole { bytes, unreadable } = storage::read_whole(&self.path(id))?;
        let (mut chain, mut number, mut gap) = (self.chain, self.next_number, false);
        let walk = walk_records(id, &bytes, |place, frame, record| {
            if frame.prev != chain && chain != [0; 32] {
                tracing::warn!(number = frame.number, "the journal's chain has a gap here");
                gap = true;
            }
            chain = frame::link(frame.bytes);
            number = number.max(frame.number.max(record.number_max()).saturating_add(1));
            each(place, frame.number, record);
        });
        (self.chain, self.next_number) = (chain, number);
        self.damaged |= gap || unreadable || !walk.damage.is_empty();
        let (now, unkept) = self.set_aside(id, &walk.damage, &bytes);
        // A good header over a damaged body had a number too.
        let headers = walk.damage.iter().filter_map(|damage| frame::number(bytes.get(damage.offset..)?));
        let number = headers.filter(|number| *number < NUMBER_MAX).fold(number, |a, b| a.max(b + 1));
        self.next_number = number;
        *quarantined += now;
        let (len, last_number) = (to_u64(bytes.len()), number.saturating_sub(1));
        self.segments.insert(id, Extent { len, last_number, unkept: unkept || unreadable });
        let newest = self.segments.last_key_value().is_some_and(|(&last, _)| last == id);
        if newest && walk.damage.is_empty() {
            self.current = Some(Current { id, file, end: to_u64(walk.end), len, poisoned: false });
        }
        Ok(())
    }

    /// How many places are in quarantine since now, and whether one is not.
    fn set_aside(&mut self, id: u64, damage: &[Damage], bytes: &[u8]) -> (u64, bool) {
        let (mut now, mut unkept) = (0, false);
        for damage in damage {
            let range = damage.offset..damage.offset.saturating_add(damage.len);
            let bytes = bytes.get(range).unwrap_or_default();
            let kept = self.quarantine.keep(id, damage, bytes, &*self.storage);
            now += u64::from(kept == Kept::Now);
            unkept |= kept == Kept::Not;
        }
        (now, unkept)
    }

    fn set_segment_aside(&mut self, id: u64) -> io::Result<()> {
        self.quarantine.keep_segment(&self.path(id), &segment_name(id), &*self.storage)
    }

    /// Whether opening saw anything that may have been a record, in quarantine now or before.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Whether quarantine has room for an attachment of `len` bytes.
    pub(crate) fn has_room_aside(&self, len: u64) -> bool {
        self.quarantine.has_room(len)
    }

    /// Calls `each` with every good record numbered `from` or later, in order.
    pub(crate) fn replay(&self, from: u64, mut each: impl FnMut(Place, u64, Record)) -> io::Result<()> {
        for (&id, _) in self.segments.iter().filter(|(_, extent)| extent.last_number >= from) {
            let bytes = storage::read_whole(&self.path(id))?.bytes;
            walk_records(id, &bytes, |place, frame, record| {
                if frame.number >= from {
                    each(place, frame.number, record);
                }
            });
        }
        Ok(())
    }

    /// Calls `each` with every good record of one segment and its body as written; damage goes aside.
    pub(crate) fn read_segment(
        &mut self,
        id: u64,
        mut each: impl FnMut(Place, Record, &[u8]),
    ) -> io::Result<()> {
        let Whole { bytes, unreadable } = storage::read_whole(&self.path(id))?;
        let walk = walk_records(id, &bytes, |place, frame, record| each(place, record, frame.body));
        let (_, unkept) = self.set_aside(id, &walk.damage, &bytes);
        if let Some(extent) = self.segments.get_mut(&id) {
            extent.unkept = unkept || unreadable;
        }
        Ok(())
    }

    /// Reads one record back; `Ok(None)` when it is damaged, and then its bytes are in quarantine.
    pub(crate) fn read(&mut self, place: Place) -> io::Result<Option<Record>> {
        let bytes = storage::read_at(&self.path(place.segment), place.offset, place.len)?;
        let (reason, record) = match frame::parse(&bytes) {
            Ok(frame) => (Reason::Undecodable, Record::decode(frame.kind, frame.body)),
            Err(frame::Fault::Header) => (Reason::Header, None),
            Err(frame::Fault::Cut) => (Reason::Cut, None),
            Err(frame::Fault::Body { .. }) => (Reason::Body, None),
        };
        if record.is_none() {
            let offset = usize::try_from(place.offset).unwrap_or(usize::MAX);
            let damage = Damage { offset, len: bytes.len(), reason };
            let kept = self.quarantine.keep(place.segment, &damage, &bytes, &*self.storage);
            if let Some(extent) = self.segments.get_mut(&place.segment) {
                extent.unkept |= kept == Kept::Not;
            }
        }
        Ok(record)
    }

    /// Keeps a copy of a good record whose attachment is gone.
    pub(crate) fn set_record_aside(&mut self, place: Place) -> io::Result<()> {
        let bytes = storage::read_at(&self.path(place.segment), place.offset, place.len)?;
        let offset = usize::try_from(place.offset).unwrap_or(usize::MAX);
        let damage = Damage { offset, len: bytes.len(), reason: Reason::Missing };
        self.quarantine.keep(place.segment, &damage, &bytes, &*self.storage);
        Ok(())
    }

    /// Moves an attachment to quarantine under `name`; false when it stays where it is.
    pub(crate) fn set_file_aside(&mut self, from: &Path, name: &str) -> bool {
        self.quarantine.keep_file(from, name, &*self.storage)
    }

    /// Makes a batch durable: one write and one `fdatasync` for each segment it touches. A failure is met
    /// once with a new segment; the second ends the batch.
    pub(crate) fn append(&mut self, drafts: &[Draft]) -> Appended {
        let mut appended = Appended::default();
        let numbered = self.next_number.saturating_add(to_u64(drafts.len()));
        let (mut retried, mut may_resurface) = (false, false);
        while let Some(rest) = drafts.get(appended.places.len()..).filter(|rest| !rest.is_empty()) {
            match self.append_run(rest) {
                Ok(places) => {
                    appended.places.extend(places);
                    retried = false;
                }
                Err(error) => {
                    tracing::warn!(%error, "the journal does not take writes");
                    may_resurface |= !self.abandon_poisoned();
                    if retried {
                        appended.failed = Some(Failed { error, may_resurface });
                        break;
                    }
                    retried = true;
                }
            }
        }
        self.next_number = self.next_number.max(numbered);
        appended
    }

    /// Writes as many of `drafts` as fit into one segment, and at least one.
    fn append_run(&mut self, drafts: &[Draft]) -> io::Result<Vec<Place>> {
        let first = drafts.first().map_or(0, |draft| to_u64(draft.body.len() + frame::OVERHEAD_BYTES));
        if self.current.as_ref().is_none_or(|current| current.len.saturating_sub(current.end) < first) {
            self.roll(first)?;
        }
        let Some(current) = self.current.as_mut() else {
            return Err(io::Error::other("no segment to write to"));
        };
        let room = current.len.saturating_sub(current.end);
        let (mut bytes, mut places, mut chain) = (Vec::new(), Vec::new(), self.chain);
        for draft in drafts {
            let offset = to_u64(bytes.len());
            let len = to_u64(draft.body.len() + frame::OVERHEAD_BYTES);
            if offset + len > room {
                break;
            }
            let frame = frame::encode(draft.kind, self.next_number, &chain, &draft.body);
            chain = frame::link(&frame);
            bytes.extend_from_slice(&frame);
            places.push(Place { segment: current.id, offset: current.end + offset, len });
            self.next_number += 1;
        }
        current.poisoned = true;
        reach(Step::Writing);
        current.file.write_at(&bytes, current.end)?;
        reach(Step::Written);
        current.file.sync_data()?;
        reach(Step::Synced);
        current.poisoned = false;
        current.end += to_u64(bytes.len());
        self.chain = chain;
        self.counts.syncs += 1;
        self.counts.records += to_u64(places.len());
        if let Some(extent) = self.segments.get_mut(&current.id) {
            extent.last_number = self.next_number - 1;
        }
        Ok(places)
    }

    /// Starts a new segment with room for `first` bytes at least, and cuts the old one to what it holds.
    fn roll(&mut self, first: u64) -> io::Result<()> {
        let (id, len) = (self.next_segment, self.segment_bytes.max(first));
        if id > NUMBER_MAX {
            return Err(io::Error::other("no number is left for a new segment"));
        }
        let file = self.storage.create(&self.path(id), len)?;
        self.next_segment += 1;
        reach(Step::SegmentMade);
        if let Err(error) = self.storage.sync_dir(&self.dir) {
            drop(file);
            self.storage.remove(&self.path(id))?;
            return Err(error);
        }
        reach(Step::SegmentSynced);
        if let Some(old) = self.current.take() {
            match old.file.set_len(old.end) {
                Ok(()) => self.note_len(old.id, old.end),
                Err(error) => tracing::warn!(%error, "a full segment keeps its empty tail"),
            }
        }
        reach(Step::SegmentCut);
        self.segments
            .insert(id, Extent { len, last_number: self.next_number.saturating_sub(1), unkept: false });
        self.current = Some(Current { id, file, end: 0, len, poisoned: false });
        Ok(())
    }

    /// Leaves a segment that failed, cut back to what it holds durably; false when that failed too.
    fn abandon_poisoned(&mut self) -> bool {
        let Some(poisoned) = self.current.take_if(|current| current.poisoned) else { return true };
        let cut = poisoned.file.set_len(poisoned.end).and_then(|()| poisoned.file.sync_data());
        self.note_len(poisoned.id, if cut.is_ok() { poisoned.end } else { poisoned.len });
        cut.is_ok()
    }

    fn note_len(&mut self, id: u64, len: u64) {
        if let Some(extent) = self.segments.get_mut(&id) {
            extent.len = len;
        }
    }

    /// The oldest segment, unless it is the one being written.
    pub(crate) fn oldest_closed(&self) -> Option<u64> {
        let (&id, _) = self.segments.first_key_value()?;
        (self.current.as_ref().is_none_or(|current| current.id != id)).then_some(id)
    }

    /// Unlinks a segment; its folder is synced, so a later one cannot vanish while this one comes back. One with
    /// damage that is nowhere else goes to quarantine, whole.
    pub(crate) fn remove(&mut self, id: u64) -> io::Result<()> {
        if self.segments.get(&id).is_some_and(|extent| extent.unkept) {
            // There may be room now.
            self.read_segment(id, |_, _, _| {})?;
        }
        reach(Step::Unlinking);
        if self.segments.get(&id).is_some_and(|extent| extent.unkept) {
            self.set_segment_aside(id)?;
        } else {
            self.storage.remove(&self.path(id))?;
        }
        self.segments.remove(&id);
        reach(Step::Unlinked);
        self.storage.sync_dir(&self.dir)?;
        reach(Step::UnlinkSynced);
        Ok(())
    }

    /// The number of the next record.
    pub(crate) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Makes sure the next record's number is above `number`.
    pub(crate) fn number_above(&mut self, number: u64) {
        self.next_number = self.next_number.max(number.saturating_add(1));
    }

    /// Bytes of all segments on the disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.segments.values().map(|extent| extent.len).sum()
    }

    /// What was done since opening.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Files in quarantine.
    pub(crate) fn quarantined(&self) -> usize {
        self.quarantine.len()
    }

    /// What the file system has left.
    pub(crate) fn free_bytes(&self) -> io::Result<u64> {
        self.storage.free_bytes(&self.dir)
    }

    fn ids(&self) -> Vec<u64> {
        self.segments.keys().copied().collect()
    }

    fn path(&self, id: u64) -> PathBuf {
        name::path(&self.dir, id)
    }
}

fn walk_records(segment: u64, bytes: &[u8], mut each: impl FnMut(Place, &frame::Frame<'_>, Record)) -> Walk {
    scan::walk(bytes, |offset, frame| {
        let record = Record::decode(frame.kind, frame.body).ok_or(Reason::Undecodable)?;
        if frame.number.max(record.number_max()) > NUMBER_MAX {
            return Err(Reason::Undecodable);
        }
        each(Place { segment, offset: to_u64(offset), len: to_u64(frame.bytes.len()) }, frame, record);
        Ok(())
    })
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
