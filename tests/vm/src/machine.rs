//! Process 1: the machine's file systems, its kernel modules, the report, the end.
//!
//! Promises: the machine is switched off whatever happens. Never: runs where the kernel was not started
//! with `kiosk.vm=1`, so that it cannot switch off anything else.

use crate::{outside, scenario::ALL};
use anyhow::{Context as _, Result, bail};
use rustix::{
    fs::sync,
    mount::{MountFlags, mount},
    system::{RebootCommand, init_module, reboot},
};
use std::{fs, io::Write as _, path::Path, process::ExitCode, time::Instant};

/// Kernel modules, named so that each comes after those it needs.
const MODULES: &str = "/modules";

/// What `cargo xtask vm` starts the kernel with.
const MARK: &str = "kiosk.vm=1";

/// What is mounted first: type and place.
const MOUNTS: [(&str, &str); 3] = [("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run")];

/// A reason is a line, not a page.
const REASON_CHARS: usize = 600;

/// Runs every scenario whose name contains `filter`, then switches the machine off.
pub(crate) fn run(filter: &str) -> ExitCode {
    if let Err(error) = recognise() {
        eprintln!("kiosk-vm: {error:#}");
        return ExitCode::FAILURE;
    }
    if let Err(error) = prepare().and_then(|()| report(filter)) {
        eprintln!("kiosk-vm: {error:#}");
    }
    sync();
    match reboot(RebootCommand::PowerOff) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kiosk-vm: the machine cannot be switched off: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether this machine was started for us.
fn recognise() -> Result<()> {
    attach("proc", "/proc")?;
    let line = fs::read_to_string("/proc/cmdline").context("/proc/cmdline")?;
    if !line.split_whitespace().any(|word| word == MARK) {
        bail!("not started by cargo xtask vm");
    }
    Ok(())
}

fn prepare() -> Result<()> {
    for (kind, place) in MOUNTS {
        attach(kind, place)?;
    }
    let mut modules: Vec<_> = fs::read_dir(MODULES)
        .context(MODULES)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()
        .context(MODULES)?;
    modules.sort();
    for module in modules {
        load(&module).with_context(|| format!("{} cannot be loaded", module.display()))?;
    }
    attach("configfs", "/sys/kernel/config")
}

fn attach(kind: &str, place: &str) -> Result<()> {
    fs::create_dir_all(place).with_context(|| place.to_owned())?;
    mount(kind, place, kind, MountFlags::empty(), None).with_context(|| format!("{kind} on {place}"))
}

fn load(module: &Path) -> Result<()> {
    init_module(&fs::read(module)?, c"").map_err(Into::into)
}

fn report(filter: &str) -> Result<()> {
    let mut line = outside::line()?;
    let chosen = || ALL.iter().filter(|scenario| scenario.is_chosen(filter));
    for scenario in chosen() {
        writeln!(line, "PLAN {}", scenario.name)?;
    }
    if chosen().next().is_none() {
        writeln!(line, "no scenario's name contains {filter}")?;
    }
    for scenario in chosen() {
        eprintln!("kiosk-vm: {}", scenario.name);
        let started = Instant::now();
        match scenario.attend() {
            Ok(()) => writeln!(line, "PASS {} {:.1}", scenario.name, started.elapsed().as_secs_f64())?,
            Err(error) => {
                let reason = format!("{error:#}").replace(['\n', '\r'], " ");
                let reason: String = reason.chars().take(REASON_CHARS).collect();
                writeln!(line, "FAIL {} {reason}", scenario.name)?;
            }
        }
    }
    Ok(())
}
