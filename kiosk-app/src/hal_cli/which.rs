//! Which devices are meant: those of a config file, or one named on the command line.
//!
//! Promises: a selector means on the command line what it means in a config, and so do the keys beside it.
//! Never: guesses a device.

use crate::config::{StartError, load};
use hal::{
    Class, Selector,
    factory::{
        CardConfig, Config, DocumentConfig, KeypadConfig, PointerConfig, PrinterConfig, ScannerConfig,
    },
    keypad::KeyMap,
    printer::Profile,
    selftest::{Target, targets},
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Which devices.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Which {
    /// A file with a [devices] table, such as the shell's configuration.
    #[arg(long, conflicts_with = "selector")]
    config: Option<PathBuf>,
    /// One device, as a config names it: VID:PID[:SERIAL], /dev/..., tcp://host:port, file:///path, sim:name.
    #[arg(long)]
    selector: Option<Selector>,
    /// The model, of a printer named by --selector.
    #[arg(long, requires = "selector")]
    profile: Option<String>,
    /// The key map, of a keypad named by --selector.
    #[arg(long, requires = "selector")]
    map: Option<String>,
}

/// A class as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ClassName {
    /// Receipt printer.
    #[value(alias = "receipt-printer")]
    Printer,
    /// Card reader.
    #[value(alias = "card_reader")]
    CardReader,
    /// Document scanner.
    #[value(alias = "document_scanner")]
    DocumentScanner,
    /// Barcode scanner.
    Scanner,
    /// Keypad.
    Keypad,
    /// Touch panel or mouse.
    Pointer,
}

impl From<ClassName> for Class {
    fn from(name: ClassName) -> Self {
        match name {
            ClassName::Printer => Self::ReceiptPrinter,
            ClassName::CardReader => Self::CardReader,
            ClassName::DocumentScanner => Self::DocumentScanner,
            ClassName::Scanner => Self::Scanner,
            ClassName::Keypad => Self::Keypad,
            ClassName::Pointer => Self::Pointer,
        }
    }
}

/// What was chosen.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// For errors: the file, or the flag.
    from: PathBuf,
    pub(super) config: Config,
    /// Where the counters are, when a config says so.
    pub(super) counters: Option<PathBuf>,
}

/// The part of a config file that is read here.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    devices: Config,
    counters: Option<PathBuf>,
}

impl Which {
    /// Whether nothing was said.
    pub(super) fn is_empty(&self) -> bool {
        self.config.is_none() && self.selector.is_none()
    }

    /// The devices of a config; or the one that is named, which is then of this class.
    pub(super) fn choose(&self, class: Option<Class>) -> Result<Chosen, StartError> {
        if let Some(path) = &self.config {
            let File { devices, counters } = load(path)?;
            return Ok(Chosen { from: path.clone(), config: devices, counters });
        }
        let flag = |place: &str, reason: String| StartError::new(Path::new("kiosk hal"), place, reason);
        let Some(selector) = &self.selector else {
            let reason = "name a file with a [devices] table, or one device with --selector".to_owned();
            return Err(flag("--config", reason));
        };
        let Some(class) = class else {
            let reason = "say what it is: printer, card-reader, document-scanner, scanner, keypad or pointer";
            return Err(flag("--selector", reason.to_owned()));
        };
        Ok(Chosen { from: "kiosk hal".into(), config: self.one(class, selector, flag)?, counters: None })
    }

    fn one(
        &self,
        class: Class,
        selector: &Selector,
        flag: impl Fn(&str, String) -> StartError,
    ) -> Result<Config, StartError> {
        let mut config = Config::default();
        let selector = selector.clone();
        match class {
            Class::ReceiptPrinter => {
                let known = || Profile::names().collect::<Vec<_>>().join(", ");
                let profile = self.profile.clone();
                let profile = profile.ok_or_else(|| flag("--profile", format!("say which: {}", known())))?;
                config.printer = Some(PrinterConfig { selector, profile, baud: None, flow: None });
            }
            Class::CardReader => {
                let (removal_wait_s, kind, presented, layout, baud) = (None, None, None, None, None);
                config.card_reader =
                    Some(CardConfig { selector, removal_wait_s, kind, presented, layout, baud });
            }
            Class::DocumentScanner => config.document_scanner = Some(DocumentConfig { selector }),
            Class::Scanner => {
                let (kind, terminator, layout, baud) = (None, Default::default(), None, None);
                config.scanner = Some(ScannerConfig { selector, kind, terminator, layout, baud });
            }
            Class::Keypad => {
                let map = self.map.clone().or_else(|| KeyMap::names().next().map(str::to_owned));
                let map = map.ok_or_else(|| flag("--map", "name a key map".to_owned()))?;
                config.keypad = Some(KeypadConfig { selector, also: Vec::new(), map });
            }
            Class::Pointer => {
                let (rotation, calibration) = (Default::default(), Default::default());
                config.pointers.push(PointerConfig { selector, rotation, calibration });
            }
        }
        Ok(config)
    }
}

impl Chosen {
    /// The devices of `class`, or all of them.
    pub(super) fn targets(&self, class: Option<Class>) -> Result<Vec<Target>, StartError> {
        let all = targets(&self.config).into_iter();
        let meant: Vec<_> = all.filter(|target| class.is_none_or(|class| class == target.class)).collect();
        if meant.is_empty() {
            let what = class.map_or("device", Class::name);
            return Err(self.wrong("devices", format!("no {what} is configured")));
        }
        Ok(meant)
    }

    /// What is wrong with it.
    pub(super) fn wrong(&self, place: &str, reason: impl std::fmt::Display) -> StartError {
        StartError::new(&self.from, place, reason)
    }

    pub(super) fn refused(&self, error: &hal::factory::ConfigError) -> StartError {
        self.wrong(&error.what, &error.reason)
    }
}
