//! USB receipt printers: a gadget on `dummy_hcd`, with hal's simulated printer inside.
//!
//! ```text
//! hal -- usblp -- dummy_hcd -- printer gadget -- /dev/g_printer0 -- pump -- simulated printer
//! ```
//!
//! Everything between hal and the pump is the kernel's own code, which we did not write.

mod gadget;
mod pump;
mod usblp;

use crate::{
    heard::{EVENT_LIMIT, Heard, Outcome},
    uevent::{Uevents, until_there},
};
use anyhow::{Context as _, Result, ensure};
use gadget::{DEVICE_ID, Gadget};
use hal::{
    Health,
    factory::{self, Config, Devices, Site},
    printer::{Job, JobId, Line, PrintError, PrintProof, Profile},
    sim::printer::{PrinterPanel, SimPrinter},
};
use pump::Pump;
use std::{
    fs::{self, File},
    ops::ControlFlow,
    path::Path,
    sync::mpsc::sync_channel,
    time::Duration,
};

/// As many events as hal may be ahead of us.
const CHANNEL: usize = 64;

/// The kernel finds a printer that was plugged in within this.
const NODE_LIMIT: Duration = Duration::from_secs(10);

/// A job may be refused so often after the line broke: nothing is printed then.
const REFUSALS_MAX: u64 = 5;

/// The printer's end of the line.
const PRINTER_NODE: &str = "/dev/g_printer0";

/// A printer on a USB cable.
struct UsbPrinter {
    // First, so that the line is closed before the gadget goes.
    pump: Option<Pump>,
    gadget: Gadget,
    panel: PrinterPanel,
    _printer: SimPrinter,
}

impl UsbPrinter {
    /// Plugs a printer for `profile` in and waits until the kernel has found it.
    fn plugged_in(profile: &str) -> Result<Self> {
        let (printer, panel) = SimPrinter::new(Profile::named(profile)?.dots_per_line);
        let mut usb = Self { pump: None, gadget: Gadget::new()?, panel, _printer: printer };
        usb.plug_in()?;
        until_there(Path::new(usblp::NODE), true, NODE_LIMIT)?;
        Ok(usb)
    }

    fn plug_in(&mut self) -> Result<()> {
        let uevents = Uevents::listen()?;
        self.panel.plug_in();
        self.gadget.plug_in()?;
        let host = uevents.until("host", NODE_LIMIT, || pump::open(Path::new(PRINTER_NODE)).ok())?;
        self.pump = Some(Pump::start(host, self.panel.connect()?)?);
        Ok(())
    }

    fn unplug(&mut self) -> Result<()> {
        self.panel.unplug();
        self.pump = None;
        self.gadget.unplug()
    }

    /// The words of each receipt on paper.
    fn receipts(&self) -> Vec<Vec<String>> {
        self.panel.texts()
    }
}

/// Opens a printer as a kiosk does.
fn open(selector: &str, profile: &str) -> Result<(Devices, Heard)> {
    let config = format!("[devices.printer]\nselector = \"{selector}\"\nprofile = \"{profile}\"\n");
    let (sink, events) = sync_channel(CHANNEL);
    let devices = factory::open(&Config::from_toml(&config)?, &Site::default(), &sink)?;
    Ok((devices, Heard::new(events)))
}

/// A receipt of numbered lines.
fn numbered(name: &str, lines: usize) -> Job {
    let mut all: Vec<Line> = numbers(name, lines).into_iter().map(Line::text).collect();
    all.push(Line::Cut);
    Job { lines: all }
}

fn numbers(name: &str, lines: usize) -> Vec<String> {
    (0..lines).map(|n| format!("{name} {n}")).collect()
}

/// Prints and waits for the outcome.
fn print(devices: &Devices, heard: &mut Heard, id: u64, job: Job) -> Result<Outcome> {
    let printer = devices.printer.as_ref().context("no printer in the config")?;
    printer.print(JobId(id), job)?;
    heard.outcome(JobId(id))
}

/// The kernel's own driver takes the printer and understands what it says of itself.
pub(crate) fn claimed_by_usblp() -> Result<()> {
    let _usb = UsbPrinter::plugged_in("generic-80")?;
    let driver = fs::read_link("/sys/class/usbmisc/lp0/device/driver").context("nobody claims it")?;
    ensure!(driver.ends_with("usblp"), "claimed by {}", driver.display());
    let node = File::options().read(true).write(true).open(usblp::NODE).context(usblp::NODE)?;
    let id = usblp::device_id(&node)?;
    ensure!(id.trim_end_matches('.') == DEVICE_ID.trim_end_matches('.'), "the device id is {id:?}");
    let status = usblp::status(&node)?;
    ensure!(status == usblp::STATUS_OK, "the port status is {status:#04x}");
    Ok(())
}

/// Through `usblp` a receipt longer than all buffers comes out whole, and only *sent* is claimed.
pub(crate) fn prints_through_usblp() -> Result<()> {
    let usb = UsbPrinter::plugged_in("generic-80")?;
    let (devices, mut heard) = open(&format!("file://{}", usblp::NODE), "generic-80")?;
    heard.health(&Health::Ready)?;
    let lines = 4000;
    let proof = print(&devices, &mut heard, 1, numbered("line", lines))??;
    ensure!(proof == PrintProof::Sent, "{proof:?} cannot be known here");
    on_paper(&usb, &[numbers("line", lines)])
}

/// A printer that was pulled out and plugged in again prints the next receipt, and no receipt twice. A line
/// that only writes learns of the loss with the next job, which is refused and may be given again.
pub(crate) fn usblp_plugged_in_again_prints_again() -> Result<()> {
    let mut usb = UsbPrinter::plugged_in("generic-80")?;
    let (devices, mut heard) = open(&format!("file://{}", usblp::NODE), "generic-80")?;
    heard.health(&Health::Ready)?;
    let proof = print(&devices, &mut heard, 1, numbered("first", 3))??;
    ensure!(proof == PrintProof::Sent, "{proof:?} cannot be known here");
    on_paper(&usb, &[numbers("first", 3)])?;
    usb.unplug()?;
    until_there(Path::new(usblp::NODE), false, NODE_LIMIT)?;
    usb.plug_in()?;
    until_there(Path::new(usblp::NODE), true, NODE_LIMIT)?;
    let mut attempts = 2..2 + REFUSALS_MAX;
    let sent = attempts.try_fold((), |(), id| match print(&devices, &mut heard, id, numbered("second", 3)) {
        Ok(Err(PrintError::Device(_))) => ControlFlow::Continue(()),
        other => ControlFlow::Break(other),
    });
    ensure!(matches!(sent, ControlFlow::Break(Ok(Ok(PrintProof::Sent)))), "{sent:?} on a line that is back");
    on_paper(&usb, &[numbers("first", 3), numbers("second", 3)])
}

/// Waits until exactly these receipts are on paper.
fn on_paper(usb: &UsbPrinter, wanted: &[Vec<String>]) -> Result<()> {
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
