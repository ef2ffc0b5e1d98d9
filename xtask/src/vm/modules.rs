//! Which kernel modules the machine loads, and in which order.
//!
//! A module says what it needs in its section `.modinfo`, as a string `depends=a,b` between two NUL bytes;
//! `depmod` reads the same. Names there and here use `_` where file names may have `-`.
//!
//! Promises: each module comes after those it needs; a module that is not there is an error.
//! Never: needs `depmod` or `modprobe`.

use crate::process;
use anyhow::{Context as _, Result, bail};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the machine can pretend to have, and the drivers that find it.
pub(super) const WANTED: &[&str] = &[
    // Input.
    "evdev",
    "uinput",
    "uhid",
    "hid_generic",
    "hid_multitouch",
    // USB, this side of the cable.
    "xhci_pci",
    "usbhid",
    "usblp",
    "cdc_acm",
    // USB, the other side: gadgets on a cable that exists in memory only.
    "dummy_hcd",
    "usb_f_printer",
    "usb_f_acm",
    "usb_f_hid",
];

/// A module, ready to be loaded.
#[derive(Debug)]
pub(super) struct Module {
    /// With `_`, without `.ko`.
    pub(super) name: String,
    /// What the kernel takes.
    pub(super) image: Vec<u8>,
}

/// Reads `wanted` and all they need from the modules of one kernel, in loading order.
///
/// # Errors
/// When one is neither there nor built into the kernel.
pub(super) fn read(folder: &Path, wanted: &[&str]) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    index(folder, &mut files)?;
    let built_in = folder.join("modules.builtin");
    let built_in = fs::read_to_string(&built_in).with_context(|| built_in.display().to_string())?;
    let built_in: Vec<String> = built_in.lines().filter_map(|line| name_of(Path::new(line))).collect();
    let mut order = Order { files, modules: Vec::new() };
    for name in wanted.iter().filter(|name| !built_in.iter().any(|built_in| built_in == *name)) {
        order.add(name)?;
    }
    Ok(order.modules)
}

struct Order {
    files: BTreeMap<String, PathBuf>,
    modules: Vec<Module>,
}

impl Order {
    /// Adds what `name` needs, then `name`. The kernel's modules need each other in no circle.
    fn add(&mut self, name: &str) -> Result<()> {
        if self.modules.iter().any(|module| module.name == name) {
            return Ok(());
        }
        let file = self.files.get(name).with_context(|| format!("this kernel has no module {name}"))?;
        let image = image_of(file)?;
        for needed in needs(&image) {
            self.add(&needed)?;
        }
        self.modules.push(Module { name: name.to_owned(), image });
        Ok(())
    }
}

fn index(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            index(&entry.path(), files)?;
        } else if let Some(name) = name_of(&entry.path()) {
            files.insert(name, entry.path());
        }
    }
    Ok(())
}

/// `cdc_acm` for `.../cdc-acm.ko.xz`; nothing for a file that is no module.
fn name_of(path: &Path) -> Option<String> {
    let (name, rest) = path.file_name()?.to_str()?.split_once(".ko")?;
    (rest.is_empty() || rest.starts_with('.')).then(|| name.replace('-', "_"))
}

fn image_of(file: &Path) -> Result<Vec<u8>> {
    match file.extension().and_then(OsStr::to_str) {
        Some("ko") => fs::read(file).with_context(|| file.display().to_string()),
        Some("xz") => process::bytes_of(Command::new("xz").arg("-dc").arg(file)),
        Some(_) | None => bail!("{} is compressed in a way that is not known here", file.display()),
    }
}

/// What a module needs, as it says itself.
fn needs(image: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"depends=";
    let strings = image.split(|byte| *byte == 0);
    let list = strings.filter_map(|string| string.strip_prefix(KEY)).next().unwrap_or_default();
    let list = String::from_utf8_lossy(list);
    list.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, modules: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("xtask-modules-{name}-{}", std::process::id()));
        fs::create_dir_all(root.join("kernel/drivers")).unwrap();
        fs::write(root.join("modules.builtin"), "kernel/drivers/hid/hid-core.ko\n").unwrap();
        for (file, depends) in modules {
            let image = format!("\x7fELF\0license=GPL\0depends={depends}\0name=x\0");
            fs::write(root.join("kernel/drivers").join(file), image).unwrap();
        }
        root
    }

    #[test]
    fn needed_ones_come_first_and_built_in_ones_not_at_all() {
        let root =
            folder("order", &[("usb-lp.ko", "usbcore"), ("usbcore.ko", "usb-common"), ("usb-common.ko", "")]);
        let modules = read(&root, &["usb_lp", "hid_core", "usbcore"]).unwrap();
        fs::remove_dir_all(&root).unwrap();
        let names: Vec<&str> = modules.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["usb_common", "usbcore", "usb_lp"]);
    }

    #[test]
    fn a_missing_module_and_an_unknown_compression_are_errors() {
        let root = folder("missing", &[("a.ko", "b"), ("c.ko.lz4", "")]);
        let (missing, unknown) = (read(&root, &["a"]), read(&root, &["c"]));
        fs::remove_dir_all(&root).unwrap();
        assert!(missing.unwrap_err().to_string().ends_with("no module b"));
        assert!(unknown.unwrap_err().to_string().contains("compressed"));
    }

    #[test]
    fn what_is_a_module_is_told_by_its_name() {
        assert_eq!(name_of(Path::new("x/cdc-acm.ko.xz")).as_deref(), Some("cdc_acm"));
        assert_eq!(name_of(Path::new("x/evdev.ko")).as_deref(), Some("evdev"));
        assert_eq!(name_of(Path::new("x/modules.order")), None);
        assert_eq!(name_of(Path::new("x/a.koala")), None);
    }
}
