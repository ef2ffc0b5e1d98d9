//! The disk of a machine: a copy of the image, what is changed in it, and what is read from it afterwards.
//!
//! Promises: the copy lies beside the build, where the image's tools see it. Never: changes the image itself.

use super::site;
use crate::{
    image::{Places, Tools},
    process::{output_of, succeeds},
};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    fs::{self, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    process::Command,
};

/// The copy's name, beside the image.
const NAME: &str = "boot-test.raw";
/// As `systemd-repart` makes every image: whole MiB, the boot partition first.
const BOOT_AT: &str = "@@1M";
/// A program that runs in every boot, early.
const PROGRAM: &str = "/usr/lib/systemd/systemd";
const SECTOR: u64 = 512;
const BLOCK: u64 = 4096;

/// A copy of the image.
pub(super) struct Disk<'a> {
    pub(super) file: PathBuf,
    places: &'a Places,
    tools: &'a Tools,
}

impl<'a> Disk<'a> {
    /// A fresh copy.
    pub(super) fn copy(places: &'a Places, tools: &'a Tools) -> Result<Self> {
        let file = places.build.join(NAME);
        let mut copy = Command::new("cp");
        copy.args(["--sparse=always", "--reflink=auto", "-f", "--"]).arg(places.image()).arg(&file);
        ensure!(succeeds(&mut copy)?, "{} cannot be copied", places.image().display());
        Ok(Self { file, places, tools })
    }

    /// Makes it a site's unit, with an identity.
    pub(super) fn set_up(&self) -> Result<()> {
        let start = start_of(&self.table()?, "state")? * SECTOR;
        site::set_up(self.places, self.tools, &format!("/build/{NAME}"), start)
    }

    /// Flips one bit of slot A's root, in a program that every boot runs.
    pub(super) fn flip_a_bit(&self) -> Result<()> {
        let start = start_of(&self.table()?, "root-a")? * SECTOR;
        let extents = self.ask(&["dump.erofs", "-e", &format!("--path={PROGRAM}"), "/build/root.erofs"])?;
        let at = start + first_extent(&extents)? + BLOCK / 2;
        let mut file = OpenOptions::new().read(true).write(true).open(&self.file)?;
        let mut byte = [0];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut byte)?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&byte.map(|byte| byte ^ 1)).context("flipping a bit")
    }

    /// The kernel images in the boot partition; their names say what was tried.
    pub(super) fn kernels(&self) -> Result<Vec<String>> {
        let listed = self.ask(&["mdir", "-b", "-i", &format!("/build/{NAME}{BOOT_AT}"), "::/EFI/Linux"])?;
        let names = listed.lines().filter_map(|line| line.trim().rsplit('/').next());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".efi")).map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// Where the partitions begin.
    fn table(&self) -> Result<String> {
        self.ask(&["partx", "--raw", "--noheadings", "-o", "START,NAME", &format!("/build/{NAME}")])
    }

    fn ask(&self, words: &[&str]) -> Result<String> {
        output_of(&mut self.tools.command(words)).with_context(|| words.join(" "))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // A copy that stays takes room and nothing else.
        drop(fs::remove_file(&self.file));
    }
}

/// The first sector of the partition with this name, in what partx wrote: `2048 esp`.
fn start_of(table: &str, name: &str) -> Result<u64> {
    let mut lines = table.lines().filter_map(|line| line.trim().split_once(' '));
    let line = lines.find(|(_, called)| called.trim() == name);
    let (number, _) = line.with_context(|| format!("there is no partition {name}"))?;
    number.parse().with_context(|| format!("'{number}' is no sector"))
}

/// Where the first extent lies, in what dump.erofs wrote: `0: 0.. 65536 | 65536 : 123.. 456 | 333`.
fn first_extent(extents: &str) -> Result<u64> {
    for line in extents.lines() {
        let Some((number, _)) = line.trim().split_once(':') else { continue };
        if number.parse::<u32>().is_err() {
            continue;
        }
        let Some((_, physical)) = line.rsplit_once(':') else { continue };
        let start = physical.trim().split("..").next().unwrap_or_default();
        return start.trim().parse().with_context(|| format!("'{start}' is no place"));
    }
    bail!("dump.erofs names no extent of {PROGRAM}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_found_by_its_name() {
        let table = "2048 esp\n526336 root-a\n";
        assert_eq!(start_of(table, "root-a").unwrap(), 526_336);
        assert!(start_of(table, "root-b").is_err());
        assert!(start_of("x y\n", "y").is_err());
    }

    #[test]
    fn an_extent_is_found_after_the_head() {
        let text = "File : /x\nExt:   logical offset   |  length :     physical offset    |  length\n   \
                    0:        0..   65536 |   65536 :   55488512..  55513088 |   24576\n";
        assert_eq!(first_extent(text).unwrap(), 55_488_512);
        assert!(first_extent("File : /x\nSize: 3\n").is_err());
    }
}
