//! Whether this machine lets power be cut under a drive, and the step into a mount namespace.
//!
//! Promises: what is missing is named, with what to do about it. Never: installs, loads a module, changes a right.

use anyhow::{Context as _, Result, bail};
use rustix::process::geteuid;
use std::{env, ffi::OsString, os::unix::process::CommandExt as _, path::Path, process::Command};

/// Devices, and what they are for.
const DEVICES: [(&str, &str); 2] =
    [("/dev/fuse", "serves the drive"), ("/dev/loop-control", "makes a block device of it")];

/// Programs, and the package that has them.
const PROGRAMS: [(&str, &str); 4] =
    [("unshare", "util-linux"), ("mount", "mount"), ("umount", "mount"), ("mkfs.ext4", "e2fsprogs")];

/// Into a mount namespace that goes away with its last process, and whose mounts nobody else sees.
const PRIVATE: [&str; 3] = ["--mount", "--propagation", "private"];

/// Looks for everything that a run needs.
pub(crate) fn ensure() -> Result<()> {
    if !geteuid().is_root() {
        bail!("mounting a drive takes root; start it with sudo, or as root");
    }
    for (device, purpose) in DEVICES {
        if !Path::new(device).exists() {
            bail!(
                "{device} is missing: it {purpose}; load its kernel module, or in a container pass --device {device}"
            );
        }
    }
    let path = search_path();
    for (program, package) in PROGRAMS {
        if !env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
            bail!("{program} is missing; apt-get install {package}");
        }
    }
    let probe = Command::new("unshare").args(PRIVATE).arg("true").env("PATH", &path).output();
    let probe = probe.context("unshare does not run")?;
    if !probe.status.success() {
        let said = String::from_utf8_lossy(&probe.stderr).trim().to_owned();
        bail!(
            "mounting is forbidden here ({said}); in a container it takes --cap-add SYS_ADMIN, or a machine of its own"
        );
    }
    Ok(())
}

/// Becomes this program in the namespace. Returns only on failure.
pub(crate) fn move_inside() -> Result<bool> {
    let program = env::current_exe().context("where this program is")?;
    let arguments = env::args_os().skip(2);
    let mut inside = Command::new("unshare");
    inside.args(PRIVATE).arg(program).arg("inside").args(arguments).env("PATH", search_path());
    Err(inside.exec()).context("unshare does not run")
}

/// The path, and where root's programs are when an ordinary user's path was kept.
fn search_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin:/usr/bin:/bin");
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_run_or_says_why_not() {
        if let Err(error) = ensure() {
            let said = format!("{error:#}");
            assert!(said.contains(';') || said.contains("does not run"), "{said}");
        }
    }
}
