//! The program the machine runs, with the shared libraries it is linked to.
//!
//! Linked as on this machine, because a static C library need not be installed; `ldd` says which libraries
//! that takes, and they are put where they are here.
//!
//! Never: takes a program that was built before this run without asking cargo.

use super::cpio::Archive;
use crate::{
    process::{cargo, output_of, succeeds},
    workspace::Workspace,
};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The crate and its binary.
const NAME: &str = "kiosk-vm";

/// Where the kernel looks for its first process.
const INIT: &str = "init";

/// Builds the program and packs it as the first process. It speaks PC/SC, which a library of the system does.
pub(super) fn archive(workspace: &Workspace) -> Result<Vec<u8>> {
    let build = ["build", "--quiet", "-p", NAME, "--features", "pcsc"];
    if !succeeds(cargo(&build).current_dir(&workspace.root))? {
        bail!("the build failed; to repeat it: cargo {}", build.join(" "));
    }
    let program = workspace.target.join("debug").join(NAME);
    let mut archive = Archive::default();
    for library in libraries(&output_of(Command::new("ldd").arg(&program))?)? {
        archive.file(&library, &read(&library)?)?;
    }
    archive.file(Path::new(INIT), &read(&program)?)?;
    archive.finish()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

/// The files that `ldd` names in `text`: `name => /path (0x...)`, or the loader's `/path (0x...)`.
pub(super) fn libraries(text: &str) -> Result<Vec<PathBuf>> {
    if let Some(missing) = text.lines().find(|line| line.contains("not found")) {
        bail!("a library is missing:{missing}");
    }
    let paths = text.lines().filter_map(|line| {
        let path = line.split_once("=> ").map_or(line, |(_, path)| path).trim();
        let (path, _) = path.rsplit_once(" (")?;
        path.starts_with('/').then(|| PathBuf::from(path))
    });
    Ok(paths.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_taken_and_what_has_no_file_is_not() {
        let text = "\tlinux-vdso.so.1 (0x7ffd)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x7f1)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x7f2)\n";
        let expected = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(libraries(text).unwrap(), expected.map(PathBuf::from));
        assert!(libraries("\tlibx.so.1 => not found\n").is_err());
    }
}
