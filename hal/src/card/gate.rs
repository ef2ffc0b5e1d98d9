//! The reader's gate and its thread.
//!
//! Promises: [`CardHandle::arm`] and [`CardHandle::disarm`] never wait for the reader or for the listener;
//! the gate closes by itself with the delivery (see [`crate::gate`]).

use super::{Arming, CardReader, CardStatus, Event, ReaderKind, session::Session};
use crate::{
    device::{self, Class, DeviceError, EventSink, Health},
    gate::Gate,
    keeper::{Backoff, HealthLine, Kept, Stop, Worker, keep, lock},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// How a reader is looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a card nobody needs any more may stay in before [`Event::Forgotten`].
    pub removal_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { removal_wait: Duration::from_secs(20) }
    }
}

/// What the handle and the thread share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) gate: Gate,
    seen: Mutex<Seen>,
}

struct Seen {
    status: CardStatus,
    kind: Option<ReaderKind>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { status: CardStatus::Absent, kind: None }
    }
}

impl Shared {
    pub(super) fn show(&self, status: CardStatus) {
        lock(&self.seen).status = status;
    }

    fn attach(&self, reader: &dyn CardReader) {
        lock(&self.seen).kind = Some(reader.kind());
        self.gate.attach(reader.canceller());
    }

    fn detach(&self) {
        self.gate.attach(None);
        self.show(CardStatus::Absent);
    }
}

/// A card reader that is kept open; dropping it ends its thread.
pub struct CardHandle {
    shared: Arc<Shared>,
    /// Absent when the system had no thread left; the health said so.
    _worker: Option<Worker>,
}

impl CardHandle {
    /// Opens the gate for one card. A card already in is read, unless it was read before or forgotten.
    pub fn arm(&self) -> Arming {
        let arming = self.shared.gate.arm();
        self.shared.gate.wake();
        arming
    }

    /// Closes the gate. A [`Event::Read`] sent before this call is known by its arming.
    pub fn disarm(&self) {
        self.shared.gate.disarm();
        self.shared.gate.wake();
    }

    /// What is in the reader, as last heard; asks nobody.
    #[must_use]
    pub fn status(&self) -> CardStatus {
        lock(&self.shared.seen).status
    }

    /// How a card is presented, once the reader was open.
    #[must_use]
    pub fn kind(&self) -> Option<ReaderKind> {
        lock(&self.shared.seen).kind
    }

    /// How many cards came or were read while nobody had asked for one.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.gate.dropped()
    }
}

/// Keeps the reader that `open` opens, and tells `sink` what happens.
pub fn spawn(
    open: impl FnMut() -> Result<Box<dyn CardReader>, DeviceError> + Send + 'static,
    options: Options,
    sink: EventSink,
) -> CardHandle {
    let shared = Arc::new(Shared::default());
    let (woken, stop) = (shared.clone(), shared.gate.stop.clone());
    let line = HealthLine::new(Class::CardReader, sink.clone());
    let thread = Thread { options, shared: shared.clone(), sink: sink.clone(), line };
    let worker = Worker::spawn("hal-card", stop, move || woken.gate.wake(), move || keep(thread, open));
    let worker = worker.inspect_err(|error| {
        tracing::error!(%error, "no thread for the card reader");
        HealthLine::new(Class::CardReader, sink).set(Health::Faulted("E-CRD-THREAD"));
    });
    CardHandle { shared, _worker: worker.ok() }
}

struct Thread {
    options: Options,
    shared: Arc<Shared>,
    sink: EventSink,
    line: HealthLine,
}

impl Kept<dyn CardReader> for Thread {
    fn stop(&self) -> &Stop {
        &self.shared.gate.stop
    }

    fn line(&mut self) -> &mut HealthLine {
        &mut self.line
    }

    fn session(&mut self, mut reader: Box<dyn CardReader>, backoff: &mut Backoff) -> Result<(), DeviceError> {
        self.shared.attach(reader.as_ref());
        let mut session = Session::new(self.options, &self.shared, &self.sink, &mut self.line);
        let ended = session.serve(reader.as_mut());
        if session.worked() {
            backoff.reset();
        }
        session.lost();
        self.shared.detach();
        ended
    }
}

/// Tells the listener; one that is gone is about to drop the handle too.
pub(super) fn tell(sink: &EventSink, event: Event) {
    drop(sink.send(device::Event::Card(event)));
}
