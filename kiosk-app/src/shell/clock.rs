//! What time it is, how well that is known, and how far from UTC people live here.
//!
//! Promises: *synced* is said only when the file that proves it is there, or when the configuration says
//! that the system's clock is to be believed; the offset is that of the moment it is asked for.
//! Never: sets a clock.

use crate::{
    config::{ShellConfig, StartError},
    stamp,
};
use jiff::{Timestamp, tz::TimeZone};
use kiosk_core::kiosk::Now;
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

/// The kiosk's clock.
pub(super) struct Clock {
    started: Instant,
    zone: TimeZone,
    proof: Option<PathBuf>,
}

impl Clock {
    /// As configured.
    ///
    /// # Errors
    /// [`StartError`] when there is no such time zone.
    pub(super) fn new(file: &Path, config: &ShellConfig) -> Result<Self, StartError> {
        let zone = match &config.time_zone {
            Some(name) => TimeZone::get(name).map_err(|why| StartError::new(file, "time_zone", why))?,
            None => TimeZone::system(),
        };
        Ok(Self { started: Instant::now(), zone, proof: config.clock_proof.clone() })
    }

    /// Now, on every clock.
    pub(super) fn now(&self) -> Now {
        let mono = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let stamp = stamp::now(self.proof.as_deref());
        Now { mono, stamp, offset_minutes: self.offset_minutes(stamp.unix_ms) }
    }

    /// Minutes east of UTC at `unix_ms`.
    pub(super) fn offset_minutes(&self, unix_ms: u64) -> i16 {
        let at = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let seconds = at.map_or(0, |at| self.zone.to_offset(at).seconds());
        i16::try_from(seconds / 60).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiosk_core::wire::ClockQuality;

    fn clock(zone: &str, proof: Option<PathBuf>) -> Clock {
        Clock { started: Instant::now(), zone: TimeZone::posix(zone).unwrap(), proof }
    }

    #[test]
    fn a_british_summer_is_an_hour_ahead() {
        let clock = clock("GMT0BST,M3.5.0/1,M10.5.0", None);
        // 2026-01-15 and 2026-07-15, noon UTC.
        assert_eq!(clock.offset_minutes(1_768_478_400_000), 0);
        assert_eq!(clock.offset_minutes(1_784_116_800_000), 60);
    }

    #[test]
    fn a_clock_without_its_proof_is_not_synced() {
        let folder = tempfile::tempdir().unwrap();
        let proof = folder.path().join("synchronized");
        let clock = clock("UTC0", Some(proof.clone()));
        assert_eq!(clock.now().stamp.clock, ClockQuality::Unsynced);
        std::fs::write(&proof, "").unwrap();
        assert_eq!(clock.now().stamp.clock, ClockQuality::Synced);
    }
}
