//! The `[devices]` table of a kiosk's config.
//!
//! Promises: an unknown key or a value that does not fit is refused with its place and reason.
//! Never: opens anything.

use crate::{
    card,
    pointer::{Calibration, Rotation, evdev},
    printer::Profile,
    selector::Selector,
    transport::serial::{Baud, Flow, Settings},
    wedge::Terminator,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which devices a kiosk has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[devices.printer]`
    pub printer: Option<PrinterConfig>,
    /// `[devices.card_reader]`
    pub card_reader: Option<CardConfig>,
    /// `[devices.document_scanner]`
    pub document_scanner: Option<DocumentConfig>,
    /// `[devices.scanner]`
    pub scanner: Option<ScannerConfig>,
    /// `[devices.keypad]`
    pub keypad: Option<KeypadConfig>,
    /// `[[devices.pointer]]`
    #[serde(default, rename = "pointer")]
    pub pointers: Vec<PointerConfig>,
}

/// The receipt printer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrinterConfig {
    /// Which device.
    pub selector: Selector,
    /// Which model it is.
    pub profile: String,
    /// Bits a second of a serial line, [`Baud::default`] when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baud: Option<Baud>,
    /// How the printer stops a serial line, [`Flow::default`] when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
}

/// The card reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardConfig {
    /// Which device.
    pub selector: Selector,
    /// See [`card::Options::removal_wait`]; seconds, 20 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal_wait_s: Option<u16>,
    /// For a stripe reader at a node: how it speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Speaks>,
    /// How a card is presented to a chip card reader, which cannot tell by itself: `dip` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presented: Option<card::ReaderKind>,
    /// For a wedge: the layout it types in, `us` when left out, or a file by its absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// For a serial line: bits a second, 9600 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baud: Option<u32>,
}

/// How a device at a node speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaks {
    /// It types, as a keyboard.
    #[default]
    Wedge,
    /// On a serial line.
    Serial,
    /// In reports of its own, at a node `/dev/hidraw*`: stripe readers such as MagTek's, scanners
    /// of usage page 8C (HID-POS).
    Hid,
}

/// The barcode scanner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScannerConfig {
    /// Which device.
    pub selector: Selector,
    /// How it speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Speaks>,
    /// What it sends after each scan.
    #[serde(default)]
    pub terminator: Terminator,
    /// For a wedge: the layout it types in, `us` when left out, or a file by its absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// For a serial line: bits a second, 9600 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baud: Option<u32>,
}

/// The keypad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeypadConfig {
    /// Which device.
    pub selector: Selector,
    /// More nodes of the same device, such as its volume keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Selector>,
    /// Which key sends what: a map that comes with this crate, or a file by its absolute path.
    pub map: String,
}

/// The document scanner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentConfig {
    /// Which device.
    pub selector: Selector,
}

/// A touch panel or a mouse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointerConfig {
    /// Which device.
    pub selector: Selector,
    /// How the picture is turned, in degrees.
    #[serde(default)]
    pub rotation: Rotation,
    /// The panel's own error, as `LIBINPUT_CALIBRATION_MATRIX`.
    #[serde(default)]
    pub calibration: Calibration,
}

/// A config no devices can be opened by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct ConfigError {
    /// Which table, such as `devices.printer`.
    pub what: String,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

impl ConfigError {
    pub(super) fn new(what: &str, reason: impl ToString) -> Self {
        Self { what: what.to_owned(), reason: reason.to_string() }
    }

    /// The table of drivers is at odds with itself.
    pub(super) fn class(what: &str) -> Self {
        Self::new(what, "the driver that takes this is of another class")
    }
}

impl Config {
    /// Reads the `[devices]` table out of a whole config file; other tables are nobody's here.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            devices: Config,
        }
        let file: File = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
            ConfigError::new("devices", format!("line {line}: {}", error.message()))
        })?;
        Ok(file.devices)
    }
}

impl PrinterConfig {
    /// The settings of its serial line.
    pub(super) fn serial(&self) -> Settings {
        Settings { baud: self.baud.unwrap_or_default(), flow: self.flow.unwrap_or_default() }
    }

    /// Whether `baud` and `flow` fit the selector and the model.
    pub(super) fn check_line(&self, profile: &Profile) -> Result<(), String> {
        match &self.selector {
            Selector::Node(_) => {}
            Selector::Usb { .. }
            | Selector::Tcp(_)
            | Selector::File(_)
            | Selector::Pcsc(_)
            | Selector::Sim(_)
            | Selector::Replay(_) => {
                let set = [("baud", self.baud.is_some()), ("flow", self.flow.is_some())];
                return match set.iter().find(|(_, set)| *set) {
                    Some((key, _)) => {
                        Err(format!("{key} is for a serial line, /dev/...; '{}' has none", self.selector))
                    }
                    None => Ok(()),
                };
            }
        }
        if self.serial().flow == Flow::XonXoff && !profile.xon_xoff {
            let model = &self.profile;
            return Err(format!(
                "flow xon-xoff may spoil pictures on '{model}', whose profile does not say xon_xoff = true; \
                 use rts-cts"
            ));
        }
        Ok(())
    }
}

impl CardConfig {
    /// Whether the keys fit the selector: a reader that types and a chip card reader are set up differently.
    pub(super) fn check(&self) -> Result<(), String> {
        let types = self.kind.is_some() || self.layout.is_some() || self.baud.is_some();
        match &self.selector {
            Selector::Node(_) if self.presented.is_some() => {
                Err("presented is for a chip card reader".to_owned())
            }
            Selector::Node(_) => Ok(()),
            Selector::Sim(name) if name == "swipe" => Ok(()),
            Selector::Usb { .. }
            | Selector::Tcp(_)
            | Selector::File(_)
            | Selector::Pcsc(_)
            | Selector::Sim(_)
            | Selector::Replay(_)
                if types =>
            {
                Err("kind, layout and baud are for a reader that types".to_owned())
            }
            Selector::Usb { .. }
            | Selector::Tcp(_)
            | Selector::File(_)
            | Selector::Pcsc(_)
            | Selector::Sim(_)
            | Selector::Replay(_) => Ok(()),
        }
    }

    pub(super) fn chip_kind(&self) -> card::ReaderKind {
        self.presented.unwrap_or(card::ReaderKind::Dip)
    }

    pub(super) fn options(&self) -> card::Options {
        let given = self.removal_wait_s.map(|s| Duration::from_secs(u64::from(s)));
        card::Options { removal_wait: given.unwrap_or(card::Options::default().removal_wait) }
    }
}

impl PointerConfig {
    pub(super) fn options(&self) -> evdev::Options {
        evdev::Options { calibration: self.calibration, rotation: self.rotation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xon_xoff_is_for_models_that_say_so() {
        let text = "selector = '/dev/ttyS9'\nprofile = 'x'\nflow = 'xon-xoff'";
        let config: PrinterConfig = toml::from_str(text).unwrap();
        for name in Profile::names() {
            let profile = Profile::named(name).unwrap();
            assert!(config.check_line(&profile).unwrap_err().contains("rts-cts"), "{name}");
            assert_eq!(config.check_line(&Profile { xon_xoff: true, ..profile }), Ok(()));
        }
    }

    #[test]
    fn a_serial_line_has_epsons_settings_when_nothing_is_said() {
        let config: PrinterConfig = toml::from_str("selector = '/dev/ttyS9'\nprofile = 'x'").unwrap();
        let Settings { baud, flow } = config.serial();
        assert_eq!((u32::from(baud), flow), (38_400, Flow::RtsCts));
        assert_eq!(config.check_line(&Profile::named("generic-80").unwrap()), Ok(()));
    }
}
