//! One answer to one question, with a limit on the wait.
//!
//! Promises: exactly one of two things happens: the asker gets the answer, or the answerer learns that
//! nobody waits any longer and can take back what it did. An answerer that disappears ends the wait.
//! Never: blocks the answerer.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

enum Slot<T> {
    Open,
    Answered(T),
    Gone,
}

struct Shared<T> {
    slot: Mutex<Slot<T>>,
    changed: Condvar,
}

/// The answerer's end.
pub(crate) struct Answer<T>(Arc<Shared<T>>);

/// The asker's end.
pub(crate) struct Question<T>(Arc<Shared<T>>);

/// Both ends.
pub(crate) fn question<T>() -> (Question<T>, Answer<T>) {
    let shared = Arc::new(Shared { slot: Mutex::new(Slot::Open), changed: Condvar::new() });
    (Question(Arc::clone(&shared)), Answer(shared))
}

impl<T> Shared<T> {
    fn slot(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Answer<T> {
    /// Answers; false when nobody waits any longer.
    pub(crate) fn give(self, value: T) -> bool {
        let mut slot = self.0.slot();
        match *slot {
            Slot::Open => {
                *slot = Slot::Answered(value);
                self.0.changed.notify_one();
                true
            }
            Slot::Answered(_) | Slot::Gone => false,
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let mut slot = self.0.slot();
        if matches!(*slot, Slot::Open) {
            *slot = Slot::Gone;
            self.0.changed.notify_one();
        }
    }
}

impl<T> Question<T> {
    /// Waits for the answer; `None` when `limit` passed or the answerer is gone.
    pub(crate) fn wait(self, limit: Duration) -> Option<T> {
        let open = |slot: &mut Slot<T>| matches!(slot, Slot::Open);
        let waited = self.0.changed.wait_timeout_while(self.0.slot(), limit, open);
        let (mut slot, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *slot, Slot::Gone) {
            Slot::Answered(value) => Some(value),
            Slot::Open | Slot::Gone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_arrives_or_is_refused() {
        let (asker, answerer) = question();
        assert!(answerer.give(1));
        assert_eq!(asker.wait(Duration::ZERO), Some(1));

        let (asker, answerer) = question::<u8>();
        assert_eq!(asker.wait(Duration::ZERO), None);
        assert!(!answerer.give(1));
    }

    #[test]
    fn a_lost_answerer_ends_the_wait() {
        let (asker, answerer) = question::<u8>();
        let waiting = std::thread::spawn(move || asker.wait(Duration::from_secs(600)));
        drop(answerer);
        assert_eq!(waiting.join().unwrap(), None);
    }
}
