//! A FUSE file system with one file, `disk-<n>.img`: the drive that a loop device makes a block device of.
//!
//! The kernel sends the file system's writes as WRITE and its barriers as FSYNC; both are *commands*.
//!
//! ```text
//! arm(k) --> the k-th command waits, unanswered, and so do all after it: stalled
//!            a write that waits is in the cache, a barrier that waits has flushed nothing
//! cut    --> an image of what survives; power_off --> all commands are answered and mean nothing
//! ```
//!
//! Promises: between stall and cut no barrier completes, so whatever a process promised on good grounds, it
//! promised before. Never: more than one disk at a time; answers a command twice.

use crate::disk::{Cut, Disk};
use fastrand::Rng;
use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, Generation, INodeNo, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use std::{
    ffi::OsStr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const ROOT: u64 = 1;
/// The first disk's inode; each disk has one of its own, so the kernel's cache of one is never the next's.
const FIRST: u64 = 2;
/// Names and sizes never change.
const VALID: Duration = Duration::from_secs(3600);

/// The drive in the machine, shared by the kernel's requests and the hand on the power switch.
#[derive(Default)]
pub(crate) struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    disk: Option<Disk>,
    serial: u64,
    /// Commands until the stall.
    left: Option<u64>,
    stalled: bool,
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a disk in; its file's name.
    pub(crate) fn insert(&self, content: Vec<u8>) -> String {
        let mut state = self.state();
        state.serial += 1;
        state.disk = Some(Disk::new(content));
        (state.left, state.stalled) = (None, false);
        name(state.serial)
    }

    /// Takes the disk out; its content.
    pub(crate) fn eject(&self) -> Vec<u8> {
        let disk = self.state().disk.take();
        disk.map_or_else(Vec::new, |disk| disk.read(0, disk.len()).to_vec())
    }

    /// Stalls at the `commands`th command from now.
    pub(crate) fn arm(&self, commands: u64) {
        self.state().left = Some(commands.max(1));
    }

    /// Waits for the stall; stalls by itself when `limit` passed.
    pub(crate) fn stall_within(&self, limit: Duration) {
        let waited = self.changed.wait_timeout_while(self.state(), limit, |state| !state.stalled);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.stalled = true;
    }

    /// What the disk would hold after a power cut now.
    pub(crate) fn survivors(&self, cut: Cut, random: &mut Rng) -> Vec<u8> {
        self.state().disk.as_ref().map_or_else(Vec::new, |disk| disk.survivors(cut, random))
    }

    /// From now on nothing is kept, and everything is answered.
    pub(crate) fn power_off(&self) {
        let mut state = self.state();
        if let Some(disk) = &mut state.disk {
            disk.power_off();
        }
        (state.left, state.stalled) = (None, false);
        self.changed.notify_all();
    }

    /// Counts a command, and holds it back for as long as the drive is stalled.
    fn count<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if let Some(left) = &mut state.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                (state.left, state.stalled) = (None, true);
                self.changed.notify_all();
            }
        }
        let waited = self.changed.wait_while(state, |state| state.stalled);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    fn command_write(&self, ino: u64, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        let mut state = self.state();
        let disk = state.disk_at(ino).ok_or(Errno::ENOENT)?;
        let at = usize::try_from(at).map_err(|_| Errno::EINVAL)?;
        disk.write(at, bytes).map_err(|_| Errno::ENOSPC)?;
        drop(self.count(state));
        Ok(())
    }

    fn command_flush(&self, ino: u64) -> Result<(), Errno> {
        let mut state = self.count(self.state());
        state.disk_at(ino).ok_or(Errno::ENOENT)?.flush();
        Ok(())
    }
}

impl State {
    fn disk_at(&mut self, ino: u64) -> Option<&mut Disk> {
        let here = ino == inode(self.serial);
        self.disk.as_mut().filter(|_| here)
    }

    fn attributes(&mut self, ino: u64) -> Option<FileAttr> {
        if ino == ROOT {
            return Some(attributes(ROOT, 0, FileType::Directory));
        }
        let len = self.disk_at(ino)?.len();
        Some(attributes(ino, u64::try_from(len).ok()?, FileType::RegularFile))
    }
}

fn name(serial: u64) -> String {
    format!("disk-{serial}.img")
}

fn inode(serial: u64) -> u64 {
    FIRST + serial
}

fn attributes(ino: u64, size: u64, kind: FileType) -> FileAttr {
    FileAttr {
        ino: INodeNo(ino),
        size,
        blocks: size / 512,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: if kind == FileType::Directory { 0o700 } else { 0o600 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

/// The file system around a [`Slot`].
pub(crate) struct Server(pub(crate) Arc<Slot>);

impl Filesystem for Server {
    fn lookup(&self, _: &Request, parent: INodeNo, wanted: &OsStr, reply: ReplyEntry) {
        let mut state = self.0.state();
        let (serial, ino) = (state.serial, inode(state.serial));
        let known = parent.0 == ROOT && wanted == OsStr::new(&name(serial));
        match state.attributes(ino).filter(|_| known) {
            Some(found) => reply.entry(&VALID, &found, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.0.state().attributes(ino.0) {
            Some(found) => reply.attr(&VALID, &found),
            None => reply.error(Errno::ENOENT),
        }
    }

    /// A disk has a fixed size and no owner: what is asked for is answered with what is.
    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        self.getattr(request, ino, handle, reply);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        at: u64,
        len: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut state = self.0.state();
        match (state.disk_at(ino.0), usize::try_from(at), usize::try_from(len)) {
            (Some(disk), Ok(at), Ok(len)) => reply.data(disk.read(at, len)),
            (None, ..) | (_, Err(_), _) | (.., Err(_)) => reply.error(Errno::EIO),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        at: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.0.command_write(ino.0, at, bytes) {
            Ok(()) => reply.written(u32::try_from(bytes.len()).unwrap_or(u32::MAX)),
            Err(error) => reply.error(error),
        }
    }

    /// Closing a file is no barrier.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        match self.0.command_flush(ino.0) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_barrier_that_waits_has_flushed_nothing() {
        let slot = Slot::default();
        slot.insert(vec![0; 4096]);
        let ino = inode(1);
        slot.arm(2);
        thread::scope(|scope| {
            let barrier = scope.spawn(|| {
                slot.command_write(ino, 0, &[1]).unwrap();
                slot.command_flush(ino)
            });
            slot.stall_within(LONG);
            let random = &mut Rng::with_seed(1);
            assert_eq!(slot.survivors(Cut::Dropped, random)[0], 0);
            assert_eq!(slot.survivors(Cut::Kept, random)[0], 1);
            assert!(!barrier.is_finished());
            slot.power_off();
            barrier.join().unwrap().unwrap();
        });
        assert_eq!(slot.survivors(Cut::Dropped, &mut Rng::with_seed(1))[0], 0);
    }

    #[test]
    fn a_barrier_that_was_answered_holds() {
        let slot = Slot::default();
        slot.insert(vec![0; 4096]);
        slot.command_write(inode(1), 0, &[1]).unwrap();
        slot.command_flush(inode(1)).unwrap();
        slot.stall_within(Duration::ZERO);
        assert_eq!(slot.survivors(Cut::Dropped, &mut Rng::with_seed(1))[0], 1);
    }

    #[test]
    fn a_disk_that_was_taken_out_answers_nobody() {
        let slot = Slot::default();
        slot.insert(vec![1; 8]);
        assert_eq!(slot.eject(), [1; 8]);
        slot.insert(vec![2; 8]);
        assert!(slot.command_write(inode(1), 0, &[9]).is_err());
        assert_eq!(slot.eject(), [2; 8]);
    }
}
