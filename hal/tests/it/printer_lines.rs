//! Receipts over the lines that real printers hang on.
//!
//! The simulated printer stands at the other end of a pseudo-terminal. What needs a USB device is not here.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use crate::printer::{EVENT_LIMIT, Outcome, numbered, numbers, quick, soon};
use hal::{
    Class, Deadline, DeviceError, Event, Health, Trouble,
    factory::{self, Config, Site},
    printer::{self, EscPos, JobId, Paper, PrintError, PrintProof, PrinterHandle, Profile, ReceiptPrinter},
    sim::printer::{Cable, PrinterPanel, SimPrinter, plug_serial},
    transport::{
        Transport,
        serial::{Serial, Settings},
        usb::PortStatus,
    },
};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::mpsc::{Receiver, sync_channel},
};
use tempfile::TempDir;

/// A printer on a serial cable whose node keeps its name, as udev's links do.
struct Counter {
    panel: PrinterPanel,
    cable: Option<Cable>,
    link: PathBuf,
    _folder: TempDir,
    handle: PrinterHandle,
    events: Receiver<Event>,
    _printer: SimPrinter,
}

impl Counter {
    fn new() -> Self {
        let profile = Profile::named("epson-tm-t20iii").unwrap();
        let (printer, panel) = SimPrinter::new(profile.dots_per_line);
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("printer");
        let (sink, events) = sync_channel(64);
        let node = link.clone();
        let open =
            move || Serial::open(&node, Settings::default()).map(|line| Box::new(line) as Box<dyn Transport>);
        let handle = printer::thread::spawn_with(open, profile, sink, quick());
        Self { panel, cable: None, link, _folder: folder, handle, events, _printer: printer }
    }

    fn plug_in(&mut self) {
        let cable = plug_serial(&self.panel).unwrap();
        drop(std::fs::remove_file(&self.link));
        std::os::unix::fs::symlink(cable.path(), &self.link).unwrap();
        self.cable = Some(cable);
    }

    fn wait<T>(&self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.events.recv_timeout(EVENT_LIMIT).unwrap()) {
                return found;
            }
        }
    }

    fn wait_health(&self, wanted: &Health) {
        self.wait(|event| matches!(event, Event::Health { health, .. } if health == *wanted).then_some(()));
    }

    fn wait_done(&self, wanted: u64) -> Outcome {
        self.wait(|event| match event {
            Event::Printer(printer::Event::Done { job, outcome }) => {
                assert_eq!(job, JobId(wanted), "one outcome for each job");
                Some(outcome)
            }
            _ => None,
        })
    }
}

fn out_of_paper() -> BTreeSet<Trouble> {
    BTreeSet::from([Trouble::PaperOut])
}

#[test]
fn a_receipt_is_completed_over_a_serial_line() {
    let mut counter = Counter::new();
    counter.wait_health(&Health::Absent);
    counter.plug_in();
    counter.wait_health(&Health::Ready);
    counter.handle.print(JobId(1), numbered("line", 300)).unwrap();
    assert!(matches!(counter.wait_done(1), Ok(PrintProof::Completed)));
    assert_eq!(counter.panel.texts(), [numbers("line", 300)]);
}

#[test]
fn paper_out_mid_job_goes_on_after_the_refill_once() {
    let mut counter = Counter::new();
    counter.plug_in();
    counter.wait_health(&Health::Ready);
    counter.panel.end_paper_after(400);
    counter.handle.print(JobId(1), numbered("line", 2000)).unwrap();
    counter.wait_health(&Health::Degraded(out_of_paper()));
    counter.panel.set_paper(Paper::Ok);
    assert!(matches!(counter.wait_done(1), Ok(PrintProof::Completed)));
    assert_eq!(counter.panel.texts(), [numbers("line", 2000)], "one copy, no gap");
}

#[test]
fn unplugged_while_idle_it_is_found_again() {
    let mut counter = Counter::new();
    counter.plug_in();
    counter.wait_health(&Health::Ready);
    for job in 1..4 {
        counter.cable = None;
        counter.wait_health(&Health::Absent);
        counter.plug_in();
        counter.wait_health(&Health::Ready);
        counter.handle.print(JobId(job), numbered("again", 2)).unwrap();
        assert!(matches!(counter.wait_done(job), Ok(PrintProof::Completed)));
    }
    assert_eq!(counter.panel.texts(), vec![numbers("again", 2); 3]);
}

#[test]
fn unplugged_mid_job_the_outcome_is_unknown_and_nothing_comes_twice() {
    let mut counter = Counter::new();
    counter.plug_in();
    counter.wait_health(&Health::Ready);
    counter.panel.end_paper_after(400);
    counter.handle.print(JobId(1), numbered("lost", 2000)).unwrap();
    counter.wait_health(&Health::Degraded(out_of_paper()));
    counter.cable = None;
    assert!(matches!(counter.wait_done(1), Ok(PrintProof::Unknown)));
    counter.wait_health(&Health::Absent);
    counter.panel.unplug();
    counter.panel.plug_in();
    counter.panel.set_paper(Paper::Ok);
    counter.plug_in();
    counter.wait_health(&Health::Ready);
    counter.handle.print(JobId(2), numbered("next", 2)).unwrap();
    assert!(matches!(counter.wait_done(2), Ok(PrintProof::Completed)));
    let words = counter.panel.texts().concat();
    assert_eq!(words.iter().filter(|line| *line == "lost 0").count(), 1, "not printed again by itself");
    assert!(words.ends_with(&numbers("next", 2)), "{words:?}");
}

#[test]
fn the_factory_prints_on_a_node() {
    let (printer, panel) = SimPrinter::new(576);
    let cable = plug_serial(&panel).unwrap();
    let node = cable.path().display();
    let config = format!(
        "[devices.printer]\nselector = '{node}'\nprofile = 'generic-80'\nbaud = 115200\nflow = 'none'"
    );
    let (sink, events) = sync_channel(64);
    let devices = factory::open(&Config::from_toml(&config).unwrap(), &Site::default(), &sink).unwrap();
    let handle = devices.printer.as_ref().unwrap();
    handle.print(JobId(1), numbered("line", 3)).unwrap();
    let outcome = loop {
        if let Event::Printer(printer::Event::Done { outcome, .. }) =
            events.recv_timeout(EVENT_LIMIT).unwrap()
        {
            break outcome;
        }
    };
    assert!(matches!(outcome, Ok(PrintProof::Accepted)), "{outcome:?}");
    assert_eq!(printer.panel().texts(), [numbers("line", 3)]);
}

#[test]
fn a_usb_printer_that_is_not_there_is_absent() {
    let config = "[devices.printer]\nselector = 'ffff:ffff'\nprofile = 'epson-tm-t20iii'";
    let (sink, events) = sync_channel(64);
    let _devices = factory::open(&Config::from_toml(config).unwrap(), &Site::default(), &sink).unwrap();
    loop {
        match events.recv_timeout(EVENT_LIMIT).unwrap() {
            Event::Health { class: Class::ReceiptPrinter, health: Health::Absent } => break,
            Event::Health { class: Class::ReceiptPrinter, health: Health::Opening } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn listing_names_a_driver_for_each_device() {
    for found in factory::list() {
        let driver = match found.class {
            Class::ReceiptPrinter => ["usb", "serial"].as_slice(),
            Class::Pointer => &["evdev"],
            Class::CardReader | Class::DocumentScanner => &[],
        };
        assert!(driver.contains(&found.driver), "{found:?}");
        let text = found.selector.to_string();
        assert_eq!(text.parse(), Ok(found.selector), "a config can name it");
    }
}

/// A line one way, beside which the printer tells its paper.
struct OneWay {
    paper_out: bool,
    mute: bool,
}

impl Transport for OneWay {
    fn write(&mut self, bytes: &[u8], _: Deadline) -> Result<usize, DeviceError> {
        let preamble_only = bytes.len() < 32;
        assert!(preamble_only || !self.paper_out, "a receipt was sent without paper");
        Ok(bytes.len())
    }

    fn read(&mut self, _: &mut [u8], _: Deadline) -> Result<usize, DeviceError> {
        Err(DeviceError::Unsupported("one way"))
    }

    fn finish(&mut self, _: Deadline) -> Result<(), DeviceError> {
        Ok(())
    }

    fn port_status(&mut self, _: Deadline) -> Result<PortStatus, DeviceError> {
        if self.mute {
            return Err(DeviceError::TimedOut);
        }
        Ok(PortStatus { paper_out: self.paper_out, selected: true, error: self.paper_out })
    }
}

#[test]
fn a_one_way_printer_without_paper_is_sent_nothing() {
    let profile = || Profile::named("star-escpos").unwrap();
    let mut empty =
        EscPos::open(Box::new(OneWay { paper_out: true, mute: false }), profile(), soon()).unwrap();
    let outcome = empty.print(&numbered("line", 20), soon());
    assert!(matches!(&outcome, Err(PrintError::NotReady(why)) if *why == out_of_paper()), "{outcome:?}");
    for mute in [false, true] {
        let line = Box::new(OneWay { paper_out: false, mute });
        let mut full = EscPos::open(line, profile(), soon()).unwrap();
        assert!(matches!(full.print(&numbered("line", 20), soon()), Ok(PrintProof::Sent)));
    }
}

#[test]
fn automatic_status_is_not_asked_for_where_its_length_is_unknown() {
    for (name, asked) in [("custom-vkp80", false), ("generic-80", true)] {
        let (printer, panel) = SimPrinter::new(576);
        let line = printer.connect().unwrap();
        let mut driver = EscPos::open(line, Profile::named(name).unwrap(), soon()).unwrap();
        driver.rouse(soon()).unwrap();
        assert!(matches!(driver.print(&numbered("line", 1), soon()), Ok(PrintProof::Accepted)));
        let bytes = panel.take_bytes();
        assert_eq!(bytes.windows(2).any(|two| two == [0x1D, b'a']), asked, "{name}");
    }
}
