//! hal's own USB line, opened from a config as a kiosk does: proof, faults, plugs.
//!
//! The faults are those of the notes on hardware: paper out in the middle of a receipt, the plug pulled under
//! a write that stands still, a plug that is back at once, a printer that is there and says nothing.

use super::{
    gadget::SELECTOR,
    rig::{NODE_LIMIT, UsbPrinter, numbered, numbers, on_paper, open, print},
    usblp,
};
use crate::{heard::Outcome, uevent::until_there};
use anyhow::{Context as _, Result, ensure};
use hal::{
    Health, factory,
    printer::{JobId, Paper, PrintError, PrintProof},
};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// A model that proves each receipt.
const PROFILE: &str = "epson-tm-t20iii";

/// More than all buffers on the way hold: the printer's 8 KiB, the gadget's 16 KiB, one transfer.
const LONG_LINES: usize = 6000;

/// The roll ends after so many dots: some lines of a long receipt.
const ROLL_DOTS: usize = 1000;

/// A plug that is back this fast is back at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A printer that is plugged in again is found within this.
const FOUND_AGAIN: Duration = Duration::from_secs(3);

/// Plugged in and out so often.
const CYCLES: usize = 8;

/// The printer is listed by its selector, and a receipt longer than all buffers is proven to be on paper.
pub(crate) fn completed_with_proof() -> Result<()> {
    let usb = UsbPrinter::plugged_in(PROFILE)?;
    let listed = factory::list();
    let known = listed.iter().find(|found| found.selector.to_string() == SELECTOR);
    ensure!(known.is_some_and(|found| found.driver == "usb"), "not listed: {listed:?}");
    let (devices, mut heard) = open(SELECTOR, PROFILE)?;
    heard.health(&Health::Ready)?;
    completed(&print(&devices, &mut heard, 1, numbered("line", LONG_LINES))?)?;
    on_paper(&usb, &[numbers("line", LONG_LINES)])
}

/// usblp is off the printer while hal has it, and on it again afterwards.
pub(crate) fn usblp_gets_its_printer_back() -> Result<()> {
    let _usb = UsbPrinter::plugged_in(PROFILE)?;
    let (devices, mut heard) = open(SELECTOR, PROFILE)?;
    heard.health(&Health::Ready)?;
    ensure!(!Path::new(usblp::NODE).exists(), "usblp is still on it");
    drop(devices);
    until_there(Path::new(usblp::NODE), true, NODE_LIMIT)
}

/// Paper ends in the middle of a receipt: it is said, and after a refill the same receipt goes on, once.
pub(crate) fn paper_out_mid_job() -> Result<()> {
    let usb = UsbPrinter::plugged_in(PROFILE)?;
    let (devices, mut heard) = open(SELECTOR, PROFILE)?;
    heard.health(&Health::Ready)?;
    usb.panel.end_paper_after(ROLL_DOTS);
    let printer = devices.printer.as_ref().context("no printer")?;
    printer.print(JobId(1), numbered("line", LONG_LINES))?;
    heard.paper(Paper::Out)?;
    usb.panel.set_paper(Paper::Ok);
    completed(&heard.outcome(JobId(1))?)?;
    on_paper(&usb, &[numbers("line", LONG_LINES)])
}

/// The plug is pulled while the host's write stands still. Nothing is claimed of that receipt and it is not
/// printed again; the next one is.
pub(crate) fn unplugged_mid_write() -> Result<()> {
    let mut usb = UsbPrinter::plugged_in(PROFILE)?;
    let (devices, mut heard) = open(SELECTOR, PROFILE)?;
    heard.health(&Health::Ready)?;
    usb.panel.end_paper_after(ROLL_DOTS);
    let printer = devices.printer.as_ref().context("no printer")?;
    printer.print(JobId(1), numbered("first", LONG_LINES))?;
    heard.paper(Paper::Out)?;
    usb.unplug()?;
    let outcome = heard.outcome(JobId(1))?;
    ensure!(matches!(outcome, Ok(PrintProof::Unknown)), "{outcome:?} of a receipt that was cut short");
    heard.health(&Health::Absent)?;
    usb.panel.set_paper(Paper::Ok);
    usb.plug_in()?;
    heard.health(&Health::Ready)?;
    completed(&print(&devices, &mut heard, 2, numbered("second", 3))?)?;
    let receipts = usb.receipts();
    let [paper] = receipts.as_slice() else { anyhow::bail!("{} receipts were cut", receipts.len()) };
    let (before, after) = paper.split_at(paper.len().saturating_sub(3));
    ensure!(after == numbers("second", 3), "the next receipt reads {after:?}");
    ensure!(before == numbers("first", before.len()), "printed again: {before:?}");
    Ok(())
}

/// The plug is out for less than a second, while nothing prints. The next receipt is printed and proven.
pub(crate) fn plugged_in_again_within_a_second() -> Result<()> {
    let mut usb = UsbPrinter::plugged_in(PROFILE)?;
    let (devices, mut heard) = open(SELECTOR, PROFILE)?;
    heard.health(&Health::Ready)?;
    completed(&print(&devices, &mut heard, 1, numbered("first", 3))?)?;
    let started = Instant::now();
    usb.unplug()?;
    usb.plug_in()?;
    let gap = started.elapsed();
    ensure!(gap < AT_ONCE, "the plug was out for {} ms", gap.as_millis());
    heard.health(&Health::Absent)?;
    heard.health(&Health::Ready)?;
    let took = started.elapsed();
    ensure!(took < FOUND_AGAIN, "found again after {} ms", took.as_millis());
    completed(&print(&devices, &mut heard, 2, numbered("second", 3))?)?;
    on_paper(&usb, &[numbers("first", 3), numbers("second", 3)])
}

/// A printer that takes nothing and says nothing: jobs are refused and nothing of them is printed, also not
/// once it has come to its senses.
pub(crate) fn powered_and_dead_then_alive() -> Result<()> {
    let mut usb = UsbPrinter::plugged_in(PROFILE)?;
    usb.hang();
    let (devices, mut heard) = open(SELECTOR, PROFILE)?;
    heard.health(&Health::Opening)?;
    let refused = print(&devices, &mut heard, 1, numbered("refused", 3))?;
    ensure!(matches!(refused, Err(PrintError::Device(_))), "{refused:?} by a dead printer");
    usb.wake()?;
    heard.health(&Health::Ready)?;
    completed(&print(&devices, &mut heard, 2, numbered("second", 3))?)?;
    on_paper(&usb, &[numbers("second", 3)])
}

/// However often the plug is pulled, no thread and no open file is left behind.
pub(crate) fn hot_plugging_leaks_nothing() -> Result<()> {
    let mut usb = UsbPrinter::plugged_in(PROFILE)?;
    let (_devices, mut heard) = open(SELECTOR, PROFILE)?;
    let mut counts = Vec::new();
    for _ in 0..CYCLES {
        heard.health(&Health::Ready)?;
        counts.push((entries("/proc/self/fd")?, entries("/proc/self/task")?));
        usb.unplug()?;
        heard.health(&Health::Absent)?;
        usb.plug_in()?;
    }
    let first = counts.first().context("no cycle")?;
    ensure!(counts.iter().all(|count| count == first), "open files and threads: {counts:?}");
    Ok(())
}

fn entries(folder: &str) -> Result<usize> {
    Ok(fs::read_dir(folder)?.count())
}

fn completed(outcome: &Outcome) -> Result<()> {
    ensure!(matches!(outcome, Ok(PrintProof::Completed)), "{outcome:?} where the printer proves it");
    Ok(())
}
