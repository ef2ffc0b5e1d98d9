//! Which device is counted: what it is, and what tells it from its kind.
//!
//! | device | known by |
//! |---|---|
//! | USB with a serial number | `receipt-printer 04b8:0e15:J3K1` |
//! | USB without one, plugged in | `card-reader 08e6:3437 port 1-2.3`, as `/sys/bus/usb/devices` names it |
//! | all else | `keypad /dev/kiosk/keypad`: as the config names it |
//!
//! Promises: a key is one line of at most [`KEY_MAX`] letters. Never: opens a device.

use crate::{device::Class, factory::Config, selector::Selector, selftest::targets};
use std::{collections::BTreeMap, fmt, fs, path::Path};

/// Letters of a key.
pub(super) const KEY_MAX: usize = 200;

/// Where the kernel lists USB devices, one folder a port.
const USB_DEVICES: &str = "/sys/bus/usb/devices";

/// A device by what tells it from its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceKey(String);

impl fmt::Display for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl DeviceKey {
    /// The key of a configured device.
    #[must_use]
    pub fn of(class: Class, selector: &Selector) -> Self {
        Self::among(Path::new(USB_DEVICES), class, selector)
    }

    /// The keys of a config's devices; several pointers count as one.
    pub(super) fn of_config(config: &Config) -> BTreeMap<Class, Self> {
        let mut keys = BTreeMap::new();
        for target in targets(config) {
            let several = keys.contains_key(&target.class);
            let key = if several {
                Self::plain(target.class, "all")
            } else {
                Self::of(target.class, &target.selector)
            };
            keys.insert(target.class, key);
        }
        keys
    }

    /// The key with this text, when it can be one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.chars().count() <= KEY_MAX;
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    pub(super) fn plain(class: Class, place: &str) -> Self {
        let text = format!("{} {place}", class.name());
        Self(text.chars().filter(|letter| !letter.is_control()).take(KEY_MAX).collect())
    }

    fn among(devices: &Path, class: Class, selector: &Selector) -> Self {
        let plain = Self::plain(class, &selector.to_string());
        let Selector::Usb { vendor, product, serial: None } = selector else { return plain };
        let mut ports = ports(devices, *vendor, *product);
        match (ports.pop(), ports.is_empty()) {
            (Some((_, Some(serial))), true) => Self::plain(class, &format!("{selector}:{serial}")),
            (Some((port, None)), true) => Self::plain(class, &format!("{selector} port {port}")),
            // Not plugged in, or one of several: which is meant is not known.
            (Some(_), false) | (None, _) => plain,
        }
    }
}

/// The ports such devices hang on, with their serial numbers.
fn ports(devices: &Path, vendor: u16, product: u16) -> Vec<(String, Option<String>)> {
    let Ok(entries) = fs::read_dir(devices) else { return Vec::new() };
    let found = entries.flatten().filter_map(|entry| {
        let read = |name: &str| {
            let text = fs::read_to_string(entry.path().join(name)).ok()?;
            Some(text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let id = |name| read(name).and_then(|text| u16::from_str_radix(&text, 16).ok());
        let meant = id("idVendor") == Some(vendor) && id("idProduct") == Some(product);
        meant.then(|| (entry.file_name().to_string_lossy().into_owned(), read("serial")))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plug(devices: &Path, port: &str, serial: Option<&str>) {
        let folder = devices.join(port);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("idVendor"), "04b8\n").unwrap();
        fs::write(folder.join("idProduct"), "0e15\n").unwrap();
        if let Some(serial) = serial {
            fs::write(folder.join("serial"), format!("{serial}\n")).unwrap();
        }
    }

    fn key(devices: &Path, selector: &str) -> String {
        DeviceKey::among(devices, Class::ReceiptPrinter, &selector.parse().unwrap()).to_string()
    }

    #[test]
    fn a_serial_number_tells_a_device_then_its_port_then_its_config() {
        let devices = tempfile::tempdir().unwrap();
        let devices = devices.path();
        assert_eq!(key(devices, "04b8:0e15"), "receipt-printer 04b8:0e15");
        plug(devices, "1-2.3", None);
        assert_eq!(key(devices, "04b8:0e15"), "receipt-printer 04b8:0e15 port 1-2.3");
        plug(devices, "1-2.3", Some("J3K1"));
        assert_eq!(key(devices, "04b8:0e15"), "receipt-printer 04b8:0e15:J3K1");
        assert_eq!(key(devices, "04b8:0e15:J3K1"), "receipt-printer 04b8:0e15:J3K1");
        assert_eq!(key(devices, "/dev/usb/lp0"), "receipt-printer /dev/usb/lp0");
        plug(devices, "1-4", None);
        assert_eq!(key(devices, "04b8:0e15"), "receipt-printer 04b8:0e15");
    }

    #[test]
    fn several_pointers_count_as_one() {
        let text = "[[devices.pointer]]\nselector = '/dev/a'\n[[devices.pointer]]\nselector = '/dev/b'";
        let keys = DeviceKey::of_config(&Config::from_toml(text).unwrap());
        assert_eq!(keys.into_values().map(|key| key.to_string()).collect::<Vec<_>>(), ["pointer all"]);
    }
}
