//! What hal said, in order, and waiting for what it has to say.
//!
//! Promises: nothing heard is lost: a failure shows all of it, and a scenario may judge all of it at its
//! end. Never: waits without a limit.

use anyhow::{Result, anyhow, bail};
use hal::{
    Event, Health, pointer,
    printer::{self, JobId, Paper, PrintError, PrintProof},
    scanner,
};
use std::{
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

/// Nothing hal does takes longer, on an emulated machine either, unless it is broken.
pub(crate) const EVENT_LIMIT: Duration = Duration::from_secs(10);

/// What became of a job.
pub(crate) type Outcome = Result<PrintProof, PrintError>;

/// How many of the last events a failure shows.
const SHOWN: usize = 6;

/// The receiving end of hal's channel.
pub(crate) struct Heard {
    events: Receiver<Event>,
    all: Vec<Event>,
}

impl Heard {
    /// Everything that comes out of `events`.
    pub(crate) fn new(events: Receiver<Event>) -> Self {
        Self { events, all: Vec::new() }
    }

    /// The next event that `wanted` picks; others are kept as heard.
    ///
    /// # Errors
    /// What was waited for and what came instead.
    pub(crate) fn wait<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T> {
        let deadline = hal::Deadline::after(limit);
        loop {
            let event = self.events.recv_timeout(deadline.left()).map_err(|error| {
                let last = self.all.get(self.all.len().saturating_sub(SHOWN)..).unwrap_or_default();
                anyhow!("{error} while waiting for {what}; {} events, the last: {last:?}", self.all.len())
            })?;
            let found = wanted(&event);
            self.all.push(event);
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }

    /// Waits for a health; says how long that took.
    pub(crate) fn health(&mut self, wanted: &Health) -> Result<Duration> {
        let started = Instant::now();
        self.wait(&format!("{wanted:?}"), EVENT_LIMIT, |event| {
            let told = matches!(event, Event::Health { health, .. } if health == wanted);
            told.then(|| started.elapsed())
        })
    }

    /// Waits for something to happen to one finger.
    pub(crate) fn finger(&mut self, slot: u8, kind: pointer::Kind) -> Result<pointer::Event> {
        self.wait(&format!("{kind:?} of finger {slot}"), EVENT_LIMIT, |event| {
            as_pointer(event).filter(|event| event.slot == slot && event.kind == kind)
        })
    }

    /// Waits for a scan.
    pub(crate) fn scan(&mut self) -> Result<Vec<u8>> {
        self.wait("a scan", EVENT_LIMIT, |event| {
            if let Event::Scanner(scanner::Event::Read { scan, .. }) = event {
                Some(scan.data.expose().to_vec())
            } else {
                None
            }
        })
    }

    /// Waits until the printer says that its paper is so.
    pub(crate) fn paper(&mut self, wanted: Paper) -> Result<()> {
        self.wait(&format!("paper {wanted:?}"), EVENT_LIMIT, |event| {
            let told = matches!(event, Event::Printer(printer::Event::Status(now)) if now.paper == wanted);
            told.then_some(())
        })
    }

    /// Waits for the outcome of a job.
    pub(crate) fn outcome(&mut self, wanted: JobId) -> Result<Outcome> {
        self.wait(&format!("the outcome of {wanted:?}"), EVENT_LIMIT, |event| {
            let done = matches!(event, Event::Printer(printer::Event::Done { job, .. }) if *job == wanted);
            done.then_some(())
        })?;
        match self.all.pop() {
            Some(Event::Printer(printer::Event::Done { outcome, .. })) => Ok(outcome),
            other => bail!("{other:?} is no outcome"),
        }
    }

    /// Everything fingers did so far, oldest first.
    pub(crate) fn fingers(&self) -> impl Iterator<Item = pointer::Event> {
        self.all.iter().filter_map(as_pointer)
    }
}

fn as_pointer(event: &Event) -> Option<pointer::Event> {
    if let Event::Pointer(event) = event { Some(*event) } else { None }
}
