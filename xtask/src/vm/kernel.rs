//! Debian's kernel and its modules, unpacked once.
//!
//! `linux-image-amd64` names the current kernel package; `apt-get download` fetches it and checks its
//! signature chain; `dpkg-deb` unpacks it below `target/vm`. Nothing is installed on this machine.
//!
//! Promises: what is kept belongs to the package version in `kernel.stamp`, which is written last.
//! Never: fetches again what is kept and current; takes the cloud flavour.

use super::{cpio::Archive, modules};
use crate::{
    packages,
    process::{output_of, succeeds},
};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The package that names the current kernel.
const NAMES_THE_KERNEL: &str = "linux-image-amd64";

/// Changes when this file lays the archive out in another way.
const LAYOUT: &str = "modules/NNN-name";

/// A kernel to boot.
#[derive(Debug)]
pub(super) struct Kernel {
    /// What QEMU loads.
    pub(super) image: PathBuf,
    /// The archive with its modules.
    pub(super) modules: PathBuf,
}

/// The current kernel, from `folder` where it is kept.
///
/// # Errors
/// When there is none and none can be fetched.
pub(super) fn ready(folder: &Path) -> Result<Kernel> {
    let kernel = Kernel { image: folder.join("vmlinuz"), modules: folder.join("modules.cpio") };
    let stamp_file = folder.join("kernel.stamp");
    let kept = || {
        let whole = kernel.image.is_file() && kernel.modules.is_file();
        fs::read_to_string(&stamp_file).ok().filter(|_| whole)
    };
    let Some(package) = candidate_or_refreshed()? else {
        if kept().is_none() {
            bail!("apt knows no {NAMES_THE_KERNEL}: Debian is needed, and its package lists");
        }
        println!("vm hal: apt cannot say which kernel is current; the one kept from before is used");
        return Ok(kernel);
    };
    let stamp = package.stamp();
    if kept().as_ref() != Some(&stamp) {
        println!("vm hal: fetching {} {}", package.name, package.version);
        // Gone first, so that nothing half made is taken for whole.
        drop(fs::remove_file(&stamp_file));
        make(folder, &package, &kernel)?;
        fs::write(&stamp_file, stamp)?;
    }
    Ok(kernel)
}

/// A package at the version apt would install.
#[derive(Debug)]
struct Package {
    name: String,
    version: String,
}

impl Package {
    /// What the kept files are made of.
    fn stamp(&self) -> String {
        format!("{} {}\n{LAYOUT}\n{}\n", self.name, self.version, modules::WANTED.join(" "))
    }
}

/// Asks apt; a machine whose lists were never fetched gets them first.
fn candidate_or_refreshed() -> Result<Option<Package>> {
    match candidate()? {
        Some(package) => Ok(Some(package)),
        None if packages::update_lists()? => candidate(),
        None => Ok(None),
    }
}

fn candidate() -> Result<Option<Package>> {
    let ask = |args: &[&str]| output_of(Command::new("apt-cache").args(args));
    // An empty answer: apt ends with an error for a package it does not know.
    let depends = ask(&["depends", NAMES_THE_KERNEL]).unwrap_or_default();
    let Some(name) = field(&depends, "Depends:") else { return Ok(None) };
    let shown = ask(&["show", "--no-all-versions", name])?;
    let version = field(&shown, "Version:").with_context(|| format!("{name} has no version"))?;
    Ok(Some(Package { name: name.to_owned(), version: version.to_owned() }))
}

fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim().strip_prefix(key)).map(str::trim)
}

fn make(folder: &Path, package: &Package, kernel: &Kernel) -> Result<()> {
    let (download, unpacked) = (folder.join("download"), folder.join("unpacked"));
    for scratch in [&download, &unpacked] {
        if scratch.exists() {
            fs::remove_dir_all(scratch)?;
        }
        fs::create_dir_all(scratch)?;
    }
    let deb = fetch(&download, package)?;
    if !succeeds(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&unpacked))? {
        bail!("dpkg-deb cannot unpack {}", deb.display());
    }
    // Debian 13 keeps modules below /usr.
    let homes = ["lib/modules", "usr/lib/modules"].map(|home| unpacked.join(home));
    let home = homes.iter().find(|home| home.is_dir()).context("the package has no modules")?;
    let modules = modules::read(&only_entry(home)?, modules::WANTED)?;
    let mut archive = Archive::default();
    for (n, module) in modules.iter().enumerate() {
        archive.file(Path::new(&format!("modules/{n:03}-{}.ko", module.name)), &module.image)?;
    }
    fs::write(&kernel.modules, archive.finish()?)?;
    let release = only_entry(home)?.file_name().context("no kernel release")?.to_owned();
    let image = unpacked.join("boot").join(format!("vmlinuz-{}", release.display()));
    fs::copy(&image, &kernel.image).with_context(|| image.display().to_string())?;
    fs::remove_dir_all(download)?;
    fs::remove_dir_all(unpacked).map_err(Into::into)
}

/// The package file; fresh lists are fetched when the mirror has moved on.
fn fetch(download: &Path, package: &Package) -> Result<PathBuf> {
    let get = || {
        // The sandbox user of apt may not write below target; the package is checked all the same.
        let options = ["-qq", "-o", "APT::Sandbox::User=root", "download"];
        let versioned = format!("{}={}", package.name, package.version);
        succeeds(Command::new("apt-get").args(options).arg(versioned).current_dir(download))
    };
    let fetched = get()? || (packages::update_lists()? && get()?);
    if !fetched {
        bail!("{} {} cannot be fetched", package.name, package.version);
    }
    only_entry(download)
}

fn only_entry(folder: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let entry = entries.next().with_context(|| format!("{} is empty", folder.display()))??;
    Ok(entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_answers_are_read() {
        let depends = "linux-image-amd64\n  Depends: linux-image-6.1.0-9-amd64\n    linux-image-x\n";
        assert_eq!(field(depends, "Depends:"), Some("linux-image-6.1.0-9-amd64"));
        assert_eq!(field("Package: a\nVersion: 6.1.1-1\n", "Version:"), Some("6.1.1-1"));
        assert_eq!(field("Package: a\n", "Version:"), None);
    }

    #[test]
    fn another_version_is_another_stamp() {
        let stamp = |version: &str| Package { name: "k".into(), version: version.into() }.stamp();
        assert_ne!(stamp("1"), stamp("2"));
        assert!(stamp("1").contains("usb_f_printer"));
    }
}
