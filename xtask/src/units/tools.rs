//! Debian 13's systemd, udev and nft, in a folder of their own.
//!
//! ```text
//! target/units/apt/    apt's lists and configuration for Debian 13, whatever this machine is
//! target/units/root/   the packages, unpacked; `complete` once all of them are
//! ```
//!
//! Promises: fetched once and checked by apt against Debian's key; nothing is installed on this machine.
//! Never: runs a package's scripts; needs root: a user namespace with chroot and a network of its own is enough.

use crate::process::{output_of, succeeds};
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

const WANTED: [&str; 4] = ["systemd", "udev", "nftables", "systemd-cryptsetup"];
const SOURCES: &str = "\
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main\n\
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian-security trixie-security main\n";
/// What our files name and a machine has from systemd-sysusers.
const USERS: &str =
    "root:x:0:0::/:/bin/false\nkiosk-shell:x:901:901::/:/bin/false\nkiosk-agent:x:902:902::/:/bin/false\n";
const GROUPS: &str = "root:x:0:\nkiosk-shell:x:901:\nkiosk-agent:x:902:\n";
/// Where our files are staged in the root: systemd's own folder, so that drop-ins count.
const STAGE: &str = "etc/systemd/system";

/// The unpacked programs.
pub(super) struct Tools {
    root: PathBuf,
}

/// The staged file's path as the programs see it.
pub(super) fn staged(name: &str) -> String {
    // A unit of Debian's with a drop-in of ours is asked for by its name.
    let debians = name == "emergency.service" || name == "rescue.service";
    if debians { name.to_owned() } else { format!("/{STAGE}/{name}") }
}

impl Tools {
    /// The programs below `folder`, fetched when they are not there.
    pub(super) fn find_or_fetch(folder: &Path) -> Result<Self> {
        let root = folder.join("root");
        let complete = folder.join("complete");
        if !complete.is_file() {
            println!("units: fetching systemd, udev and nft of Debian 13");
            fetch(folder, &root)?;
            fs::write(&complete, "")?;
        }
        let stage = root.join(STAGE);
        if stage.is_dir() {
            fs::remove_dir_all(&stage)?;
        }
        fs::create_dir_all(&stage)?;
        Ok(Self { root })
    }

    /// Where they are unpacked.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Puts a file where the programs find it.
    pub(super) fn stage(&self, name: &str, text: &str) -> Result<()> {
        let path = self.root.join(STAGE).join(name.strip_suffix(".example").unwrap_or(name));
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        if name.ends_with(".example") {
            fs::write(path.with_file_name(name), text)?;
        }
        Ok(())
    }

    /// Takes it away again.
    pub(super) fn unstage(&self, name: &str) -> Result<()> {
        fs::remove_file(self.root.join(STAGE).join(name)).map_err(Into::into)
    }

    /// Runs `words` on `file` in the chroot: whether it returned 0, and all it said.
    pub(super) fn run(&self, words: &[&str], file: &str) -> Result<(bool, String)> {
        let file = file.strip_suffix(".example").unwrap_or(file);
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "--ipc", "--", "chroot"]).arg(&self.root).args(words);
        let output = command
            .arg(file)
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let output = output.output().context("cannot run unshare")?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }
}

fn fetch(folder: &Path, root: &Path) -> Result<()> {
    let apt = folder.join("apt");
    let debs = folder.join("debs");
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(part))?;
    }
    fs::create_dir_all(&debs)?;
    fs::write(apt.join("sources.list"), SOURCES)?;
    fs::write(apt.join("status"), "")?;
    let at = |part: &str| apt.join(part).display().to_string();
    let config = format!(
        "Dir::State::lists \"{}\";\nDir::Cache \"{}\";\nDir::Etc::sourcelist \"{}\";\nDir::Etc::sourceparts \"-\";\n\
         Dir::State::status \"{}\";\nAPT::Install-Recommends \"false\";\nAPT::Sandbox::User \"root\";\n\
         Acquire::http::Timeout \"30\";\nAcquire::Languages \"none\";\n",
        at("lists"),
        at("cache"),
        at("sources.list"),
        at("status")
    );
    let config_file = apt.join("apt.conf");
    fs::write(&config_file, config)?;
    let apt_get = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(args).env("APT_CONFIG", &config_file).current_dir(&debs);
        command
    };
    if !succeeds(&mut apt_get(&["-qq", "update"]))? {
        bail!("apt-get cannot fetch Debian 13's lists");
    }
    let plan = output_of(apt_get(&["-s", "install"]).args(WANTED))?;
    let names: Vec<&str> =
        plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next()).collect();
    if !succeeds(apt_get(&["-qq", "download"]).args(&names))? {
        bail!("apt-get cannot fetch {}", names.join(" "));
    }
    unpack(&debs, root)
}

fn unpack(debs: &Path, root: &Path) -> Result<()> {
    for part in [
        "usr/lib",
        "usr/lib64",
        "usr/bin",
        "usr/sbin",
        "tmp",
        "root",
        "run",
        "proc",
        "sys",
        "dev",
        "etc",
        "var/tmp",
    ] {
        fs::create_dir_all(root.join(part))?;
    }
    for part in ["lib", "lib64", "bin", "sbin"] {
        if !root.join(part).exists() {
            symlink(format!("usr/{part}"), root.join(part))?;
        }
    }
    for entry in fs::read_dir(debs)? {
        let deb = entry?.path();
        if !succeeds(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(root))? {
            bail!("dpkg-deb cannot unpack {}", deb.display());
        }
    }
    fs::write(root.join("etc/passwd"), USERS)?;
    fs::write(root.join("etc/group"), GROUPS)?;
    // What the units start has to be there, and to be a program; what it is, they do not ask.
    fs::copy(root.join("usr/bin/systemctl"), root.join("usr/bin/kiosk"))?;
    Ok(())
}
