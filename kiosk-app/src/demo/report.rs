//! What the demo leaves behind: the transcript, and the last line.

use anyhow::Result;
use serde::Serialize;
use std::{
    fmt,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::Instant,
};

/// `transcript.jsonl`: who did what, in order. Never what was typed.
pub(super) struct Transcript {
    file: BufWriter<File>,
    started: Instant,
}

impl Transcript {
    /// Starts an empty transcript.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(super) fn create(path: &Path) -> Result<Self> {
        Ok(Self { file: BufWriter::new(File::create(path)?), started: Instant::now() })
    }

    /// Adds one line.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn note(&mut self, did: &str, what: &impl Serialize) -> Result<()> {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        serde_json::to_writer(&mut self.file, &serde_json::json!({ "ms": ms, "did": did, "what": what }))?;
        self.file.write_all(b"\n")?;
        Ok(self.file.flush()?)
    }
}

/// What was promised and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// Transactions the screen called saved.
    pub saved: usize,
    /// Of those, how many the service received at least once.
    pub delivered: usize,
    /// Effects beyond the first of a transaction.
    pub doubled: usize,
}

impl Counts {
    /// From the markers of what the screen called saved and of what the service received.
    #[must_use]
    pub(super) fn of(saved: usize, received: &[String]) -> Self {
        let mut distinct = received.to_vec();
        distinct.sort();
        distinct.dedup();
        Self { saved, delivered: distinct.len(), doubled: received.len() - distinct.len() }
    }

    /// Saved and never received.
    #[must_use]
    pub(super) fn lost(&self) -> usize {
        self.saved.saturating_sub(self.delivered)
    }

    /// Whether every promise was kept.
    #[must_use]
    pub(super) fn is_kept(&self) -> bool {
        self.saved > 0 && self.lost() == 0 && self.doubled == 0 && self.delivered == self.saved
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { saved, delivered, doubled } = self;
        write!(f, "demo: saved {saved}, delivered {delivered}, lost {}, doubled {doubled}", self.lost())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_or_doubled_is_counted() {
        let received = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let line = |saved, ids: &[&str]| Counts::of(saved, &received(ids)).to_string();
        assert_eq!(line(1, &["a"]), "demo: saved 1, delivered 1, lost 0, doubled 0");
        assert_eq!(line(1, &[]), "demo: saved 1, delivered 0, lost 1, doubled 0");
        assert_eq!(line(1, &["a", "a"]), "demo: saved 1, delivered 1, lost 0, doubled 1");
        assert!(!Counts::of(0, &[]).is_kept());
    }
}
