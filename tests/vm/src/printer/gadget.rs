//! A USB receipt printer the kernel believes in: a configfs gadget on `dummy_udc.0`.
//!
//! Source: the kernel's `Documentation/usb/gadget_configfs.rst` and `gadget_printer.rst`.
//!
//! ```text
//! usb_gadget/receipt/ idVendor idProduct UDC strings/0x409/{manufacturer,product,serialnumber}
//!   configs/c.1/ strings/0x409/configuration  printer.0 -> functions/printer.0
//!   functions/printer.0/ pnp_string q_len
//! ```
//!
//! The kernel makes `/dev/g_printer0` when the gadget is bound and removes it when it is unbound.
//!
//! Never: leaves a gadget behind; one that an ended scenario left is removed first.

use anyhow::{Context as _, Result};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// How a config names it: the printer gadget's vendor and product, `gadget_printer.rst`, and a serial number.
pub(super) const SELECTOR: &str = "0525:a4a8:KIOSK1";

/// IEEE 1284 device id. Its last two characters are for `f_printer` of Linux 6.1, which forgets to count the
/// two bytes of the length itself, so that the host takes the text as two shorter.
pub(super) const DEVICE_ID: &str = "MFG:Kiosk;CMD:ESC/POS;MDL:Receipt;CLS:PRINTER;..";

/// Buffers of 8 KiB each way: what the printer's own line takes in.
const BUFFERS: &str = "2";

const HOME: &str = "/sys/kernel/config/usb_gadget/receipt";
const CONTROLLER: &str = "dummy_udc.0";

/// The gadget; dropping it takes it away.
pub(super) struct Gadget(PathBuf);

impl Gadget {
    /// A printer that is not plugged in yet.
    pub(super) fn new() -> Result<Self> {
        let gadget = Self(HOME.into());
        gadget.remove();
        gadget.make("strings/0x409")?;
        gadget.make("configs/c.1/strings/0x409")?;
        gadget.make("functions/printer.0")?;
        for (file, text) in [
            ("idVendor", "0x0525"),
            ("idProduct", "0xa4a8"),
            ("strings/0x409/manufacturer", "Kiosk"),
            ("strings/0x409/product", "Receipt printer"),
            ("strings/0x409/serialnumber", "KIOSK1"),
            ("configs/c.1/strings/0x409/configuration", "Printer"),
            ("functions/printer.0/pnp_string", DEVICE_ID),
            ("functions/printer.0/q_len", BUFFERS),
        ] {
            gadget.set(file, text)?;
        }
        let function = gadget.0.join("functions/printer.0");
        symlink(function, gadget.0.join("configs/c.1/printer.0")).context("gadget configuration")?;
        Ok(gadget)
    }

    /// Puts the plug in: the host sees the printer.
    pub(super) fn plug_in(&self) -> Result<()> {
        self.set("UDC", CONTROLLER)
    }

    /// Pulls the plug.
    pub(super) fn unplug(&self) -> Result<()> {
        self.set("UDC", "\n")
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
        drop(fs::remove_file(self.0.join("configs/c.1/printer.0")));
        for folder in ["configs/c.1/strings/0x409", "configs/c.1", "functions/printer.0", "strings/0x409", ""]
        {
            drop(fs::remove_dir(self.0.join(folder)));
        }
    }
}

impl Drop for Gadget {
    fn drop(&mut self) {
        self.remove();
    }
}
