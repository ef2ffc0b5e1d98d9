//! Debian's packages, fetched and unpacked below `target/vm`; nothing is installed on this machine.
//!
//! apt says which version is current, fetches it and checks its signature chain; `dpkg-deb` unpacks it.
//!
//! Never: runs a package's scripts.

use crate::{
    packages,
    process::{output_of, succeeds},
};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A package at the version apt would install.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
}

impl Package {
    /// Those of `names` that apt knows.
    pub(super) fn candidates(names: &[&str]) -> Result<Vec<Self>> {
        let mut command = Command::new("apt-cache");
        // What it says of a package it does not know is no matter: another name may be the right one.
        command.args(["show", "--no-all-versions"]).args(names).stderr(Stdio::null());
        let shown = command.output().context("cannot run apt-cache")?.stdout;
        let shown = String::from_utf8(shown).context("apt-cache wrote no UTF-8")?;
        let whole = shown.split("\n\n").filter_map(|about| {
            let (name, version) = (field(about, "Package:")?, field(about, "Version:")?);
            Some(Self { name: name.to_owned(), version: version.to_owned() })
        });
        Ok(whole.collect())
    }

    /// Fetches it and unpacks it into `folder`; fresh lists are fetched when the mirror has moved on.
    pub(super) fn unpack(&self, folder: &Path) -> Result<()> {
        let download = folder.with_extension("download");
        make_empty(&download)?;
        let get = || {
            // The sandbox user of apt may not write below target; the package is checked all the same.
            let options = ["-qq", "-o", "APT::Sandbox::User=root", "download"];
            let versioned = format!("{}={}", self.name, self.version);
            succeeds(Command::new("apt-get").args(options).arg(versioned).current_dir(&download))
        };
        let fetched = get()? || (packages::update_lists()? && get()?);
        if !fetched {
            bail!("{} {} cannot be fetched", self.name, self.version);
        }
        let deb = only_entry(&download)?;
        if !succeeds(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(folder))? {
            bail!("dpkg-deb cannot unpack {}", deb.display());
        }
        fs::remove_dir_all(download).map_err(Into::into)
    }
}

/// What `apt-cache` answers.
pub(super) fn ask(args: &[&str]) -> Result<String> {
    output_of(Command::new("apt-cache").args(args))
}

/// The first line of `text` that begins with `key`, without it.
pub(super) fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim().strip_prefix(key)).map(str::trim)
}

/// A new folder, or one without what was in it.
pub(super) fn make_empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}

/// The one thing in a folder.
pub(super) fn only_entry(folder: &Path) -> Result<PathBuf> {
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
}
