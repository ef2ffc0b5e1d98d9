//! The initial file system: finds the disk, checks the root's hash tree, hands over.
//!
//! dracut makes it of the tools' own systemd and of the root's modules, without a shell for anybody: what stands in
//! `image/initrd` starts the machine again when the root cannot be reached.
//!
//! Promises: the drivers of `initrd.list`, what they need, and no others.

use super::{
    Places, recipe,
    root::{self, kernel_release},
    tools::Tools,
};
use anyhow::Result;
use std::fs;

const LIST: &str = "initrd.list";
/// What dracut puts in beside drivers; it knows what each of these needs.
const PARTS: &str = "systemd-initrd systemd-veritysetup kernel-modules";

/// What goes into a kernel image.
#[derive(Debug)]
pub(super) struct Kernel {
    /// As `uname -r` says.
    pub(super) release: String,
}

/// Makes `initrd.img` for the kernel of the root.
pub(super) fn make(places: &Places, tools: &Tools) -> Result<Kernel> {
    let release = kernel_release(places)?;
    let modules = format!("{}/usr/lib/modules/{release}", root::INSIDE);
    let drivers = recipe::list(&places.board.join(LIST))?.join(" ");
    let mut words = vec!["dracut", "--force", "--quiet", "--kver", &release, "--kmoddir", &modules];
    words.extend([
        "--no-hostonly",
        "--no-hostonly-cmdline",
        "--no-early-microcode",
        "--reproducible",
        "--zstd",
    ]);
    words.extend(["--modules", PARTS, "--drivers", &drivers, "--include", "/recipe/initrd", "/"]);
    words.push("/build/initrd.img");
    let image = places.build.join("initrd.img");
    if image.exists() {
        fs::remove_file(&image)?;
    }
    tools.run(&words)?;
    Ok(Kernel { release })
}
