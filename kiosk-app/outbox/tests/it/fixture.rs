//! An outbox in a folder that goes away with the test, and envelopes that can be told apart.

use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, KeyId},
    wire::{ClockQuality, Envelope, Stamp},
};
use kiosk_outbox::{Limits, Opened, Options, Outbox};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The clock of every test, milliseconds since 1970.
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;

pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("outbox")
    }

    pub(crate) fn open(&self) -> (Outbox, Opened) {
        self.open_with(small())
    }

    pub(crate) fn open_with(&self, limits: Limits) -> (Outbox, Opened) {
        open(&self.path(), limits)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state/v1")
    }

    /// The journal's segments, oldest first.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = fs::read_dir(self.path().join("journal/v1"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths
    }
}

pub(crate) fn open(dir: &Path, limits: Limits) -> (Outbox, Opened) {
    Outbox::open(dir, Options { limits, clock: Box::new(|| NOW_MS) }).unwrap()
}

/// Segments of a few records, so that tests see many.
pub(crate) fn small() -> Limits {
    Limits { segment_bytes: 4096, ballast_bytes: 0, free_bytes_min: 0, ..Limits::default() }
}

/// The `n`th envelope; `len` bytes of content that depend on `n`.
pub(crate) fn envelope(n: u64, len: usize) -> Envelope {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&n.to_be_bytes());
    let mut claim = [7; 32];
    claim[..8].copy_from_slice(&n.to_be_bytes());
    let mut word = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let sealed = std::iter::repeat_with(|| {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word.to_be_bytes()[0]
    });
    Envelope {
        id: EnvelopeId::new(n, random),
        service: "report-a-problem".parse().unwrap(),
        claim: ClaimDigest(claim),
        key: KeyId(3),
        made_at: Stamp { unix_ms: 1_700_000_000_000 + n, clock: ClockQuality::Unsynced },
        sealed: sealed.take(len).collect(),
    }
}

/// Everything that waits, oldest first.
pub(crate) fn queued(outbox: &Outbox) -> Vec<Envelope> {
    outbox.claim(usize::MAX, u64::MAX / 2).into_iter().map(|waiting| waiting.envelope).collect()
}
