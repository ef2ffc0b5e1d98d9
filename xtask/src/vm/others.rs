//! Programs other people wrote, for second opinions inside the machine, with what they need.
//!
//! | package | program | its opinion |
//! |---|---|---|
//! | pcscd, libccid | `pcscd` | the card reader, over a driver that is not ours; hal's PC/SC driver needs it |
//! | opensc | `opensc-tool` | what the card answers |
//! | libinput-tools | `libinput-debug-events` | touches |
//! | udev | `systemd-udevd` | tells the others which devices there are |
//!
//! Libraries they are linked to come from the same packages, or else from this machine, which has the same
//! Debian.
//!
//! Promises: what is kept belongs to the versions in `others.stamp`, which is written last.

use super::{
    cpio::Archive,
    debian::{Package, make_empty},
    program::libraries,
};
use crate::{packages, process::output_of};
use anyhow::{Context as _, Result, bail};
use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Packages; of names in one line the first that there is, because Debian 13 renamed some.
const PACKAGES: &[&[&str]] = &[
    &["pcscd"],
    &["libccid"],
    &["libpcsclite1"],
    &["opensc"],
    &["opensc-pkcs11"],
    &["libssl3t64", "libssl3"],
    &["libusb-1.0-0"],
    &["libinput-tools"],
    &["libinput10"],
    &["libinput-bin"],
    &["libevdev2"],
    &["libmtdev1t64", "libmtdev1"],
    &["libwacom9"],
    &["libgudev-1.0-0"],
    &["udev"],
    &["libkmod2"],
];

/// Programs, and libraries that are looked for while they run; of names in one line the first that there is.
const PROGRAMS: &[&[&str]] = &[
    &["usr/sbin/pcscd"],
    &["usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Linux/libccid.so"],
    &["usr/lib/x86_64-linux-gnu/libpcsclite.so.1"],
    &["usr/bin/opensc-tool"],
    &["usr/libexec/libinput/libinput-debug-events"],
    &["usr/bin/udevadm", "bin/udevadm"],
];

/// What they read: files, or folders with all that is in them.
const DATA: &[&str] = &["etc/libccid_Info.plist", "etc/opensc/opensc.conf", "usr/share/libinput"];

/// Where udev's rules are, and the few it gets: permissions, and what an input device is.
const RULES: [&str; 2] = ["usr/lib/udev/rules.d", "lib/udev/rules.d"];
const RULES_WANTED: [&str; 2] = ["50-udev-default.rules", "60-input-id.rules"];

/// The driver's list of readers, where pcscd looks for it; a link in the package.
const READERS: &str = "usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist";

/// Changes when this file lays the archive out in another way.
const LAYOUT: &str = "1";

/// The archive, from `folder` where it is kept.
///
/// # Errors
/// When there is none and none can be made.
pub(super) fn archive(folder: &Path) -> Result<Vec<u8>> {
    let (kept, stamp_file) = (folder.join("others.cpio"), folder.join("others.stamp"));
    let mut chosen = choose()?;
    if chosen.is_none() && packages::update_lists()? {
        chosen = choose()?;
    }
    let stamped = fs::read_to_string(&stamp_file).ok().filter(|_| kept.is_file());
    let Some(chosen) = chosen else {
        if stamped.is_none() {
            bail!("apt knows no pcscd, or not all it needs: Debian is needed, and its package lists");
        }
        println!("vm hal: apt cannot say which programs are current; those kept from before are used");
        return fs::read(&kept).context("others.cpio");
    };
    let versions = chosen.iter().map(|package| format!("{} {}\n", package.name, package.version));
    let stamp = versions.collect::<String>() + LAYOUT;
    if stamped.as_ref() != Some(&stamp) {
        println!("vm hal: fetching pcscd, opensc, libinput and what they need");
        drop(fs::remove_file(&stamp_file));
        fs::write(&kept, make(&folder.join("others"), &chosen)?)?;
        fs::write(&stamp_file, stamp)?;
    }
    fs::read(&kept).context("others.cpio")
}

fn choose() -> Result<Option<Vec<Package>>> {
    let mut known = Package::candidates(&PACKAGES.concat())?;
    let mut take = |names: &[&str]| {
        let at = names.iter().find_map(|name| known.iter().position(|package| package.name == *name))?;
        Some(known.swap_remove(at))
    };
    Ok(PACKAGES.iter().map(|names| take(names)).collect())
}

fn make(unpacked: &Path, chosen: &[Package]) -> Result<Vec<u8>> {
    make_empty(unpacked)?;
    for package in chosen {
        package.unpack(unpacked)?;
    }
    let own = unpacked.join("usr/lib").join(format!("{}-linux-gnu", env::consts::ARCH));
    let (mut archive, mut libraries_seen) = (Archive::default(), BTreeSet::new());
    for names in PROGRAMS {
        let name = first_of(unpacked, names)?;
        let program = unpacked.join(name);
        let ldd = output_of(Command::new("ldd").arg(&program).env("LD_LIBRARY_PATH", &own))?;
        libraries_seen.extend(libraries(&ldd).with_context(|| program.display().to_string())?);
        archive.file(Path::new(name), &fs::read(&program)?)?;
    }
    for library in libraries_seen {
        let place = library.strip_prefix(unpacked).unwrap_or(&library);
        archive.file(place, &fs::read(&library).with_context(|| library.display().to_string())?)?;
    }
    for data in DATA {
        add(&mut archive, unpacked, &unpacked.join(data))?;
    }
    archive.file(Path::new(READERS), &fs::read(unpacked.join("etc/libccid_Info.plist"))?)?;
    let rules = first_of(unpacked, &RULES)?;
    for name in RULES_WANTED {
        let content = fs::read(unpacked.join(rules).join(name)).with_context(|| name.to_owned())?;
        archive.file(&Path::new("usr/lib/udev/rules.d").join(name), &content)?;
    }
    fs::remove_dir_all(unpacked)?;
    archive.finish()
}

fn first_of<'a>(unpacked: &Path, names: &[&'a str]) -> Result<&'a str> {
    let found = names.iter().find(|name| unpacked.join(name).exists());
    found.copied().with_context(|| format!("{} is in none of the packages", names.join(" or ")))
}

fn add(archive: &mut Archive, unpacked: &Path, path: &PathBuf) -> Result<()> {
    if !path.is_dir() {
        let content = fs::read(path).with_context(|| path.display().to_string())?;
        return archive.file(path.strip_prefix(unpacked)?, &content);
    }
    let mut entries: Vec<PathBuf> =
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| add(archive, unpacked, entry))
}
