//! A USB printer to test against, and how a kiosk opens and uses one.
//!
//! Promises: the plug is pulled as in life: the printer forgets what it holds, the line breaks in the middle
//! of whatever was on it. Never: leaves a gadget plugged in.

use super::{
    gadget::Gadget,
    pump::{self, Pump},
    usblp,
};
use crate::{
    heard::{EVENT_LIMIT, Heard, Outcome},
    uevent::{Uevents, until_there},
};
use anyhow::{Context as _, Result, ensure};
use hal::{
    factory::{self, Config, Devices, Site},
    printer::{Job, JobId, Line, Profile},
    sim::printer::{PrinterPanel, SimPrinter},
};
use std::{path::Path, sync::mpsc::sync_channel, time::Duration};

/// As many events as hal may be ahead of us.
const CHANNEL: usize = 64;

/// The kernel finds a printer that was plugged in within this.
pub(super) const NODE_LIMIT: Duration = Duration::from_secs(10);

/// The printer's end of the line.
const PRINTER_NODE: &str = "/dev/g_printer0";

/// A printer on a USB cable.
pub(super) struct UsbPrinter {
    // First, so that the line is closed before the gadget goes.
    pump: Option<Pump>,
    gadget: Gadget,
    pub(super) panel: PrinterPanel,
    _printer: SimPrinter,
}

impl UsbPrinter {
    /// Plugs a printer for `profile` in and waits until the kernel has found it.
    pub(super) fn plugged_in(profile: &str) -> Result<Self> {
        let (printer, panel) = SimPrinter::new(Profile::named(profile)?.dots_per_line);
        let mut usb = Self { pump: None, gadget: Gadget::new()?, panel, _printer: printer };
        usb.plug_in()?;
        until_there(Path::new(usblp::NODE), true, NODE_LIMIT)?;
        Ok(usb)
    }

    pub(super) fn plug_in(&mut self) -> Result<()> {
        let uevents = Uevents::listen()?;
        self.panel.plug_in();
        self.gadget.plug_in()?;
        let host = uevents.until("host", NODE_LIMIT, || pump::open(Path::new(PRINTER_NODE)).ok())?;
        self.pump = Some(Pump::start(host, self.panel.connect()?)?);
        Ok(())
    }

    pub(super) fn unplug(&mut self) -> Result<()> {
        self.panel.unplug();
        self.pump = None;
        self.gadget.unplug()
    }

    /// Stops listening and talking, with the plug in.
    pub(super) fn hang(&mut self) {
        self.pump = None;
    }

    /// Goes on after [`Self::hang`].
    pub(super) fn wake(&mut self) -> Result<()> {
        self.pump = Some(Pump::start(pump::open(Path::new(PRINTER_NODE))?, self.panel.connect()?)?);
        Ok(())
    }

    /// The words of each receipt on paper.
    pub(super) fn receipts(&self) -> Vec<Vec<String>> {
        self.panel.texts()
    }
}

/// Opens a printer as a kiosk does.
pub(super) fn open(selector: &str, profile: &str) -> Result<(Devices, Heard)> {
    let config = format!("[devices.printer]\nselector = \"{selector}\"\nprofile = \"{profile}\"\n");
    let (sink, events) = sync_channel(CHANNEL);
    let devices = factory::open(&Config::from_toml(&config)?, &Site::default(), &sink)?;
    Ok((devices, Heard::new(events)))
}

/// A receipt of numbered lines.
pub(super) fn numbered(name: &str, lines: usize) -> Job {
    let mut all: Vec<Line> = numbers(name, lines).into_iter().map(Line::text).collect();
    all.push(Line::Cut);
    Job { lines: all }
}

pub(super) fn numbers(name: &str, lines: usize) -> Vec<String> {
    (0..lines).map(|n| format!("{name} {n}")).collect()
}

/// Prints and waits for the outcome.
pub(super) fn print(devices: &Devices, heard: &mut Heard, id: u64, job: Job) -> Result<Outcome> {
    let printer = devices.printer.as_ref().context("no printer in the config")?;
    printer.print(JobId(id), job)?;
    heard.outcome(JobId(id))
}

/// Waits until exactly these receipts are on paper.
pub(super) fn on_paper(usb: &UsbPrinter, wanted: &[Vec<String>]) -> Result<()> {
    // The kernel says nothing of paper: the limit alone ends the wait for a receipt that never comes.
    let deadline = hal::Deadline::after(EVENT_LIMIT);
    let printed = || usb.receipts().len() >= wanted.len();
    while !printed() && !deadline.passed() {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let receipts = usb.receipts();
    ensure!(receipts == wanted, "{} receipts on paper, {} wanted", receipts.len(), wanted.len());
    Ok(())
}
