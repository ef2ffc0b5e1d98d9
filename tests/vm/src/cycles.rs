//! Plug cycles of gadgets on `dummy_hcd`: the kernel makes and removes the device each time, and hal finds it.
//!
//! ```text
//! plugged in -> ready -> pulled -> absent     a small dose with every run, the full one by name:
//!                                             cargo xtask vm hal full::
//! ```
//! Before and after, with the driver closed: open files, threads, allocated bytes of this process. What was
//! counted goes to the console (`target/vm/console.log`), one line a device.
//!
//! Promises: fails on the first file or thread that stays, and on bytes that grow with the cycles.
//! Never: counts while a driver is open.

use crate::{
    gadget::{Gadget, Kind},
    printer::rig::UsbPrinter,
    uevent::{Uevents, link},
};
use anyhow::{Context as _, Result, ensure};
use cap::Cap;
use hal::{
    Event, Health,
    factory::{self, Config, Devices, Site},
};
use std::{
    alloc::System,
    fs,
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// With every run.
const DOSE: usize = 20;
/// By name only.
pub(crate) const FULL_DOSE: usize = 1_000;
/// What is made once is made in these.
const WARM_UP: usize = 3;
/// Fewer bytes than this a cycle are not kept by cycles: an allocation has at least sixteen.
const BYTES_PER_CYCLE: i64 = 8;

/// The kernel finds a device within this, and hal tells of it.
const LIMIT: Duration = Duration::from_secs(10);
/// Threads that were told to end are gone within this.
const END_LIMIT: Duration = Duration::from_secs(5);

/// A device on a cable.
enum Plug {
    Printer(UsbPrinter),
    Typed(Gadget, Kind),
}

impl Plug {
    fn new(kind: Kind) -> Result<Self> {
        Ok(match kind {
            Kind::Printer | Kind::Serial => Self::Printer(UsbPrinter::plugged_in(kind, PROFILE)?),
            Kind::Keyboard | Kind::Stripe => {
                let plug = Self::Typed(Gadget::new(kind)?, kind);
                plug.found()?;
                plug
            }
        })
    }

    fn found(&self) -> Result<()> {
        let Self::Typed(gadget, kind) = self else { return Ok(()) };
        let uevents = Uevents::listen()?;
        gadget.plug_in()?;
        let node = uevents.until("its node", LIMIT, || kind.host_node())?;
        link(&node, kind.selector())
    }

    fn pull(&mut self) -> Result<()> {
        match self {
            Self::Printer(printer) => printer.unplug(),
            Self::Typed(gadget, _) => gadget.unplug(),
        }
    }

    fn put_back(&mut self) -> Result<()> {
        match self {
            Self::Printer(printer) => {
                drop(printer.panel.take_bytes());
                printer.plug_back()?;
                printer.come_alive()
            }
            Self::Typed(..) => self.found(),
        }
    }
}

const PROFILE: &str = "epson-tm-t20iii";

/// The table of a config for a device of this kind.
fn config(kind: Kind) -> String {
    let selector = kind.selector();
    match kind {
        Kind::Printer | Kind::Serial => {
            format!("[devices.printer]\nselector = \"{selector}\"\nprofile = \"{PROFILE}\"\n")
        }
        Kind::Stripe => format!("[devices.card_reader]\nselector = \"{selector}\"\nkind = \"hid\"\n"),
        Kind::Keyboard => format!("[devices.keypad]\nselector = \"{selector}\"\nmap = \"arrows\"\n"),
    }
}

fn open(kind: Kind) -> Result<(Devices, Receiver<Event>)> {
    let (sink, events) = sync_channel(64);
    Ok((factory::open(&Config::from_toml(&config(kind))?, &Site::default(), &sink)?, events))
}

/// Waits until the health is this; keeps nothing of what it hears.
fn until(events: &Receiver<Event>, wanted: &Health) -> Result<()> {
    loop {
        let event = events.recv_timeout(LIMIT).with_context(|| format!("not told as {wanted:?}"))?;
        if matches!(&event, Event::Health { health, .. } if health == wanted) {
            return Ok(());
        }
    }
}

/// So many cycles, from opening the driver to its end.
fn go(plug: &mut Plug, kind: Kind, cycles: usize) -> Result<()> {
    let (devices, events) = open(kind)?;
    until(&events, &Health::Ready)?;
    for cycle in 0..cycles {
        plug.pull()?;
        until(&events, &Health::Absent).with_context(|| format!("cycle {cycle}"))?;
        plug.put_back()?;
        until(&events, &Health::Ready).with_context(|| format!("cycle {cycle}"))?;
    }
    drop(devices);
    // The channel ends with the thread.
    while events.recv_timeout(END_LIMIT).is_ok() {}
    Ok(())
}

/// Open files, threads, allocated bytes.
fn held() -> Result<[i64; 3]> {
    let count = |folder| -> Result<i64> { Ok(i64::try_from(fs::read_dir(folder)?.count())?) };
    // The thread that just let its channel go may need a moment to be gone.
    let deadline = hal::Deadline::after(END_LIMIT);
    let mut last = [0; 3];
    let mut same = 0;
    while same < 5 && !deadline.passed() {
        std::thread::park_timeout(Duration::from_millis(50));
        let now = [count("/proc/self/fd")?, count("/proc/self/task")?, i64::try_from(ALLOCATOR.allocated())?];
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}

fn cycle(kind: Kind, cycles: usize) -> Result<()> {
    let mut plug = Plug::new(kind)?;
    go(&mut plug, kind, WARM_UP)?;
    let before = held()?;
    go(&mut plug, kind, cycles)?;
    let after = held()?;
    let [files, threads, bytes] =
        [0, 1, 2].map(|at| after.get(at).zip(before.get(at)).map_or(0, |(a, b)| a - b));
    let line = format!(
        "plug cycles: device {kind:?}, cycles {cycles}, leaked descriptors {files}, leaked threads {threads}, \
         leaked bytes {bytes}"
    );
    eprintln!("{line}");
    let room = BYTES_PER_CYCLE * i64::try_from(cycles)?;
    ensure!(files <= 0 && threads <= 0 && bytes < room, "{line}");
    Ok(())
}

/// A USB receipt printer, by libusb.
pub(crate) fn printer() -> Result<()> {
    cycle(Kind::Printer, DOSE)
}

/// A serial receipt printer, CDC-ACM.
pub(crate) fn serial() -> Result<()> {
    cycle(Kind::Serial, DOSE)
}

/// A keyboard, as a keypad.
pub(crate) fn keypad() -> Result<()> {
    cycle(Kind::Keyboard, DOSE)
}

/// As [`printer`], the full dose.
pub(crate) fn printer_full() -> Result<()> {
    cycle(Kind::Printer, FULL_DOSE)
}

/// As [`serial`], the full dose.
pub(crate) fn serial_full() -> Result<()> {
    cycle(Kind::Serial, FULL_DOSE)
}

/// As [`keypad`], the full dose.
pub(crate) fn keypad_full() -> Result<()> {
    cycle(Kind::Keyboard, FULL_DOSE)
}
