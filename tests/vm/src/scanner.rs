//! A barcode scanner that types: a USB keyboard gadget, the kernel's usbhid, hal's wedge.

use crate::{
    gadget::{Gadget, Kind},
    heard::{EVENT_LIMIT, Heard},
    kiosk::{self, CHANNEL, arm_scanner},
    uevent::{Uevents, link},
};
use anyhow::{Context as _, Result, bail, ensure};
use hal::{Event, Health, factory::Devices, scanner};
use std::{
    fs::{self, File},
    io::Write as _,
    time::Duration,
};

/// The kernel finds a keyboard that was plugged in within this.
const NODE_LIMIT: Duration = Duration::from_secs(10);

/// Left shift, the second modifier bit (USB HID 1.11, appendix B.1).
const SHIFT: u8 = 0x02;

/// A scanner on a USB cable; it reads what it is told.
struct UsbScanner {
    gadget: Gadget,
    keys: Option<File>,
}

impl UsbScanner {
    fn plugged_in() -> Result<Self> {
        let mut usb = Self { gadget: Gadget::new(Kind::Keyboard)?, keys: None };
        usb.plug_in()?;
        Ok(usb)
    }

    fn plug_in(&mut self) -> Result<()> {
        let uevents = Uevents::listen()?;
        self.gadget.plug_in()?;
        let node = uevents.until("keyboard", NODE_LIMIT, || Kind::Keyboard.host_node())?;
        link(&node, Kind::Keyboard.selector())?;
        let own = Kind::Keyboard.own_node();
        self.keys = Some(File::options().write(true).open(own).with_context(|| own.display().to_string())?);
        Ok(())
    }

    fn unplug(&mut self) -> Result<()> {
        self.keys = None;
        self.gadget.unplug()
    }

    /// Types in the US layout: each key down and up again.
    fn types(&mut self, text: &str) -> Result<()> {
        let keys = self.keys.as_mut().context("the plug is out")?;
        for character in text.chars() {
            let (modifier, usage) = usage(character)?;
            keys.write_all(&[modifier, 0, usage, 0, 0, 0, 0, 0])?;
            keys.write_all(&[0; 8])?;
        }
        Ok(())
    }
}

/// Modifiers and usage of a character, USB HID usage tables, page 7.
fn usage(character: char) -> Result<(u8, u8)> {
    let offset = |from: char| u8::try_from(u32::from(character) - u32::from(from));
    Ok(match character {
        'a'..='z' => (0, 0x04 + offset('a')?),
        'A'..='Z' => (SHIFT, 0x04 + offset('A')?),
        '1'..='9' => (0, 0x1e + offset('1')?),
        '0' => (0, 0x27),
        '\r' => (0, 0x28),
        '-' => (0, 0x2d),
        _ => bail!("no key for {character:?}"),
    })
}

/// Opens the scanner as a kiosk does.
fn open() -> Result<(Devices, Heard)> {
    let selector = Kind::Keyboard.selector();
    let config = format!("[devices.scanner]\nselector = \"{selector}\"\nterminator = \"enter\"\n");
    kiosk::open(&config, CHANNEL)
}

/// What the scanner types comes out as one scan, capitals and all; what nobody asked for does not come out.
pub(crate) fn types_through_usbhid() -> Result<()> {
    let mut usb = UsbScanner::plugged_in()?;
    let driver = fs::read_dir("/sys/bus/usb/drivers/usbhid")?.flatten();
    let bound = driver.filter(|entry| entry.file_name().to_string_lossy().contains(':')).count();
    ensure!(bound == 1, "usbhid has {bound} interfaces");
    let (devices, mut heard) = open()?;
    heard.health(&Health::Ready)?;
    arm_scanner(&devices)?;
    usb.types("Card-AB90xy\r")?;
    ensure!(heard.scan()? == b"Card-AB90xy", "another scan than was typed");
    usb.types("unasked\r")?;
    heard.wait("word of a scan nobody asked for", EVENT_LIMIT, |event| {
        matches!(event, Event::Scanner(scanner::Event::Dropped)).then_some(())
    })
}

/// The plug is pulled in the middle of a scan: that half is gone, and the next scan is whole.
pub(crate) fn unplugged_mid_scan() -> Result<()> {
    let mut usb = UsbScanner::plugged_in()?;
    let (devices, mut heard) = open()?;
    heard.health(&Health::Ready)?;
    arm_scanner(&devices)?;
    usb.types("123")?;
    usb.unplug()?;
    heard.health(&Health::Absent)?;
    usb.plug_in()?;
    heard.health(&Health::Ready)?;
    usb.types("456\r")?;
    ensure!(heard.scan()? == b"456", "half a scan was kept");
    Ok(())
}
