//! An initial file system as the kernel takes it: a cpio archive, "newc".
//!
//! Source: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.
//!
//! ```text
//! "070701" ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
//!          each field eight hexadecimal digits
//! name NUL, padded to 4 bytes from the header; data, padded to 4 bytes
//! ... the last entry is named TRAILER!!!
//! ```
//!
//! Promises: every folder stands before what is in it; the same content makes the same bytes. Archives can
//! be put one after another.

use anyhow::{Context as _, Result};
use std::{collections::BTreeSet, path::Path};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const TRAILER: &str = "TRAILER!!!";

/// An archive that is being written.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    folders: BTreeSet<String>,
}

impl Archive {
    /// Puts a file at `path`, from the root, and the folders above it. It may be executed.
    ///
    /// # Errors
    /// For a file of 4 GiB or more, and for a path that is not UTF-8.
    pub(super) fn file(&mut self, path: &Path, content: &[u8]) -> Result<()> {
        let path = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
        let name = path.trim_start_matches('/');
        for (at, _) in name.match_indices('/') {
            let folder = name.get(..at).unwrap_or_default();
            if self.folders.insert(folder.to_owned()) {
                self.entry(folder, FOLDER, &[])?;
            }
        }
        self.entry(name, PROGRAM, content)
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.entry(TRAILER, 0, &[])?;
        Ok(self.bytes)
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        let size = u32::try_from(content.len()).with_context(|| format!("{name} is too large"))?;
        let name_size = u32::try_from(name.len() + 1).with_context(|| format!("{name} is too long"))?;
        self.entries += 1;
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_first_and_once_and_all_is_padded() {
        let mut archive = Archive::default();
        archive.file(Path::new("/a/b/one"), b"12345").unwrap();
        archive.file(Path::new("/a/b/two"), b"").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8(bytes).unwrap();
        let names: Vec<&str> = text.split("070701").skip(1).map(|entry| &entry[104..]).collect();
        let names: Vec<&str> = names.iter().map(|rest| rest.split('\0').next().unwrap()).collect();
        assert_eq!(names, ["a", "a/b", "a/b/one", "a/b/two", TRAILER]);
    }

    #[test]
    fn a_small_archive_is_what_the_kernel_documents() {
        let mut archive = Archive::default();
        archive.file(Path::new("init"), b"#!").unwrap();
        let expected = concat!(
            "070701",
            "00000001",
            "000081ed",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000002",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000005",
            "00000000",
            "init\0\0",
            "#!\0\0",
            "070701",
            "00000002",
            "00000000",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "0000000b",
            "00000000",
            "TRAILER!!!\0\0\0\0",
        );
        assert_eq!(String::from_utf8(archive.finish().unwrap()).unwrap(), expected);
    }
}
