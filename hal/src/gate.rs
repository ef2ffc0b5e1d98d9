//! The input gate: what a device says reaches only who asked for it, once.
//!
//! ```text
//! arm -> open -- something was said, begun since --> delivered, shut
//!          \---- disarm ------------------------------------> shut; what comes is dropped and counted
//! ```
//!
//! After UnifiedPOS `DataEventEnabled`: one delivery, then the gate shuts by itself.
//!
//! Promises: arming and disarming never wait for the device or for the listener. Never: sees what is said.

use crate::{
    input::now_us,
    keeper::{Stop, lock},
};
use std::{
    fmt,
    sync::{Arc, Mutex},
};

/// One opening of the gate; later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arming(u64);

/// Gets a device's thread out of its wait, from any thread. A call made while nothing waits ends the next
/// wait.
pub type Canceller = Arc<dyn Fn() + Send + Sync>;

/// What ends the wait of the device that is open now, if one is.
#[derive(Default)]
pub(crate) struct Alarm(Mutex<Option<Canceller>>);

impl Alarm {
    pub(crate) fn attach(&self, canceller: Option<Canceller>) {
        *lock(&self.0) = canceller;
    }

    pub(crate) fn ring(&self) {
        let canceller = lock(&self.0).clone();
        if let Some(cancel) = canceller {
            cancel();
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm").field(&lock(&self.0).is_some()).finish()
    }
}

/// What a device's handle and its thread share.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    alarm: Alarm,
    pub(crate) stop: Stop,
}

#[derive(Default)]
struct State {
    /// Which opening, and when it was, `CLOCK_MONOTONIC` in microseconds.
    armed: Option<(Arming, u64)>,
    last: u64,
    dropped: u64,
}

impl Gate {
    /// Opens the gate for one delivery.
    pub(crate) fn arm(&self) -> Arming {
        let mut state = lock(&self.state);
        state.last += 1;
        let arming = Arming(state.last);
        state.armed = Some((arming, now_us()));
        arming
    }

    pub(crate) fn disarm(&self) {
        lock(&self.state).armed = None;
    }

    pub(crate) fn armed(&self) -> Option<Arming> {
        lock(&self.state).armed.map(|(arming, _)| arming)
    }

    /// Shuts the gate for the delivery under `arming`; false, and counted, when it is open no more.
    pub(crate) fn close(&self, arming: Arming) -> bool {
        self.shut(|open, _| open == arming).is_some()
    }

    /// Shuts the gate for what began at `begun_us`; nothing, and counted, when the gate was not open then:
    /// what began during the wrong screen is no answer to the next.
    pub(crate) fn close_for(&self, begun_us: u64) -> Option<Arming> {
        self.shut(|_, since_us| begun_us >= since_us)
    }

    /// Whether it is open, and was when that began.
    pub(crate) fn is_open_for(&self, begun_us: Option<u64>) -> bool {
        let armed = lock(&self.state).armed;
        armed.is_some_and(|(_, since_us)| begun_us.is_none_or(|begun_us| begun_us >= since_us))
    }

    fn shut(&self, fits: impl FnOnce(Arming, u64) -> bool) -> Option<Arming> {
        let mut state = lock(&self.state);
        let open = state.armed.filter(|(arming, since_us)| fits(*arming, *since_us));
        match open {
            Some(_) => state.armed = None,
            None => state.dropped += 1,
        }
        open.map(|(arming, _)| arming)
    }

    pub(crate) fn count_dropped(&self) {
        lock(&self.state).dropped += 1;
    }

    pub(crate) fn dropped(&self) -> u64 {
        lock(&self.state).dropped
    }

    /// What ends the wait of the device that is open now.
    pub(crate) fn attach(&self, canceller: Option<Canceller>) {
        self.alarm.attach(canceller);
    }

    pub(crate) fn wake(&self) {
        self.alarm.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_arming_is_one_delivery() {
        let gate = Gate::default();
        assert_eq!((gate.armed(), gate.close_for(u64::MAX)), (None, None));
        let arming = gate.arm();
        assert_eq!(gate.armed(), Some(arming));
        assert_eq!((gate.close_for(u64::MAX), gate.close_for(u64::MAX)), (Some(arming), None));
        assert!(!gate.close(arming));
        assert_eq!(gate.dropped(), 3);
    }

    #[test]
    fn what_began_before_the_gate_opened_or_under_an_older_arming_is_dropped() {
        let gate = Gate::default();
        let before = now_us() - 1;
        let first = gate.arm();
        assert_eq!(gate.close_for(before), None);
        let second = gate.arm();
        assert!(second > first && !gate.close(first) && gate.close(second));
        gate.arm();
        gate.disarm();
        assert_eq!(gate.close_for(u64::MAX), None);
        assert_eq!(gate.dropped(), 3);
    }
}
