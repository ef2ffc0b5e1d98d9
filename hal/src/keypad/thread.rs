//! The keypad's thread.
//!
//! Promises: keys are cancelled when the keypad goes; a storm of keys is shut out, counted and told as health,
//! so that it fills no channel. Never: says which unknown code came; it may be text.

use super::{Event, Jack, KeyMap, Keys, Kind, NavKey};
use crate::{
    device::{self, Class, Deadline, DeviceError, EventSink, Health, Trouble},
    gate::Gate,
    input::now_us,
    keeper::{Backoff, HealthLine, Kept, Proving, Stop, Worker, keep, lock},
    keys::{Action, Fed, KeyEvent, KeySource, Storm, Tracker},
    wedge::until,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

/// No fingers press more keys; more is a storm.
pub const KEYS_PER_SECOND_MAX: u32 = 40;

/// A keypad that says nothing for so long is asked whether it is still there.
const IDLE_WAIT: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Shared {
    /// Its stop, its canceller and its count are used; it is never armed, because a key is not an answer
    /// to one screen but a way through all of them.
    gate: Gate,
    jack: Mutex<Jack>,
}

/// A keypad that is kept open; dropping it ends its thread.
pub struct KeypadHandle {
    shared: Arc<Shared>,
    /// Absent when the system had no thread left; the health said so.
    _worker: Option<Worker>,
}

impl KeypadHandle {
    /// Whether an earpiece is plugged in, as last heard; asks nobody.
    #[must_use]
    pub fn jack(&self) -> Jack {
        *lock(&self.shared.jack)
    }

    /// How many presses were shut out in a storm.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.gate.dropped()
    }
}

/// Keeps the keypad that `open` opens, and tells `sink` what is pressed.
pub fn spawn(
    map: KeyMap,
    open: impl FnMut() -> Result<Box<dyn KeySource>, DeviceError> + Send + 'static,
    sink: EventSink,
) -> KeypadHandle {
    let shared = Arc::new(Shared::default());
    let (woken, stop) = (shared.clone(), shared.gate.stop.clone());
    let thread = Thread {
        shared: shared.clone(),
        keys: Keys::new(map),
        tracker: Tracker::default(),
        line: HealthLine::new(Class::Keypad, sink.clone()),
        storm: Storm::new(KEYS_PER_SECOND_MAX),
        shut_out: BTreeSet::new(),
        sink: sink.clone(),
    };
    let worker = Worker::spawn("hal-keypad", stop, move || woken.gate.wake(), move || keep(thread, open));
    let worker = worker.inspect_err(|error| {
        tracing::error!(%error, "no thread for the keypad");
        HealthLine::new(Class::Keypad, sink).set(Health::Faulted("E-KPD-THREAD"));
    });
    KeypadHandle { shared, _worker: worker.ok() }
}

struct Thread {
    shared: Arc<Shared>,
    keys: Keys,
    tracker: Tracker,
    line: HealthLine,
    storm: Storm,
    /// Keys whose press was not told, and whose release is not to be told either.
    shut_out: BTreeSet<NavKey>,
    sink: EventSink,
}

impl Kept<dyn KeySource> for Thread {
    fn stop(&self) -> &Stop {
        &self.shared.gate.stop
    }

    fn line(&mut self) -> &mut HealthLine {
        &mut self.line
    }

    fn session(&mut self, mut source: Box<dyn KeySource>, backoff: &mut Backoff) -> Result<(), DeviceError> {
        self.shared.gate.attach(source.canceller());
        let ended = self.serve(source.as_mut(), backoff);
        self.shared.gate.attach(None);
        self.lost();
        ended
    }
}

impl Thread {
    /// Runs until stopped (`Ok`) or the keypad fails.
    fn serve(&mut self, source: &mut dyn KeySource, backoff: &mut Backoff) -> Result<(), DeviceError> {
        let mut proving = Proving::default();
        while !self.shared.gate.stop.raised() {
            if self.storm.handle_timeout(now_us()) {
                self.line.degraded(Trouble::NotTalking);
            } else if proving.is_proven() {
                self.line.set(Health::Ready);
            }
            let deadline = until(Deadline::after(proving.wait(IDLE_WAIT)), self.storm.poll_timeout());
            let raws = source.read(deadline)?;
            proving.bore_a_read(&mut self.line, backoff);
            for raw in raws.iter().copied() {
                match self.tracker.feed(raw) {
                    Fed::More => {}
                    Fed::Key(event) => self.key(event),
                    Fed::Lost => {
                        tracing::warn!("keys of the keypad were lost; re-synced");
                        for event in self.tracker.sync(raw.at_us, &source.held()?) {
                            self.key(event);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The keypad is gone: every key is up, and nobody knows about the jack.
    fn lost(&mut self) {
        for event in self.tracker.sync(now_us(), &BTreeSet::new()) {
            self.key(event);
        }
        *lock(&self.shared.jack) = Jack::Unknown;
    }

    fn key(&mut self, event: KeyEvent) {
        let pressed = event.action == Action::Press;
        if let Some(event) = self.keys.key(event) {
            self.tell(event);
        } else if pressed {
            // Not one of ours, but it may be part of a storm.
            self.storm.lets_through(event.at_us);
        }
    }

    /// Tells the listener; one that is gone is about to drop the handle too.
    fn tell(&mut self, event: Event) {
        let told = match event.kind {
            Kind::Press if self.storm.lets_through(event.at_us) => true,
            Kind::Press => {
                self.shut_out.insert(event.key);
                self.shared.gate.count_dropped();
                false
            }
            Kind::Release | Kind::Cancel => !self.shut_out.remove(&event.key),
        };
        if !told {
            return;
        }
        match (event.key, event.kind) {
            (NavKey::JackIn, Kind::Press) => *lock(&self.shared.jack) = Jack::In,
            (NavKey::JackOut, Kind::Press) => *lock(&self.shared.jack) = Jack::Out,
            (_, Kind::Press | Kind::Release | Kind::Cancel) => {}
        }
        drop(self.sink.send(device::Event::Keypad(event)));
    }
}
