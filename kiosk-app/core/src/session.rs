//! How long a session lasts: idle warning, extension, absolute limit.
//!
//! ```text
//!  activity            idle_ms              warning_ms
//! ----|-------------------|---------------------|----> expired: the session is wiped
//!     '-- hold: the kiosk is busy for the citizen (saving, printing); idle time does not run
//! started ------------------- absolute_ms - warning_ms --|-- warning_ms --|----> expired
//! ```
//!
//! Promises: nobody is logged out without a warning of at least [`WARNING_MS_MIN`] that one touch
//! answers (EN 301 549 clause 11.2.2.1, WCAG 2.2.1); a stuck touch cannot keep a session for ever.
//! Never: reads a clock; every call brings the time.

/// Milliseconds on a clock that never goes back.
pub type Millis = u64;

/// The shortest warning: WCAG 2.2 success criterion 2.2.1 asks for 20 seconds.
pub const WARNING_MS_MIN: Millis = 20_000;

/// How often the absolute limit may be moved, as WCAG 2.2.1 asks.
pub const EXTENSIONS_MAX: u8 = 10;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Without a touch for this long: the warning.
    pub idle_ms: Millis,
    /// Without an answer to the warning for this long: the end.
    pub warning_ms: Millis,
    /// From first touch to the end, whatever happens; each extension adds the same again.
    pub absolute_ms: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        Self { idle_ms: 75_000, warning_ms: 30_000, absolute_ms: 30 * 60_000 }
    }
}

impl Limits {
    /// Whether a person can keep up with these.
    ///
    /// # Errors
    /// Which limit is too short, and what it must be.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.warning_ms < WARNING_MS_MIN {
            return Err("warning_ms must be at least 20000");
        }
        if self.idle_ms < WARNING_MS_MIN {
            return Err("idle_ms must be at least 20000");
        }
        if self.absolute_ms < self.idle_ms + self.warning_ms {
            return Err("absolute_ms must be at least idle_ms + warning_ms");
        }
        Ok(())
    }
}

/// Why the warning is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Idle,
    Absolute,
}

/// The clock of one session.
#[derive(Clone, Debug)]
pub struct SessionClock {
    limits: Limits,
    last_activity: Millis,
    absolute_end: Millis,
    extensions: u8,
    warning: Option<(Cause, Millis)>,
    held: bool,
}

/// What the passing of time did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Nothing yet.
    Running,
    /// The warning appeared or counts down.
    Warning,
    /// The session is over.
    Expired,
}

impl SessionClock {
    /// Starts with a touch at `now`.
    #[must_use]
    pub fn new(limits: Limits, now: Millis) -> Self {
        let absolute_end = now.saturating_add(limits.absolute_ms);
        Self { limits, last_activity: now, absolute_end, extensions: 0, warning: None, held: false }
    }

    /// A touch, a key or a card. Does not answer a warning: [`Self::extend`] does.
    pub fn activity(&mut self, now: Millis) {
        if self.warning.is_none() {
            self.last_activity = now;
        }
    }

    /// The kiosk is busy for the citizen: idle time stands still until it is not.
    pub fn hold(&mut self, held: bool, now: Millis) {
        if self.held != held {
            self.held = held;
            self.last_activity = now;
            self.warning = self.warning.filter(|(cause, _)| *cause == Cause::Absolute);
        }
    }

    /// "I need more time".
    pub fn extend(&mut self, now: Millis) {
        if let Some((Cause::Absolute, _)) = self.warning {
            if self.extensions >= EXTENSIONS_MAX {
                return;
            }
            self.extensions += 1;
            self.absolute_end = now.saturating_add(self.limits.absolute_ms);
        }
        self.warning = None;
        self.last_activity = now;
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Millis) -> Tick {
        if let Some((_, end)) = self.warning {
            return if now >= end { Tick::Expired } else { Tick::Warning };
        }
        if now >= self.absolute_warning() {
            self.warning = Some((Cause::Absolute, now.saturating_add(self.limits.warning_ms)));
        } else if !self.held && now >= self.last_activity.saturating_add(self.limits.idle_ms) {
            self.warning = Some((Cause::Idle, now.saturating_add(self.limits.warning_ms)));
        }
        if self.warning.is_some() { Tick::Warning } else { Tick::Running }
    }

    /// When [`Self::advance`] should be called next; during a warning that is each second.
    #[must_use]
    pub fn poll_timeout(&self, now: Millis) -> Millis {
        match self.warning {
            Some((_, end)) => end.min(now.saturating_add(1_000)),
            None if self.held => self.absolute_warning(),
            None => self.last_activity.saturating_add(self.limits.idle_ms).min(self.absolute_warning()),
        }
    }

    /// Seconds until the end while the warning shows, rounded up.
    #[must_use]
    pub fn seconds_left(&self, now: Millis) -> Option<u64> {
        self.warning.map(|(_, end)| end.saturating_sub(now).div_ceil(1_000))
    }

    fn absolute_warning(&self) -> Millis {
        self.absolute_end.saturating_sub(self.limits.warning_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { idle_ms: 60_000, warning_ms: 30_000, absolute_ms: 600_000 };

    #[test]
    fn silence_warns_then_ends() {
        let mut clock = SessionClock::new(LIMITS, 0);
        assert_eq!(clock.advance(59_999), Tick::Running);
        assert_eq!(clock.poll_timeout(59_999), 60_000);
        assert_eq!(clock.advance(60_000), Tick::Warning);
        assert_eq!(clock.seconds_left(60_001), Some(30));
        assert_eq!(clock.advance(89_999), Tick::Warning);
        assert_eq!(clock.advance(90_000), Tick::Expired);
    }

    #[test]
    fn one_touch_gives_the_time_back() {
        let mut clock = SessionClock::new(LIMITS, 0);
        clock.advance(60_000);
        clock.activity(61_000);
        assert!(clock.seconds_left(61_000).is_some(), "only the answer ends the warning");
        clock.extend(70_000);
        assert_eq!(clock.seconds_left(70_000), None);
        assert_eq!(clock.advance(129_999), Tick::Running);
    }

    #[test]
    fn a_long_print_does_not_log_out() {
        let mut clock = SessionClock::new(LIMITS, 0);
        clock.hold(true, 10_000);
        assert_eq!(clock.advance(300_000), Tick::Running);
        clock.hold(false, 300_000);
        assert_eq!(clock.advance(359_999), Tick::Running);
        assert_eq!(clock.advance(360_000), Tick::Warning);
    }

    #[test]
    fn a_stuck_touch_meets_the_absolute_limit() {
        let mut clock = SessionClock::new(LIMITS, 0);
        let mut now = 0;
        let mut granted = 0;
        loop {
            now += 500;
            clock.activity(now);
            match clock.advance(now) {
                Tick::Running => {}
                Tick::Warning => {
                    clock.extend(now);
                    granted += u32::from(clock.seconds_left(now).is_none());
                }
                Tick::Expired => break,
            }
        }
        assert_eq!(granted, u32::from(EXTENSIONS_MAX));
    }

    proptest! {
        #[test]
        fn nobody_is_logged_out_without_the_whole_warning(steps in prop::collection::vec((0_u64..40_000, 0_u8..4), 1..200)) {
            let mut clock = SessionClock::new(LIMITS, 0);
            let (mut now, mut warned) = (0, None);
            for (wait, op) in steps {
                now = clock.poll_timeout(now).max(now).min(now + wait);
                match op {
                    0 => clock.activity(now),
                    1 => clock.extend(now),
                    2 => clock.hold(true, now),
                    _ => clock.hold(false, now),
                }
                match clock.advance(now) {
                    Tick::Running => warned = None,
                    Tick::Warning => warned = warned.or(Some(now)),
                    Tick::Expired => {
                        prop_assert!(now - warned.unwrap_or(now) >= LIMITS.warning_ms);
                        break;
                    }
                }
            }
        }
    }
}
