//! USB receipt printers: a gadget on `dummy_hcd`, with hal's simulated printer inside.
//!
//! ```text
//! hal -- libusb or usblp -- dummy_hcd -- printer gadget -- /dev/g_printer0 -- pump -- simulated printer
//! ```
//!
//! | file | owns |
//! |---|---|
//! | [`pump`], [`rig`] | the printer |
//! | [`usblp`] | the kernel's driver as a second opinion, and printing through it |
//! | [`line`] | what holds on each line that hears answers: USB, and serial over USB |
//! | [`usb`] | what only hal's USB line does |
//!
//! Everything between hal and the pump is the kernel's own code, which we did not write.

pub(crate) mod line;
mod pump;
pub(crate) mod rig;
pub(crate) mod usb;
pub(crate) mod usblp;
