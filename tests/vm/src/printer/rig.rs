//! A USB printer to test against, and how a kiosk opens and uses one.
//!
//! Promises: the plug is pulled as in life: the printer forgets what it holds, the line breaks in the middle
//! of whatever was on it. Never: leaves a gadget plugged in.

use super::pump::{self, Pump};
use crate::{
    gadget::{Gadget, Kind, SERIAL_LINK},
    heard::{EVENT_LIMIT, Heard, Outcome},
    kiosk::{self, CHANNEL},
    uevent::{Uevents, link},
};
use anyhow::{Context as _, Result, ensure};
use hal::{
    factory::Devices,
    printer::{Job, JobId, Line, Profile},
    sim::printer::{PrinterPanel, SimPrinter},
};
use std::{fs::File, time::Duration};

/// The kernel finds a printer that was plugged in within this.
pub(super) const NODE_LIMIT: Duration = Duration::from_secs(10);

/// A printer on a USB cable.
pub(crate) struct UsbPrinter {
    // First, so that the line is closed before the gadget goes.
    pump: Option<Pump>,
    kind: Kind,
    gadget: Gadget,
    pub(crate) panel: PrinterPanel,
    _printer: SimPrinter,
}

impl UsbPrinter {
    /// Plugs a printer for `profile` in and waits until the kernel's own driver has found it.
    pub(crate) fn plugged_in(kind: Kind, profile: &str) -> Result<Self> {
        let mut usb = Self::dead(kind, profile)?;
        usb.come_alive()?;
        Ok(usb)
    }

    /// As [`Self::plugged_in`], but the printer takes nothing and says nothing: its buffers are armed by the
    /// first look at them.
    pub(super) fn dead(kind: Kind, profile: &str) -> Result<Self> {
        let (printer, panel) = SimPrinter::new(Profile::named(profile)?.dots_per_line);
        let usb = Self { pump: None, kind, gadget: Gadget::new(kind)?, panel, _printer: printer };
        let uevents = Uevents::listen()?;
        usb.gadget.plug_in()?;
        uevents.until("driver for the printer", NODE_LIMIT, || kind.host_node())?;
        Ok(usb)
    }

    /// Pulls the plug. A printer of the printer class stops reading first: its node goes with the plug.
    pub(crate) fn unplug(&mut self) -> Result<()> {
        // A hang-up under an open node empties the buffers of a serial line, as switching off does.
        if self.kind == Kind::Serial {
            self.gadget.unplug()?;
        }
        self.panel.unplug();
        self.pump = None;
        self.gadget.unplug()
    }

    /// Puts the plug back; the host notices when it does.
    pub(crate) fn plug_back(&self) -> Result<()> {
        self.panel.plug_in();
        self.gadget.plug_in()
    }

    /// Waits until the host has set the printer up, then takes and talks.
    pub(crate) fn come_alive(&mut self) -> Result<()> {
        let uevents = Uevents::listen()?;
        let own = if self.kind == Kind::Serial {
            let node = uevents.until("serial line", NODE_LIMIT, || self.kind.host_node())?;
            let mut own = self.own_end()?;
            pump::drain(&mut own)?;
            link(&node, SERIAL_LINK)?;
            own
        } else {
            uevents.until("host", NODE_LIMIT, || self.own_end().ok())?
        };
        self.pump = Some(Pump::start(own, self.panel.connect()?)?);
        Ok(())
    }

    fn own_end(&self) -> Result<File> {
        pump::open(self.kind.own_node())
    }

    /// The words of each receipt on paper.
    pub(super) fn receipts(&self) -> Vec<Vec<String>> {
        self.panel.texts()
    }
}

/// Opens a printer as a kiosk does.
pub(super) fn open(selector: &str, profile: &str) -> Result<(Devices, Heard)> {
    let config = format!("[devices.printer]\nselector = \"{selector}\"\nprofile = \"{profile}\"\n");
    kiosk::open(&config, CHANNEL)
}

/// A receipt of numbered lines.
pub(super) fn numbered(name: &str, lines: usize) -> Job {
    let mut all: Vec<Line> = numbers(name, lines).into_iter().map(Line::text).collect();
    all.push(Line::Cut);
    Job::of(all)
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
    ensure!(receipts.len() == wanted.len(), "{} receipts on paper, {} wanted", receipts.len(), wanted.len());
    receipts.iter().zip(wanted).try_for_each(|(printed, wanted)| same(printed, wanted))
}

/// Whether the words on paper are the wanted ones; shows the first that are not.
pub(super) fn same(printed: &[String], wanted: &[String]) -> Result<()> {
    let wrong = printed.iter().zip(wanted).enumerate().find(|(_, (printed, wanted))| printed != wanted);
    ensure!(wrong.is_none(), "the paper differs, first in {wrong:?}");
    ensure!(printed.len() == wanted.len(), "{} lines on paper, {} wanted", printed.len(), wanted.len());
    Ok(())
}
