//! `cargo xtask vm hal`: hal against real kernel devices, in a virtual machine without hardware; and
//! `cargo xtask vm boot`: the image as it is flashed ([`boot`]).
//!
//! ```text
//! linux-image-*.deb --> vmlinuz, modules.cpio     kept in target/vm until the package or MODULES changes
//! pcscd, opensc, libinput, udev --> others.cpio   kept likewise: programs we did not write, as second opinions
//! kiosk-vm, its libraries --> program.cpio        each time; cargo knows when to compile
//! vmlinuz + the archives --> QEMU --> second serial line --> report
//! ```
//!
//! The machine runs Debian's ordinary kernel: the cloud flavour has no devices to pretend with. QEMU
//! translates and KVM is left alone: a machine in a machine may show a KVM that hangs, and a boot takes
//! seconds either way.
//!
//! Promises: each scenario gets one line; the last line is `vm hal: N passed, M failed`; whatever was
//! planned and not reported has failed, so has a machine that never reported.
//!
//! Never: skips because something is missing; changes anything outside of `target/vm` but the system
//! packages it names and installs.

mod boot;
mod certificates;
mod cpio;
mod debian;
mod kernel;
mod machine;
mod modules;
mod others;
mod outside;
mod program;
mod qmp;
mod report;

use crate::{
    image::Board,
    packages::{self, Purpose},
    workspace,
};
use anyhow::{Result, bail};
use std::{
    env, fs,
    process::ExitCode,
    time::{Duration, Instant},
};

/// From switching on to switching off, on a small busy machine without KVM.
const BOOT_LIMIT: Duration = Duration::from_secs(540);

/// The same with full doses, which run only when they are named.
const FULL_BOOT_LIMIT: Duration = Duration::from_secs(5400);
const FULL: &str = "full::";

/// What is there to run in a machine.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Guest {
    /// Drivers of hal against touch panels, keypads, printers and scanners that the kernel pretends to have, and
    /// a card reader that QEMU does; with second opinions of programs that are not ours.
    Hal,
    /// The image: builds it and starts it as a PC's firmware would, looks at its screen, touches it, and changes a
    /// bit of it.
    Boot,
}

/// `cargo xtask vm`.
pub(crate) fn run(
    guest: Guest,
    filter: Option<&str>,
    board: Option<Board>,
    no_install: bool,
) -> Result<ExitCode> {
    match guest {
        Guest::Boot => {
            let Some(board) = board else { bail!("say which image: --board x86") };
            let needs = [Purpose::Build, Purpose::Image, Purpose::Firmware];
            if !packages::ensure(&needs, no_install)? {
                return Ok(ExitCode::FAILURE);
            }
            Ok(if boot::run(board, filter.unwrap_or_default())? {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Guest::Hal => {
            if !packages::ensure(&[Purpose::Build, Purpose::Machine], no_install)? {
                return Ok(ExitCode::FAILURE);
            }
            Ok(if hal(filter.unwrap_or_default())? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// Runs the scenarios whose name contains `filter`. Whether all passed, and there was one.
pub(crate) fn hal(filter: &str) -> Result<bool> {
    if env::consts::ARCH != "x86_64" {
        bail!(
            "the machine is an x86_64 one and runs programs of this machine, which is {}",
            env::consts::ARCH
        );
    }
    if !filter.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c)) {
        bail!("scenarios have names such as touch::two_fingers; '{filter}' is in none");
    }
    let started = Instant::now();
    let workspace = workspace::load()?;
    let folder = workspace.target.join("vm");
    fs::create_dir_all(&folder)?;
    let kernel = kernel::ready(&folder)?;
    let others = others::archive(&folder)?;
    let program = program::archive(&workspace)?;
    let certificates = certificates::ready(&folder)?;
    println!("vm hal: machine ready after {:.1} s", started.elapsed().as_secs_f64());
    let parts = machine::Parts { kernel: &kernel, archives: &[others, program], certificates: &certificates };
    let limit = if filter.starts_with(FULL) { FULL_BOOT_LIMIT } else { BOOT_LIMIT };
    let report = machine::boot(&folder, &parts, filter, limit)?;
    println!("vm hal: {:.1} s in all", started.elapsed().as_secs_f64());
    println!("vm hal: {report}");
    Ok(report.all_passed())
}
