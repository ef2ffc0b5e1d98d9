//! A simulated receipt printer at the wire: it takes the very bytes and behaves.
//!
//! | it | as printers do |
//! |---|---|
//! | `DLE EOT`, `DLE DC4` 8 | obeyed on receipt, also in the middle of a picture |
//! | `GS a`, `GS r`, `GS I`, `GS ( H` | in order, after everything before them is on paper |
//! | paper out, cover open | stops, keeps its buffer (8 KiB), goes on after a refill |
//! | `FS P`, `DLE EOT 20` | cuts, holds the receipt in its mouth, pulls it back when its time is up; its motor can be stuck |
//! | unplugged | forgets everything but the paper; every line to it is gone |
//!
//! The [`PrinterPanel`] is what a technician's hands do. [`SimPrinter`] owns the printer: when it is
//! dropped, lines that are open go on, as the panel does.
//!
//! Promises: one line at a time, a second one is busy. Never: shares code with the driver's encoder.

use super::{picture::Artist, printer_machine::Machine};
pub use super::{
    printer_cable::{Cable, plug_serial},
    printer_serve::{Serving, serve},
};
use crate::{
    device::{Deadline, DeviceError},
    gate::Canceller,
    keeper::lock,
    printer::{Bitmap, Cover, Paper},
    transport::{Sign, Transport},
};
use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A slow printer that has something to do is looked at so often.
const SLOW_WAIT: Duration = Duration::from_millis(5);

/// The printer.
#[derive(Debug)]
pub struct SimPrinter {
    panel: PrinterPanel,
}

/// The hands on the printer.
#[derive(Clone, Debug)]
pub struct PrinterPanel {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    machine: Mutex<Machine>,
    changed: Condvar,
}

impl SimPrinter {
    /// A printer `dots_per_line` dots wide, with paper, plugged in.
    #[must_use]
    pub fn new(dots_per_line: usize) -> (Self, PrinterPanel) {
        let machine = Mutex::new(Machine::new(dots_per_line));
        let panel = PrinterPanel { shared: Arc::new(Shared { machine, changed: Condvar::new() }) };
        (Self { panel: panel.clone() }, panel)
    }

    /// The hands on it.
    #[must_use]
    pub fn panel(&self) -> PrinterPanel {
        self.panel.clone()
    }

    /// A line to the printer.
    ///
    /// # Errors
    /// As [`PrinterPanel::connect`].
    pub fn connect(&self) -> Result<Box<dyn Transport>, DeviceError> {
        self.panel.connect()
    }
}

impl PrinterPanel {
    /// A line to the printer, in memory.
    ///
    /// # Errors
    /// [`DeviceError::Gone`] while it is unplugged, [`DeviceError::Busy`] while another line is open.
    pub fn connect(&self) -> Result<Box<dyn Transport>, DeviceError> {
        let mut machine = self.machine();
        if !machine.plugged {
            return Err(DeviceError::Gone("unplugged".to_owned()));
        }
        if std::mem::replace(&mut machine.connected, true) {
            return Err(DeviceError::Busy);
        }
        machine.replies.clear();
        let (shared, generation) = (Arc::clone(&self.shared), machine.generation);
        Ok(Box::new(Wire { shared, generation, cancelled: Arc::default() }))
    }

    /// Puts paper in, or takes it out.
    pub fn set_paper(&self, paper: Paper) {
        self.change(|machine| machine.set_paper(paper));
    }

    /// The roll ends after so many more rows of dots.
    pub fn end_paper_after(&self, dots: usize) {
        self.change(|machine| machine.end_paper_after(dots));
    }

    /// Opens or closes the cover.
    pub fn set_cover(&self, cover: Cover) {
        self.change(|machine| machine.set_cover(cover));
    }

    /// Pulls the plug.
    pub fn unplug(&self) {
        self.change(Machine::unplug);
    }

    /// Puts the plug back.
    pub fn plug_in(&self) {
        self.change(|machine| machine.plugged = true);
    }

    /// Prints two bytes in a millisecond, or as fast as it can.
    pub fn set_slow(&self, slow: bool) {
        self.change(|machine| machine.set_slow(slow));
    }

    /// Answers with bytes that fit nothing.
    pub fn talk_nonsense(&self, on: bool) {
        self.change(|machine| machine.talk_nonsense(on));
    }

    /// Puts a roll in that has a black mark every so many dots; 0 for none.
    pub fn set_marks(&self, dots: usize) {
        self.change(|machine| machine.set_marks(dots));
    }

    /// How long each receipt that was cut off is, dots.
    #[must_use]
    pub fn lengths(&self) -> Vec<usize> {
        self.machine().lengths()
    }

    /// Takes the receipt out of the mouth; whether there was one.
    pub fn take_receipt(&self) -> bool {
        let mut taken = false;
        self.change(|machine| taken = machine.mouth.holds.take().is_some());
        taken
    }

    /// The motor that pulls an untaken receipt back is stuck, or works again.
    pub fn stick_presenter(&self, stuck: bool) {
        self.change(|machine| machine.mouth.stuck = stuck);
    }

    /// Receipts pulled back so far, and receipts that came out on top of another.
    #[must_use]
    pub fn retracted_and_mixed(&self) -> (usize, usize) {
        let mut machine = self.machine();
        machine.pull_back();
        (machine.mouth.retracted, machine.mouth.mixed)
    }

    /// All bytes that came since the last call.
    pub fn take_bytes(&self) -> Vec<u8> {
        std::mem::take(&mut self.machine().received)
    }

    /// One picture for each receipt that was cut off, oldest first.
    #[must_use]
    pub fn receipts(&self) -> Vec<Bitmap> {
        let pages = self.machine().cut.clone();
        let mut artist = Artist::default();
        pages.iter().map(|page| artist.draw(page)).collect()
    }

    /// The printed lines of each receipt that was cut off. Lines drawn on the host are dots, not text.
    #[must_use]
    pub fn texts(&self) -> Vec<Vec<String>> {
        self.machine().cut.iter().map(super::picture_page::Page::texts).collect()
    }

    fn change(&self, change: impl FnOnce(&mut Machine)) {
        change(&mut self.machine());
        self.shared.changed.notify_all();
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.shared.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line in memory.
struct Wire {
    shared: Arc<Shared>,
    generation: u64,
    /// Ends the next wait.
    cancelled: Arc<AtomicBool>,
}

impl Wire {
    /// Tries until `attempt` succeeds, the plug is pulled or `deadline` passes.
    fn until<T>(
        &self,
        deadline: Deadline,
        mut attempt: impl FnMut(&mut Machine) -> Option<T>,
    ) -> Result<T, DeviceError> {
        let mut machine = self.shared.machine.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if machine.generation != self.generation || !machine.plugged {
                return Err(DeviceError::Gone("unplugged".to_owned()));
            }
            machine.work();
            if let Some(done) = attempt(&mut machine) {
                self.shared.changed.notify_all();
                return Ok(done);
            }
            if deadline.passed() {
                return Err(DeviceError::TimedOut);
            }
            let wait =
                if machine.is_slow_at_work() { deadline.left().min(SLOW_WAIT) } else { deadline.left() };
            let woken = self.shared.changed.wait_timeout(machine, wait);
            machine = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Transport for Wire {
    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> Result<usize, DeviceError> {
        self.until(deadline, |machine| {
            Some(machine.take(bytes)).filter(|taken| *taken > 0 || bytes.is_empty())
        })
    }

    fn read(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<usize, DeviceError> {
        self.until(deadline, |machine| {
            let count = buffer.len().min(machine.replies.len());
            buffer.iter_mut().zip(machine.replies.drain(..count)).for_each(|(place, byte)| *place = byte);
            (count > 0).then_some(count)
        })
    }

    fn wait(&mut self, deadline: Deadline) -> Result<Sign, DeviceError> {
        let cancelled = &self.cancelled;
        let sign = self.until(deadline, |machine| {
            if !machine.replies.is_empty() {
                Some(Sign::Readable)
            } else {
                cancelled.swap(false, Ordering::AcqRel).then_some(Sign::Cancelled)
            }
        });
        match sign {
            Err(DeviceError::TimedOut) => Ok(Sign::Nothing),
            other => other,
        }
    }

    fn canceller(&self) -> Option<Canceller> {
        let (shared, cancelled) = (Arc::clone(&self.shared), Arc::clone(&self.cancelled));
        Some(Arc::new(move || {
            // Under the lock: between a look and the wait after it, nothing is missed.
            let machine = lock(&shared.machine);
            cancelled.store(true, Ordering::Release);
            drop(machine);
            shared.changed.notify_all();
        }))
    }

    fn finish(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.until(deadline, |_| Some(()))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut machine = self.shared.machine.lock().unwrap_or_else(PoisonError::into_inner);
        if machine.generation == self.generation {
            machine.connected = false;
        }
    }
}
