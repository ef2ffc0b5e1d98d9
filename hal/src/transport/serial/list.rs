//! The serial ports of this machine.
//!
//! Promises: a port is named by its link in /dev/serial/by-id where it has one, because numbers change
//! when an adapter is plugged in again. Never: opens a port, which would pull its modem lines.

use rustix::fs::{Access, access};
use serialport::{SerialPortInfo, SerialPortType};
use std::path::{Path, PathBuf};

/// Where udev keeps names that stay.
const BY_ID: &str = "/dev/serial/by-id";
/// The crate panics where this is not.
const CLASS: &str = "/sys/class/tty";

/// A serial port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name that stays, else its node.
    pub path: PathBuf,
    /// What is at the other end of the USB plug, else *serial port*; or why it may not be opened.
    pub name: Result<String, String>,
}

/// Serial ports with hardware behind them, those that may not be opened included, in order of their paths.
#[must_use]
pub fn list() -> Vec<Listed> {
    if !Path::new(CLASS).is_dir() {
        return Vec::new();
    }
    let ports = serialport::available_ports().unwrap_or_default();
    let mut found: Vec<Listed> = ports.into_iter().map(listed).collect();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn listed(SerialPortInfo { port_name, port_type }: SerialPortInfo) -> Listed {
    let node = PathBuf::from(port_name);
    let path = lasting(Path::new(BY_ID), &node).unwrap_or_else(|| node.clone());
    let name = match access(&node, Access::READ_OK | Access::WRITE_OK) {
        Ok(()) => Ok(name(port_type)),
        Err(rustix::io::Errno::ACCESS) => Err(format!("no permission for {}", node.display())),
        Err(error) => Err(format!("{}: {error}", node.display())),
    };
    Listed { path, name }
}

fn name(kind: SerialPortType) -> String {
    let words = match kind {
        SerialPortType::UsbPort(usb) => [usb.manufacturer, usb.product].into_iter().flatten().collect(),
        SerialPortType::PciPort | SerialPortType::BluetoothPort | SerialPortType::Unknown => Vec::new(),
    };
    if words.is_empty() { "serial port".to_owned() } else { words.join(" ") }
}

/// The link in `folder` that leads to `node`.
fn lasting(folder: &Path, node: &Path) -> Option<PathBuf> {
    let node = node.canonicalize().ok()?;
    let links = std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    links.filter(|link| link.canonicalize().is_ok_and(|target| target == node)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_stays_is_preferred() {
        let folder = tempfile::tempdir().unwrap();
        let (links, node) = (folder.path().join("by-id"), folder.path().join("ttyUSB0"));
        std::fs::create_dir(&links).unwrap();
        std::fs::write(&node, b"").unwrap();
        assert_eq!(lasting(&links, &node), None);
        std::os::unix::fs::symlink("../ttyUSB0", links.join("usb-adapter-if00")).unwrap();
        assert_eq!(lasting(&links, &node), Some(links.join("usb-adapter-if00")));
        assert_eq!(lasting(&links, &folder.path().join("ttyUSB1")), None);
        assert_eq!(lasting(&folder.path().join("none"), &node), None);
    }

    #[test]
    fn a_port_that_is_not_there_says_why() {
        let port_name = "/dev/no-such-port".to_owned();
        let listed = listed(SerialPortInfo { port_name, port_type: SerialPortType::Unknown });
        assert_eq!(listed.path, Path::new("/dev/no-such-port"));
        assert!(listed.name.unwrap_err().contains("/dev/no-such-port"));
        assert_eq!(name(SerialPortType::PciPort), "serial port");
    }
}
