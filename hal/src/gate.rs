//! The input gate: what a device says reaches only who asked for it, once.
//!
//! ```text
//! arm -> open -- something was said ---------------> delivered, shut
//!          \---- disarm ------------------------------------> shut; what comes is dropped and counted
//! ```
//!
//! After UnifiedPOS `DataEventEnabled`: one delivery, then the gate shuts by itself.
//!
//! Promises: arming and disarming never wait for the device or for the listener. Never: sees what is said.

use crate::keeper::{Stop, lock};
use std::sync::{Arc, Mutex};

/// One opening of the gate; later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arming(u64);

/// Gets a device's thread out of its wait, from any thread. A call made while nothing waits ends the next
/// wait.
pub type Canceller = Arc<dyn Fn() + Send + Sync>;

/// What a device's handle and its thread share.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    canceller: Mutex<Option<Canceller>>,
    pub(crate) stop: Stop,
}

#[derive(Default)]
struct State {
    armed: Option<Arming>,
    last: u64,
    dropped: u64,
}

impl Gate {
    /// Opens the gate for one delivery.
    pub(crate) fn arm(&self) -> Arming {
        let mut state = lock(&self.state);
        state.last += 1;
        let arming = Arming(state.last);
        state.armed = Some(arming);
        arming
    }

    pub(crate) fn disarm(&self) {
        lock(&self.state).armed = None;
    }

    pub(crate) fn armed(&self) -> Option<Arming> {
        lock(&self.state).armed
    }

    /// Shuts the gate for the delivery under `arming`; false, and counted, when it is open no more.
    pub(crate) fn close(&self, arming: Arming) -> bool {
        let mut state = lock(&self.state);
        let open = state.armed == Some(arming);
        if open {
            state.armed = None;
        } else {
            state.dropped += 1;
        }
        open
    }

    pub(crate) fn count_dropped(&self) {
        lock(&self.state).dropped += 1;
    }

    pub(crate) fn dropped(&self) -> u64 {
        lock(&self.state).dropped
    }

    /// What ends the wait of the device that is open now.
    pub(crate) fn attach(&self, canceller: Option<Canceller>) {
        *lock(&self.canceller) = canceller;
    }

    pub(crate) fn wake(&self) {
        let canceller = lock(&self.canceller).clone();
        if let Some(cancel) = canceller {
            cancel();
        }
    }
}
