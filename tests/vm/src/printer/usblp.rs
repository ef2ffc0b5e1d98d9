//! The kernel's own printer driver as a second opinion: what `usblp` says of the printer.
//!
//! Source: `drivers/usb/class/usblp.c` and `linux/lp.h`: `LPIOC_GET_DEVICE_ID(len)` is
//! `_IOC(_IOC_READ, 'P', 1, len)` and answers as the USB printer class 1.1, section 4.2.1: two bytes of
//! length, big-endian, themselves included, then the text. `LPGETSTATUS` (0x060b) is section 4.2.2's byte.

use anyhow::{Context as _, Result, ensure};
use rustix::ioctl::{Getter, Opcode, Updater, ioctl, opcode};
use std::{fs::File, os::fd::AsFd as _};

/// The first printer's node.
pub(crate) const NODE: &str = "/dev/usb/lp0";

/// `DEVICE_ID_SIZE` of the driver.
const ID_BYTES: usize = 1024;

const GET_DEVICE_ID: Opcode = opcode::read::<[u8; ID_BYTES]>(b'P', 1);
const GET_STATUS: Opcode = 0x060b;

/// Selected, no error, paper: what a printer in order says.
pub(crate) const STATUS_OK: i32 = 0x18;

/// The IEEE 1284 device id.
#[expect(unsafe_code, reason = "an ioctl without a safe wrapper")]
pub(crate) fn device_id(printer: &File) -> Result<String> {
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
pub(crate) fn status(printer: &File) -> Result<i32> {
    // SAFETY: the kernel writes one int.
    unsafe { ioctl(printer.as_fd(), Getter::<GET_STATUS, i32>::new()) }.context("LPGETSTATUS")
}
