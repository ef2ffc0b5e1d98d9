//! The thread that keeps one printer: opens it, opens it again, prints, reports.
//!
//! ```text
//! opening --open and status--> up: idle <--> printing
//!    ^  ^                       |
//!    |  +--back-off-- down <----+ line lost, silent, nonsense
//!    |                 | gone: absent; else after `attempts`: faulted, still trying slowly
//!    +-----------------+
//! ```
//! Idle waits for automatic status; a new job and the handle's end call it off, so both are seen at once. It
//! wakes for nothing else but every [`Limits::idle_ask`], when it asks, because a printer that was switched
//! off and on says nothing by itself any more; while a receipt is shown, to look at it; and while a sink is
//! full, every [`Limits::room`], because a channel does not tell when it has room.
//!
//! A network printer that answers nothing has a connection for each job, closed after it, and one at each
//! [`Limits::idle_ask`] that carries no byte: its health is whether the last connection came about, so one that
//! was switched off is seen by then, or by the job, which then ends before a byte was sent. Paper is not known.
//!
//! Promises: one job at a time; exactly one [`Event::Done`] for each accepted job; a job is never begun
//! twice; a job whose id was begun before is refused unless it is marked as a copy, for the last
//! [`IDS_KEPT_MAX`] ids; dropping the handle calls the job off and ends the thread.
//! Never: blocks on a full sink; the newest status and health wait for room, and so does a `Done`.

pub use super::limits::{Ids, Limits};

use super::{
    EscPos, Event, Job, JobId, PrintError, PrintProof, PrinterStatus, Profile, ReceiptPrinter, driver::Watch,
    layout::SharedText, ledger::Ledger,
};
use crate::{
    device::{self, Class, Deadline, DeviceError, EventSink, Health},
    gate::Alarm,
    transport::Transport,
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    time::Duration,
};

/// Ids of jobs begun that are remembered; the oldest goes.
pub const IDS_KEPT_MAX: usize = 256;
/// The last wait of a thread for room in a full sink.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// The owner's end: dropping it ends the thread.
#[derive(Debug)]
pub struct PrinterHandle {
    commands: SyncSender<Print>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Print {
    id: JobId,
    job: Job,
}

#[derive(Debug, Default)]
struct Shared {
    status: Mutex<PrinterStatus>,
    cancelled: Mutex<Option<JobId>>,
    busy: AtomicBool,
    stop: AtomicBool,
    /// Ends the wait of the line that is open now.
    alarm: Alarm,
}

impl Shared {
    fn called_off(&self, id: JobId) -> bool {
        let cancelled = *self.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        cancelled == Some(id) || self.stop.load(Ordering::Acquire)
    }

    fn set_status(&self, status: PrinterStatus) -> bool {
        let mut known = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *known, status) != status
    }
}

/// Keeps a printer with the usual limits. `open` opens its line, as often as needed.
pub fn spawn(
    open: impl FnMut() -> Result<Box<dyn Transport>, DeviceError> + Send + 'static,
    profile: Profile,
    sink: EventSink,
) -> PrinterHandle {
    spawn_with(open, profile, sink, Limits::default())
}

/// Keeps a printer with other limits.
pub fn spawn_with(
    open: impl FnMut() -> Result<Box<dyn Transport>, DeviceError> + Send + 'static,
    profile: Profile,
    sink: EventSink,
    limits: Limits,
) -> PrinterHandle {
    let (commands, jobs) = sync_channel(1);
    let shared = Arc::new(Shared::default());
    let teller = Teller { sink, waiting: VecDeque::new(), health: None, shared: Arc::clone(&shared) };
    let keeper = Keeper {
        open,
        profile,
        text: SharedText::default(),
        ledger: limits.ids.ledger(),
        begun: VecDeque::new(),
        limits,
        jobs,
        teller: Arc::new(Mutex::new(teller)),
        shared,
    };
    let handle = PrinterHandle { commands, shared: Arc::clone(&keeper.shared) };
    let started = std::thread::Builder::new().name("printer".to_owned()).spawn(move || keeper.run());
    if let Err(error) = started {
        // The receiving end is gone with the thread: every print answers `Gone`.
        tracing::error!(%error, "no thread for the printer");
    }
    handle
}

impl PrinterHandle {
    /// Hands a job over; its outcome comes as [`Event::Done`].
    ///
    /// # Errors
    /// [`DeviceError::Busy`] while another job has no outcome yet, [`DeviceError::Gone`] when the thread is.
    pub fn print(&self, id: JobId, job: Job) -> Result<(), DeviceError> {
        if self.shared.busy.swap(true, Ordering::AcqRel) {
            return Err(DeviceError::Busy);
        }
        *self.shared.cancelled.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.commands.try_send(Print { id, job }).map_err(|error| {
            self.shared.busy.store(false, Ordering::Release);
            match error {
                TrySendError::Full(_) => DeviceError::Busy,
                TrySendError::Disconnected(_) => DeviceError::Gone("the printer's thread ended".to_owned()),
            }
        })?;
        self.shared.alarm.ring();
        Ok(())
    }

    /// The last known status.
    #[must_use]
    pub fn status(&self) -> PrinterStatus {
        *self.shared.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a job off as soon as possible; its `Done` says what became of it.
    pub fn cancel(&self, id: JobId) {
        *self.shared.cancelled.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }
}

impl Drop for PrinterHandle {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.alarm.ring();
    }
}

/// Events on their way out: never blocks, keeps the newest of each kind.
#[derive(Debug)]
struct Teller {
    sink: EventSink,
    waiting: VecDeque<device::Event>,
    health: Option<Health>,
    shared: Arc<Shared>,
}

impl Teller {
    fn health(&mut self, health: Health) {
        if self.health.as_ref() != Some(&health) {
            self.health = Some(health.clone());
            self.waiting.retain(|event| !matches!(event, device::Event::Health { .. }));
            self.waiting.push_back(device::Event::Health { class: Class::ReceiptPrinter, health });
        }
        self.flush();
    }

    fn status(&mut self, status: PrinterStatus) {
        if self.shared.set_status(status) {
            self.waiting.retain(|event| !matches!(event, device::Event::Printer(Event::Status(_))));
            self.waiting.push_back(device::Event::Printer(Event::Status(status)));
        }
        let troubles = status.troubles();
        self.health(if troubles.is_empty() { Health::Ready } else { Health::Degraded(troubles) });
    }

    fn done(&mut self, job: JobId, outcome: Result<PrintProof, PrintError>) {
        self.waiting.push_back(device::Event::Printer(Event::Done { job, outcome }));
        self.flush();
    }

    /// Whether nothing waits any more.
    fn flush(&mut self) -> bool {
        while let Some(event) = self.waiting.pop_front() {
            let is_done = matches!(event, device::Event::Printer(Event::Done { .. }));
            if is_done {
                // Before the event: whoever sees it may hand over the next job.
                self.shared.busy.store(false, Ordering::Release);
            }
            if let Err(TrySendError::Full(event)) = self.sink.try_send(event) {
                if is_done {
                    self.shared.busy.store(true, Ordering::Release);
                }
                self.waiting.push_front(event);
                return false;
            }
        }
        true
    }
}

/// What a running job reports to.
struct JobWatch {
    id: JobId,
    shared: Arc<Shared>,
    teller: Arc<Mutex<Teller>>,
}

impl Watch for JobWatch {
    fn status(&mut self, status: &PrinterStatus) {
        self.teller.lock().unwrap_or_else(PoisonError::into_inner).status(*status);
    }

    fn give_up(&self) -> bool {
        self.shared.called_off(self.id)
    }
}

struct Keeper<F> {
    open: F,
    profile: Profile,
    text: SharedText,
    ledger: Ledger,
    begun: VecDeque<JobId>,
    limits: Limits,
    jobs: Receiver<Print>,
    teller: Arc<Mutex<Teller>>,
    shared: Arc<Shared>,
}

/// Why an open printer is left.
enum Left {
    /// The handle was dropped.
    Ended,
    /// A write-only line is opened for each job.
    Reopen,
    Lost(DeviceError),
}

impl<F: FnMut() -> Result<Box<dyn Transport>, DeviceError>> Keeper<F> {
    fn run(mut self) {
        self.tell(|teller| teller.health(Health::Opening));
        let mut failures = 0;
        loop {
            let error = match self.once(&mut failures) {
                Left::Ended => break,
                Left::Reopen => continue,
                Left::Lost(error) => error,
            };
            failures += 1;
            let wait = self.report_down(&error, failures);
            if self.wait_down(wait, &error) {
                break;
            }
        }
        let farewell = Deadline::after(FAREWELL_LIMIT);
        while !self.tell(Teller::flush) && !farewell.passed() {
            std::thread::park_timeout(self.limits.room);
        }
    }

    /// From opening to loss.
    fn once(&mut self, failures: &mut u32) -> Left {
        let line = match (self.open)() {
            Ok(line) => line,
            Err(error) => return Left::Lost(error),
        };
        if !self.profile.replies && line.is_per_job() {
            drop(line);
            *failures = 0;
            return self.serve_by_job();
        }
        match self.take_over(line) {
            Ok(printer) => {
                *failures = 0;
                self.serve(printer)
            }
            Err(error) => Left::Lost(error),
        }
    }

    fn take_over(&self, line: Box<dyn Transport>) -> Result<EscPos, DeviceError> {
        let deadline = Deadline::after(self.limits.open);
        EscPos::open_with(line, self.profile.clone(), &self.text, &self.ledger, deadline)
    }

    /// A connection for each job, and one now and then that only shows whether the printer is there.
    fn serve_by_job(&mut self) -> Left {
        let mut look_at = Deadline::after(self.limits.idle_ask);
        self.tell(|teller| teller.status(PrinterStatus::default()));
        loop {
            let told = self.tell(Teller::flush);
            let wake_at = if told { look_at } else { look_at.at_most(self.limits.room) };
            match self.next_job(Some(wake_at)) {
                Ok(Some(print)) => {
                    let opened = (self.open)().and_then(|line| self.take_over(line));
                    match opened {
                        Ok(mut printer) => self.print(&mut printer, print),
                        Err(error) => {
                            self.refuse(print.id, &error);
                            return Left::Lost(error);
                        }
                    }
                }
                Ok(None) if look_at.passed() => {
                    if let Err(error) = (self.open)() {
                        return Left::Lost(error);
                    }
                }
                Ok(None) => continue,
                Err(Ended) => return Left::Ended,
            }
            look_at = Deadline::after(self.limits.idle_ask);
        }
    }

    /// The printer could not be reached: not one byte of the job was sent.
    fn refuse(&self, id: JobId, error: &DeviceError) {
        let refused = PrintError::Device(DeviceError::Gone(error.to_string()));
        self.tell(|teller| teller.done(id, Err(refused)));
    }

    fn tell<T>(&self, tell: impl FnOnce(&mut Teller) -> T) -> T {
        tell(&mut self.teller.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn serve(&mut self, mut printer: EscPos) -> Left {
        self.shared.alarm.attach(printer.canceller());
        let left = self.attend(&mut printer);
        self.shared.alarm.attach(None);
        left
    }

    fn attend(&mut self, printer: &mut EscPos) -> Left {
        let mut ask_at = Deadline::after(self.limits.idle_ask);
        loop {
            let told = self.tell(|teller| {
                teller.status(printer.last_status());
                teller.flush()
            });
            let wake_at = printer.attend_at().map_or(ask_at, |look| look.min(ask_at));
            let wake_at = if told { wake_at } else { wake_at.at_most(self.limits.room) };
            match self.next_job((!printer.answers()).then_some(wake_at)) {
                Ok(Some(print)) => {
                    self.print(printer, print);
                    if printer.has_ended() {
                        let lost = DeviceError::Gone("the line was lost during a job".to_owned());
                        return if printer.answers() { Left::Lost(lost) } else { Left::Reopen };
                    }
                }
                Ok(None) if printer.answers() => {
                    if let Err(error) = printer.listen(wake_at) {
                        return Left::Lost(error);
                    }
                }
                Ok(None) => {}
                Err(Ended) => return Left::Ended,
            }
            if let Err(error) = printer.attend() {
                return Left::Lost(error);
            }
            if ask_at.passed() {
                if let Err(error) = printer.rouse(Deadline::after(self.limits.open)) {
                    return Left::Lost(error);
                }
                ask_at = Deadline::after(self.limits.idle_ask);
            }
        }
    }

    /// The next job; a line that cannot be listened to waits here.
    fn next_job(&self, wait: Option<Deadline>) -> Result<Option<Print>, Ended> {
        if let Some(deadline) = wait {
            return match self.jobs.recv_timeout(deadline.left()) {
                Ok(print) => Ok(Some(print)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(Ended),
            };
        }
        // Before the look: whoever drops the handle rings before its end of the channel is gone.
        let stopped = self.shared.stop.load(Ordering::Acquire);
        match self.jobs.try_recv() {
            Ok(print) => Ok(Some(print)),
            Err(TryRecvError::Empty) if stopped => Err(Ended),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Ended),
        }
    }

    fn print(&mut self, printer: &mut EscPos, Print { id, job }: Print) {
        if job.copy.is_none() && self.begun.contains(&id) {
            return self.tell(|teller| teller.done(id, Err(PrintError::NotMarked)));
        }
        let (shared, teller) = (Arc::clone(&self.shared), Arc::clone(&self.teller));
        printer.set_watch(Box::new(JobWatch { id, shared, teller }));
        let outcome = printer.print(&job, Deadline::after(self.limits.job));
        let status = printer.last_status();
        if may_be_on_paper(&outcome) {
            self.begun.push_back(id);
            let surplus = self.begun.len().saturating_sub(IDS_KEPT_MAX);
            self.begun.drain(..surplus);
        }
        self.tell(|teller| {
            teller.status(status);
            teller.done(id, outcome);
        });
    }

    /// Tells the health and returns how long to wait.
    fn report_down(&self, error: &DeviceError, failures: u32) -> Duration {
        let gone = matches!(error, DeviceError::Gone(_));
        tracing::warn!(%error, failures, "the printer cannot be used");
        if !gone && failures >= self.limits.attempts {
            self.tell(|teller| teller.health(Health::Faulted(code(error))));
            return self.limits.retry_faulted;
        }
        self.tell(|teller| teller.health(if gone { Health::Absent } else { Health::Opening }));
        let doubled = self.limits.retry_first.saturating_mul(1 << (failures - 1).min(10));
        doubled.min(self.limits.retry_most)
    }

    /// Waits, refusing jobs; whether the handle was dropped.
    fn wait_down(&self, wait: Duration, error: &DeviceError) -> bool {
        let until = Deadline::after(wait);
        loop {
            let slice = if self.tell(Teller::flush) { until.left() } else { self.limits.room };
            match self.jobs.recv_timeout(slice.min(until.left())) {
                Ok(Print { id, .. }) => self.refuse(id, error),
                Err(RecvTimeoutError::Timeout) if until.passed() => return false,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }
}

/// The handle was dropped.
struct Ended;

/// Whether printing again would be a second copy, as far as anybody knows.
fn may_be_on_paper(outcome: &Result<PrintProof, PrintError>) -> bool {
    match outcome {
        Ok(_) | Err(PrintError::Interrupted { .. }) => true,
        Err(
            PrintError::NotReady(_)
            | PrintError::Layout(_)
            | PrintError::Device(_)
            | PrintError::NotMarked
            | PrintError::Cancelled,
        ) => false,
    }
}

/// The code a technician looks up.
fn code(error: &DeviceError) -> &'static str {
    match error {
        DeviceError::Gone(_) => "E-PRN-GONE",
        DeviceError::TimedOut => "E-PRN-SILENT",
        DeviceError::Busy => "E-PRN-BUSY",
        DeviceError::NotExclusive(_) => "E-PRN-GRAB",
        DeviceError::Denied(_) => "E-PRN-DENIED",
        DeviceError::Nonsense(_) => "E-PRN-NONSENSE",
        DeviceError::Unsupported(_) => "E-PRN-UNSUPPORTED",
    }
}
