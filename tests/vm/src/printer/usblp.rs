//! The kernel's own printer driver as a second opinion: what `usblp` says of the printer, and hal's file
//! driver printing through it.
//!
//! Source: `drivers/usb/class/usblp.c` and `linux/lp.h`: `LPIOC_GET_DEVICE_ID(len)` is
//! `_IOC(_IOC_READ, 'P', 1, len)` and answers as the USB printer class 1.1, section 4.2.1: two bytes of
//! length, big-endian, themselves included, then the text. `LPGETSTATUS` (0x060b) is section 4.2.2's byte.

use super::rig::{NODE_LIMIT, UsbPrinter, numbered, numbers, on_paper, open, print};
use crate::{
    gadget::{DEVICE_ID, Kind, USBLP_NODE as NODE},
    uevent::until_there,
};
use anyhow::{Context as _, Result, ensure};
use hal::{
    Health,
    printer::{PrintError, PrintProof},
};
use rustix::ioctl::{Getter, Opcode, Updater, ioctl, opcode};
use std::{
    fs::{self, File},
    ops::ControlFlow,
    os::fd::AsFd as _,
    path::Path,
};

/// `DEVICE_ID_SIZE` of the driver.
const ID_BYTES: usize = 1024;

const GET_DEVICE_ID: Opcode = opcode::read::<[u8; ID_BYTES]>(b'P', 1);
const GET_STATUS: Opcode = 0x060b;

/// Selected, no error, paper: what a printer in order says.
const STATUS_OK: i32 = 0x18;

/// A job may be refused so often after the line broke: nothing is printed then.
const REFUSALS_MAX: u64 = 5;

/// The kernel's own driver takes the printer and understands what it says of itself.
pub(crate) fn claims_the_printer() -> Result<()> {
    let _usb = UsbPrinter::plugged_in(Kind::Printer, "generic-80")?;
    let driver = fs::read_link("/sys/class/usbmisc/lp0/device/driver").context("nobody claims it")?;
    ensure!(driver.ends_with("usblp"), "claimed by {}", driver.display());
    let node = File::options().read(true).write(true).open(NODE).context(NODE)?;
    let id = device_id(&node)?;
    ensure!(id.trim_end_matches('.') == DEVICE_ID.trim_end_matches('.'), "the device id is {id:?}");
    let status = status(&node)?;
    ensure!(status == STATUS_OK, "the port status is {status:#04x}");
    Ok(())
}

/// Through `usblp` a receipt longer than all buffers comes out whole, and only *sent* is claimed.
pub(crate) fn carries_a_long_receipt() -> Result<()> {
    let usb = UsbPrinter::plugged_in(Kind::Printer, "generic-80")?;
    let (devices, mut heard) = open(&format!("file://{NODE}"), "generic-80")?;
    heard.health(&Health::Ready)?;
    let lines = 4000;
    let proof = print(&devices, &mut heard, 1, numbered("line", lines))??;
    ensure!(proof == PrintProof::Sent, "{proof:?} cannot be known here");
    on_paper(&usb, &[numbers("line", lines)])
}

/// A printer that was pulled out and plugged in again prints the next receipt, and no receipt twice. A line
/// that only writes learns of the loss with the next job, which is refused and may be given again.
pub(crate) fn plugged_in_again_prints_again() -> Result<()> {
    let mut usb = UsbPrinter::plugged_in(Kind::Printer, "generic-80")?;
    let (devices, mut heard) = open(&format!("file://{NODE}"), "generic-80")?;
    heard.health(&Health::Ready)?;
    let proof = print(&devices, &mut heard, 1, numbered("first", 3))??;
    ensure!(proof == PrintProof::Sent, "{proof:?} cannot be known here");
    on_paper(&usb, &[numbers("first", 3)])?;
    usb.unplug()?;
    until_there(Path::new(NODE), false, NODE_LIMIT)?;
    usb.plug_back()?;
    usb.come_alive()?;
    until_there(Path::new(NODE), true, NODE_LIMIT)?;
    let mut attempts = 2..2 + REFUSALS_MAX;
    let sent = attempts.try_fold((), |(), id| match print(&devices, &mut heard, id, numbered("second", 3)) {
        Ok(Err(PrintError::Device(_))) => ControlFlow::Continue(()),
        other => ControlFlow::Break(other),
    });
    ensure!(matches!(sent, ControlFlow::Break(Ok(Ok(PrintProof::Sent)))), "{sent:?} on a line that is back");
    on_paper(&usb, &[numbers("first", 3), numbers("second", 3)])
}

/// The IEEE 1284 device id.
#[expect(unsafe_code, reason = "an ioctl without a safe wrapper")]
fn device_id(printer: &File) -> Result<String> {
    let mut answer = [0_u8; ID_BYTES];
    // SAFETY: the kernel writes at most the size encoded in the request number, which is that of `answer`.
    unsafe { ioctl(printer.as_fd(), Updater::<GET_DEVICE_ID, [u8; ID_BYTES]>::new(&mut answer)) }
        .context("GET_DEVICE_ID")?;
    let (length, text) = answer.split_first_chunk::<2>().context("no length")?;
    let length = usize::from(u16::from_be_bytes(*length));
    ensure!(length >= 2, "a length of {length} does not hold itself");
    let text = text.get(..length - 2).with_context(|| format!("a length of {length}"))?;
    Ok(String::from_utf8(text.to_vec())?)
}

/// The port status byte.
#[expect(unsafe_code, reason = "an ioctl without a safe wrapper")]
fn status(printer: &File) -> Result<i32> {
    // SAFETY: the kernel writes one int.
    unsafe { ioctl(printer.as_fd(), Getter::<GET_STATUS, i32>::new()) }.context("LPGETSTATUS")
}
