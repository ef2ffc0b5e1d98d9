//! Debian's kernel and its modules, unpacked once.
//!
//! `linux-image-amd64` names the current kernel package; [`super::debian`] fetches it.
//!
//! Promises: what is kept belongs to the package version in `kernel.stamp`, which is written last.
//! Never: fetches again what is kept and current; takes the cloud flavour.

use super::{
    cpio::Archive,
    debian::{Package, ask, field, make_empty, only_entry},
    modules,
};
use crate::packages;
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
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
    let stamp = stamp(&package);
    if kept().as_ref() != Some(&stamp) {
        println!("vm hal: fetching {} {}", package.name, package.version);
        // Gone first, so that nothing half made is taken for whole.
        drop(fs::remove_file(&stamp_file));
        make(folder, &package, &kernel)?;
        fs::write(&stamp_file, stamp)?;
    }
    Ok(kernel)
}

/// What the kept files are made of.
fn stamp(package: &Package) -> String {
    format!("{} {}\n{LAYOUT}\n{}\n", package.name, package.version, modules::WANTED.join(" "))
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
    let depends = ask(&["depends", NAMES_THE_KERNEL]).unwrap_or_default();
    let Some(name) = field(&depends, "Depends:") else { return Ok(None) };
    Package::candidates(&[name])?.pop().with_context(|| format!("{name} has no version")).map(Some)
}

fn make(folder: &Path, package: &Package, kernel: &Kernel) -> Result<()> {
    let unpacked = folder.join("unpacked");
    make_empty(&unpacked)?;
    package.unpack(&unpacked)?;
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
    fs::remove_dir_all(unpacked).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_another_stamp() {
        let stamp = |version: &str| super::stamp(&Package { name: "k".into(), version: version.into() });
        assert_ne!(stamp("1"), stamp("2"));
        assert!(stamp("1").contains("usb_f_printer"));
    }
}
