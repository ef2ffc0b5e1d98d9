//! After a session: is anything of the citizen left where it must not be?
//!
//! Looks for what was typed in the shell's memory (`/proc/PID/mem`: what is mapped and readable), in
//! the agent's memory, and in every file of its state, the gateway's and the logs, as UTF-8 and UTF-16.
//!
//! Promises: a process or a file that cannot be read is an error, not a clean result.

use anyhow::{Context, Result};
use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// How much is read at a time.
const CHUNK_BYTES: usize = 4 << 20;

/// Where a canary was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    /// Which of the canaries, by number.
    pub canary: usize,
    /// File, or process and mapping.
    pub place: String,
}

/// Byte patterns of every canary.
pub(super) struct Canaries(Vec<(usize, Vec<u8>)>);

impl Canaries {
    /// Texts of at least eight characters that stand nowhere by chance.
    #[must_use]
    pub(super) fn new(texts: &[&str]) -> Self {
        let patterns = texts.iter().enumerate().flat_map(|(n, text)| {
            let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            [(n, text.as_bytes().to_vec()), (n, utf16)]
        });
        Self(patterns.collect())
    }

    fn longest(&self) -> usize {
        self.0.iter().map(|(_, pattern)| pattern.len()).max().unwrap_or(1)
    }

    fn look(&self, bytes: &[u8], place: &str, found: &mut Vec<Sighting>) {
        for (canary, pattern) in &self.0 {
            let sighting = Sighting { canary: *canary, place: place.to_owned() };
            if !found.contains(&sighting) && memchr::memmem::find(bytes, pattern).is_some() {
                found.push(sighting);
            }
        }
    }

    /// Looks through the memory of a process.
    ///
    /// # Errors
    /// When its memory cannot be read: it must be this process's child, or this must be root.
    pub(super) fn in_process(&self, pid: u32, name: &str) -> Result<Vec<Sighting>> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).context("reading its mappings")?;
        let mut memory = fs::File::open(format!("/proc/{pid}/mem")).context("opening its memory")?;
        let (mut found, mut read) = (Vec::new(), 0_usize);
        for line in maps.lines().filter(|line| is_private_data(line)) {
            let Some((start, end)) = range(line) else { continue };
            let place = format!("{name} {}", line.split_whitespace().last().unwrap_or_default());
            read += self.in_mapping(&mut memory, start, end, &place, &mut found);
        }
        anyhow::ensure!(read > 0, "no memory of {name} could be read");
        Ok(found)
    }

    fn in_mapping(
        &self,
        memory: &mut fs::File,
        start: u64,
        end: u64,
        place: &str,
        found: &mut Vec<Sighting>,
    ) -> usize {
        let (mut at, mut total) = (start, 0);
        let mut carried = Vec::new();
        while at < end {
            let want = usize::try_from(end - at).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            let mut chunk = vec![0; want];
            // A page that went away meanwhile holds nothing any more.
            let read = memory.seek(SeekFrom::Start(at)).and_then(|_| memory.read(&mut chunk)).unwrap_or(0);
            if read == 0 {
                break;
            }
            chunk.truncate(read);
            carried.extend_from_slice(&chunk);
            self.look(&carried, place, found);
            carried.drain(..carried.len().saturating_sub(self.longest()));
            at += u64::try_from(read).unwrap_or(u64::MAX);
            total += read;
        }
        total
    }

    /// Looks through every file under `folder`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn in_folder(&self, folder: &Path) -> Result<Vec<Sighting>> {
        let mut found = Vec::new();
        for file in files(folder)? {
            let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
            self.look(&bytes, &file.display().to_string(), &mut found);
        }
        Ok(found)
    }
}

/// Heap, stacks and anonymous mappings; not code, not files.
fn is_private_data(line: &str) -> bool {
    line.split_whitespace().nth(1).is_some_and(|permissions| permissions.starts_with("rw"))
}

fn range(line: &str) -> Option<(u64, u64)> {
    let (start, end) = line.split_whitespace().next()?.split_once('-')?;
    Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else if path.is_file() {
            all.push(path);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_seen_in_memory_and_on_disk_until_it_is_gone() {
        let text = format!("canary-{}", "x7Kq".repeat(3));
        let canaries = Canaries::new(&[&text]);
        // Scanned out of this very process: the canary stands in `text` and in the patterns.
        let seen = canaries.in_process(std::process::id(), "test").unwrap();
        assert!(seen.iter().any(|sighting| sighting.canary == 0));
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("log"), format!("..{text}..")).unwrap();
        assert_eq!(canaries.in_folder(dir.path()).unwrap().len(), 1);
        fs::write(dir.path().join("log"), "nothing").unwrap();
        assert!(canaries.in_folder(dir.path()).unwrap().is_empty());
    }
}
