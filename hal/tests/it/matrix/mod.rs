//! The fault matrix: every fault of every device in every phase, and the table of it in `hal/README.md`.
//!
//! ```text
//! Fault x Phase x Device -> Cell: run | proven elsewhere, by name | n/a, with the reason
//! run: open, begin, strike, the one completion, mend, serve again within 3 s
//! ```
//! A cell that is run fails on a panic, on no completion or a second one, on a wrong one, on one after its
//! deadline, and when the device does not serve again in time. Limits too long to be waited for are shortened
//! where they are named; each shortening says so where it is done.
//!
//! The README's table is compared with what was run here; `HAL_MATRIX=write` in front of the command below
//! writes it anew: `cargo nextest run -p hal --all-features matrix::`.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

mod chip;
mod document;
mod printer;
mod printer_tap;
mod rig;
mod stripe;
mod table;
mod touch;
mod typed;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::channel,
    time::Duration,
};

/// A cell that takes longer hangs.
const CELL_LIMIT: Duration = Duration::from_secs(40);

/// Cells that run at once; nearly all of them wait nearly all of the time.
const AT_ONCE: usize = 24;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Unplugged,
    Replugged,
    Renumbered,
    Stall1s,
    Stall30s,
    StallForEver,
    PaperOut,
    CoverOpen,
    CutterError,
    PartialWrite,
    GarbageByte,
    QuadSplit,
    XoffInQuad,
    StatusInRaster,
    WrongSeq,
    TimeExtension,
    MuteCard,
    CardPulled,
    TwoCards,
    ServiceKilled,
    DeniedFor2s,
    Owned,
    ClockJump,
    PlugCycles,
}

impl Fault {
    const ALL: [(Self, &str); 24] = [
        (Self::Unplugged, "unplugged"),
        (Self::Replugged, "unplugged and back within 1 s"),
        (Self::Renumbered, "back under another number"),
        (Self::Stall1s, "stall of 1 s"),
        (Self::Stall30s, "stall longer than the limit"),
        (Self::StallForEver, "stall for ever"),
        (Self::PaperOut, "paper out"),
        (Self::CoverOpen, "cover open"),
        (Self::CutterError, "cutter error"),
        (Self::PartialWrite, "partial writes"),
        (Self::GarbageByte, "garbage byte in what it says"),
        (Self::QuadSplit, "automatic status split across reads"),
        (Self::XoffInQuad, "XOFF inside automatic status"),
        (Self::StatusInRaster, "DLE EOT pattern inside raster"),
        (Self::WrongSeq, "wrong bSeq"),
        (Self::TimeExtension, "time extension x3"),
        (Self::MuteCard, "mute card"),
        (Self::CardPulled, "card pulled out"),
        (Self::TwoCards, "two cards in the field"),
        (Self::ServiceKilled, "pcscd killed"),
        (Self::DeniedFor2s, "EACCES for 2 s after plug"),
        (Self::Owned, "second process owns the device"),
        (Self::ClockJump, "clock set by an hour"),
        (Self::PlugCycles, "10 000 plug cycles"),
    ];
}

/// What the driver is doing when it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing; it listens.
    Idle,
    /// Opening, first status.
    Opening,
    /// In the middle of handing a command over, or of what a hand does.
    MidWrite,
    /// The command is out, its answer is not in.
    Awaiting,
    /// The handle is being dropped.
    Closing,
}

impl Phase {
    const ALL: [Self; 5] = [Self::Idle, Self::Opening, Self::MidWrite, Self::Awaiting, Self::Closing];
}

/// A class of devices and the fault cells of it.
#[derive(Clone, Copy)]
struct Device {
    name: &'static str,
    cell: fn(Fault, Phase) -> Cell,
}

const DEVICES: [Device; 7] = [
    Device { name: "printer", cell: printer::cell },
    Device { name: "chip card", cell: chip::cell },
    Device { name: "stripe", cell: stripe::cell },
    Device { name: "document", cell: document::cell },
    Device { name: "barcode", cell: typed::barcode },
    Device { name: "keypad", cell: typed::keypad },
    Device { name: "touch", cell: touch::cell },
];

/// One fault in one phase of one device.
enum Cell {
    /// It cannot happen, because.
    Na(&'static str),
    /// Shown by a scenario of `cargo xtask vm hal`, on the kernel's own devices.
    Vm(&'static str),
    /// Shown by this command.
    By(&'static str),
    /// Shown by reading all of hal's sources.
    Source(fn()),
    Run(Box<dyn FnOnce() + Send>),
}

/// A cell to run.
fn run(cell: impl FnOnce() + Send + 'static) -> Cell {
    Cell::Run(Box::new(cell))
}

/// What became of a cell.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Na(&'static str),
    Vm(&'static str),
    By(&'static str),
    Source,
    Passed,
    Failed(String),
}

/// Faults that are the same whatever the device is.
fn common(fault: Fault) -> Option<Cell> {
    match fault {
        Fault::ServiceKilled => {
            Some(Cell::Na("the drivers here speak to the device themselves; no service stands between"))
        }
        Fault::PlugCycles => Some(Cell::By("cargo xtask bench cycles")),
        Fault::ClockJump => Some(Cell::Source(no_wall_clock)),
        _ => None,
    }
}

/// A clock that is set can only reach who reads it: hal's sources name none but the monotonic one.
fn no_wall_clock() {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for clock in ["SystemTime", "UNIX_EPOCH", "ClockId::Realtime", "CLOCK_REALTIME", "chrono", "jiff"]
            {
                assert!(!text.contains(clock), "{} reads the wall clock: {clock}", path.display());
            }
            files += 1;
        }
    }
    assert!(files > 50, "only {files} files were looked at");
}

/// Runs one cell under its limit.
fn attend(cell: Cell) -> Became {
    let (body, passed): (Box<dyn FnOnce() + Send>, _) = match cell {
        Cell::Na(why) => return Became::Na(why),
        Cell::Vm(scenario) => return Became::Vm(scenario),
        Cell::By(command) => return Became::By(command),
        Cell::Source(body) => (Box::new(body), Became::Source),
        Cell::Run(body) => (body, Became::Passed),
    };
    let (told, ended) = channel();
    std::thread::spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(body));
        let said = outcome.map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        });
        drop(told.send(said));
    });
    match ended.recv_timeout(CELL_LIMIT) {
        Ok(Ok(())) => passed,
        Ok(Err(why)) => Became::Failed(why),
        Err(_) => Became::Failed(format!("no end within {CELL_LIMIT:?}")),
    }
}

#[test]
fn every_fault_in_every_phase_and_the_readme_says_so() {
    let places: Vec<_> = Fault::ALL
        .into_iter()
        .flat_map(|(fault, _)| DEVICES.into_iter().map(move |device| (fault, device)))
        .flat_map(|(fault, device)| Phase::ALL.into_iter().map(move |phase| (fault, device, phase)))
        .collect();
    let work = std::sync::Mutex::new(places.into_iter());
    let done = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((fault, device, phase)) = work.lock().unwrap().next() else { return };
                    let became = attend((device.cell)(fault, phase));
                    done.lock().unwrap().push(table::Done { fault, device: device.name, phase, became });
                }
            });
        }
    });
    let done = done.into_inner().unwrap();
    table::check_failures(&done);
    table::check_scenarios(&done);
    table::check_readme(&done);
}
