//! What only hal's own USB line does: usblp put aside, other programs, a printer that is there and says
//! nothing, the plug pulled again and again.

use super::{
    line::{LONG_LINES, PROFILE, ROLL_DOTS, completed},
    rig::{NODE_LIMIT, UsbPrinter, numbered, numbers, on_paper, open, print},
};
use crate::{
    around::{Held, allow, set_clock, unprivileged},
    gadget::{Kind, SELECTOR, USBLP_NODE, VENDOR_PRODUCT},
    uevent::until_there,
};
use anyhow::{Context as _, Result, ensure};
use hal::{
    Health, factory,
    printer::{JobId, Paper, PrintError},
    transport::usb::Usb,
};
use std::{fs, path::Path};

/// A day, in seconds.
const DAY_S: i64 = 86_400;

/// Plugged in and out so often.
const CYCLES: usize = 8;

/// The printer is listed while usblp has it; usblp is off it while hal has it, and on it again afterwards.
pub(crate) fn usblp_gets_its_printer_back() -> Result<()> {
    let _usb = UsbPrinter::plugged_in(Kind::Printer, PROFILE)?;
    let listed = factory::list();
    let known = listed.iter().find(|found| found.selector.to_string() == SELECTOR);
    ensure!(known.is_some_and(|found| found.driver == "usb"), "not listed: {listed:?}");
    let (devices, mut heard) = open(SELECTOR, PROFILE)?;
    heard.health(&Health::Ready)?;
    ensure!(!Path::new(USBLP_NODE).exists(), "usblp is still on it");
    drop(devices);
    until_there(Path::new(USBLP_NODE), true, NODE_LIMIT)
}

/// A printer that takes nothing and says nothing: jobs are refused and nothing of them is printed, also not
/// once it has come to its senses.
pub(crate) fn powered_and_dead_then_alive() -> Result<()> {
    let mut usb = UsbPrinter::dead(Kind::Printer, PROFILE)?;
    let (devices, mut heard) = open(SELECTOR, PROFILE)?;
    heard.health(&Health::Opening)?;
    let refused = print(&devices, &mut heard, 1, numbered("refused", 3))?;
    ensure!(matches!(refused, Err(PrintError::Device(_))), "{refused:?} by a dead printer");
    usb.come_alive()?;
    heard.health(&Health::Ready)?;
    completed(&print(&devices, &mut heard, 2, numbered("second", 3))?)?;
    on_paper(&usb, &[numbers("second", 3)])
}

/// Another program has the printer: jobs are refused, not one byte gets in between, and once it is let go
/// hal has it.
pub(crate) fn held_by_another_program() -> Result<()> {
    let usb = UsbPrinter::plugged_in(Kind::Printer, PROFILE)?;
    let (vendor, product) = VENDOR_PRODUCT;
    let other = Usb::open(vendor, product, None)?;
    let (devices, mut heard) = open(SELECTOR, PROFILE)?;
    heard.health(&Health::Opening)?;
    let refused = print(&devices, &mut heard, 1, numbered("refused", 3))?;
    ensure!(matches!(refused, Err(PrintError::Device(_))), "{refused:?} of a printer somebody else has");
    ensure!(usb.panel.take_bytes().is_empty(), "bytes between those of another program");
    drop(other);
    heard.health(&Health::Ready)?;
    completed(&print(&devices, &mut heard, 2, numbered("second", 3))?)?;
    on_paper(&usb, &[numbers("second", 3)])
}

/// The kernel has made the node, udev has not yet given it to the kiosk's user: the printer is refused, and had
/// as soon as it may be.
pub(crate) fn permission_comes_late() -> Result<()> {
    let usb = UsbPrinter::plugged_in(Kind::Printer, PROFILE)?;
    let (devices, mut heard) = unprivileged(|| open(SELECTOR, PROFILE))?;
    let refused = print(&devices, &mut heard, 1, numbered("refused", 3))?;
    let denied = matches!(refused, Err(PrintError::Device(_)));
    ensure!(denied, "{refused:?} of a printer that may not be opened");
    for bus in fs::read_dir("/dev/bus/usb")? {
        for node in fs::read_dir(bus?.path())? {
            allow(&node?.path())?;
        }
    }
    heard.health(&Health::Ready)?;
    completed(&print(&devices, &mut heard, 2, numbered("second", 3))?)?;
    on_paper(&usb, &[numbers("second", 3)])
}

/// The wall clock is set while a receipt waits for paper: back a day, then forward two. No wait ends early.
pub(crate) fn clock_set_mid_job() -> Result<()> {
    let usb = UsbPrinter::plugged_in(Kind::Printer, PROFILE)?;
    let (devices, mut heard) = open(SELECTOR, PROFILE)?;
    heard.health(&Health::Ready)?;
    usb.panel.end_paper_after(ROLL_DOTS);
    let printer = devices.printer.as_ref().context("no printer")?;
    printer.print(JobId(1), numbered("line", LONG_LINES))?;
    heard.paper(Paper::Out)?;
    set_clock(-DAY_S)?;
    set_clock(2 * DAY_S)?;
    usb.panel.set_paper(Paper::Ok);
    completed(&heard.outcome(JobId(1))?)?;
    on_paper(&usb, &[numbers("line", LONG_LINES)])
}

/// However often the plug is pulled, no thread and no open file is left behind.
pub(crate) fn hot_plugging_leaks_nothing() -> Result<()> {
    let mut usb = UsbPrinter::plugged_in(Kind::Printer, PROFILE)?;
    let (_devices, mut heard) = open(SELECTOR, PROFILE)?;
    let mut counts = Vec::new();
    for _ in 0..CYCLES {
        heard.health(&Health::Ready)?;
        counts.push(Held::now()?);
        usb.unplug()?;
        heard.health(&Health::Absent)?;
        usb.plug_back()?;
        usb.come_alive()?;
    }
    Held::same_throughout(&counts)
}
