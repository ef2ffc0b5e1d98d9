//! The packages an image is made of, as `packages.lock` has them.
//!
//! ```text
//! # a comment
//! name version architecture sha256
//! ```
//!
//! Debian keeps only the newest version of a package on its mirrors, so an older lock cannot be built again from
//! there; it says what an image was made of, and that the next one is made of something else.
//!
//! Promises: sorted, one line each. Never: a line that is half understood.

use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;

const HEAD: &str = "# Debian's packages in the image. Written by cargo xtask image with --update-lock.\n";

/// One package.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
    /// Of the package's file, hexadecimal; empty until it is known.
    pub(super) sha256: String,
}

impl Entry {
    /// What apt calls its file: a colon would be no good in a name.
    pub(super) fn file_name(&self) -> String {
        format!("{}_{}_{}.deb", self.name, self.version.replace(':', "%3a"), self.architecture)
    }
}

/// What dpkg lists: the first three words of each line.
pub(super) fn queried(text: &str) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = text.lines().map(|line| entry(line, 3)).collect::<Result<_>>()?;
    entries.sort();
    Ok(entries)
}

/// Reads a lock.
pub(super) fn read(text: &str) -> Result<Vec<Entry>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| entry(line, 4)).collect()
}

/// Writes a lock.
pub(super) fn write(entries: &[Entry]) -> String {
    let mut text = HEAD.to_owned();
    for Entry { name, version, architecture, sha256 } in entries {
        text += &format!("{name} {version} {architecture} {sha256}\n");
    }
    text
}

fn entry(line: &str, count: usize) -> Result<Entry> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.len() != count {
        bail!("'{line}' has {} words and not {count}: name, version, architecture, hash", words.len());
    }
    let mut words = words.into_iter().map(str::to_owned);
    let mut next = || words.next().context("a word is missing");
    let (name, version, architecture) = (next()?, next()?, next()?);
    let sha256 = if count == 4 { next()? } else { String::new() };
    Ok(Entry { name, version, architecture, sha256 })
}

/// What is not as expected, a line for each package.
pub(super) fn differences(expected: &[Entry], found: &[Entry]) -> Vec<String> {
    let by_name = |entries: &[Entry]| -> BTreeMap<String, Entry> {
        entries.iter().map(|entry| (entry.name.clone(), entry.clone())).collect()
    };
    let (expected, found) = (by_name(expected), by_name(found));
    let gone = expected.values().filter(|entry| !found.contains_key(&entry.name));
    let gone =
        gone.map(|entry| format!("packages.lock has {} {}, Debian has none", entry.name, entry.version));
    let changed = found.values().filter_map(|entry| match expected.get(&entry.name) {
        Some(before) if before == entry => None,
        Some(before) if before.version == entry.version => {
            Some(format!("{} {} is another file than the one in packages.lock", entry.name, entry.version))
        }
        Some(before) => {
            Some(format!("{} is {}; packages.lock has {}", entry.name, entry.version, before.version))
        }
        None => Some(format!("{} {} is not in packages.lock", entry.name, entry.version)),
    });
    gone.chain(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "# why\na 1 amd64 00\nb 1:2~3 all 11\n";

    #[test]
    fn a_lock_reads_as_it_was_written() {
        let entries = read(LOCK).unwrap();
        assert_eq!(read(&write(&entries)).unwrap(), entries);
        assert_eq!(entries[1].file_name(), "b_1%3a2~3_all.deb");
        assert!(differences(&entries, &entries).is_empty());
    }

    #[test]
    fn half_a_line_is_an_error() {
        assert!(read("a 1 amd64\n").is_err());
        assert!(read("a 1 amd64 00 x\n").is_err());
        assert_eq!(queried("b 1 all\na 1 all\n").unwrap()[0].name, "a");
        assert!(queried("a 1\n").is_err());
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let expected = read("a 1 x 00\nb 1 x 00\nc 1 x 00\n").unwrap();
        let found = read("a 2 x 00\nb 1 x 11\nd 1 x 00\n").unwrap();
        assert_eq!(
            differences(&expected, &found),
            [
                "packages.lock has c 1, Debian has none",
                "a is 2; packages.lock has 1",
                "b 1 is another file than the one in packages.lock",
                "d 1 is not in packages.lock",
            ]
        );
    }
}
