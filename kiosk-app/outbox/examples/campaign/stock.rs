//! Envelopes that can be told apart and made again from their number, and a source of chance with a seed.

use anyhow::{Context as _, Result, anyhow};
use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, KeyId},
    wire::{ClockQuality, Envelope, Stamp},
};
use kiosk_outbox::{Limits, Opened, Options, Outbox};
use std::path::Path;

/// The clock of every campaign, milliseconds since 1970.
pub(super) const NOW_MS: u64 = 1_800_000_000_000;

/// SplitMix64, by Steele, Lea and Flood.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `limit`; 0 when `limit` is.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.word().checked_rem(limit).unwrap_or(0)
    }
}

/// The `n`th envelope: always the same bytes, 100 to 2,100 of them incompressible.
pub(super) fn envelope(n: u64) -> Result<Envelope> {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&n.to_be_bytes());
    let mut claim = [7; 32];
    claim[..8].copy_from_slice(&n.to_be_bytes());
    let mut chance = Chance(n);
    let len = 100 + chance.below(2_000);
    let mut sealed = Vec::new();
    for _ in 0..len {
        sealed.extend(u8::try_from(chance.below(256)));
    }
    Ok(Envelope {
        id: EnvelopeId::new(n & 0xffff_ffff, random),
        service: "report-a-problem".parse().ok().context("a service id")?,
        claim: ClaimDigest(claim),
        key: KeyId(3),
        made_at: Stamp { unix_ms: NOW_MS - 1, clock: ClockQuality::Unsynced },
        sealed,
    })
}

/// Which one this is; `None` when it is not exactly what [`envelope`] made.
pub(super) fn number_of(envelope: &Envelope) -> Option<u64> {
    let n = u64::from_be_bytes(envelope.claim.0.first_chunk().copied()?);
    (self::envelope(n).ok()?.sealed == envelope.sealed).then_some(n)
}

/// Opens an outbox with a clock that stands.
pub(super) fn open(dir: &Path, limits: Limits) -> Result<(Outbox, Opened)> {
    Ok(Outbox::open(dir, Options { limits, clock: Box::new(|| NOW_MS) })?)
}

/// Saves the `n`th envelope.
pub(super) fn save(outbox: &Outbox, n: u64) -> Result<()> {
    outbox.enqueue(envelope(n)?).map(drop).map_err(|reason| anyhow!("{n} was not saved: {reason:?}"))
}
