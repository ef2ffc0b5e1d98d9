//! The scanner's thread: one scan at a time, sheets told as they come and go.
//!
//! Promises: a scan asked for while the scanner is away ends at once with [`DeviceError::Gone`].
//! Never: queues a second scan.

use super::{Document, DocumentScanner, Event, ScanError, ScanId, Sheet};
use crate::{
    device::{self, Class, Deadline, DeviceError, EventSink, Health},
    gate::Alarm,
    keeper::{Backoff, HealthLine, Kept, Stop, Worker, keep, lock},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// A scanner that says nothing for so long is asked whether it is still there.
const IDLE_WAIT: Duration = Duration::from_secs(60);

/// A scanner whose wait cannot be cancelled is asked this often whether to scan.
const SLICE_WAIT: Duration = Duration::from_millis(250);

/// A page takes no longer.
const SCAN_WAIT: Duration = Duration::from_secs(30);

/// Asking for the status takes no longer.
const STATUS_WAIT: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    alarm: Alarm,
    stop: Stop,
}

struct State {
    /// Asked for, not yet begun.
    wanted: Option<ScanId>,
    /// Asked for and not yet told as done.
    busy: bool,
    open: bool,
    sheet: Sheet,
}

impl Default for State {
    fn default() -> Self {
        Self { wanted: None, busy: false, open: false, sheet: Sheet::Absent }
    }
}

impl Shared {
    fn take_wanted(&self) -> Option<ScanId> {
        lock(&self.state).wanted.take()
    }
}

/// A scanner that is kept open; dropping it ends its thread.
pub struct DocumentHandle {
    shared: Arc<Shared>,
    /// Absent when the system had no thread left; the health said so.
    _worker: Option<Worker>,
}

impl DocumentHandle {
    /// Asks for a scan; its end is told as [`Event::Done`] with `id`.
    ///
    /// # Errors
    /// Nothing is told later for this `id` then: [`DeviceError::Busy`] while another scan is under way,
    /// [`DeviceError::Gone`] while there is no scanner.
    pub fn scan(&self, id: ScanId) -> Result<(), DeviceError> {
        {
            let mut state = lock(&self.shared.state);
            if !state.open {
                return Err(DeviceError::Gone("no document scanner".to_owned()));
            }
            if state.busy {
                return Err(DeviceError::Busy);
            }
            (state.busy, state.wanted) = (true, Some(id));
        }
        self.shared.alarm.ring();
        Ok(())
    }

    /// Whether a sheet is there, as last heard; asks nobody.
    #[must_use]
    pub fn status(&self) -> Sheet {
        lock(&self.shared.state).sheet
    }
}

/// Keeps the scanner that `open` opens, and tells `sink` what happens.
pub fn spawn(
    open: impl FnMut() -> Result<Box<dyn DocumentScanner>, DeviceError> + Send + 'static,
    sink: EventSink,
) -> DocumentHandle {
    let shared = Arc::new(Shared::default());
    let (woken, stop, inside) = (shared.clone(), shared.stop.clone(), shared.clone());
    let line = HealthLine::new(Class::DocumentScanner, sink.clone());
    let heard = sink.clone();
    let thread = Thread { shared: inside, sink: heard, line, told: Sheet::Absent };
    let body = move || keep(thread, open);
    let worker = Worker::spawn("hal-document", stop, move || woken.alarm.ring(), body).inspect_err(|error| {
        tracing::error!(%error, "no thread for the document scanner");
        HealthLine::new(Class::DocumentScanner, sink).set(Health::Faulted("E-DOC-THREAD"));
    });
    DocumentHandle { shared, _worker: worker.ok() }
}

struct Thread {
    shared: Arc<Shared>,
    sink: EventSink,
    line: HealthLine,
    /// What the listener thinks.
    told: Sheet,
}

impl Kept<dyn DocumentScanner> for Thread {
    fn stop(&self) -> &Stop {
        &self.shared.stop
    }

    fn line(&mut self) -> &mut HealthLine {
        &mut self.line
    }

    fn session(
        &mut self,
        mut scanner: Box<dyn DocumentScanner>,
        backoff: &mut Backoff,
    ) -> Result<(), DeviceError> {
        self.shared.alarm.attach(scanner.canceller());
        let ended = self.serve(scanner.as_mut(), backoff);
        self.shared.alarm.attach(None);
        self.lost();
        ended
    }
}

impl Thread {
    /// Runs until stopped (`Ok`) or the scanner fails.
    fn serve(&mut self, scanner: &mut dyn DocumentScanner, backoff: &mut Backoff) -> Result<(), DeviceError> {
        let mut sheet = scanner.status(Deadline::after(STATUS_WAIT))?;
        backoff.reset();
        lock(&self.shared.state).open = true;
        self.line.set(Health::Ready);
        let wait = if scanner.canceller().is_some() { IDLE_WAIT } else { SLICE_WAIT };
        while !self.shared.stop.raised() {
            self.look(sheet);
            if let Some(id) = self.shared.take_wanted() {
                let outcome = scanner.scan(Deadline::after(SCAN_WAIT));
                let gone = match &outcome {
                    Err(ScanError::Device(DeviceError::Gone(why))) => Some(DeviceError::Gone(why.clone())),
                    Ok(_) | Err(_) => None,
                };
                self.done(id, outcome);
                if let Some(error) = gone {
                    return Err(error);
                }
            }
            sheet = scanner.wait_change(Deadline::after(wait))?;
        }
        Ok(())
    }

    fn look(&mut self, sheet: Sheet) {
        lock(&self.shared.state).sheet = sheet;
        if self.told != sheet {
            self.told = sheet;
            self.tell(match sheet {
                Sheet::Present => Event::SheetPlaced,
                Sheet::Absent => Event::SheetRemoved,
            });
        }
    }

    /// The scanner is gone: so are its sheet and the scan nobody began.
    fn lost(&mut self) {
        lock(&self.shared.state).open = false;
        if let Some(id) = self.shared.take_wanted() {
            let why = DeviceError::Gone("the scanner went before the scan began".to_owned());
            self.done(id, Err(why.into()));
        }
        self.look(Sheet::Absent);
    }

    fn done(&self, id: ScanId, outcome: Result<Document, ScanError>) {
        lock(&self.shared.state).busy = false;
        self.tell(Event::Done { id, outcome });
    }

    /// Tells the listener; one that is gone is about to drop the handle too.
    fn tell(&self, event: Event) {
        drop(self.sink.send(device::Event::Document(event)));
    }
}
