//! What the kernel knows: bytes a device wrote, bytes files occupy, memory a process had.
//!
//! Never: leaves a loop device or a mount behind, as long as it is dropped.

use anyhow::{Context as _, Result, bail, ensure};
use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

const IMAGE_BYTES: u64 = 768 << 20;
/// Of `/proc/diskstats` and of `st_blocks`.
const SECTOR_BYTES: u64 = 512;

/// An ext4 on a loop device of its own.
pub(crate) struct Loop {
    device: String,
    mount: PathBuf,
    mounted: bool,
}

impl Loop {
    /// Makes it in `dir`. Needs root.
    pub(crate) fn make(dir: &Path) -> Result<Self> {
        let (image, mount) = (dir.join("loop.img"), dir.join("loop"));
        File::create(&image)?.set_len(IMAGE_BYTES)?;
        fs::create_dir_all(&mount)?;
        run(Command::new("mkfs.ext4")
            .args(["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"])
            .arg(&image))?;
        let device = run(Command::new("losetup").args(["--find", "--show"]).arg(&image))?.trim().to_owned();
        let mut made = Self { device, mount, mounted: false };
        run(Command::new("mount").arg(&made.device).arg(&made.mount))?;
        made.mounted = true;
        Ok(made)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.mount
    }

    /// Bytes written to the device so far, after everything was written back.
    pub(crate) fn written(&self) -> Result<u64> {
        rustix::fs::syncfs(File::open(&self.mount)?)?;
        let name = self.device.trim_start_matches("/dev/");
        let stats = fs::read_to_string("/proc/diskstats")?;
        let line = stats.lines().find(|line| line.split_whitespace().nth(2) == Some(name));
        let sectors = line
            .and_then(|line| line.split_whitespace().nth(9))
            .context("no such disk in /proc/diskstats")?;
        Ok(sectors.parse::<u64>()? * SECTOR_BYTES)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let mut undo = Vec::new();
        if self.mounted {
            undo.push(run(Command::new("umount").arg(&self.mount)));
        }
        undo.push(run(Command::new("losetup").arg("--detach").arg(&self.device)));
        for error in undo.into_iter().filter_map(Result::err) {
            eprintln!("bench: {error:#}");
        }
    }
}

fn run(command: &mut Command) -> Result<String> {
    let output =
        command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{}: {}", command.get_program().display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Bytes that everything below `path` occupies on the disk.
pub(crate) fn occupied(path: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // A file may go while we look.
        let Ok(meta) = entry.metadata() else { continue };
        bytes += if meta.is_dir() { occupied(&entry.path())? } else { meta.blocks() * SECTOR_BYTES };
    }
    Ok(bytes)
}

/// The most memory this process had, in bytes: `VmHWM` of proc(5).
pub(crate) fn peak_memory() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let (kib, unit) = line.trim().split_once(' ').context("no unit")?;
    ensure!(unit == "kB", "VmHWM in {unit}");
    Ok(kib.parse::<u64>()? << 10)
}
