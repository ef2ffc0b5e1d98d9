//! A USB device the kernel believes in: a configfs gadget on `dummy_udc.0`. A receipt printer, of the printer
//! class or with a serial line inside (CDC-ACM), as both are sold; a barcode scanner that types; a
//! stripe reader that sends reports of its own.
//!
//! Source: the kernel's `Documentation/usb/gadget_configfs.rst`, `gadget_printer.rst` and `gadget_hid.rst`.
//!
//! ```text
//! usb_gadget/kiosk/ idVendor idProduct UDC strings/0x409/{manufacturer,product,serialnumber}
//!   configs/c.1/ strings/0x409/configuration  FUNCTION -> functions/FUNCTION
//!   functions/printer.0/ pnp_string q_len     node /dev/g_printer0, there while the gadget is bound
//!   functions/acm.0/                          node /dev/ttyGS0, there as long as the folder
//!   functions/hid.0/ protocol subclass report_length report_desc     node /dev/hidg0
//! ```
//!
//! Never: leaves a gadget behind; one that an ended scenario left is removed first.

use anyhow::{Context as _, Result};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// How a config names it: the printer gadget's vendor and product, `gadget_printer.rst`, and a serial number.
pub(crate) const SELECTOR: &str = "0525:a4a8:KIOSK1";

/// The link to a serial printer's node, as udev makes it on a unit: a printer that comes back may get another
/// number.
pub(crate) const SERIAL_LINK: &str = "/dev/kiosk-printer";

/// The link to a keyboard's node, for the same reason.
pub(crate) const KEYBOARD_LINK: &str = "/dev/kiosk-scanner";

/// The link to a stripe reader's node.
pub(crate) const STRIPE_LINK: &str = "/dev/kiosk-stripe";

/// The first printer's node, made by usblp.
pub(crate) const USBLP_NODE: &str = "/dev/usb/lp0";

/// Maker, and so the beginning of an input device's name.
const MAKER: &str = "Kiosk";

/// A keyboard's reports, USB HID 1.11 appendix B.1: eight modifier bits, a byte of nothing, six keys.
const KEYBOARD_REPORTS: [u8; 45] = [
    0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x15, 0x00, 0x25, 0x01, 0x75,
    0x01, 0x95, 0x08, 0x81, 0x02, 0x95, 0x01, 0x75, 0x08, 0x81, 0x01, 0x95, 0x06, 0x75, 0x08, 0x15, 0x00,
    0x25, 0x65, 0x05, 0x07, 0x19, 0x00, 0x29, 0x65, 0x81, 0x00, 0xc0,
];

/// A stripe reader's reports: MagTek 99875191, section 4. Status and length of three tracks, the card encode
/// type, three tracks of 110 bytes.
const STRIPE_REPORTS: [u8; 54] = [
    0x06, 0x00, 0xff, 0x09, 0x01, 0xa1, 0x01, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x09, 0x20, 0x09,
    0x21, 0x09, 0x22, 0x09, 0x28, 0x09, 0x29, 0x09, 0x2a, 0x09, 0x38, 0x95, 0x07, 0x81, 0x02, 0x09, 0x30,
    0x95, 0x6e, 0x82, 0x02, 0x01, 0x09, 0x31, 0x95, 0x6e, 0x82, 0x02, 0x01, 0x09, 0x32, 0x95, 0x6e, 0x82,
    0x02, 0x01, 0xc0,
];

/// [`SELECTOR`] as numbers.
pub(crate) const VENDOR_PRODUCT: (u16, u16) = (0x0525, 0xa4a8);

/// IEEE 1284 device id. Its last two characters are for `f_printer` of Linux 6.1, which forgets to count the
/// two bytes of the length itself, so that the host takes the text as two shorter.
pub(crate) const DEVICE_ID: &str = "MFG:Kiosk;CMD:ESC/POS;MDL:Receipt;CLS:PRINTER;..";

/// Buffers of 8 KiB each way: what the printer's own line takes in.
const BUFFERS: &str = "2";

const HOME: &str = "/sys/kernel/config/usb_gadget/kiosk";
const CONTROLLER: &str = "dummy_udc.0";

/// What the host sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// USB class 7: usblp, or hal's USB line.
    Printer,
    /// CDC-ACM: a serial line, `/dev/ttyACM*`.
    Serial,
    /// HID: a keyboard, `/dev/input/event*`.
    Keyboard,
    /// HID: a stripe reader, `/dev/hidraw*`.
    Stripe,
}

impl Kind {
    const fn function(self) -> &'static str {
        match self {
            Self::Printer => "printer.0",
            Self::Serial => "acm.0",
            Self::Keyboard | Self::Stripe => "hid.0",
        }
    }

    const ALL: [Self; 4] = [Self::Printer, Self::Serial, Self::Keyboard, Self::Stripe];

    /// How a config names a device of this kind.
    pub(crate) const fn selector(self) -> &'static str {
        match self {
            Self::Printer => SELECTOR,
            Self::Serial => SERIAL_LINK,
            Self::Keyboard => KEYBOARD_LINK,
            Self::Stripe => STRIPE_LINK,
        }
    }

    /// The device's end of the line.
    pub(crate) fn own_node(self) -> &'static Path {
        Path::new(match self {
            Self::Printer => "/dev/g_printer0",
            Self::Serial => "/dev/ttyGS0",
            Self::Keyboard | Self::Stripe => "/dev/hidg0",
        })
    }

    /// The host's end, once the kernel's driver has found the device.
    pub(crate) fn host_node(self) -> Option<PathBuf> {
        match self {
            Self::Printer => Some(PathBuf::from(USBLP_NODE)).filter(|node| node.exists()),
            Self::Serial => {
                let nodes = fs::read_dir("/dev").ok()?.flatten().map(|entry| entry.path());
                let is_serial = |path: &PathBuf| path.display().to_string().starts_with("/dev/ttyACM");
                nodes.filter(is_serial).min()
            }
            Self::Keyboard => {
                let inputs = fs::read_dir("/sys/class/input").ok()?.flatten();
                let is_ours = |path: &PathBuf| {
                    let name = fs::read_to_string(path.join("device/name"));
                    name.is_ok_and(|name| name.starts_with(MAKER))
                };
                let found = inputs.map(|entry| entry.path()).find(is_ours)?;
                let node = Path::new("/dev/input").join(found.file_name()?);
                node.exists().then_some(node)
            }
            Self::Stripe => {
                let nodes = fs::read_dir("/dev").ok()?.flatten().map(|entry| entry.path());
                nodes.filter(|path| path.display().to_string().starts_with("/dev/hidraw")).min()
            }
        }
    }
}

/// The gadget; dropping it takes it away.
pub(crate) struct Gadget(PathBuf);

impl Gadget {
    /// A device that is not plugged in yet.
    pub(crate) fn new(kind: Kind) -> Result<Self> {
        let gadget = Self(HOME.into());
        gadget.remove();
        gadget.make("strings/0x409")?;
        gadget.make("configs/c.1/strings/0x409")?;
        gadget.make(&format!("functions/{}", kind.function()))?;
        for (file, text) in [
            ("idVendor", "0x0525"),
            ("idProduct", "0xa4a8"),
            ("strings/0x409/manufacturer", MAKER),
            ("strings/0x409/product", "test device"),
            ("strings/0x409/serialnumber", "KIOSK1"),
            ("configs/c.1/strings/0x409/configuration", "Only one"),
        ] {
            gadget.set(file, text)?;
        }
        match kind {
            Kind::Printer => {
                gadget.set("functions/printer.0/pnp_string", DEVICE_ID)?;
                gadget.set("functions/printer.0/q_len", BUFFERS)?;
            }
            Kind::Serial => {}
            Kind::Keyboard => {
                gadget.set("functions/hid.0/protocol", "1")?;
                gadget.set("functions/hid.0/subclass", "1")?;
                gadget.set("functions/hid.0/report_length", "8")?;
                gadget.set("functions/hid.0/report_desc", KEYBOARD_REPORTS)?;
            }
            Kind::Stripe => {
                gadget.set("functions/hid.0/protocol", "0")?;
                gadget.set("functions/hid.0/subclass", "0")?;
                gadget.set("functions/hid.0/report_length", "337")?;
                gadget.set("functions/hid.0/report_desc", STRIPE_REPORTS)?;
            }
        }
        let function = gadget.0.join("functions").join(kind.function());
        let configured = gadget.0.join("configs/c.1").join(kind.function());
        symlink(function, configured).context("gadget configuration")?;
        Ok(gadget)
    }

    /// Puts the plug in: the host sees the device.
    pub(crate) fn plug_in(&self) -> Result<()> {
        self.set("UDC", CONTROLLER)
    }

    /// Pulls the plug, unless it is out already.
    pub(crate) fn unplug(&self) -> Result<()> {
        let bound = fs::read_to_string(self.0.join("UDC")).context("gadget attribute UDC")?;
        if bound.trim().is_empty() { Ok(()) } else { self.set("UDC", "\n") }
    }

    fn make(&self, folder: &str) -> Result<()> {
        fs::create_dir_all(self.0.join(folder)).with_context(|| format!("gadget folder {folder}"))
    }

    fn set(&self, file: &str, value: impl AsRef<[u8]>) -> Result<()> {
        fs::write(self.0.join(file), value).with_context(|| format!("gadget attribute {file}"))
    }

    /// Takes away what there is of it, in the order the kernel wants.
    fn remove(&self) {
        if !Path::new(HOME).exists() {
            return;
        }
        // Each may be missing already: then there is nothing to do.
        drop(self.unplug());
        for kind in Kind::ALL {
            drop(fs::remove_file(self.0.join("configs/c.1").join(kind.function())));
            drop(fs::remove_dir(self.0.join("functions").join(kind.function())));
        }
        for folder in ["configs/c.1/strings/0x409", "configs/c.1", "strings/0x409", ""] {
            drop(fs::remove_dir(self.0.join(folder)));
        }
    }
}

impl Drop for Gadget {
    fn drop(&mut self) {
        self.remove();
    }
}
