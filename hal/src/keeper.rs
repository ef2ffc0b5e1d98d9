//! What every device thread needs: a stop signal, a back-off, one line of health, a bounded end.
//!
//! ```text
//! opening -- open -> serve, until it fails or is stopped -- stopped -> end
//!    ^         |fails                 |fails
//!    +--------- back-off, health told +
//! ```
//! Owns: the thread's life. Promises: health is sent on changes only; a dropped handle waits at most
//! [`END_WAIT`] for its thread; a device that is away is tried again every [`REOPEN_LAST`] at the latest,
//! which is the only thing done meanwhile; one that is there and [`FAILURES_MAX`] times in a row said nothing or
//! nonsense is faulted, with a code, and tried every [`REOPEN_FAULTED`] until it talks. Never: knows a device.

use crate::device::{Class, DeviceError, Event, EventSink, Health, Trouble};
use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How long a dropped handle waits for its thread; a thread stuck longer is left to itself.
const END_WAIT: Duration = Duration::from_secs(2);

/// The first wait before a device is opened again.
const REOPEN_FIRST: Duration = Duration::from_millis(100);

/// The longest wait before a device is opened again: somebody who plugs it back in is not kept waiting.
const REOPEN_LAST: Duration = Duration::from_secs(2);

/// So many openings in a row that end in silence or nonsense, and the device is faulted.
const FAILURES_MAX: u32 = 5;

/// The wait before a faulted device is opened again.
const REOPEN_FAULTED: Duration = Duration::from_secs(15);

/// A device that was just opened has to bear a read of so long before it counts as ready: a node may open and fail.
const PROOF_WAIT: Duration = Duration::from_millis(20);

/// Locks, whatever a panicking thread left behind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Raised once, seen by everybody who waits.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    pub(crate) fn raise(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    pub(crate) fn raised(&self) -> bool {
        *lock(&self.0.0)
    }

    /// Waits until raised or `limit` passed; says whether it is raised.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let held = self.0.1.wait_timeout_while(lock(&self.0.0), limit, |raised| !*raised);
        *held.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Doubling waits between two attempts to open, and how often in a row the device did not talk.
pub(crate) struct Backoff {
    wait: Duration,
    unheard: u32,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { wait: REOPEN_FIRST, unheard: 0 }
    }

    /// The device works.
    pub(crate) fn reset(&mut self) {
        *self = Self::new();
    }

    /// Counts an attempt that ended in `error`; whether the device is given up on.
    pub(crate) fn failed(&mut self, error: &DeviceError) -> bool {
        self.unheard = match error {
            DeviceError::TimedOut | DeviceError::Nonsense(_) => self.unheard.saturating_add(1),
            DeviceError::Gone(_)
            | DeviceError::Busy
            | DeviceError::NotExclusive(_)
            | DeviceError::Denied(_)
            | DeviceError::Unsupported(_) => 0,
        };
        self.given_up()
    }

    fn given_up(&self) -> bool {
        self.unheard >= FAILURES_MAX
    }

    pub(crate) fn next_wait(&mut self) -> Duration {
        if self.given_up() {
            return REOPEN_FAULTED;
        }
        let wait = self.wait;
        self.wait = wait.saturating_mul(2).min(REOPEN_LAST);
        wait
    }
}

/// Whether a device that says nothing by itself has borne a read since it was opened.
#[derive(Default)]
pub(crate) struct Proving(bool);

impl Proving {
    pub(crate) fn is_proven(&self) -> bool {
        self.0
    }

    /// How long the next read may take; `idle` once it is proven.
    pub(crate) fn wait(&self, idle: Duration) -> Duration {
        if self.0 { idle } else { PROOF_WAIT }
    }

    /// A read ended without an error: with the first one the device is ready.
    pub(crate) fn bore_a_read(&mut self, line: &mut HealthLine, backoff: &mut Backoff) {
        if !std::mem::replace(&mut self.0, true) {
            backoff.reset();
            line.set(Health::Ready);
        }
    }
}

/// Tells the sink when the health of one device changes.
pub(crate) struct HealthLine {
    class: Class,
    last: Option<Health>,
    sink: EventSink,
}

impl HealthLine {
    pub(crate) fn new(class: Class, sink: EventSink) -> Self {
        Self { class, last: None, sink }
    }

    pub(crate) fn set(&mut self, health: Health) {
        if self.last.as_ref() == Some(&health) {
            return;
        }
        tracing::info!(class = ?self.class, ?health, "device health");
        self.last = Some(health.clone());
        // A closed channel means that nobody is left to tell; the thread is about to be stopped.
        drop(self.sink.send(Event::Health { class: self.class, health }));
    }

    pub(crate) fn degraded(&mut self, trouble: Trouble) {
        self.set(Health::Degraded(BTreeSet::from([trouble])));
    }

    /// What an error that ended an attempt says about the device, and whether it is given up on.
    pub(crate) fn failed(&mut self, error: &DeviceError, given_up: bool) {
        match error {
            DeviceError::TimedOut if given_up => self.set(Health::Faulted(silent_code(self.class))),
            DeviceError::Nonsense(_) if given_up => self.set(Health::Faulted(nonsense_code(self.class))),
            DeviceError::Gone(_) => self.set(Health::Absent),
            DeviceError::TimedOut | DeviceError::Nonsense(_) => self.degraded(Trouble::NotTalking),
            DeviceError::Busy => self.degraded(Trouble::Offline),
            DeviceError::NotExclusive(_) => self.set(Health::Faulted(not_exclusive_code(self.class))),
            DeviceError::Denied(_) => self.set(Health::Faulted(denied_code(self.class))),
            DeviceError::Unsupported(_) => self.set(Health::Faulted(unsupported_code(self.class))),
        }
    }
}

fn denied_code(class: Class) -> &'static str {
    match class {
        Class::ReceiptPrinter => "E-PRN-DENIED",
        Class::CardReader => "E-CRD-DENIED",
        Class::DocumentScanner => "E-DOC-DENIED",
        Class::Pointer => "E-PTR-DENIED",
        Class::Scanner => "E-SCN-DENIED",
        Class::Keypad => "E-KPD-DENIED",
    }
}

fn not_exclusive_code(class: Class) -> &'static str {
    match class {
        Class::ReceiptPrinter => "E-PRN-GRAB",
        Class::CardReader => "E-CRD-GRAB",
        Class::DocumentScanner => "E-DOC-GRAB",
        Class::Pointer => "E-PTR-GRAB",
        Class::Scanner => "E-SCN-GRAB",
        Class::Keypad => "E-KPD-GRAB",
    }
}

fn unsupported_code(class: Class) -> &'static str {
    match class {
        Class::ReceiptPrinter => "E-PRN-UNSUPPORTED",
        Class::CardReader => "E-CRD-UNSUPPORTED",
        Class::DocumentScanner => "E-DOC-UNSUPPORTED",
        Class::Pointer => "E-PTR-UNSUPPORTED",
        Class::Scanner => "E-SCN-UNSUPPORTED",
        Class::Keypad => "E-KPD-UNSUPPORTED",
    }
}

fn silent_code(class: Class) -> &'static str {
    match class {
        Class::ReceiptPrinter => "E-PRN-SILENT",
        Class::CardReader => "E-CRD-SILENT",
        Class::DocumentScanner => "E-DOC-SILENT",
        Class::Pointer => "E-PTR-SILENT",
        Class::Scanner => "E-SCN-SILENT",
        Class::Keypad => "E-KPD-SILENT",
    }
}

fn nonsense_code(class: Class) -> &'static str {
    match class {
        Class::ReceiptPrinter => "E-PRN-NONSENSE",
        Class::CardReader => "E-CRD-NONSENSE",
        Class::DocumentScanner => "E-DOC-NONSENSE",
        Class::Pointer => "E-PTR-NONSENSE",
        Class::Scanner => "E-SCN-NONSENSE",
        Class::Keypad => "E-KPD-NONSENSE",
    }
}

/// What a thread does with the device it keeps.
pub(crate) trait Kept<D: ?Sized> {
    fn stop(&self) -> &Stop;

    fn line(&mut self) -> &mut HealthLine;

    /// From open to loss; `Ok` once stopped. Whoever sees that the device works resets `backoff`, and whatever
    /// it had is gone with it when this returns.
    fn session(&mut self, device: Box<D>, backoff: &mut Backoff) -> Result<(), DeviceError>;
}

/// Opens a device, serves it, and opens it again when it was lost, until stopped.
pub(crate) fn keep<D: ?Sized>(mut kept: impl Kept<D>, mut open: impl FnMut() -> Result<Box<D>, DeviceError>) {
    let mut backoff = Backoff::new();
    kept.line().set(Health::Opening);
    loop {
        match open().and_then(|device| kept.session(device, &mut backoff)) {
            Ok(()) => return,
            Err(error) => {
                let given_up = backoff.failed(&error);
                kept.line().failed(&error, given_up);
            }
        }
        if kept.stop().wait(backoff.next_wait()) {
            return;
        }
    }
}

/// A device's thread; dropping it ends the thread.
pub(crate) struct Worker {
    name: &'static str,
    stop: Stop,
    wake: Box<dyn Fn() + Send + Sync>,
    ended: Mutex<Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts `body`; `wake` gets it out of whatever it waits for once `stop` is raised.
    pub(crate) fn spawn(
        name: &'static str,
        stop: Stop,
        wake: impl Fn() + Send + Sync + 'static,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let (alive, ended): (Sender<()>, Receiver<()>) = channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _alive = alive;
            body();
        })?;
        Ok(Self { name, stop, wake: Box::new(wake), ended: Mutex::new(ended), thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.raise();
        (self.wake)();
        let ended = lock(&self.ended).recv_timeout(END_WAIT);
        match (ended, self.thread.take()) {
            (Err(RecvTimeoutError::Timeout), _) => {
                tracing::warn!(thread = self.name, "a device thread does not end; left to itself");
            }
            (Ok(()) | Err(RecvTimeoutError::Disconnected), Some(thread)) => {
                if thread.join().is_err() {
                    tracing::error!(thread = self.name, "a device thread panicked");
                }
            }
            (Ok(()) | Err(RecvTimeoutError::Disconnected), None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_begin_again() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..7).map(|_| backoff.next_wait().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 2000, 2000]);
        backoff.reset();
        assert_eq!(backoff.next_wait(), REOPEN_FIRST);
    }

    #[test]
    fn a_device_that_never_talks_is_faulted_with_its_code_and_asked_seldom_until_it_does() {
        for (error, code) in [
            (DeviceError::TimedOut, "E-CRD-SILENT"),
            (DeviceError::Nonsense(String::new()), "E-CRD-NONSENSE"),
        ] {
            let (sink, events) = std::sync::mpsc::sync_channel(8);
            let (mut line, mut backoff) = (HealthLine::new(Class::CardReader, sink), Backoff::new());
            for _ in 0..FAILURES_MAX {
                assert!(backoff.next_wait() <= REOPEN_LAST);
                let given_up = backoff.failed(&error);
                line.failed(&error, given_up);
            }
            assert_eq!(backoff.next_wait(), REOPEN_FAULTED);
            backoff.reset();
            assert_eq!(backoff.next_wait(), REOPEN_FIRST, "it talks again");
            drop(line);
            let last = events.iter().last();
            assert!(
                matches!(last, Some(Event::Health { health: Health::Faulted(told), .. }) if told == code)
            );
        }
    }

    #[test]
    fn the_same_health_is_told_once() {
        let (sink, events) = std::sync::mpsc::sync_channel(8);
        let mut line = HealthLine::new(Class::CardReader, sink);
        line.set(Health::Ready);
        line.set(Health::Ready);
        line.failed(&DeviceError::Gone(String::new()), false);
        line.failed(&DeviceError::Gone("again".into()), false);
        drop(line);
        assert_eq!(events.iter().count(), 2);
    }

    #[test]
    fn a_dropped_worker_ends_its_thread() {
        let (stop, (told, ended)) = (Stop::default(), channel());
        let seen = stop.clone();
        let worker = Worker::spawn(
            "test",
            stop,
            || {},
            move || {
                told.send(seen.wait(Duration::from_secs(5))).unwrap();
            },
        )
        .unwrap();
        drop(worker);
        assert_eq!(ended.recv_timeout(Duration::from_secs(5)), Ok(true));
    }
}
