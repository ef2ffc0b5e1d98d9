//! The machine whose power is cut: a drive, a loop device on it, ext4 on that.
//!
//! ```text
//! <folder>/fuse/disk-<n>.img   the drive, served by this process
//! <folder>/disk/               ext4 on it, by `mount -o loop`: the loop device goes with the mount
//! ```
//!
//! Promises: mounts only below its folder, in a mount namespace of this process alone: when the process ends,
//! however it ends, kernel takes mounts and loop device back.
//! Never: touches a loop device or a mount it did not make.

use crate::{disk::Cut, server::Server, server::Slot};
use anyhow::{Context as _, Result, bail};
use fastrand::Rng;
use fuser::{BackgroundSession, Config, MountOption};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

/// One machine.
pub(crate) struct Machine {
    slot: Arc<Slot>,
    fuse: PathBuf,
    disk: PathBuf,
    mounted: bool,
    // Dropped last: it unmounts the drive.
    _session: BackgroundSession,
}

impl Machine {
    /// Makes the folders and mounts the drive's file system.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let (fuse, disk) = (folder.join("fuse"), folder.join("disk"));
        for made in [&fuse, &disk] {
            fs::create_dir_all(made).with_context(|| format!("{}: cannot be made", made.display()))?;
        }
        let slot = Arc::new(Slot::default());
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("kiosk-powercut".into())];
        config.n_threads = Some(1);
        let session = fuser::spawn_mount(Server(Arc::clone(&slot)), &fuse, &config).with_context(|| {
            format!("{}: FUSE cannot be mounted; is mount(2) forbidden here?", fuse.display())
        })?;
        Ok(Self { slot, fuse, disk, mounted: false, _session: session })
    }

    /// The drive.
    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    /// Where ext4 is mounted.
    pub(crate) fn disk(&self) -> &Path {
        &self.disk
    }

    /// An image of `bytes` bytes with an empty ext4: blocks of 4 KiB, nothing left to write later.
    pub(crate) fn format(&self, bytes: usize) -> Result<Vec<u8>> {
        let path = self.fuse.join(self.slot.insert(vec![0; bytes]));
        let mut mkfs = Command::new("mkfs.ext4");
        mkfs.args(["-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"]);
        tool(mkfs.arg(path))?;
        Ok(self.slot.eject())
    }

    /// Switches on: a new drive with this content, and ext4 mounted from it, its journal replayed.
    pub(crate) fn power_on(&mut self, content: Vec<u8>) -> Result<()> {
        self.power_off()?;
        let path = self.fuse.join(self.slot.insert(content));
        tool(Command::new("mount").args(["-t", "ext4", "-o", "loop"]).arg(path).arg(&self.disk))?;
        self.mounted = true;
        Ok(())
    }

    /// What is on the drive after a power cut now; the drive must be stalled.
    pub(crate) fn cut(&self, cut: Cut, random: &mut Rng) -> Vec<u8> {
        self.slot.survivors(cut, random)
    }

    /// Forgets the drive and what was mounted from it. Nobody may have a file open there.
    pub(crate) fn power_off(&mut self) -> Result<()> {
        self.slot.power_off();
        if std::mem::take(&mut self.mounted) {
            tool(Command::new("umount").arg(&self.disk))?;
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Err(error) = self.power_off() {
            eprintln!("powercut: {error:#}");
        }
    }
}

/// Runs a system program that says nothing when it is content.
pub(crate) fn tool(command: &mut Command) -> Result<()> {
    let name = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{name} ended with {}: {}", output.status, said.trim().replace('\n', "; "));
    }
    Ok(())
}
