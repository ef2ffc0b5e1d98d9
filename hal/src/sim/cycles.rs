//! Plug cycles: pulls every device of a fleet of desks out and puts it in again, many thousand times.
//!
//! ```text
//! desks x (unplug -> absent -> plug -> ready), every REOPENED rounds the drivers are dropped and opened anew
//! before, after: descriptors, threads, allocated bytes of this process, with no desk left
//! ```
//! Promises: counts cycles that were completed only; a device that is not told as absent or as ready in time is
//! an error. Never: runs beside other work of the same process, which would be counted too.

use super::World;
use crate::{
    device::{Class, Event, Health},
    factory::{self, Config, Devices, Site},
};
use std::{
    fmt, fs, io,
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant},
};

/// Every device class, and both kinds of card reader, with the table a config has for it.
pub const DEVICES: [(&str, Class, &str); 8] = [
    (
        "printer",
        Class::ReceiptPrinter,
        "[devices.printer]\nselector = 'sim:printer'\nprofile = 'epson-tm-t20iii'",
    ),
    ("ccid", Class::CardReader, "[devices.card_reader]\nselector = 'sim:ccid'"),
    ("card", Class::CardReader, "[devices.card_reader]\nselector = 'sim:card'"),
    ("swipe", Class::CardReader, "[devices.card_reader]\nselector = 'sim:swipe'"),
    ("document", Class::DocumentScanner, "[devices.document_scanner]\nselector = 'sim:document'"),
    ("scanner", Class::Scanner, "[devices.scanner]\nselector = 'sim:scanner'"),
    ("keypad", Class::Keypad, "[devices.keypad]\nselector = 'sim:keypad'\nmap = 'arrows'"),
    ("touch", Class::Pointer, "[[devices.pointer]]\nselector = 'sim:touch'"),
];

/// Desks at once: a device is looked for a tenth of a second after it was lost, whoever else waits meanwhile.
const DESKS_MAX: usize = 128;

/// After so many rounds the drivers are dropped and opened anew.
const REOPENED: usize = 16;

/// Cycles that are not counted: what is made once is made then.
const WARM_UP: usize = 2 * DESKS_MAX;

/// A device is told as absent, and as ready, within this on a busy machine.
const TOLD_LIMIT: Duration = Duration::from_secs(20);

/// Threads that were told to end are gone after this.
const END_LIMIT: Duration = Duration::from_secs(10);

/// What is held counts once it was the same in so many looks, so far apart.
const SAME_LOOKS: u32 = 5;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What this process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Open descriptors.
    pub descriptors: i64,
    /// Threads.
    pub threads: i64,
    /// Allocated bytes, as the caller counts them.
    pub bytes: i64,
}

impl Held {
    fn now(bytes: fn() -> usize) -> io::Result<Self> {
        let count = |folder: &str| -> io::Result<i64> {
            Ok(i64::try_from(fs::read_dir(folder)?.count()).unwrap_or(i64::MAX))
        };
        let (descriptors, threads) = (count("/proc/self/fd")?, count("/proc/self/task")?);
        Ok(Self { descriptors, threads, bytes: i64::try_from(bytes()).unwrap_or(i64::MAX) })
    }
}

/// What became of the cycles of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// As in [`DEVICES`].
    pub device: &'static str,
    /// Cycles from ready to ready.
    pub cycles: usize,
    /// What is held afterwards and was not before.
    pub leaked: Held,
}

impl Report {
    /// Whether nothing was left behind.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.leaked == Held { descriptors: 0, threads: 0, bytes: 0 }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Held { descriptors, threads, bytes } = self.leaked;
        write!(
            f,
            "plug cycles: device {}, cycles {}, leaked descriptors {descriptors}, leaked threads {threads}, \
             leaked bytes {bytes}",
            self.device, self.cycles
        )
    }
}

/// Puts one device of [`DEVICES`] through at least `cycles` cycles; `bytes` says how much is allocated.
///
/// # Errors
/// In one line: what was not told in time, or what could not be counted.
pub fn run(device: &str, cycles: usize, bytes: fn() -> usize) -> Result<Report, String> {
    let found = DEVICES.iter().find(|(name, ..)| *name == device);
    let &(device, class, config) = found.ok_or_else(|| format!("there is no device called {device}"))?;
    let config = Config::from_toml(config).map_err(|error| error.to_string())?;
    go(&config, class, WARM_UP.min(cycles))?;
    let before = settled(bytes, None)?;
    let done = go(&config, class, cycles)?;
    let after = settled(bytes, Some(before))?;
    let leaked = Held {
        descriptors: after.descriptors - before.descriptors,
        threads: after.threads - before.threads,
        bytes: after.bytes - before.bytes,
    };
    Ok(Report { device, cycles: done, leaked })
}

/// What is held once nothing changes any more; a thread that was told to end needs a moment.
fn settled(bytes: fn() -> usize, wanted: Option<Held>) -> Result<Held, String> {
    let begun = Instant::now();
    let look = || Held::now(bytes).map_err(|error| error.to_string());
    let (mut held, mut same) = (look()?, 0);
    while begun.elapsed() < END_LIMIT {
        thread::park_timeout(LOOK_EVERY);
        let again = look()?;
        same = if again == held { same + 1 } else { 0 };
        held = again;
        if same >= SAME_LOOKS && wanted.is_none_or(|wanted| held == wanted) {
            break;
        }
    }
    Ok(held)
}

/// A desk with one device.
struct Desk {
    world: World,
    devices: Option<Devices>,
    events: Receiver<Event>,
}

impl Desk {
    fn new(config: &Config) -> Result<Self, String> {
        let (_, events) = sync_channel(1);
        let mut desk = Self { world: World::new(), devices: None, events };
        desk.open(config)?;
        Ok(desk)
    }

    /// Drops the driver and waits until it let the device go; a touch panel has no thread that could end.
    fn close(&mut self) {
        let threaded = self.devices.take().is_some_and(|devices| devices.pointers.is_empty());
        while threaded && self.events.recv_timeout(END_LIMIT).is_ok() {}
    }

    fn open(&mut self, config: &Config) -> Result<(), String> {
        self.close();
        let (sink, events) = sync_channel(64);
        let devices = factory::open(config, &Site { world: Some(self.world.clone()) }, &sink);
        (self.devices, self.events) = (Some(devices.map_err(|error| error.to_string())?), events);
        Ok(())
    }

    fn until(&self, wanted: &Health) -> Result<(), String> {
        loop {
            match self.events.recv_timeout(TOLD_LIMIT) {
                Ok(Event::Health { health, .. }) if health == *wanted => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(format!("not told as {wanted:?}: {error}")),
            }
        }
    }
}

/// At least `cycles` cycles; how many they were.
fn go(config: &Config, class: Class, cycles: usize) -> Result<usize, String> {
    let count = cycles.clamp(1, DESKS_MAX);
    let mut desks = (0..count).map(|_| Desk::new(config)).collect::<Result<Vec<_>, _>>()?;
    desks.iter().try_for_each(|desk| desk.until(&Health::Ready))?;
    let rounds = cycles.div_ceil(count);
    for round in 1..=rounds {
        desks.iter().for_each(|desk| desk.world.unplug(class));
        desks.iter().try_for_each(|desk| desk.until(&Health::Absent))?;
        desks.iter().for_each(|desk| desk.world.plug(class));
        desks.iter().try_for_each(|desk| desk.until(&Health::Ready))?;
        desks.iter().for_each(|desk| drop(desk.world.printer().take_bytes()));
        if round.is_multiple_of(REOPENED) {
            desks.iter_mut().try_for_each(|desk| desk.open(config))?;
            desks.iter().try_for_each(|desk| desk.until(&Health::Ready))?;
        }
    }
    desks.iter_mut().for_each(Desk::close);
    Ok(rounds * count)
}
