//! What the kiosk is doing when the power goes: a table, and envelopes that can be told apart.
//!
//! Promises: the `n`th envelope of a workload is the same in every process, so its bytes prove themselves.
//! Never: reads a clock, except the outbox's own.

use crate::disk::PAGE;
use fastrand::Rng;
use kiosk_core::{
    claim::ClaimDigest,
    ids::{EnvelopeId, KeyId},
    wire::{ClockQuality, Envelope, Stamp},
};
use kiosk_outbox::{Limits, Options};
use std::{ops::RangeInclusive, time::Duration};

const MIB: usize = 1 << 20;
/// Every disk is whole pages, so that a torn write is never half a page at the end.
const _: () = assert!(MIB.is_multiple_of(PAGE));

/// One kind of work.
pub(crate) struct Workload {
    /// Its name on the command line and in reports.
    pub(crate) name: &'static str,
    /// Length of the drive, in bytes.
    pub(crate) disk_bytes: usize,
    /// Threads that save.
    pub(crate) savers: u64,
    /// Threads that claim and end.
    pub(crate) enders: u64,
    /// Between two saves of a thread.
    pub(crate) pace: Duration,
    /// Envelopes that wait before the work begins.
    pub(crate) before: u64,
    /// Bytes saved in one round; then the savers rest.
    pub(crate) bytes_max: usize,
    /// Bytes of a sealed request.
    pub(crate) len: RangeInclusive<usize>,
    /// The state folder is removed or damaged first, and the cut may come while the outbox opens.
    pub(crate) rebuild: bool,
    /// Before the work begins the disk is full, and enders wait until saving was refused again.
    pub(crate) fill: bool,
    /// The cut comes at one of this many commands to the drive.
    pub(crate) commands_max: u64,
    /// Or at the latest after one of these times.
    pub(crate) within_ms: RangeInclusive<u64>,
    segment_bytes: u64,
    settled_max: u64,
    ballast_bytes: u64,
}

const PLAIN: Workload = Workload {
    name: "growing",
    disk_bytes: 64 * MIB,
    savers: 4,
    enders: 0,
    pace: Duration::ZERO,
    before: 0,
    bytes_max: 5 * MIB,
    len: 100..=4000,
    rebuild: false,
    fill: false,
    commands_max: 3000,
    within_ms: 300..=1500,
    segment_bytes: 1 << 20,
    settled_max: 1 << 20,
    ballast_bytes: 1 << 20,
};

/// Everything that is tried, in the order of the report.
pub(crate) static ALL: &[Workload] = &[
    PLAIN,
    Workload {
        name: "paced",
        savers: 1,
        pace: Duration::from_millis(300),
        commands_max: u64::MAX,
        within_ms: 350..=2000,
        ..PLAIN
    },
    Workload { name: "drain", savers: 2, enders: 2, before: 300, bytes_max: 3 * MIB, ..PLAIN },
    Workload {
        name: "attachments",
        disk_bytes: 96 * MIB,
        savers: 2,
        enders: 1,
        bytes_max: 12 * MIB,
        len: 300 << 10..=300 << 10,
        commands_max: 1000,
        ..PLAIN
    },
    Workload {
        name: "roll-over",
        savers: 2,
        enders: 2,
        len: 500..=3000,
        segment_bytes: 16 << 10,
        settled_max: 40,
        ..PLAIN
    },
    Workload {
        name: "rebuild",
        savers: 1,
        enders: 1,
        before: 400,
        rebuild: true,
        commands_max: 150,
        bytes_max: MIB,
        ..PLAIN
    },
    Workload {
        name: "full",
        disk_bytes: 20 * MIB,
        savers: 2,
        enders: 1,
        bytes_max: usize::MAX,
        len: 2000..=20_000,
        fill: true,
        segment_bytes: 256 << 10,
        within_ms: 300..=2500,
        ..PLAIN
    },
];

/// The workload of that name.
pub(crate) fn named(name: &str) -> Option<&'static Workload> {
    ALL.iter().find(|workload| workload.name == name)
}

impl Workload {
    /// The outbox's limits: the file system decides what is full, not a low-water mark.
    pub(crate) fn options(&self) -> Options {
        let limits = Limits {
            free_bytes_min: 0,
            segment_bytes: self.segment_bytes,
            settled_max: self.settled_max,
            ballast_bytes: self.ballast_bytes,
            ..Limits::default()
        };
        Options { limits, ..Options::default() }
    }

    /// Its place in the table.
    pub(crate) fn turn(&self) -> u64 {
        let before = ALL.iter().take_while(|workload| workload.name != self.name);
        u64::try_from(before.count()).unwrap_or(0)
    }

    /// The most settled envelopes that are remembered.
    pub(crate) fn settled_max(&self) -> usize {
        usize::try_from(self.settled_max).unwrap_or(usize::MAX)
    }

    /// The `n`th envelope; its length too depends on `n` alone.
    pub(crate) fn envelope(&self, n: u64) -> Envelope {
        let mut random = Rng::with_seed(n);
        let len = random.usize(self.len.clone());
        let mut bytes = [0; 10];
        random.fill(&mut bytes);
        let mut claim = [0; 32];
        random.fill(&mut claim);
        let mut sealed = vec![0; len];
        random.fill(&mut sealed);
        Envelope {
            id: EnvelopeId::new(n, bytes),
            service: service(),
            claim: ClaimDigest(claim),
            key: KeyId(1),
            made_at: Stamp { unix_ms: 1_700_000_000_000 + n, clock: ClockQuality::Unsynced },
            sealed,
        }
    }

    /// The moment of a cut: at this command, or when this time has passed.
    pub(crate) fn moment(&self, random: &mut Rng) -> (u64, Duration) {
        let within = Duration::from_millis(random.u64(self.within_ms.clone()));
        if self.commands_max == u64::MAX {
            return (u64::MAX, within);
        }
        // Half of them early: then each power of two is as likely as the next.
        let bits = u64::BITS - self.commands_max.leading_zeros();
        let early = self.commands_max.min(1 << random.u32(1..=bits));
        let below = if random.bool() { early } else { self.commands_max };
        (random.u64(1..=below), within)
    }
}

/// Which envelope has this id: the first 48 bits are its milliseconds, RFC 9562 section 5.7.
pub(crate) fn number(id: &EnvelopeId) -> u64 {
    id.as_bytes().iter().take(6).fold(0, |n, &byte| n << 8 | u64::from(byte))
}

/// The gateway's receipt for the `n`th envelope.
pub(crate) fn receipt(n: u64) -> Vec<u8> {
    let mut bytes = vec![0; 120];
    Rng::with_seed(!n).fill(&mut bytes);
    bytes
}

fn service() -> kiosk_core::ids::ServiceId {
    "report-a-problem".parse().unwrap_or_else(|_| unreachable!("it is of small letters and dashes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_which_envelope_it_is() {
        for n in [0, 1, 77, (40 << 24) + 5] {
            assert_eq!(number(&PLAIN.envelope(n).id), n);
            assert_eq!(PLAIN.envelope(n), PLAIN.envelope(n));
            assert_ne!(PLAIN.envelope(n).sealed, PLAIN.envelope(n + 1).sealed);
        }
    }

    #[test]
    fn names_are_told_apart() {
        for (turn, workload) in (0..).zip(ALL) {
            assert_eq!(workload.turn(), turn);
            assert_eq!(named(workload.name).map(Workload::turn), Some(workload.turn()));
        }
        assert!(named("no such work").is_none());
    }

    #[test]
    fn moments_stay_within_their_limits() {
        let mut random = Rng::with_seed(1);
        for _ in 0..1000 {
            let (commands, within) = PLAIN.moment(&mut random);
            assert!((1..=PLAIN.commands_max).contains(&commands));
            assert!(within <= Duration::from_millis(*PLAIN.within_ms.end()));
        }
    }
}
