//! The few things the outbox asks of a file system, behind a trait.
//!
//! Promises of [`Disk`]: `sync_data` returns only when the drive said the bytes are on stable storage;
//! a file that `create` returns is as long as asked for, so later writes into it allocate nothing.
//! Never: retries, hides an error.
//!
//! The trait is the seam where tests put a storage that fails on request.

use crate::failpoint;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::Path,
};

static ZEROES: [u8; 64 << 10] = [0; 64 << 10];

/// One open segment.
pub(crate) trait SegmentFile: Send {
    /// Writes all of `bytes` at `offset`, or fails.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// `fdatasync(2)`.
    fn sync_data(&self) -> io::Result<()>;
    /// `ftruncate(2)`.
    fn set_len(&self, len: u64) -> io::Result<()>;
}

/// Where segments live.
pub(crate) trait Storage: Send + Sync {
    /// Makes a new file of `len` zero bytes and syncs it. Leaves nothing behind when it fails.
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn SegmentFile>>;
    /// Makes a new file that holds `bytes` and syncs it. Leaves nothing behind when it fails.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Gives a file its name; a file that had it is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Opens a file for writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// Unlinks a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations and removals in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Bytes an unprivileged process may still write on the file system that holds `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// The real thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk;

impl SegmentFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }
}

impl Storage for Disk {
    fn create(&self, path: &Path, len: u64) -> io::Result<Box<dyn SegmentFile>> {
        if failpoint::disk_is_full(path) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        match fill(&file, len) {
            Ok(()) => Ok(Box::new(file)),
            Err(error) => {
                drop(file);
                fs::remove_file(path)?;
                Err(error)
            }
        }
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
            drop(file);
            fs::remove_file(path)?;
            return Err(error);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(OpenOptions::new().write(true).open(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Writes zeroes instead of `fallocate(2)`: written extents need no metadata change when a record
/// comes, and that is half the cost of an `fdatasync`.
fn fill(mut file: &File, len: u64) -> io::Result<()> {
    let mut left = len;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROES.len());
        file.write_all(ZEROES.get(..part).unwrap_or(&ZEROES))?;
        left = left.saturating_sub(u64::try_from(part).unwrap_or(left));
    }
    file.sync_all()
}

/// What [`read_whole`] found.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    /// The file, with zeroes where the drive could not read.
    pub(crate) bytes: Vec<u8>,
    /// Whether it could not read anywhere: the bytes may still be there.
    pub(crate) unreadable: bool,
}

/// Reads a whole file; blocks the drive cannot read come back as zeroes.
pub(crate) fn read_whole(path: &Path) -> io::Result<Whole> {
    let file = File::open(path)?;
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len];
    if file.read_exact_at(&mut bytes, 0).is_ok() {
        return Ok(Whole { bytes, unreadable: false });
    }
    tracing::warn!(path = %path.display(), "unreadable blocks are taken as zeroes");
    for (block, offset) in bytes.chunks_mut(4096).zip((0_u64..).step_by(4096)) {
        if file.read_exact_at(block, offset).is_err() {
            block.fill(0);
        }
    }
    Ok(Whole { bytes, unreadable: true })
}

/// Reads `len` bytes at `offset`; fewer when the file ends before. Where the drive cannot read there is no
/// verdict on what is there: that is an error.
pub(crate) fn read_at(path: &Path, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let len = len.min(file.metadata()?.len().saturating_sub(offset));
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// Whether the drive could not read: `EIO`.
pub(crate) fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}
