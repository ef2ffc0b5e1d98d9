//! The reader, opened directly and as a kiosk does; and what its card is known to say.
//!
//! Source: QEMU's `hw/usb/dev-smartcard-reader.c` for the descriptors, libcacard's `vcard_emul_nss.c` for the
//! answer to reset, the US Government Smart Card Interoperability Specification 2.1 for the name.

use crate::{
    heard::{EVENT_LIMIT, Heard},
    kiosk::{self, CHANNEL},
    uevent::Uevents,
};
use anyhow::{Context as _, Result, bail, ensure};
use hal::{
    Deadline, Event, Health,
    card::{self, CardError, CardReader as _, CardStatus, ReaderKind, ccid, ccid::CcidReader},
    device::DeviceError,
    factory::Devices,
};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// How a config names the reader.
pub(super) const SELECTOR: &str = "08e6:4433";

/// The same as numbers.
const VENDOR_PRODUCT: (u16, u16) = (0x08e6, 0x4433);

/// SELECT of the CAC card manager, any length of answer.
pub(super) const SELECT: [u8; 13] = [0, 0xA4, 4, 0, 7, 0xA0, 0, 0, 0, 0x79, 1, 0, 0];

/// What stands in the card's answer to reset.
pub(super) const NAME_BYTES: &[u8] = b"sfte cd144";

/// A reader that is plugged in again serves within this.
pub(super) const FOUND_AGAIN: Duration = Duration::from_secs(3);

/// The kernel shows what was plugged in within this.
const SHOWN_LIMIT: Duration = Duration::from_secs(10);

/// QEMU's card forgets a command until it hears the next one when its thread is not yet back where it waits
/// (`handle_apdu_thread` in `hw/usb/ccid-card-emulated.c` sleeps without looking first). Not more often than
/// this one after another.
const FORGOTTEN_MAX: usize = 3;

/// A limit for one call.
pub(super) fn soon() -> Deadline {
    Deadline::after(EVENT_LIMIT)
}

/// Waits until the kernel has set the reader up; says when it was seen so.
pub(super) fn until_shown() -> Result<Instant> {
    Uevents::listen()?.until("card reader", SHOWN_LIMIT, || interface().map(|_| Instant::now()))
}

/// The reader's interface below `/sys`: there once the kernel has set it up, gone with the plug.
fn interface() -> Option<PathBuf> {
    let (vendor, product) = VENDOR_PRODUCT;
    let devices = fs::read_dir("/sys/bus/usb/devices").ok()?.flatten().map(|entry| entry.path());
    let says = |path: &PathBuf, file, number| {
        let text = fs::read_to_string(path.join(file)).unwrap_or_default();
        u16::from_str_radix(text.trim(), 16) == Ok(number)
    };
    let mut ours = devices.filter(|path| says(path, "idVendor", vendor) && says(path, "idProduct", product));
    let device = ours.next()?;
    let name = format!("{}:1.0", device.file_name()?.to_string_lossy());
    Some(device.join(name)).filter(|interface| interface.is_dir())
}

/// The number the kernel gave the reader: each time it is plugged in another.
pub(super) fn number_of() -> Result<String> {
    let interface = interface().context("no reader is plugged in")?;
    let device = interface.parent().context("an interface of nothing")?;
    fs::read_to_string(device.join("devnum")).context("devnum")
}

/// The reader, by hal's driver.
pub(super) fn reader() -> Result<CcidReader> {
    until_shown()?;
    let (vendor, product) = VENDOR_PRODUCT;
    let pipe = ccid::usb::open(vendor, product, None)?;
    let mut reader = CcidReader::open(Box::new(pipe), ReaderKind::Dip, soon())?;
    // A card that was put in a moment ago is told by the reader in its own time.
    if reader.status(soon())?.status == CardStatus::NoCard {
        reader.wait_change(soon())?;
    }
    Ok(reader)
}

/// Gives the card power and asks it; what it answers.
pub(super) fn spoken_to(reader: &mut CcidReader) -> Result<Vec<u8>> {
    reader.power_on(soon()).context("power")?;
    let answer = command(reader, &SELECT)?;
    ensure!(answer.ends_with(&[0x90, 0]), "SELECT ended with {answer:02x?}");
    Ok(answer)
}

/// One command; this card is nobody's, so that its answers may be shown.
pub(super) fn command(reader: &mut CcidReader, apdu: &[u8]) -> Result<Vec<u8>> {
    for _ in 0..FORGOTTEN_MAX {
        match reader.transmit(apdu, soon()) {
            Err(CardError::Device(DeviceError::TimedOut)) => reader.power_on(soon()).map(drop)?,
            answer => {
                let answer = answer.with_context(|| format!("command {apdu:02x?}"))?;
                return Ok(answer.expose().to_vec());
            }
        }
    }
    bail!("command {apdu:02x?} was forgotten {FORGOTTEN_MAX} times")
}

/// Asks the card again and again until that fails; each answer before must be `right`.
pub(super) fn until_it_fails(reader: &mut CcidReader, right: &[u8]) -> Result<CardError> {
    let mut forgotten = 0;
    loop {
        match reader.transmit(&SELECT, soon()) {
            Ok(answer) => ensure!(answer.expose() == right, "half an answer: {:02x?}", answer.expose()),
            Err(CardError::Device(DeviceError::TimedOut)) if forgotten < FORGOTTEN_MAX => {
                forgotten += 1;
                if let Err(error) = reader.power_on(soon()) {
                    return Ok(error);
                }
            }
            Err(error) => return Ok(error),
        }
    }
}

/// Opens the reader as a kiosk does.
pub(super) fn open() -> Result<(Devices, Heard)> {
    open_as(SELECTOR)
}

/// Opens a reader by its selector, as a kiosk does.
pub(super) fn open_as(selector: &str) -> Result<(Devices, Heard)> {
    kiosk::open(&format!("[devices.card_reader]\nselector = \"{selector}\"\n"), CHANNEL)
}

/// Waits until the reader tells of something.
pub(super) fn told(heard: &mut Heard, what: &str, wanted: fn(&card::Event) -> bool) -> Result<()> {
    let of_cards = |event: &Event| if let Event::Card(event) = event { Some(wanted(event)) } else { None };
    heard.wait(what, EVENT_LIMIT, |event| of_cards(event).filter(|told| *told).map(drop))
}

/// Waits until it serves again; `shown` is when there was something to find.
pub(super) fn ready(heard: &mut Heard, shown: Instant) -> Result<()> {
    heard.health(&Health::Ready)?;
    let took = shown.elapsed();
    ensure!(took < FOUND_AGAIN, "found again after {} ms", took.as_millis());
    Ok(())
}
