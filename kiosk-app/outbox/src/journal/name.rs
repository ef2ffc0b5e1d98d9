//! The names of segments, and the numbers in them.
//!
//! Never: takes another file for a segment.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

const SUFFIX: &str = "seg";

/// The largest number of a segment or a record. A larger one was never given: it is damage, and whatever is
/// counted from here on cannot overflow.
pub(crate) const NUMBER_MAX: u64 = u64::MAX >> 1;

/// Where a segment of the outbox in `root` lies.
pub(crate) fn segment_path(root: &Path, id: u64) -> PathBuf {
    path(&root.join("journal/v1"), id)
}

/// Where a segment of the journal in `dir` lies.
pub(super) fn path(dir: &Path, id: u64) -> PathBuf {
    dir.join(segment_name(id)).with_extension(SUFFIX)
}

/// A segment's file name without its ending: sixteen hexadecimal digits.
pub(crate) fn segment_name(id: u64) -> String {
    format!("{id:016x}")
}

/// The segments in a folder, oldest first. Other files are none of ours.
pub(super) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let id = Path::new(&name).file_stem().and_then(|stem| u64::from_str_radix(stem.to_str()?, 16).ok());
        ids.extend(id.filter(|&id| name.to_str() == Some(&format!("{}.{SUFFIX}", segment_name(id)))));
    }
    ids.sort_unstable();
    Ok(ids)
}
