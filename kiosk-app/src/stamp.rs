//! The wall clock, and how far to trust it.

use kiosk_core::wire::{ClockQuality, Stamp};
use std::{path::Path, time::SystemTime};

/// Now. Synced when the file that proves it is there, or when the config names none.
#[must_use]
pub fn now(proof: Option<&Path>) -> Stamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let unix_ms = u64::try_from(since.as_millis()).unwrap_or_default();
    let clock = if proof.is_none_or(Path::exists) { ClockQuality::Synced } else { ClockQuality::Unsynced };
    Stamp { unix_ms, clock }
}
