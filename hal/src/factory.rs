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
//! # selector = "08e6:4433"       # a USB reader; or "pcsc:NAME", through pcscd, with feature pcsc
//! removal_wait_s = 20
//! presented = "contactless"
//! # kind = "hid"                # of a stripe reader at /dev/hidraw..., or serial, or wedge (the default)
//!
//! [devices.document_scanner]
//! selector = "sim:document"
//!
//! [devices.scanner]
//! selector = "/dev/kiosk/scanner"    # a keyboard wedge; kind = "serial" for a serial line,
//!                                    # "hid" for HID-POS at /dev/hidraw...
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
mod hid;
mod list;
mod opener;
mod typing;

pub use config::{
    CardConfig, Config, ConfigError, DocumentConfig, KeypadConfig, PointerConfig, PrinterConfig,
    ScannerConfig, Speaks,
};
pub use list::{Found, list};
pub use opener::Opener;

#[cfg(feature = "sim")]
use crate::sim;
use crate::{
    card::{self, CardHandle, CardReader, ccid::CcidPipe},
    device::{Class, EventSink},
    document::DocumentHandle,
    keypad::{self, KeypadHandle},
    keys::KeySource,
    pointer::PointerHandle,
    printer::{
        self, PrinterHandle, Profile,
        thread::{Ids, Limits},
    },
    scanner::{self, ScannerHandle},
    selector::Selector,
    transport::Transport,
};

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

/// What a device of this config is opened by, or what is wrong with the config.
type Prepare<C, T> = fn(&C, &Site) -> Result<Opener<T>, String>;

#[cfg_attr(not(feature = "sim"), expect(dead_code, reason = "the only drivers of a class are simulated"))]
enum Open {
    Printer(Prepare<PrinterConfig, dyn Transport>),
    Chip(Prepare<CardConfig, dyn CcidPipe>),
    Card(Prepare<CardConfig, dyn CardReader>),
    Document(fn(&DocumentConfig, &Site, EventSink) -> Result<DocumentHandle, String>),
    Pointer(fn(&PointerConfig, &Site, EventSink) -> Result<PointerHandle, String>),
    Scanner(fn(&ScannerConfig, &Site, EventSink) -> Result<ScannerHandle, String>),
    Keypad(Prepare<KeypadConfig, dyn KeySource>),
}

impl Driver {
    fn class(&self) -> Class {
        match self.open {
            Open::Printer(_) => Class::ReceiptPrinter,
            Open::Chip(_) | Open::Card(_) => Class::CardReader,
            Open::Document(_) => Class::DocumentScanner,
            Open::Pointer(_) => Class::Pointer,
            Open::Scanner(_) => Class::Scanner,
            Open::Keypad(_) => Class::Keypad,
        }
    }
}

const AT_PRINTER: &str = "devices.printer";
const AT_CARD: &str = "devices.card_reader";
const AT_KEYPAD: &str = "devices.keypad";

/// Every driver there is.
static DRIVERS: &[Driver] = &[
    Driver {
        name: "usb",
        takes: |selector| matches!(selector, Selector::Usb { .. }),
        open: Open::Printer(opener::usb),
    },
    Driver {
        name: "serial",
        takes: |selector| matches!(selector, Selector::Node(_)),
        open: Open::Printer(opener::serial),
    },
    Driver {
        name: "tcp",
        takes: |selector| matches!(selector, Selector::Tcp(_)),
        open: Open::Printer(opener::tcp),
    },
    Driver {
        name: "file",
        takes: |selector| matches!(selector, Selector::File(_)),
        open: Open::Printer(opener::file),
    },
    Driver {
        name: "evdev",
        takes: |selector| matches!(selector, Selector::Node(_)),
        open: Open::Pointer(opener::evdev),
    },
    Driver {
        name: "stripe",
        takes: |selector| matches!(selector, Selector::Node(_)),
        open: Open::Card(|config, _| match config.kind {
            Some(Speaks::Hid) => hid::swipe(config),
            Some(Speaks::Wedge | Speaks::Serial) | None => typing::swipe(config),
        }),
    },
    Driver {
        name: "barcode",
        takes: |selector| matches!(selector, Selector::Node(_)),
        open: Open::Scanner(|config, _, sink| match config.kind {
            Some(Speaks::Hid) => {
                Ok(scanner::spawn(&config.selector.to_string(), hid::scanner(config)?, sink))
            }
            Some(Speaks::Wedge | Speaks::Serial) | None => typing::scanner(config, sink),
        }),
    },
    Driver {
        name: "keys",
        takes: |selector| matches!(selector, Selector::Node(_)),
        open: Open::Keypad(|config, _| typing::keypad(config)),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:printer",
        takes: |selector| opener::is_sim(selector, "printer"),
        open: Open::Printer(opener::simulated::printer),
    },
    Driver {
        name: "ccid",
        takes: |selector| matches!(selector, Selector::Usb { .. }),
        open: Open::Chip(opener::chip),
    },
    #[cfg(feature = "pcsc")]
    Driver {
        name: "pcsc",
        takes: |selector| matches!(selector, Selector::Pcsc(_)),
        open: Open::Card(opener::pcsc),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:ccid",
        takes: |selector| opener::is_sim(selector, "ccid"),
        open: Open::Chip(opener::simulated::chip),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:card",
        takes: |selector| opener::is_sim(selector, "card"),
        open: Open::Card(opener::simulated::card),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:document",
        takes: |selector| opener::is_sim(selector, "document"),
        open: Open::Document(opener::simulated::document),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:touch",
        takes: |selector| opener::is_sim(selector, "touch"),
        open: Open::Pointer(opener::simulated::touch),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:swipe",
        takes: |selector| opener::is_sim(selector, "swipe"),
        open: Open::Card(|config, site| typing::simulated::swipe(config, opener::world(site)?)),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:hid-swipe",
        takes: |selector| opener::is_sim(selector, "hid-swipe"),
        open: Open::Card(|_, site| Ok(hid::simulated::swipe(opener::world(site)?))),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:scanner",
        takes: |selector| opener::is_sim(selector, "scanner"),
        open: Open::Scanner(|config, site, sink| {
            typing::simulated::scanner(config, opener::world(site)?, sink)
        }),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:hid-scanner",
        takes: |selector| opener::is_sim(selector, "hid-scanner"),
        open: Open::Scanner(|config, site, sink| {
            let open = hid::simulated::scanner(config, opener::world(site)?)?;
            Ok(scanner::spawn(&config.selector.to_string(), open, sink))
        }),
    },
    #[cfg(feature = "sim")]
    Driver {
        name: "sim:keypad",
        takes: |selector| opener::is_sim(selector, "keypad"),
        open: Open::Keypad(|config, site| typing::simulated::keypad(config, opener::world(site)?)),
    },
    #[cfg(feature = "recording")]
    Driver {
        name: "replay",
        takes: |selector| matches!(selector, Selector::Replay(_)),
        open: Open::Printer(|config, _| opener::replayed::printer(&config.selector)),
    },
    #[cfg(feature = "recording")]
    Driver {
        name: "replay",
        takes: |selector| matches!(selector, Selector::Replay(_)),
        open: Open::Chip(|config, _| opener::replayed::chip(&config.selector)),
    },
];

/// Opens every configured device.
///
/// # Errors
/// The first device that cannot be had as configured; devices opened before it are closed again.
pub fn open(config: &Config, site: &Site, sink: &EventSink) -> Result<Devices, ConfigError> {
    let mut devices = Devices::default();
    if let Some(printer) = &config.printer {
        let replayed = matches!(printer.selector, Selector::Replay(_));
        let ids = if replayed { Ids::Recorded } else { Ids::Random };
        let (line, profile) = printer_line(printer, site)?;
        let limits = Limits { ids, ..Limits::default() };
        devices.printer = Some(printer::thread::spawn_with(line, profile, sink.clone(), limits));
    }
    if let Some(card) = &config.card_reader {
        devices.card = Some(card::spawn(card_reader(card, site)?, card.options(), sink.clone()));
    }
    if let Some(document) = &config.document_scanner {
        let at = "devices.document_scanner";
        let Open::Document(open) = find(Class::DocumentScanner, &document.selector, at)?.open else {
            return Err(ConfigError::class(at));
        };
        devices.document = Some(open(document, site, sink.clone()).map_err(|why| ConfigError::new(at, why))?);
    }
    if let Some(scanner) = &config.scanner {
        let at = "devices.scanner";
        let Open::Scanner(open) = find(Class::Scanner, &scanner.selector, at)?.open else {
            return Err(ConfigError::class(at));
        };
        devices.scanner = Some(open(scanner, site, sink.clone()).map_err(|why| ConfigError::new(at, why))?);
    }
    if let Some(keypad) = &config.keypad {
        let at = AT_KEYPAD;
        let map = typing::key_map(keypad).map_err(|why| ConfigError::new(at, why))?;
        devices.keypad = Some(keypad::spawn(map, key_source(keypad, site)?, sink.clone()));
    }
    for pointer in &config.pointers {
        let at = "devices.pointer";
        let Open::Pointer(open) = find(Class::Pointer, &pointer.selector, at)?.open else {
            return Err(ConfigError::class(at));
        };
        devices.pointers.push(open(pointer, site, sink.clone()).map_err(|why| ConfigError::new(at, why))?);
    }
    Ok(devices)
}

fn find(class: Class, selector: &Selector, at: &str) -> Result<&'static Driver, ConfigError> {
    let of_class = || DRIVERS.iter().filter(|driver| driver.class() == class);
    let driver = of_class().find(|driver| (driver.takes)(selector));
    driver.ok_or_else(|| {
        let known: Vec<_> = of_class().map(|driver| driver.name).collect();
        let known = if known.is_empty() { "none in this build".to_owned() } else { known.join(", ") };
        ConfigError::new(at, format!("no driver takes '{selector}' (there are: {known})"))
    })
}

/// What opens the line to a receipt printer, and what model is at its end.
///
/// # Errors
/// What is wrong with its table.
pub fn printer_line(
    config: &PrinterConfig,
    site: &Site,
) -> Result<(Opener<dyn Transport>, Profile), ConfigError> {
    let wrong = |why: String| ConfigError::new(AT_PRINTER, why);
    let Open::Printer(open) = &find(Class::ReceiptPrinter, &config.selector, AT_PRINTER)?.open else {
        return Err(ConfigError::class(AT_PRINTER));
    };
    let profile = Profile::named(&config.profile).map_err(|error| wrong(error.to_string()))?;
    config.check_line(&profile).map_err(wrong)?;
    Ok((open(config, site).map_err(wrong)?, profile))
}

/// What opens a card reader.
///
/// # Errors
/// What is wrong with its table.
pub fn card_reader(config: &CardConfig, site: &Site) -> Result<Opener<dyn CardReader>, ConfigError> {
    let wrong = |why: String| ConfigError::new(AT_CARD, why);
    let driver = find(Class::CardReader, &config.selector, AT_CARD)?;
    config.check().map_err(wrong)?;
    match &driver.open {
        Open::Card(open) => open(config, site).map_err(wrong),
        Open::Chip(open) => Ok(opener::chip_reader(open(config, site).map_err(wrong)?, config.chip_kind())),
        Open::Printer(_) | Open::Document(_) | Open::Pointer(_) | Open::Scanner(_) | Open::Keypad(_) => {
            Err(ConfigError::class(AT_CARD))
        }
    }
}

/// What opens a chip card reader's end points, for whoever records them.
///
/// # Errors
/// What is wrong with its table; a reader of stripes has no end points.
#[cfg(feature = "recording")]
pub fn chip_pipe(config: &CardConfig, site: &Site) -> Result<Opener<dyn CcidPipe>, ConfigError> {
    config.check().map_err(|why| ConfigError::new(AT_CARD, why))?;
    match &find(Class::CardReader, &config.selector, AT_CARD)?.open {
        Open::Chip(open) => open(config, site).map_err(|why| ConfigError::new(AT_CARD, why)),
        Open::Card(_)
        | Open::Printer(_)
        | Open::Document(_)
        | Open::Pointer(_)
        | Open::Scanner(_)
        | Open::Keypad(_) => Err(ConfigError::new(AT_CARD, "only a chip card reader can be recorded")),
    }
}

/// What opens a keypad's keys, before a map says what they mean.
///
/// # Errors
/// What is wrong with its table; a map is not looked at.
pub fn key_source(config: &KeypadConfig, site: &Site) -> Result<Opener<dyn KeySource>, ConfigError> {
    let Open::Keypad(open) = &find(Class::Keypad, &config.selector, AT_KEYPAD)?.open else {
        return Err(ConfigError::class(AT_KEYPAD));
    };
    open(config, site).map_err(|why| ConfigError::new(AT_KEYPAD, why))
}

/// Which driver takes a selector of a class; `None` when none does.
#[must_use]
pub fn driver(class: Class, selector: &Selector) -> Option<&'static str> {
    let mut of_class = DRIVERS.iter().filter(|driver| driver.class() == class);
    of_class.find(|driver| (driver.takes)(selector)).map(|driver| driver.name)
}
