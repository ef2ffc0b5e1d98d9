//! How a device is named in config, on the command line and in tests.
//!
//! | text | means |
//! |---|---|
//! | `04b8:0e15` or `04b8:0e15:SERIAL` | a USB device by vendor, product and serial number |
//! | `/dev/kiosk/printer`, `/dev/input/event3` | a device node or a udev link |
//! | `tcp://192.0.2.7:9100` | a network printer |
//! | `file:///var/tmp/receipt.bin` | a file that takes the bytes |
//! | `pcsc:QEMU USB CCID` | a card reader of pcscd, by the beginning of its name (only with feature `pcsc`) |
//! | `sim:printer` | a simulated device (only with feature `sim`) |
//! | `replay:/var/tmp/page.rec` | a recording in place of a device (only with feature `recording`) |
//!
//! Promises: what parses prints back the same. Never: opens anything.

use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf, str::FromStr};

/// Which device is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Selector {
    /// USB, by descriptor.
    Usb {
        /// idVendor.
        vendor: u16,
        /// idProduct.
        product: u16,
        /// iSerialNumber, when more than one is plugged in.
        serial: Option<String>,
    },
    /// A device node or a link to one.
    Node(PathBuf),
    /// Raw TCP, host and port.
    Tcp(String),
    /// A file.
    File(PathBuf),
    /// A reader of the PC/SC service, by the beginning of its name.
    Pcsc(String),
    /// A simulated device by name.
    Sim(String),
    /// A recorded device.
    Replay(PathBuf),
}

/// A selector that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' names no device; write VID:PID[:SERIAL], /dev/..., tcp://host:port, file:///path, pcsc:READER, sim:name or replay:file"
)]
pub struct SelectorError(String);

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let bad = || SelectorError(text.to_owned());
        if let Some(host) = text.strip_prefix("tcp://") {
            let (name, port) = host.rsplit_once(':').ok_or_else(bad)?;
            let fits = !name.is_empty() && port.parse::<u16>().is_ok_and(|p| p != 0);
            return if fits { Ok(Self::Tcp(host.to_owned())) } else { Err(bad()) };
        }
        if let Some(path) = text.strip_prefix("file://") {
            return if path.starts_with('/') { Ok(Self::File(path.into())) } else { Err(bad()) };
        }
        if let Some(name) = text.strip_prefix("sim:") {
            return if name.is_empty() { Err(bad()) } else { Ok(Self::Sim(name.to_owned())) };
        }
        if let Some(path) = text.strip_prefix("replay:") {
            return if path.is_empty() { Err(bad()) } else { Ok(Self::Replay(path.into())) };
        }
        if let Some(name) = text.strip_prefix("pcsc:") {
            return if name.is_empty() { Err(bad()) } else { Ok(Self::Pcsc(name.to_owned())) };
        }
        if text.starts_with("/dev/") {
            return Ok(Self::Node(text.into()));
        }
        let mut parts = text.splitn(3, ':');
        let mut hex = || parts.next().filter(|p| p.len() == 4).and_then(|p| u16::from_str_radix(p, 16).ok());
        let (vendor, product) = hex().zip(hex()).ok_or_else(bad)?;
        let serial = parts.next().map(str::to_owned);
        if serial.as_deref() == Some("") { Err(bad()) } else { Ok(Self::Usb { vendor, product, serial }) }
    }
}

impl TryFrom<String> for Selector {
    type Error = SelectorError;

    fn try_from(text: String) -> Result<Self, SelectorError> {
        text.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usb { vendor, product, serial: None } => write!(f, "{vendor:04x}:{product:04x}"),
            Self::Usb { vendor, product, serial: Some(serial) } => {
                write!(f, "{vendor:04x}:{product:04x}:{serial}")
            }
            Self::Node(path) => write!(f, "{}", path.display()),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
            Self::File(path) => write!(f, "file://{}", path.display()),
            Self::Pcsc(name) => write!(f, "pcsc:{name}"),
            Self::Sim(name) => write!(f, "sim:{name}"),
            Self::Replay(path) => write!(f, "replay:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_print_back_as_given() {
        for text in [
            "04b8:0e15",
            "04b8:0e15:J3K:1",
            "/dev/kiosk/printer",
            "tcp://[::1]:9100",
            "file:///tmp/r",
            "pcsc:ACS ACR122U 00 00",
            "sim:printer",
            "replay:page.rec",
        ] {
            assert_eq!(text.parse::<Selector>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_syntax() {
        for text in [
            "",
            "04b8",
            "4b8:0e15",
            "zzzz:0e15",
            "04b8:0e15:",
            "tcp://host",
            "tcp://:9100",
            "tcp://h:0",
            "file://rel",
            "sim:",
            "pcsc:",
            "replay:",
            "printer",
        ] {
            let error = text.parse::<Selector>().unwrap_err().to_string();
            assert!(error.contains("VID:PID"), "{text}: {error}");
        }
    }
}
