//! The raw HID devices of this machine, by what they say of themselves.
//!
//! The kernel shows each device's report descriptor below `/sys/class/hidraw`, to everybody, so that a device
//! whose node may not be opened is listed too. Never: opens a node.

use super::ReportDescriptor;
use std::{
    fs,
    path::{Path, PathBuf},
};

const CLASS: &str = "/sys/class/hidraw";

/// A raw HID device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its node.
    pub path: PathBuf,
    /// What it calls itself, or why its node may not be opened.
    pub name: Result<String, String>,
    /// What it says of its reports.
    pub descriptor: ReportDescriptor,
}

/// Every device whose descriptor can be read, in order of their names.
#[must_use]
pub fn list() -> Vec<Listed> {
    below(Path::new(CLASS), Path::new("/dev"))
}

fn below(class: &Path, nodes: &Path) -> Vec<Listed> {
    let entries = fs::read_dir(class).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<Listed> = entries
        .filter_map(|entry| {
            let device = entry.path().join("device");
            let bytes = fs::read(device.join("report_descriptor")).ok()?;
            let descriptor = ReportDescriptor::parse(&bytes).ok()?;
            let path = nodes.join(entry.file_name());
            let name = match rustix::fs::access(&path, rustix::fs::Access::READ_OK) {
                Ok(()) => Ok(name(&device)),
                Err(rustix::io::Errno::ACCESS) => Err(format!("no permission for {}", path.display())),
                Err(error) => Err(format!("{}: {error}", path.display())),
            };
            Some(Listed { path, name, descriptor })
        })
        .collect();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn name(device: &Path) -> String {
    let text = fs::read_to_string(device.join("uevent")).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("HID_NAME=")).unwrap_or("unnamed").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_listed_with_its_name_and_one_without_node_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let (class, nodes) = (folder.path().join("class"), folder.path().join("dev"));
        fs::create_dir(&nodes).unwrap();
        for hidraw in ["hidraw0", "hidraw1"] {
            let device = class.join(hidraw).join("device");
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("report_descriptor"), [0x06, 0, 0xFF, 0x09, 1, 0xA1, 1, 0xC0]).unwrap();
            fs::write(device.join("uevent"), "DRIVER=hid-generic\nHID_NAME=Mag-Tek\n").unwrap();
        }
        fs::create_dir_all(class.join("hidraw2")).unwrap();
        fs::write(nodes.join("hidraw0"), b"").unwrap();
        let found = below(&class, &nodes);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].name, Ok("Mag-Tek".to_owned()));
        assert!(found[0].descriptor.is(0xFF00_0001));
        assert!(found[1].name.as_ref().unwrap_err().contains("hidraw1"));
    }
}
