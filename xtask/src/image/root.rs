//! The root: Debian's packages without what `remove.list` names, the files of `image/root`, and the kiosk.
//!
//! Promises: no program in it changes who runs it; what is written while building and differs each time is gone;
//! every time in it is the epoch. Never: a file of this machine but the kiosk's binary.

use super::{
    Places, debian, glob, recipe,
    tools::{SOURCE, Tools},
};
use crate::process::succeeds;
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The tree, below `target/image/x86`.
const TREE: &str = "root";
/// The tree as the tools see it.
pub(super) const INSIDE: &str = "/build/root";
const PACKED: &str = "root.erofs";
const BINARY: &str = "kiosk.stripped";
const TARGET: &str = "kiosk.target";

/// The file system's name for itself; the root hash is what tells one from another.
const UUID: &str = "2f4f8a5e-0f0b-4c1c-8c8e-3f2d9b7a6e10";

/// Mount points and folders that must be there in a root that cannot be written.
const EMPTY: [&str; 10] =
    ["boot", "dev", "efi", "etc/kiosk/services", "mnt", "proc", "run", "sys", "tmp", "var"];

/// The tree, where it is kept.
pub(super) fn tree(places: &Places) -> PathBuf {
    places.build.join(TREE)
}

/// The kernel's release: the one folder of modules.
pub(super) fn kernel_release(places: &Places) -> Result<String> {
    let modules = tree(places).join("usr/lib/modules");
    let mut names = Vec::new();
    for entry in fs::read_dir(&modules).with_context(|| modules.display().to_string())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    match names.as_slice() {
        [name] => Ok(name.clone()),
        _ => bail!("one kernel is wanted and these are there: {}", names.join(" ")),
    }
}

/// Puts the tree together; `vmlinuz`, `os-release` and `licences` are left beside it.
pub(super) fn make(places: &Places, tools: &Tools, kiosk: &Path, version: &str) -> Result<()> {
    tools.run(&["rm", "-rf", INSIDE, "/build/licences"])?;
    fs::create_dir_all(tree(places))?;
    if !debian::archive(places).is_file() {
        bail!("{} is gone", debian::archive(places).display());
    }
    tools.run(&["tar", "-xpf", "/build/debian.tar", "-C", INSIDE, "--exclude=./dev/*"])?;
    let release = kernel_release(places)?;
    tools.run(&["cp", &format!("{INSIDE}/boot/vmlinuz-{release}"), "/build/vmlinuz"])?;
    keep_licences(places)?;
    remove(places, tools)?;
    // A binary runs without what a debugger reads, which is most of it.
    let strip = ["--strip-debug", "-o"];
    if !succeeds(Command::new("strip").args(strip).arg(places.build.join(BINARY)).arg(kiosk))? {
        bail!("strip failed on {}", kiosk.display());
    }
    let stripped = format!("/build/{BINARY}");
    tools.run(&["install", "-D", "-m", "755", &stripped, &format!("{INSIDE}/usr/bin/kiosk")])?;
    tools.run(&["cp", "-r", "--no-preserve=ownership,timestamps", "-P", "/recipe/root/.", INSIDE])?;
    install(places, tools)?;
    name_it(places, tools, version)?;
    let folders = EMPTY.map(|name| format!("{INSIDE}/{name}"));
    let make: Vec<&str> = ["mkdir", "-p"].into_iter().chain(folders.iter().map(String::as_str)).collect();
    tools.run(&make)?;
    settle(tools, &release)
}

/// The units and rules of this repository, as `install.list` says, and the units that never start.
fn install(places: &Places, tools: &Tools) -> Result<()> {
    for line in recipe::list(&places.recipe.join("install.list"))? {
        let (from, to) =
            line.split_once(' ').with_context(|| format!("install.list: '{line}' names no place"))?;
        let found = glob::find(&places.source, from)?;
        if found.is_empty() {
            bail!("install.list: there is no {from}");
        }
        for file in found {
            let file = format!("{SOURCE}/{}", file.display());
            let place = format!("{INSIDE}{to}");
            let how: &[&str] = if to.ends_with('/') {
                &["-D", "-m", "644", "-t", &place, &file]
            } else {
                &["-D", "-m", "644", &file, &place]
            };
            tools.run(&[&["install"], how].concat())?;
        }
    }
    for unit in recipe::list(&places.source.join("systemd/masked.list"))? {
        tools.run(&["ln", "-sf", "/dev/null", &format!("{INSIDE}/etc/systemd/system/{unit}")])?;
    }
    Ok(())
}

/// What systemd, the loader and the kernel's module loader would otherwise write at the first boot.
fn settle(tools: &Tools, release: &str) -> Result<()> {
    let root = format!("--root={INSIDE}");
    tools.run(&["systemd-sysusers", &root])?;
    tools.run(&["systemctl", &root, "preset-all"])?;
    tools.run(&["systemctl", &root, "set-default", TARGET])?;
    tools.run(&["ldconfig", "-r", INSIDE])?;
    tools.run(&["depmod", "-b", INSIDE, release])?;
    let no_more = ["-perm", "/6000", "-type", "f", "-exec", "chmod", "ug-s", "{}", "+"];
    let find: Vec<&str> = ["find", INSIDE].into_iter().chain(no_more).collect();
    tools.run(&find)?;
    // Written by the tools above.
    let written = ["/etc/.pwd.lock", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-"];
    let written: Vec<String> = written.iter().map(|name| format!("{INSIDE}{name}")).collect();
    let aux = format!("{INSIDE}/var/cache");
    let rm = ["rm", "-rf", aux.as_str()].into_iter().chain(written.iter().map(String::as_str));
    tools.run(&rm.collect::<Vec<_>>())
}

fn keep_licences(places: &Places) -> Result<()> {
    let licences = places.build.join("licences");
    fs::create_dir_all(&licences)?;
    let root = tree(places);
    for file in glob::find(&root, "/usr/share/doc/*/copyright")? {
        let name = file.parent().and_then(Path::file_name).context("a copyright without a package")?;
        // A link to another package's is copied as what it leads to.
        let (from, to) = (root.join(&file), licences.join(name));
        fs::copy(&from, to).with_context(|| from.display().to_string())?;
    }
    for file in glob::find(&root, "/usr/share/common-licenses/*")? {
        let name = file.file_name().context("a licence without a name")?;
        fs::copy(root.join(&file), licences.join(name)).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn remove(places: &Places, tools: &Tools) -> Result<()> {
    let root = tree(places);
    for pattern in recipe::list(&places.board.join("remove.list"))? {
        let found = glob::find(&root, &pattern)?;
        let paths: Vec<String> = found.iter().map(|path| format!("{INSIDE}/{}", path.display())).collect();
        if !paths.is_empty() {
            let words = ["rm", "-rf", "--"].into_iter().chain(paths.iter().map(String::as_str));
            tools.run(&words.collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// `os-release` says which image this is; systemd-boot orders kernels by it.
fn name_it(places: &Places, tools: &Tools, version: &str) -> Result<()> {
    let debian = recipe::text(&tree(places).join("usr/lib/os-release"))?;
    fs::write(places.build.join("os-release"), os_release(&debian, version))?;
    tools.run(&["cp", "/build/os-release", &format!("{INSIDE}/usr/lib/os-release")])
}

/// Debian's, with the name and the version of the image.
pub(super) fn os_release(debian: &str, version: &str) -> String {
    let kept = debian.lines().filter(|line| !line.starts_with("IMAGE_"));
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    format!("{kept}IMAGE_ID=kiosk\nIMAGE_VERSION={version}\n")
}

/// Packs the tree; how many bytes it takes.
pub(super) fn pack(places: &Places, tools: &Tools, epoch: &str) -> Result<u64> {
    let packed = format!("/build/{PACKED}");
    tools.run(&["rm", "-f", &packed])?;
    tools.run(&[
        "mkfs.erofs",
        "-zzstd,level=12",
        "-C65536",
        "-Ededupe",
        "-T",
        epoch,
        "-U",
        UUID,
        &packed,
        INSIDE,
    ])?;
    Ok(fs::metadata(places.build.join(PACKED))?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_once() {
        let once = os_release("ID=debian\nIMAGE_VERSION=0\n", "1.2.3");
        assert_eq!(once, "ID=debian\nIMAGE_ID=kiosk\nIMAGE_VERSION=1.2.3\n");
        assert_eq!(os_release(&once, "1.2.3"), once);
    }
}
