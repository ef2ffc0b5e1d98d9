//! Which devices are plugged in.
//!
//! Promises: a device that may not be opened is listed with the reason. Never: opens one for more than its name.

use crate::{
    card::{self, hid::StripeLayout},
    device::Class,
    keys, pointer,
    scanner::hid::ScanLayout,
    selector::Selector,
    transport::{hidraw, serial, usb},
};
use std::path::PathBuf;

/// A device that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How a config names it.
    pub selector: Selector,
    /// What it is, as far as it could be asked.
    pub class: Class,
    /// Which driver would take it.
    pub driver: &'static str,
    /// What it calls itself, or why it could not be asked, such as a missing permission.
    pub name: Result<String, String>,
}

/// Devices on this machine that a driver here would take, those that may not be opened included. That it is
/// a printer which hangs on a serial port is for whoever plugged it in to know. What looks like a keyboard is
/// listed once, as a keypad: a scanner or a stripe reader that types looks the same.
#[must_use]
pub fn list() -> Vec<Found> {
    let pointer = |listed: pointer::evdev::Listed| Found {
        selector: Selector::Node(listed.path),
        class: Class::Pointer,
        driver: "evdev",
        name: listed.name,
    };
    let usb = |class: Class, driver: &'static str| {
        move |usb::find::Listed { vendor, product, serial, name }: usb::find::Listed| Found {
            selector: Selector::Usb { vendor, product, serial },
            class,
            driver,
            name,
        }
    };
    let serial = |listed: serial::Listed| Found {
        selector: Selector::Node(listed.path),
        class: Class::ReceiptPrinter,
        driver: "serial",
        name: listed.name,
    };
    let keypad = |(path, name): (PathBuf, String)| Found {
        selector: Selector::Node(path),
        class: Class::Keypad,
        driver: "keys",
        name: Ok(name),
    };
    let readers = card::ccid::usb::list().into_iter().map(usb(Class::CardReader, "ccid"));
    let hid = |hidraw::Listed { path, name, descriptor }: hidraw::Listed| {
        let reads = StripeLayout::of(&descriptor).map(|_| (Class::CardReader, "stripe"));
        let reads = reads.or_else(|_| ScanLayout::of(&descriptor).map(|_| (Class::Scanner, "barcode")));
        reads.ok().map(|(class, driver)| Found { selector: Selector::Node(path), class, driver, name })
    };
    let readers = readers.chain(hidraw::list().into_iter().filter_map(hid));
    #[cfg(feature = "pcsc")]
    let readers = readers.chain(card::pcsc::list().into_iter().map(|name| Found {
        selector: Selector::Pcsc(name.clone()),
        class: Class::CardReader,
        driver: "pcsc",
        name: Ok(name),
    }));
    let printers = usb::find::list()
        .into_iter()
        .map(usb(Class::ReceiptPrinter, "usb"))
        .chain(serial::list().into_iter().map(serial));
    let pointers = pointer::evdev::list().into_iter().map(pointer);
    printers.chain(readers).chain(pointers).chain(keys::list().into_iter().map(keypad)).collect()
}
