//! A USB receipt printer the kernel believes in: a configfs gadget on `dummy_udc.0`, of the printer class or
//! with a serial line inside (CDC-ACM), as both are sold.
//!
//! Source: the kernel's `Documentation/usb/gadget_configfs.rst` and `gadget_printer.rst`.
//!
//! ```text
//! usb_gadget/receipt/ idVendor idProduct UDC strings/0x409/{manufacturer,product,serialnumber}
//!   configs/c.1/ strings/0x409/configuration  FUNCTION -> functions/FUNCTION
//!   functions/printer.0/ pnp_string q_len     node /dev/g_printer0, there while the gadget is bound
//!   functions/acm.0/                          node /dev/ttyGS0, there as long as the folder
//! ```
//!
//! Never: leaves a gadget behind; one that an ended scenario left is removed first.

use super::usblp;
use anyhow::{Context as _, Result};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// How a config names it: the printer gadget's vendor and product, `gadget_printer.rst`, and a serial number.
pub(super) const SELECTOR: &str = "0525:a4a8:KIOSK1";

/// The link to a serial printer's node, as udev makes it on a unit: a printer that comes back may get another
/// number.
pub(super) const SERIAL_LINK: &str = "/dev/kiosk-printer";

/// [`SELECTOR`] as numbers.
pub(super) const VENDOR_PRODUCT: (u16, u16) = (0x0525, 0xa4a8);

/// IEEE 1284 device id. Its last two characters are for `f_printer` of Linux 6.1, which forgets to count the
/// two bytes of the length itself, so that the host takes the text as two shorter.
pub(super) const DEVICE_ID: &str = "MFG:Kiosk;CMD:ESC/POS;MDL:Receipt;CLS:PRINTER;..";

/// Buffers of 8 KiB each way: what the printer's own line takes in.
const BUFFERS: &str = "2";

const HOME: &str = "/sys/kernel/config/usb_gadget/receipt";
const CONTROLLER: &str = "dummy_udc.0";

/// What the host sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// USB class 7: usblp, or hal's USB line.
    Printer,
    /// CDC-ACM: a serial line, `/dev/ttyACM*`.
    Serial,
}

impl Kind {
    const fn function(self) -> &'static str {
        match self {
            Self::Printer => "printer.0",
            Self::Serial => "acm.0",
        }
    }

    /// How a config names a printer of this kind.
    pub(super) const fn selector(self) -> &'static str {
        match self {
            Self::Printer => SELECTOR,
            Self::Serial => SERIAL_LINK,
        }
    }

    /// The printer's end of the line.
    pub(super) fn own_node(self) -> &'static Path {
        Path::new(match self {
            Self::Printer => "/dev/g_printer0",
            Self::Serial => "/dev/ttyGS0",
        })
    }

    /// The host's end, once the kernel's driver has found the printer.
    pub(super) fn host_node(self) -> Option<PathBuf> {
        match self {
            Self::Printer => Some(PathBuf::from(usblp::NODE)).filter(|node| node.exists()),
            Self::Serial => {
                let nodes = fs::read_dir("/dev").ok()?.flatten().map(|entry| entry.path());
                let is_serial = |path: &PathBuf| path.display().to_string().starts_with("/dev/ttyACM");
                nodes.filter(is_serial).min()
            }
        }
    }
}

/// The gadget; dropping it takes it away.
pub(super) struct Gadget(PathBuf);

impl Gadget {
    /// A printer that is not plugged in yet.
    pub(super) fn new(kind: Kind) -> Result<Self> {
        let gadget = Self(HOME.into());
        gadget.remove();
        gadget.make("strings/0x409")?;
        gadget.make("configs/c.1/strings/0x409")?;
        gadget.make(&format!("functions/{}", kind.function()))?;
        for (file, text) in [
            ("idVendor", "0x0525"),
            ("idProduct", "0xa4a8"),
            ("strings/0x409/manufacturer", "Kiosk"),
            ("strings/0x409/product", "Receipt printer"),
            ("strings/0x409/serialnumber", "KIOSK1"),
            ("configs/c.1/strings/0x409/configuration", "Printer"),
        ] {
            gadget.set(file, text)?;
        }
        if kind == Kind::Printer {
            gadget.set("functions/printer.0/pnp_string", DEVICE_ID)?;
            gadget.set("functions/printer.0/q_len", BUFFERS)?;
        }
        let function = gadget.0.join("functions").join(kind.function());
        let configured = gadget.0.join("configs/c.1").join(kind.function());
        symlink(function, configured).context("gadget configuration")?;
        Ok(gadget)
    }

    /// Puts the plug in: the host sees the printer.
    pub(super) fn plug_in(&self) -> Result<()> {
        self.set("UDC", CONTROLLER)
    }

    /// Pulls the plug, unless it is out already.
    pub(super) fn unplug(&self) -> Result<()> {
        let bound = fs::read_to_string(self.0.join("UDC")).context("gadget attribute UDC")?;
        if bound.trim().is_empty() { Ok(()) } else { self.set("UDC", "\n") }
    }

    fn make(&self, folder: &str) -> Result<()> {
        fs::create_dir_all(self.0.join(folder)).with_context(|| format!("gadget folder {folder}"))
    }

    fn set(&self, file: &str, text: &str) -> Result<()> {
        fs::write(self.0.join(file), text).with_context(|| format!("gadget attribute {file}"))
    }

    /// Takes away what there is of it, in the order the kernel wants.
    fn remove(&self) {
        if !Path::new(HOME).exists() {
            return;
        }
        // Each may be missing already: then there is nothing to do.
        drop(self.unplug());
        for kind in [Kind::Printer, Kind::Serial] {
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
