//! `cargo xtask vm boot --board x86`: the image as it is flashed, started as a PC's firmware starts it.
//!
//! Seen from outside only: the screen by QEMU's screendump, touches by its virtio tablet, the disk after the plug was
//! pulled. The image is the one that is flashed: it has no serial line, no log to a stranger and no login to ask.
//!
//! | scenario | asks |
//! |---|---|
//! | `new_unit` | a unit nobody has set up shows a page with a code; a touch changes it, another changes it back |
//! | `attract` | a unit with a site's settings and an identity waits for a citizen, and a touch begins |
//! | `one_bit` | with one bit of slot A changed its programs do not run: it is tried three times, then slot B serves |
//!
//! Promises: one line for each scenario; the last line is `vm boot: N passed, M failed`; the screens are kept as
//! pictures in `target/vm/boot`. Never: a scenario skipped because something is missing.

mod disk;
mod machine;
mod screen;
mod site;

use crate::image::{self, Board, Places, Tools};
use anyhow::{Result, bail, ensure};
use disk::Disk;
use machine::Machine;
use screen::Look;
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// From switching on to the first page, translated on a small busy machine.
const PAGE_LIMIT: Duration = Duration::from_secs(900);
/// The same after slot A was tried and given up.
const OTHER_SLOT_LIMIT: Duration = Duration::from_secs(2400);
/// From a touch to what it does.
const TOUCH_LIMIT: Duration = Duration::from_secs(60);

/// Where *High contrast* is, in thousandths of the screen.
const HIGH_CONTRAST: (u32, u32) = (500, 965);
/// Where nothing but the page itself is.
const MIDDLE: (u32, u32) = (500, 320);
/// How often a slot that does not come up is tried.
const TRIES: usize = 3;

/// What every scenario gets.
struct Bench<'a> {
    places: &'a Places,
    tools: &'a Tools,
    folder: &'a Path,
}

type Scenario = fn(&Bench<'_>) -> Result<String>;

const SCENARIOS: [(&str, Scenario); 3] = [("new_unit", new_unit), ("attract", attract), ("one_bit", one_bit)];

/// Builds the image and runs the scenarios whose name contains `filter`. Whether all passed, and there was one.
pub(super) fn run(board: Board, filter: &str) -> Result<bool> {
    let started = Instant::now();
    let chosen: Vec<&(&str, Scenario)> = SCENARIOS.iter().filter(|(name, _)| name.contains(filter)).collect();
    if chosen.is_empty() {
        bail!("no scenario is called '{filter}'; there are {}", SCENARIOS.map(|(name, _)| name).join(", "));
    }
    let (places, tools) = image::ready(board)?;
    let folder = crate::workspace::load()?.target.join("vm/boot");
    fs::create_dir_all(&folder)?;
    println!(
        "vm boot: image ready after {} s; screens are kept in {}",
        started.elapsed().as_secs(),
        folder.display()
    );
    let bench = Bench { places: &places, tools: &tools, folder: &folder };
    let (mut passed, mut failed) = (0, 0);
    for (name, scenario) in chosen {
        let began = Instant::now();
        match scenario(&bench) {
            Ok(what) => {
                passed += 1;
                println!("PASS {name} {:.1} {what}", began.elapsed().as_secs_f64());
            }
            Err(error) => {
                failed += 1;
                println!("FAIL {name} {error:#}");
            }
        }
    }
    println!("vm boot: {passed} passed, {failed} failed");
    Ok(failed == 0)
}

fn new_unit(bench: &Bench<'_>) -> Result<String> {
    let disk = Disk::copy(bench.places, bench.tools)?;
    let mut machine = Machine::start(bench.folder, &disk.file)?;
    machine.wait_for(Look::OutOfService, PAGE_LIMIT)?;
    let seconds = machine.on_for().as_secs();
    machine.save("new-unit")?;
    let (x, y) = HIGH_CONTRAST;
    machine.touch(x, y)?;
    machine.wait_for(Look::OutOfServiceContrast, TOUCH_LIMIT)?;
    machine.save("new-unit-touched")?;
    machine.touch(x, y)?;
    machine.wait_for(Look::OutOfService, TOUCH_LIMIT)?;
    ensure!(machine.resets() == 0, "the machine started again {} times", machine.resets());
    machine.pull_the_plug()?;
    Ok(format!("first page after {seconds} s"))
}

fn attract(bench: &Bench<'_>) -> Result<String> {
    let disk = Disk::copy(bench.places, bench.tools)?;
    disk.set_up()?;
    let mut machine = Machine::start(bench.folder, &disk.file)?;
    machine.wait_for(Look::Attract, PAGE_LIMIT)?;
    let seconds = machine.on_for().as_secs();
    machine.save("attract")?;
    let (x, y) = MIDDLE;
    machine.touch(x, y)?;
    machine.wait_for(Look::Choice, TOUCH_LIMIT)?;
    machine.save("attract-touched")?;
    ensure!(machine.resets() == 0, "the machine started again {} times", machine.resets());
    machine.pull_the_plug()?;
    Ok(format!("attract page after {seconds} s"))
}

fn one_bit(bench: &Bench<'_>) -> Result<String> {
    let disk = Disk::copy(bench.places, bench.tools)?;
    disk.flip_a_bit()?;
    let mut machine = Machine::start(bench.folder, &disk.file)?;
    machine.wait_for(Look::OutOfService, OTHER_SLOT_LIMIT)?;
    let seconds = machine.on_for().as_secs();
    let resets = machine.resets();
    machine.save("other-slot")?;
    machine.pull_the_plug()?;
    ensure!(resets == TRIES, "slot A was tried {resets} times before a page came, and not {TRIES}");
    let kernels = disk.kernels()?;
    let given_up = kernels.iter().any(|name| name == "kiosk-a+0-3.efi");
    let other = kernels.iter().any(|name| name.starts_with("kiosk-b") && name != "kiosk-b+3.efi");
    ensure!(given_up && other, "the boot partition has {}", kernels.join(" "));
    Ok(format!("slot B serves after {seconds} s, {resets} starts of A in vain"))
}
