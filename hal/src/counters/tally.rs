//! What an event counts as. Pure: time is an argument.
//!
//! Promises: a fault counts when it begins, not while it lasts. Never: counts for a device that is not
//! configured; grows past [`DEVICES_MAX`] devices or [`NAMES_MAX`] counters of one.

use super::{Counts, DeviceKey};
use crate::{
    card,
    device::{Class, Event, Health},
    document, keypad, pointer,
    printer::{self, Job, JobId, Line, PrintProof},
    scanner,
};
use std::collections::{BTreeMap, BTreeSet};

/// Devices remembered, those that are gone for good included.
pub(super) const DEVICES_MAX: usize = 16;

/// Counters of one device; more kinds of faults count as `fault.other`.
pub(super) const NAMES_MAX: usize = 32;

/// A TOML file holds no greater number.
const COUNT_MAX: u64 = i64::MAX as u64;

const MICROS: u64 = 1_000_000;

/// Counters under way.
#[derive(Debug)]
pub struct Tally {
    counts: Counts,
    keys: BTreeMap<Class, DeviceKey>,
    lives: BTreeMap<Class, Life>,
    job: Option<(JobId, u64, u64)>,
    changed: bool,
}

/// What is known of a device while it runs.
#[derive(Debug, Default)]
struct Life {
    /// Able to serve since, in microseconds.
    ready_us: Option<u64>,
    /// Faults that have not ended.
    faults: BTreeSet<String>,
}

impl Tally {
    /// Goes on from `counts`, for these devices.
    #[must_use]
    pub fn new(counts: Counts, keys: BTreeMap<Class, DeviceKey>) -> Self {
        Self { counts, keys, lives: BTreeMap::new(), job: None, changed: false }
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether the file does not have it all.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.changed
    }

    /// The file has it all, or does not.
    pub fn set_changed(&mut self, changed: bool) {
        self.changed = changed;
    }

    /// A job goes to the printer.
    pub fn printing(&mut self, id: JobId, job: &Job) {
        let (mut lines, mut cuts) = (0, 0);
        for line in &job.lines {
            match line {
                Line::Text { .. } | Line::Pair { .. } | Line::Rule | Line::Qr { .. } | Line::Image(_) => {
                    lines += 1
                }
                Line::Cut => cuts += 1,
                Line::Feed(_) => {}
            }
        }
        self.job = Some((id, lines, cuts));
    }

    /// Counts an event that came at `now_us`.
    pub fn observe(&mut self, now_us: u64, event: &Event) {
        match event {
            Event::Health { class, health } => self.health(now_us, *class, health),
            Event::Printer(event) => self.printed(event),
            Event::Card(event) => {
                let name = match event {
                    card::Event::Inserted => "cards",
                    card::Event::Read { .. } => "cards-read",
                    card::Event::RefusedPaymentCard => "cards-refused",
                    card::Event::Mute | card::Event::Torn | card::Event::Unreadable => "cards-unread",
                    card::Event::Forgotten => "cards-forgotten",
                    card::Event::Removed | card::Event::Dropped => return,
                };
                self.add(Class::CardReader, name, 1);
            }
            Event::Document(document::Event::Done { outcome: Ok(page), .. }) => {
                self.add(Class::DocumentScanner, "pages", u64::from(page.pages));
            }
            Event::Document(document::Event::Done { outcome: Err(_), .. }) => {
                self.add(Class::DocumentScanner, "pages-failed", 1);
            }
            Event::Document(document::Event::SheetPlaced | document::Event::SheetRemoved) => {}
            Event::Scanner(scanner::Event::Read { .. }) => self.add(Class::Scanner, "scans", 1),
            Event::Scanner(scanner::Event::Garbled | scanner::Event::RefusedPaymentCard) => {
                self.add(Class::Scanner, "scans-garbled", 1);
            }
            Event::Scanner(scanner::Event::Dropped) => {}
            Event::Keypad(event) if event.kind == keypad::Kind::Press => {
                self.add(Class::Keypad, "presses", 1)
            }
            Event::Keypad(_) => {}
            Event::Pointer(event) if event.kind == pointer::Kind::Down => {
                self.add(Class::Pointer, "touches", 1)
            }
            Event::Pointer(_) => {}
        }
    }

    fn printed(&mut self, event: &printer::Event) {
        let (id, outcome) = match event {
            printer::Event::Status(_) => return,
            printer::Event::Done { job, outcome } => (*job, outcome),
        };
        let of_job = self.job.take_if(|(job, ..)| *job == id);
        let class = Class::ReceiptPrinter;
        match outcome {
            Ok(PrintProof::Completed | PrintProof::Accepted) => {
                self.add(class, "receipts", 1);
                if let Some((_, lines, cuts)) = of_job {
                    self.add(class, "lines", lines);
                    self.add(class, "cuts", cuts);
                }
            }
            Ok(PrintProof::Sent | PrintProof::Unknown) => self.add(class, "receipts-unproven", 1),
            Err(_) => self.add(class, "receipts-failed", 1),
        }
    }

    fn health(&mut self, now_us: u64, class: Class, health: &Health) {
        let serves = matches!(health, Health::Ready | Health::Degraded(_));
        let faults: BTreeSet<String> = match health {
            Health::Ready | Health::Opening => BTreeSet::new(),
            Health::Absent => BTreeSet::from(["gone".to_owned()]),
            Health::Degraded(troubles) => troubles.iter().map(|trouble| trouble.code().to_owned()).collect(),
            Health::Faulted(code) => BTreeSet::from([(*code).to_owned()]),
        };
        self.settle(now_us);
        let life = self.lives.entry(class).or_default();
        let opened = serves && life.ready_us.is_none();
        life.ready_us = serves.then_some(life.ready_us.unwrap_or(now_us));
        let before = std::mem::replace(&mut life.faults, faults.clone());
        for fault in faults.difference(&before) {
            self.add(class, &format!("fault.{fault}"), 1);
        }
        if opened {
            self.add(class, "opened", 1);
        }
    }

    /// Counts the whole seconds that passed since devices became ready.
    pub fn settle(&mut self, now_us: u64) {
        let mut passed = Vec::new();
        for (class, life) in &mut self.lives {
            if let Some(since) = life.ready_us.as_mut() {
                let seconds = now_us.saturating_sub(*since) / MICROS;
                *since += seconds * MICROS;
                passed.push((*class, seconds));
            }
        }
        for (class, seconds) in passed {
            self.add(class, "ready-seconds", seconds);
        }
    }

    fn add(&mut self, class: Class, name: &str, count: u64) {
        let Some(key) = self.keys.get(&class).filter(|_| count > 0) else { return };
        if !self.counts.contains_key(key) && self.counts.len() >= DEVICES_MAX {
            return;
        }
        let device = self.counts.entry(key.clone()).or_default();
        let full = device.len() >= NAMES_MAX && !device.contains_key(name);
        let name = if full { "fault.other" } else { name };
        let counter = device.entry(name.to_owned()).or_default();
        *counter = counter.saturating_add(count).min(COUNT_MAX);
        self.changed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Trouble;

    fn tally() -> Tally {
        let keys = [Class::ReceiptPrinter, Class::Keypad].map(|class| (class, DeviceKey::plain(class, "x")));
        Tally::new(Counts::new(), BTreeMap::from(keys))
    }

    fn health(health: Health) -> Event {
        Event::Health { class: Class::ReceiptPrinter, health }
    }

    fn of(tally: &Tally, name: &str) -> u64 {
        let device = tally.counts().get(&DeviceKey::plain(Class::ReceiptPrinter, "x"));
        device.and_then(|device| device.get(name)).copied().unwrap_or(0)
    }

    #[test]
    fn a_fault_counts_when_it_begins() {
        let mut tally = tally();
        let degraded = |troubles: &[Trouble]| health(Health::Degraded(troubles.iter().copied().collect()));
        tally.observe(0, &health(Health::Ready));
        tally.observe(1, &degraded(&[Trouble::PaperLow]));
        tally.observe(2, &degraded(&[Trouble::PaperLow, Trouble::CoverOpen]));
        tally.observe(3, &health(Health::Ready));
        tally.observe(4, &degraded(&[Trouble::PaperLow]));
        tally.observe(5, &health(Health::Absent));
        tally.observe(6, &health(Health::Faulted("E-PRN-DENIED")));
        let counted = ["fault.paper-low", "fault.cover-open", "fault.gone", "fault.E-PRN-DENIED", "opened"];
        assert_eq!(counted.map(|name| of(&tally, name)), [2, 1, 1, 1, 1]);
    }

    #[test]
    fn seconds_count_while_it_serves() {
        let mut tally = tally();
        tally.observe(0, &health(Health::Ready));
        tally.settle(1_500_000);
        tally.settle(2_400_000);
        assert_eq!(of(&tally, "ready-seconds"), 2);
        tally.observe(3_000_000, &health(Health::Absent));
        tally.settle(99_000_000);
        assert_eq!(of(&tally, "ready-seconds"), 3);
    }

    #[test]
    fn lines_and_cuts_count_with_proof_only() {
        let mut tally = tally();
        let job = Job::of(vec![Line::text("a"), Line::Rule, Line::Feed(2), Line::Cut]);
        for (id, outcome) in
            [Ok(PrintProof::Completed), Ok(PrintProof::Unknown), Err(crate::printer::PrintError::Cancelled)]
                .into_iter()
                .enumerate()
        {
            let id = JobId(id as u64);
            tally.printing(id, &job);
            tally.observe(0, &Event::Printer(printer::Event::Done { job: id, outcome }));
        }
        let counted = ["receipts", "lines", "cuts", "receipts-unproven", "receipts-failed"];
        assert_eq!(counted.map(|name| of(&tally, name)), [1, 2, 1, 1, 1]);
    }

    #[test]
    fn what_is_not_configured_is_not_counted() {
        let mut tally = tally();
        tally.observe(0, &Event::Card(card::Event::Inserted));
        assert!(tally.counts().is_empty() && !tally.changed());
    }

    #[test]
    fn counters_of_one_device_are_limited() {
        let mut tally = tally();
        for n in 0..NAMES_MAX + 9 {
            tally.add(Class::ReceiptPrinter, &format!("fault.{n}"), 1);
        }
        assert_eq!(of(&tally, "fault.other"), 9);
        assert!(tally.counts().values().all(|device| device.len() <= NAMES_MAX + 1));
    }
}
