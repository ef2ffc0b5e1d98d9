//! USB receipt printers: a gadget on `dummy_hcd`, with hal's simulated printer inside.
//!
//! ```text
//! hal -- libusb or usblp -- dummy_hcd -- printer gadget -- /dev/g_printer0 -- pump -- simulated printer
//! ```
//!
//! | file | owns |
//! |---|---|
//! | [`gadget`], [`pump`], [`rig`] | the printer |
//! | [`usblp`] | the kernel's driver as a second opinion, and printing through it |
//! | [`line`] | hal's own USB line |
//!
//! Everything between hal and the pump is the kernel's own code, which we did not write.

mod gadget;
pub(crate) mod line;
mod pump;
mod rig;
pub(crate) mod usblp;
