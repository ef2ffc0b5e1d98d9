//! The scanner's gate and its thread.
//!
//! Promises: [`ScannerHandle::arm`] and [`ScannerHandle::disarm`] wait for nobody; a storm of scans is shut
//! out, counted and told as health, so that it fills no channel.

use super::{Arming, Event, Heard, Scan, Scanner};
use crate::{
    device::{self, Class, Deadline, DeviceError, EventSink, Health, Trouble},
    gate::Gate,
    input::now_us,
    keeper::{Backoff, HealthLine, Kept, Proving, Stop, Worker, keep},
    keys::Storm,
    wedge::until,
};
use std::{sync::Arc, time::Duration};

/// No hand scans faster; more is a storm.
pub const SCANS_PER_SECOND_MAX: u32 = 20;

/// A scanner that says nothing for so long is asked whether it is still there.
const IDLE_WAIT: Duration = Duration::from_secs(60);

/// A barcode scanner that is kept open; dropping it ends its thread.
pub struct ScannerHandle {
    gate: Arc<Gate>,
    /// Absent when the system had no thread left; the health said so.
    _worker: Option<Worker>,
}

impl ScannerHandle {
    /// Opens the gate for one scan that begins from now on.
    pub fn arm(&self) -> Arming {
        self.gate.arm()
    }

    /// Closes the gate. A [`Event::Read`] sent before this call is known by its arming.
    pub fn disarm(&self) {
        self.gate.disarm();
    }

    /// How many scans came while nobody had asked for one, or in a storm.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.gate.dropped()
    }
}

/// Keeps the scanner that `open` opens, and tells `sink` what it reads; `source` is its selector.
pub fn spawn(
    source: &str,
    open: impl FnMut() -> Result<Box<dyn Scanner>, DeviceError> + Send + 'static,
    sink: EventSink,
) -> ScannerHandle {
    let gate = Arc::new(Gate::default());
    let (woken, stop) = (gate.clone(), gate.stop.clone());
    let line = HealthLine::new(Class::Scanner, sink.clone());
    let thread = Thread {
        gate: gate.clone(),
        source: source.into(),
        line,
        storm: Storm::new(SCANS_PER_SECOND_MAX),
        sink: sink.clone(),
    };
    let worker = Worker::spawn("hal-scanner", stop, move || woken.wake(), move || keep(thread, open));
    let worker = worker.inspect_err(|error| {
        tracing::error!(%error, "no thread for the scanner");
        HealthLine::new(Class::Scanner, sink).set(Health::Faulted("E-SCN-THREAD"));
    });
    ScannerHandle { gate, _worker: worker.ok() }
}

struct Thread {
    gate: Arc<Gate>,
    source: Arc<str>,
    line: HealthLine,
    storm: Storm,
    sink: EventSink,
}

impl Kept<dyn Scanner> for Thread {
    fn stop(&self) -> &Stop {
        &self.gate.stop
    }

    fn line(&mut self) -> &mut HealthLine {
        &mut self.line
    }

    fn session(&mut self, mut scanner: Box<dyn Scanner>, backoff: &mut Backoff) -> Result<(), DeviceError> {
        self.gate.attach(scanner.canceller());
        let ended = self.serve(scanner.as_mut(), backoff);
        self.gate.attach(None);
        ended
    }
}

impl Thread {
    /// Runs until stopped (`Ok`) or the scanner fails.
    fn serve(&mut self, scanner: &mut dyn Scanner, backoff: &mut Backoff) -> Result<(), DeviceError> {
        let mut proving = Proving::default();
        while !self.gate.stop.raised() {
            if self.storm.handle_timeout(now_us()) {
                self.line.degraded(Trouble::NotTalking);
            } else if proving.is_proven() {
                self.line.set(Health::Ready);
            }
            let deadline = until(Deadline::after(proving.wait(IDLE_WAIT)), self.storm.poll_timeout());
            let heard = scanner.next_scan(deadline)?;
            proving.bore_a_read(&mut self.line, backoff);
            match heard {
                Some(heard) if self.storm.lets_through(now_us()) => self.tell(heard),
                Some(_) => self.gate.count_dropped(),
                None => {}
            }
        }
        Ok(())
    }

    /// Tells the listener; one that is gone is about to drop the handle too.
    fn tell(&self, heard: Heard) {
        let event = match heard {
            Heard::Symbol { begun_us, aim, data } => match self.gate.close_for(begun_us) {
                Some(arming) => Event::Read { arming, scan: Scan { aim, data, source: self.source.clone() } },
                None => Event::Dropped,
            },
            Heard::PaymentCard => Event::RefusedPaymentCard,
            Heard::Garbled if self.gate.armed().is_some() => Event::Garbled,
            Heard::Garbled => {
                self.gate.count_dropped();
                Event::Dropped
            }
        };
        drop(self.sink.send(device::Event::Scanner(event)));
    }
}
