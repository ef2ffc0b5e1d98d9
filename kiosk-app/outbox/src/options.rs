//! What an outbox is told at opening, and what it tells.
//!
//! Promises: every limit has a name, a unit and a default.
//! Never: reads a clock, except the one in [`Options::default`].

use kiosk_core::{ids::EnvelopeId, wire::Envelope};
use std::time::SystemTime;

/// Gives milliseconds since 1970.
pub type Clock = Box<dyn Fn() -> u64 + Send>;

/// How an outbox works.
pub struct Options {
    /// Where it stops.
    pub limits: Limits,
    /// The unit's clock; read by the outbox's own thread.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        let clock = || {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        };
        Self { limits: Limits::default(), clock: Box::new(clock) }
    }
}

/// Where an outbox stops taking envelopes, and what it keeps. Delivery never stops at a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most envelopes that wait, for the gateway or for a person.
    pub envelopes_max: u64,
    /// The most bytes these may take in the journal and in attachments; the journal's files may take twice
    /// this, and four segments.
    pub bytes_max: u64,
    /// The low-water mark: new envelopes are refused when they would leave less than this on the disk.
    pub free_bytes_min: u64,
    /// The most settled envelopes that a claim lookup still finds.
    pub settled_max: u64,
    /// How long it finds them, in milliseconds.
    pub settled_ms_max: u64,
    /// The length of a journal segment, unless one record needs more.
    pub segment_bytes: u64,
    /// The length of the ballast file; 0 for none.
    pub ballast_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            envelopes_max: 50_000,
            bytes_max: 2 << 30,
            free_bytes_min: 64 << 20,
            settled_max: 10_000,
            settled_ms_max: 90 * 24 * 60 * 60_000,
            segment_bytes: 1 << 20,
            ballast_bytes: 8 << 20,
        }
    }
}

/// What opening found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Envelopes that wait for the gateway.
    pub queued: u64,
    /// Whether the state was made again from the journal.
    pub rebuilt: bool,
    /// Damaged places found now for the first time; their bytes are in `quarantine/`.
    pub quarantined: u64,
}

/// Proof that an envelope is on stable storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Which envelope.
    pub id: EnvelopeId,
    /// Its place in the queue: rises with every envelope. Given twice only where the journal and sled both lost
    /// the record that had it.
    pub order: u64,
}

/// An envelope whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What to post.
    pub envelope: Envelope,
    /// Failed attempts before this one.
    pub attempts: u32,
}

/// The outbox in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Envelopes that wait for the gateway.
    pub queued: u64,
    /// Envelopes that wait for a person.
    pub dead: u64,
    /// Settled envelopes that a claim lookup still finds.
    pub settled: u64,
    /// When the oldest queued envelope was submitted, milliseconds since 1970.
    pub oldest_ms: Option<u64>,
    /// Bytes of the queued and the dead, in the journal and in attachments.
    pub bytes: u64,
    /// Bytes of the journal's files and of attachments.
    pub disk_bytes: u64,
    /// Records made durable since opening.
    pub records: u64,
    /// Calls of `fdatasync` that made them so: fewer than `records` when callers share one.
    pub syncs: u64,
    /// Files in `quarantine/`.
    pub quarantined: u64,
    /// Whether the state outlives the process without reading the journal again. False after sled failed:
    /// nothing is lost then, and the next opening rebuilds it.
    pub state_on_disk: bool,
}
