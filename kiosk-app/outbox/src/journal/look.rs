//! Looking at a journal without touching it, also while its owner writes.
//!
//! Promises: changes nothing, takes no lock, waits for nobody. A record that is being written is seen whole
//! or not at all: the newest segment is read again, up to [`TAIL_READS_MAX`] times, while its end does not
//! check. What still does not check then is damage.
//! Never: copies damage to quarantine; that is the owner's.

use super::{
    NUMBER_MAX, Place,
    frame::{self, Link},
    list,
    quarantine::SEGMENT,
    record::Record,
    scan::{Reason, Walk, walk},
    segment_name, segment_path, storage, to_u64, walk_records,
};
use std::{io, path::Path};

/// How often the newest segment is read while its end does not check.
const TAIL_READS_MAX: usize = 8;

/// What a look found.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// The hash of the last record.
    pub(crate) chain: Link,
    /// Good records.
    pub(crate) records: u64,
    /// Records that do not continue from the one before them.
    pub(crate) gaps: u64,
    /// Where bytes are no record: the name quarantine gives them, and how many they are.
    pub(crate) damage: Vec<(String, u64)>,
    /// Bytes of the segments.
    pub(crate) bytes: u64,
}

/// Reads every segment and calls `each` with every good record in order.
///
/// # Errors
/// `NotFound` when the owner unlinked a segment meanwhile: look again from the start.
pub(crate) fn look(root: &Path, mut each: impl FnMut(Place, Record)) -> io::Result<Look> {
    let dir = root.join("journal/v1");
    let ids = list(&dir)?;
    let mut found = Look::default();
    for id in &ids {
        let path = segment_path(root, *id);
        if *id > NUMBER_MAX {
            found.damage.push((format!("{}.{SEGMENT}", segment_name(*id)), path.metadata()?.len()));
            continue;
        }
        let bytes =
            if ids.last() == Some(id) { read_newest(&path)? } else { storage::read_whole(&path)?.bytes };
        let walk = walk_records(*id, &bytes, |place, frame, record| {
            found.gaps += u64::from(frame.prev != found.chain && found.chain != [0; 32]);
            found.chain = frame::link(frame.bytes);
            found.records += 1;
            each(place, record);
        });
        found.damage.extend(walk.damage.iter().map(|damage| (damage.name(*id), to_u64(damage.len))));
        found.bytes = found.bytes.saturating_add(to_u64(bytes.len()));
    }
    Ok(found)
}

fn read_newest(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = storage::read_whole(path)?.bytes;
    for _ in 1..TAIL_READS_MAX {
        if ends_well(&walk(&bytes, |_, frame| known(frame.kind, frame.body))) {
            break;
        }
        bytes = storage::read_whole(path)?.bytes;
    }
    Ok(bytes)
}

fn known(kind: u8, body: &[u8]) -> Result<(), Reason> {
    Record::decode(kind, body).map(|_| ()).ok_or(Reason::Undecodable)
}

fn ends_well(walk: &Walk) -> bool {
    walk.damage.last().is_none_or(|damage| damage.offset + damage.len != walk.end)
}
