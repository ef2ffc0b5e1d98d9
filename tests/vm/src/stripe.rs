//! A stripe reader that sends raw reports: a USB HID gadget after MagTek's, the kernel's usbhid and hidraw.

use crate::{
    around,
    gadget::{Gadget, Kind},
    heard::{EVENT_LIMIT, Heard},
    kiosk::{self, CHANNEL},
    uevent::{Uevents, link},
};
use anyhow::{Context as _, Result, ensure};
use hal::{
    Class, Event, Health, card,
    factory::{self, Devices},
};
use std::{fs::File, io::Write as _, time::Duration};

/// The kernel finds a reader that was plugged in within this.
const NODE_LIMIT: Duration = Duration::from_secs(10);

/// Bytes of a track in a report.
const TRACK: usize = 110;

const LIBRARY: [&str; 3] = ["%21234000012347^READER$JANE^?", ";21234000012347=2912?", ""];
const PAYMENT: [&str; 3] = ["%B4111111111111111^DOE/JANE^2912?", ";4111111111111111=2912?", ""];

/// A reader on a USB cable.
struct UsbReader {
    gadget: Gadget,
    reports: Option<File>,
}

impl UsbReader {
    fn plugged_in() -> Result<Self> {
        let mut usb = Self { gadget: Gadget::new(Kind::Stripe)?, reports: None };
        usb.plug_in()?;
        Ok(usb)
    }

    fn plug_in(&mut self) -> Result<()> {
        let uevents = Uevents::listen()?;
        self.gadget.plug_in()?;
        let node = uevents.until("stripe reader", NODE_LIMIT, || Kind::Stripe.host_node())?;
        link(&node, Kind::Stripe.selector())?;
        let own = Kind::Stripe.own_node();
        self.reports =
            Some(File::options().write(true).open(own).with_context(|| own.display().to_string())?);
        Ok(())
    }

    fn unplug(&mut self) -> Result<()> {
        self.reports = None;
        self.gadget.unplug()
    }

    /// A card is pulled through.
    fn swipe(&mut self, tracks: [&str; 3]) -> Result<()> {
        let mut report = vec![0; 3];
        for track in tracks {
            report.push(u8::try_from(track.len())?);
        }
        report.push(0);
        for track in tracks {
            let mut field = track.as_bytes().to_vec();
            field.resize(TRACK, 0);
            report.extend(field);
        }
        self.reports.as_mut().context("the plug is out")?.write_all(&report)?;
        Ok(())
    }
}

/// Opens the reader as a kiosk does.
fn open() -> Result<(Devices, Heard)> {
    let config =
        format!("[devices.card_reader]\nselector = \"{}\"\nkind = \"hid\"\n", Kind::Stripe.selector());
    kiosk::open(&config, CHANNEL)
}

fn arm(devices: &Devices) -> Result<()> {
    devices.card.as_ref().context("no card reader in the config")?.arm();
    Ok(())
}

/// Waits for a number.
fn read(heard: &mut Heard) -> Result<String> {
    heard.wait("a card", EVENT_LIMIT, |event| {
        if let Event::Card(card::Event::Read { card, .. }) = event {
            Some(card.number.expose().to_owned())
        } else {
            None
        }
    })
}

/// A library card is read, a payment card is refused, and the reader is listed as what it is.
pub(crate) fn reads_through_hidraw() -> Result<()> {
    let mut usb = UsbReader::plugged_in()?;
    let listed = factory::list().into_iter().filter(|found| found.driver == "stripe");
    let listed: Vec<_> =
        listed.filter(|found| found.class == Class::CardReader && found.name.is_ok()).collect();
    ensure!(listed.len() == 1, "one stripe reader is plugged in, {} are listed", listed.len());
    let (devices, mut heard) = open()?;
    heard.health(&Health::Ready)?;
    arm(&devices)?;
    usb.swipe(PAYMENT)?;
    heard.wait("the refusal of a payment card", EVENT_LIMIT, |event| {
        matches!(event, Event::Card(card::Event::RefusedPaymentCard)).then_some(())
    })?;
    usb.swipe(LIBRARY)?;
    ensure!(read(&mut heard)? == "21234000012347", "another number than was on the card");
    usb.swipe(LIBRARY)?;
    heard.wait("word of a card nobody asked for", EVENT_LIMIT, |event| {
        matches!(event, Event::Card(card::Event::Dropped)).then_some(())
    })
}

/// The plug is pulled while hal waits, and put in again.
pub(crate) fn unplugged_and_found_again() -> Result<()> {
    let mut usb = UsbReader::plugged_in()?;
    let (devices, mut heard) = open()?;
    heard.health(&Health::Ready)?;
    usb.unplug()?;
    heard.health(&Health::Absent)?;
    usb.plug_in()?;
    heard.health(&Health::Ready)?;
    arm(&devices)?;
    usb.swipe(LIBRARY)?;
    ensure!(read(&mut heard)? == "21234000012347", "another number than was on the card");
    Ok(())
}

/// A node that everybody may read is refused, and so is one that somebody else has locked.
pub(crate) fn what_others_read_is_refused() -> Result<()> {
    let mut usb = UsbReader::plugged_in()?;
    let node = Kind::Stripe.host_node().context("no node")?;
    around::allow(&node)?;
    let (_devices, mut heard) = open()?;
    heard.health(&Health::Faulted("E-CRD-GRAB"))?;
    usb.unplug()?;
    heard.health(&Health::Absent)?;
    usb.plug_in()?;
    heard.health(&Health::Ready)?;
    let (_second, mut other) = open()?;
    other.health(&Health::Faulted("E-CRD-GRAB"))?;
    Ok(())
}
