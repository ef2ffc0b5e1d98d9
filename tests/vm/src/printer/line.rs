//! What must hold on every line that hears the printer's answers, whichever way it is plugged in.
//!
//! The faults: paper out in the middle of a receipt, the plug pulled under a receipt that waits, a plug that is
//! back at once.

use super::{
    pump,
    rig::{UsbPrinter, numbered, numbers, on_paper, open, print, same},
};
use crate::{around::wakes, gadget::Kind, heard::Outcome};
use anyhow::{Context as _, Result, ensure};
use hal::{
    Health,
    printer::{JobId, Paper, PrintProof},
};
use std::time::{Duration, Instant};

/// hal's threads for a printer, by name.
const THREADS: [&str; 2] = ["printer", "hal-usb-ear"];

/// So long nothing happens to an idle printer; and so often its threads may wake meanwhile.
const IDLE: Duration = Duration::from_secs(5);
const WAKES_MAX: u64 = 4;

/// Whoever was just told about has lain down after this.
const SETTLED: Duration = Duration::from_secs(1);

/// A model that proves each receipt.
pub(super) const PROFILE: &str = "epson-tm-t20iii";

/// More than all buffers on the way hold: the printer's 8 KiB and the gadget's, which has 64 KiB for a serial
/// line.
pub(super) const LONG_LINES: usize = 12_000;

/// The roll ends after so many dots: some lines of a long receipt.
pub(super) const ROLL_DOTS: usize = 1000;

/// A plug that is back this fast is back at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A printer that is plugged in again is found within this.
const FOUND_AGAIN: Duration = Duration::from_secs(3);

/// A receipt longer than all buffers is proven to be on paper.
pub(crate) fn completed_with_proof(kind: Kind) -> Result<()> {
    let usb = UsbPrinter::plugged_in(kind, PROFILE)?;
    let (devices, mut heard) = open(kind.selector(), PROFILE)?;
    heard.health(&Health::Ready)?;
    completed(&print(&devices, &mut heard, 1, numbered("line", LONG_LINES))?)?;
    on_paper(&usb, &[numbers("line", LONG_LINES)])
}

/// Paper ends in the middle of a receipt: it is said, and after a refill the same receipt goes on, once.
pub(crate) fn paper_out_mid_job(kind: Kind) -> Result<()> {
    let usb = UsbPrinter::plugged_in(kind, PROFILE)?;
    let (devices, mut heard) = open(kind.selector(), PROFILE)?;
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
pub(crate) fn unplugged_mid_write(kind: Kind) -> Result<()> {
    let mut usb = UsbPrinter::plugged_in(kind, PROFILE)?;
    let (devices, mut heard) = open(kind.selector(), PROFILE)?;
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
    usb.plug_back()?;
    usb.come_alive()?;
    heard.health(&Health::Ready)?;
    completed(&print(&devices, &mut heard, 2, numbered("second", 3))?)?;
    let receipts = usb.receipts();
    let [paper] = receipts.as_slice() else { anyhow::bail!("{} receipts were cut", receipts.len()) };
    let (before, after) = paper.split_at(paper.len().saturating_sub(3));
    ensure!(after == numbers("second", 3), "the next receipt reads {after:?}");
    same(before, &numbers("first", before.len())).context("a part of the first receipt")
}

/// The plug is out for less than a second, while nothing prints. The next receipt is printed and proven.
pub(crate) fn plugged_in_again_within_a_second(kind: Kind) -> Result<()> {
    let mut usb = UsbPrinter::plugged_in(kind, PROFILE)?;
    let (devices, mut heard) = open(kind.selector(), PROFILE)?;
    heard.health(&Health::Ready)?;
    completed(&print(&devices, &mut heard, 1, numbered("first", 3))?)?;
    let started = Instant::now();
    usb.unplug()?;
    usb.plug_back()?;
    let gap = started.elapsed();
    ensure!(gap < AT_ONCE, "the plug was out for {} ms", gap.as_millis());
    // Until then the bench itself is busy, emptying the old line: there is no printer to be found.
    usb.come_alive()?;
    let alive = Instant::now();
    heard.health(&Health::Absent)?;
    heard.health(&Health::Ready)?;
    let took = alive.elapsed();
    ensure!(took < FOUND_AGAIN, "found again after {} ms", took.as_millis());
    completed(&print(&devices, &mut heard, 2, numbered("second", 3))?)?;
    on_paper(&usb, &[numbers("first", 3), numbers("second", 3)])
}

/// While nothing happens hal's threads sleep and the printer is asked nothing; what it then tells by itself is
/// heard, and a receipt begins.
pub(crate) fn idle_is_asleep_and_hears(kind: Kind) -> Result<()> {
    let usb = UsbPrinter::plugged_in(kind, PROFILE)?;
    let (devices, mut heard) = open(kind.selector(), PROFILE)?;
    heard.health(&Health::Ready)?;
    let mut silent = |limit| heard.wait("nothing", limit, |_| Some(())).is_err();
    while !silent(SETTLED) {}
    usb.panel.take_bytes();
    let before = wakes(&THREADS)?;
    ensure!(silent(IDLE), "an idle printer said something");
    let woke = wakes(&THREADS)? - before;
    ensure!(woke <= WAKES_MAX, "hal's threads woke {woke} times in {} s", IDLE.as_secs());
    ensure!(usb.panel.take_bytes().is_empty(), "an idle printer was asked something");
    usb.panel.set_paper(Paper::Low);
    heard.paper(Paper::Low)?;
    completed(&print(&devices, &mut heard, 1, numbered("line", 3))?)?;
    on_paper(&usb, &[numbers("line", 3)])
}

/// Somebody keeps the old node of a serial printer open, so that it comes back under another number. The link
/// leads hal there.
pub(crate) fn comes_back_under_another_number() -> Result<()> {
    let mut usb = UsbPrinter::plugged_in(Kind::Serial, PROFILE)?;
    let before = Kind::Serial.host_node().context("no serial line")?;
    let held = pump::open(&before)?;
    let (devices, mut heard) = open(Kind::Serial.selector(), PROFILE)?;
    heard.health(&Health::Ready)?;
    usb.unplug()?;
    heard.health(&Health::Absent)?;
    usb.plug_back()?;
    usb.come_alive()?;
    let after = Kind::Serial.host_node().context("no serial line")?;
    ensure!(after != before, "{} was free although it is open", before.display());
    heard.health(&Health::Ready)?;
    drop(held);
    completed(&print(&devices, &mut heard, 1, numbered("line", 3))?)?;
    on_paper(&usb, &[numbers("line", 3)])
}

/// Whether the printer proved it.
pub(super) fn completed(outcome: &Outcome) -> Result<()> {
    ensure!(matches!(outcome, Ok(PrintProof::Completed)), "{outcome:?} where the printer proves it");
    Ok(())
}
