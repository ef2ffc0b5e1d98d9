//! Which driver opens which selector: one table.
//!
//! ```toml
//! [devices.printer]
//! selector = "04b8:0e15"        # USB; or /dev/serial/by-id/..., tcp://192.0.2.7:9100, file:///path
//! profile = "epson-tm-t88v"
//! # baud = 38400                # of a serial line only, as is flow
//! # flow = "rts-cts"            # or none, or xon-xoff for a model that allows it
//!
//! [devices.card_reader]
//! selector = "sim:card"
//! removal_wait_s = 20
//! presented = "contactless"
//!
//! [devices.document_scanner]
//! selector = "sim:document"
//!
//! [devices.scanner]
//! selector = "/dev/kiosk/scanner"    # a keyboard wedge; kind = "serial" for a serial line
//! terminator = "enter"               # any (the default), enter, tab or gap
//!
//! [devices.keypad]
//! selector = "/dev/kiosk/keypad"
//! also = ["/dev/kiosk/keypad-volume"]    # more nodes of the same keypad; may be left out
//! map = "arrows"                         # or a file by its absolute path
//!
//! [[devices.pointer]]
//! selector = "/dev/input/event3"
//! rotation = 90
//! calibration = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
//! ```
//!
//! Promises: a selector no driver takes is an error that names the drivers there are; a device that is
//! only unplugged is no error, its health says so and it is found when it comes. Never: guesses a device.

mod config;
mod typing;

pub use config::{
    CardConfig, Config, ConfigError, DocumentConfig, KeypadConfig, PointerConfig, PrinterConfig,
    ScannerConfig, Speaks,
};

#[cfg(feature = "sim")]
use crate::sim;
use crate::{
    card::{self, CardHandle, CardReader, ccid::CcidReader},
    device::Deadline,
    device::{Class, EventSink},
    document::DocumentHandle,
    keypad::KeypadHandle,
    keys,
    pointer::{self, PointerHandle},
    printer::{self, PrinterHandle, Profile},
    scanner::ScannerHandle,
    selector::Selector,
    transport::{
        Transport,
        file::WriteOnly,
        serial::{self, Serial},
        tcp::Tcp,
        usb::{self, Usb},
    },
};
use std::{path::PathBuf, time::Duration};

/// Connecting to a network printer, or to a chip card reader, takes no longer.
const CONNECT_WAIT: Duration = Duration::from_secs(3);

/// What drivers need to know beyond the config.
#[derive(Clone, Default)]
pub struct Site {
    /// The world simulated devices stand in; without one they are refused.
    #[cfg(feature = "sim")]
    pub world: Option<sim::World>,
}

/// The devices of one kiosk, open or being opened. Dropping them ends their threads.
#[derive(Default)]
pub struct Devices {
    /// Prints receipts.
    pub printer: Option<PrinterHandle>,
    /// Reads cards.
    pub card: Option<CardHandle>,
    /// Scans sheets.
    pub document: Option<DocumentHandle>,
    /// Reads barcodes.
    pub scanner: Option<ScannerHandle>,
    /// Keys with names.
    pub keypad: Option<KeypadHandle>,
    /// Touch panels and mice.
    pub pointers: Vec<PointerHandle>,
}

/// One driver: what it is called, what it takes, how it opens.
struct Driver {
    name: &'static str,
    takes: fn(&Selector) -> bool,
    open: Open,
}

#[cfg_attr(not(feature = "sim"), expect(dead_code, reason = "the only drivers of a class are simulated"))]
enum Open {
    Printer(fn(&PrinterConfig, Profile, &Site, EventSink) -> Result<PrinterHandle, String>),
    Card(fn(&CardConfig, &Site, EventSink) -> Result<CardHandle, String>),
    Document(fn(&DocumentConfig, &Site, EventSink) -> Result<DocumentHandle, String>),
    Pointer(fn(&PointerConfig, &Site, EventSink) -> Result<PointerHandle, String>),
    Scanner(fn(&ScannerConfig, &Site, EventSink) -> Result<ScannerHandle, String>),
    Keypad(fn(&KeypadConfig, &Site, EventSink) -> Result<KeypadHandle, String>),
}

impl Driver {
    fn class(&self) -> Class {
        match self.open {
            Open::Printer(_) => Class::ReceiptPrinter,
            Open::Card(_) => Class::CardReader,
            Open::Document(_) => Class::DocumentScanner,
            Open::Pointer(_) => Class::Pointer,
            Open::Scanner(_) => Class::Scanner,
            Open::Keypad(_) => Class::Keypad,
        }
    }
}

/// Every driver there is.
static DRIVERS: &[Driver] = &[
    Driver {
        name: "usb",
        takes: |selector| matches!(selector, Selector::Usb { .. }),
        open: Open::Printer(usb_printer),
    },
    Driver {
        name: "serial",
        takes: |selector| matches!(selector, Selector::Node(_)),
        open: Open::Printer(serial_printer),
    },
    Driver { name: "tcp", takes: |selector| matches!(selector, Selector::Tcp(_)), open: Open::Printer(tcp) },
    Driver {
        name: "file",
        takes: |selector| matches!(selector, Selector::File(_)),
        open: Open::Printer(file),
    },
    Driver {
        name: "evdev",
        takes: |selector| matches!(selector, Selector::Node(_)),
        open: Open::Pointer(evdev),
    },
    Driver {
        name: "stripe",
        takes: |selector| matches!(selector, Selector::Node(_)),
        open: Open::Card(|config, _, sink| typing::swipe(config, sink)),
    },
    Driver {
        name: "barcode",
        takes: |selector| matches!(selector, Selector::Node(_)),
        open: Open::Scanner(|config, _, sink| typing::scanner(config, sink)),
    },
    Driver {
        name: "keys",
        takes: |selector| matches!(selector, Selector::Node(_)),
        open: Open::Keypad(|config, _, sink| typing::keypad(config, sink)),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:printer",
        takes: |selector| is_sim(selector, "printer"),
        open: Open::Printer(sim_printer),
    },
    Driver {
        name: "ccid",
        takes: |selector| matches!(selector, Selector::Usb { .. }),
        open: Open::Card(ccid),
    },
    #[cfg(feature = "sim")]
    Driver { name: "sim:ccid", takes: |selector| is_sim(selector, "ccid"), open: Open::Card(sim_ccid) },
    #[cfg(feature = "sim")]
    Driver { name: "sim:card", takes: |selector| is_sim(selector, "card"), open: Open::Card(sim_card) },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:document",
        takes: |selector| is_sim(selector, "document"),
        open: Open::Document(sim_document),
    },
    #[cfg(feature = "sim")]
    Driver { name: "sim:touch", takes: |selector| is_sim(selector, "touch"), open: Open::Pointer(sim_touch) },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:swipe",
        takes: |selector| is_sim(selector, "swipe"),
        open: Open::Card(|config, site, sink| typing::simulated::swipe(config, world(site)?, sink)),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:scanner",
        takes: |selector| is_sim(selector, "scanner"),
        open: Open::Scanner(|config, site, sink| typing::simulated::scanner(config, world(site)?, sink)),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:keypad",
        takes: |selector| is_sim(selector, "keypad"),
        open: Open::Keypad(|config, site, sink| typing::simulated::keypad(config, world(site)?, sink)),
    },
];

/// Opens every configured device.
///
/// # Errors
/// The first device that cannot be had as configured; devices opened before it are closed again.
pub fn open(config: &Config, site: &Site, sink: &EventSink) -> Result<Devices, ConfigError> {
    let mut devices = Devices::default();
    if let Some(printer) = &config.printer {
        let at = "devices.printer";
        let Open::Printer(open) = find(Class::ReceiptPrinter, &printer.selector, at)? else {
            return Err(ConfigError::class(at));
        };
        let profile = Profile::named(&printer.profile).map_err(|error| ConfigError::new(at, error))?;
        printer.check_line(&profile).map_err(|why| ConfigError::new(at, why))?;
        let opened = open(printer, profile, site, sink.clone());
        devices.printer = Some(opened.map_err(|why| ConfigError::new(at, why))?);
    }
    if let Some(card) = &config.card_reader {
        let at = "devices.card_reader";
        let Open::Card(open) = find(Class::CardReader, &card.selector, at)? else {
            return Err(ConfigError::class(at));
        };
        card.check().map_err(|why| ConfigError::new(at, why))?;
        devices.card = Some(open(card, site, sink.clone()).map_err(|why| ConfigError::new(at, why))?);
    }
    if let Some(document) = &config.document_scanner {
        let at = "devices.document_scanner";
        let Open::Document(open) = find(Class::DocumentScanner, &document.selector, at)? else {
            return Err(ConfigError::class(at));
        };
        devices.document = Some(open(document, site, sink.clone()).map_err(|why| ConfigError::new(at, why))?);
    }
    if let Some(scanner) = &config.scanner {
        let at = "devices.scanner";
        let Open::Scanner(open) = find(Class::Scanner, &scanner.selector, at)? else {
            return Err(ConfigError::class(at));
        };
        devices.scanner = Some(open(scanner, site, sink.clone()).map_err(|why| ConfigError::new(at, why))?);
    }
    if let Some(keypad) = &config.keypad {
        let at = "devices.keypad";
        let Open::Keypad(open) = find(Class::Keypad, &keypad.selector, at)? else {
            return Err(ConfigError::class(at));
        };
        devices.keypad = Some(open(keypad, site, sink.clone()).map_err(|why| ConfigError::new(at, why))?);
    }
    for pointer in &config.pointers {
        let at = "devices.pointer";
        let Open::Pointer(open) = find(Class::Pointer, &pointer.selector, at)? else {
            return Err(ConfigError::class(at));
        };
        devices.pointers.push(open(pointer, site, sink.clone()).map_err(|why| ConfigError::new(at, why))?);
    }
    Ok(devices)
}

fn find(class: Class, selector: &Selector, at: &str) -> Result<&'static Open, ConfigError> {
    let of_class = || DRIVERS.iter().filter(|driver| driver.class() == class);
    let driver = of_class().find(|driver| (driver.takes)(selector));
    driver.map(|driver| &driver.open).ok_or_else(|| {
        let known: Vec<_> = of_class().map(|driver| driver.name).collect();
        let known = if known.is_empty() { "none in this build".to_owned() } else { known.join(", ") };
        ConfigError::new(at, format!("no driver takes '{selector}' (there are: {known})"))
    })
}

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
    let printers = usb::find::list()
        .into_iter()
        .map(usb(Class::ReceiptPrinter, "usb"))
        .chain(serial::list().into_iter().map(serial));
    let pointers = pointer::evdev::list().into_iter().map(pointer);
    printers.chain(readers).chain(pointers).chain(keys::list().into_iter().map(keypad)).collect()
}

fn usb_printer(
    config: &PrinterConfig,
    profile: Profile,
    _site: &Site,
    sink: EventSink,
) -> Result<PrinterHandle, String> {
    let Selector::Usb { vendor, product, serial } = config.selector.clone() else {
        return Err("not VID:PID[:SERIAL]".to_owned());
    };
    let open = move || {
        let line = Usb::open(vendor, product, serial.as_deref())?;
        Ok(Box::new(line) as Box<dyn Transport>)
    };
    Ok(printer::spawn(open, profile, sink))
}

fn serial_printer(
    config: &PrinterConfig,
    profile: Profile,
    _site: &Site,
    sink: EventSink,
) -> Result<PrinterHandle, String> {
    let Selector::Node(path) = config.selector.clone() else { return Err("not /dev/...".to_owned()) };
    let settings = config.serial();
    let open = move || Ok(Box::new(Serial::open(&path, settings)?) as Box<dyn Transport>);
    Ok(printer::spawn(open, profile, sink))
}

fn tcp(
    config: &PrinterConfig,
    profile: Profile,
    _site: &Site,
    sink: EventSink,
) -> Result<PrinterHandle, String> {
    let Selector::Tcp(host) = config.selector.clone() else { return Err("not tcp://host:port".to_owned()) };
    let open = move || {
        let line = Tcp::open(&host, Deadline::after(CONNECT_WAIT))?;
        Ok(Box::new(line) as Box<dyn Transport>)
    };
    Ok(printer::spawn(open, profile, sink))
}

fn file(
    config: &PrinterConfig,
    profile: Profile,
    _site: &Site,
    sink: EventSink,
) -> Result<PrinterHandle, String> {
    let Selector::File(path) = config.selector.clone() else { return Err("not file:///path".to_owned()) };
    let open = move || Ok(Box::new(WriteOnly::open(&path)?) as Box<dyn Transport>);
    Ok(printer::spawn(open, profile, sink))
}

fn evdev(config: &PointerConfig, _site: &Site, sink: EventSink) -> Result<PointerHandle, String> {
    match &config.selector {
        Selector::Node(path) => {
            pointer::evdev::spawn(path.clone(), config.options(), sink).map_err(|error| error.to_string())
        }
        Selector::Usb { .. } | Selector::Tcp(_) | Selector::File(_) | Selector::Sim(_) => {
            Err("not a device node".to_owned())
        }
    }
}

fn ccid(config: &CardConfig, _site: &Site, sink: EventSink) -> Result<CardHandle, String> {
    let (selector, kind) = (config.selector.clone(), config.chip_kind());
    let Selector::Usb { vendor, product, serial } = selector else { return Err("not VID:PID".to_owned()) };
    let open = move || {
        let pipe = card::ccid::usb::open(vendor, product, serial.as_deref())?;
        let reader = CcidReader::open(Box::new(pipe), kind, Deadline::after(CONNECT_WAIT))?;
        Ok(Box::new(reader) as Box<dyn CardReader>)
    };
    Ok(card::spawn(open, config.options(), sink))
}

#[cfg(feature = "sim")]
fn is_sim(selector: &Selector, name: &str) -> bool {
    matches!(selector, Selector::Sim(sim) if sim == name)
}

#[cfg(feature = "sim")]
fn world(site: &Site) -> Result<sim::World, String> {
    site.world.clone().ok_or_else(|| "a simulated device needs a simulated world".to_owned())
}

#[cfg(feature = "sim")]
fn sim_printer(
    _config: &PrinterConfig,
    profile: Profile,
    site: &Site,
    sink: EventSink,
) -> Result<PrinterHandle, String> {
    let panel = world(site)?.printer().clone();
    Ok(printer::spawn(move || panel.connect(), profile, sink))
}

#[cfg(feature = "sim")]
fn sim_card(config: &CardConfig, site: &Site, sink: EventSink) -> Result<CardHandle, String> {
    let world = world(site)?;
    Ok(card::spawn(move || sim::card::open(&world), config.options(), sink))
}

#[cfg(feature = "sim")]
fn sim_ccid(config: &CardConfig, site: &Site, sink: EventSink) -> Result<CardHandle, String> {
    let (panel, kind) = (world(site)?.ccid().clone(), config.chip_kind());
    Ok(card::spawn(move || panel.open(kind), config.options(), sink))
}

#[cfg(feature = "sim")]
fn sim_document(_config: &DocumentConfig, site: &Site, sink: EventSink) -> Result<DocumentHandle, String> {
    let world = world(site)?;
    Ok(crate::document::spawn(move || sim::document::open(&world), sink))
}

#[cfg(feature = "sim")]
fn sim_touch(config: &PointerConfig, site: &Site, sink: EventSink) -> Result<PointerHandle, String> {
    let name = config.selector.to_string();
    Ok(sim::pointer::connect(&world(site)?, &name, config.options(), sink))
}
