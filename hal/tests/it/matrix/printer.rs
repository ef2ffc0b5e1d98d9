//! The receipt printer: a model that proves what it prints, kept by its thread.
//!
//! A job may take [`JOB`] here, not two minutes, and opening [`OPEN`]: a stall that outlasts the job stands for
//! the one of 30 s.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use super::{
    Cell, Fault, Phase, common,
    printer_tap::{LineHand, Stall, with},
    rig::{After, Door, End, Heard, Plan, Rig, Strike, Tap, drive, nothing},
    run,
};
use hal::{
    DeviceError, Event, Health,
    printer::{
        self, Bitmap, Cover, Job, JobId, Line, Paper, PrintError, PrintProof, PrinterHandle, Profile,
        thread::Limits,
    },
    sim::printer::{Cable, PrinterPanel, SimPrinter, plug_serial},
    transport::{
        Transport,
        serial::{Serial, Settings},
    },
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc::sync_channel},
    time::{Duration, Instant},
};

const PROFILE: &str = "epson-tm-t20iii";
/// What a job may take.
const JOB: Duration = Duration::from_secs(2);
/// What opening may take.
const OPEN: Duration = Duration::from_millis(600);
/// Longer than a job may take.
const LONG: Duration = Duration::from_secs(3);
/// What a handle that is dropped may take to end: forgetting the rest, and a farewell.
const END: Duration = Duration::from_secs(5);

/// Automatic status: off line with the cutter stuck; fine; paper nearly at its end.
const CUTTER_STUCK: [u8; 4] = [0x1C, 0x08, 0x00, 0x0F];
const FINE: [u8; 4] = [0x14, 0x00, 0x00, 0x0F];

struct PrinterRig {
    panel: PrinterPanel,
    _printer: SimPrinter,
    hand: LineHand,
    door: Door,
    /// A serial line, by a link to its node.
    serial: Option<Serially>,
    handle: Option<PrinterHandle>,
    heard: Option<Heard>,
    job: Job,
    begun: u64,
}

/// A pseudo-terminal behind a link that keeps its name.
#[derive(Clone)]
struct Serially {
    link: PathBuf,
    cable: Arc<Mutex<Option<Cable>>>,
    _folder: Arc<tempfile::TempDir>,
}

impl Serially {
    fn new(panel: &PrinterPanel) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let serially = Self { link: folder.path().join("printer"), cable: Arc::default(), _folder: folder };
        serially.plug(panel);
        serially
    }

    /// Another node each time: whatever has the old number meanwhile keeps it until the new one has its own.
    fn plug(&self, panel: &PrinterPanel) {
        let mut cable = self.cable.lock().unwrap();
        let before = cable.take().map(|old| old.path().to_owned());
        let mut taken = Vec::new();
        let new = loop {
            let new = plug_serial(panel).unwrap();
            if before.as_deref() != Some(new.path()) {
                break new;
            }
            drop(new);
            taken.push(serialport::TTYPort::pair().unwrap());
            assert!(taken.len() < 100, "always the same number");
        };
        drop(std::fs::remove_file(&self.link));
        std::os::unix::fs::symlink(new.path(), &self.link).unwrap();
        *cable = Some(new);
    }

    fn open(link: &Path) -> Result<Box<dyn Transport>, DeviceError> {
        Ok(Box::new(Serial::open(link, Settings::default())?))
    }
}

impl PrinterRig {
    fn new() -> Self {
        let profile = Profile::named(PROFILE).unwrap();
        let (printer, panel) = SimPrinter::new(profile.dots_per_line);
        let lines = (0..60).map(|n| Line::text(format!("begun {n} ....................")));
        let job = Job::of(lines.chain([Line::Cut]).collect());
        let (hand, door) = (LineHand::default(), Door::default());
        Self { panel, _printer: printer, hand, door, serial: None, handle: None, heard: None, job, begun: 0 }
    }

    fn print(&mut self, job: Job) -> Result<u64, DeviceError> {
        self.begun += 1;
        let handle = self.handle.as_ref().unwrap();
        handle.print(JobId(self.begun), job).map(|()| self.begun)
    }
}

impl Rig for PrinterRig {
    fn open(&mut self) {
        self.hand.dropped(false);
        let (sink, events) = sync_channel(256);
        let (panel, hand, door, serial) =
            (self.panel.clone(), self.hand.clone(), self.door.clone(), self.serial.clone());
        let open = move || {
            let line = match &serial {
                Some(serial) => Serially::open(&serial.link)?,
                None => {
                    let plugged = !matches!(panel.connect(), Err(DeviceError::Gone(_)));
                    door.pass(plugged, || panel.plug_in())?;
                    panel.connect()?
                }
            };
            Ok(hand.over(line))
        };
        let limits = Limits {
            open: OPEN,
            job: JOB,
            retry_first: Duration::from_millis(5),
            retry_most: Duration::from_millis(100),
            retry_faulted: Duration::from_millis(100),
            room: Duration::from_millis(10),
            ..Limits::default()
        };
        self.handle = Some(printer::thread::spawn_with(open, Profile::named(PROFILE).unwrap(), sink, limits));
        self.heard = Some(Heard::new(events));
    }

    fn tap(&self) -> Tap {
        self.hand.tap.clone()
    }

    fn events(&mut self) -> &mut Heard {
        self.heard.as_mut().unwrap()
    }

    fn begin(&mut self) {
        self.hand.begin_job();
        self.print(self.job.clone()).unwrap();
    }

    fn completes(&self, event: &Event) -> Option<End> {
        let Event::Printer(printer::Event::Done { outcome, .. }) = event else { return None };
        Some(match outcome {
            Ok(PrintProof::Completed) => End::Well,
            Ok(PrintProof::Sent | PrintProof::Accepted | PrintProof::Unknown) => End::Unknown,
            Err(PrintError::NotReady(_)) => End::NotReady,
            Err(PrintError::Interrupted { .. }) => End::Interrupted,
            Err(PrintError::Device(DeviceError::TimedOut)) => End::TimedOut,
            Err(PrintError::Device(_)) => End::Gone,
            Err(PrintError::Layout(_) | PrintError::NotMarked | PrintError::Cancelled) => End::Cancelled,
        })
    }

    fn close(&mut self) {
        self.hand.tap.wait_struck("the middle of the job");
        self.handle = None;
        self.hand.dropped(true);
    }

    fn serves(&mut self) -> bool {
        let text = format!("served {}", self.begun + 1);
        let Ok(id) = self.print(Job::of(vec![Line::text(&text), Line::Cut])) else { return false };
        let done = loop {
            let event = self.events().next(JOB + LONG).unwrap();
            if let Event::Printer(printer::Event::Done { job, .. }) = &event {
                assert_eq!(*job, JobId(id), "a completion of something else");
                break self.completes(&event);
            }
        };
        let lines = self.panel.texts().concat();
        let copies = |wanted: &str| lines.iter().filter(|line| line.starts_with(wanted)).count();
        assert!(copies("begun 0 ") <= 1, "no second copy of what was struck");
        assert_eq!(copies(&text), usize::from(done == Some(End::Well)), "a copy for each completion");
        done == Some(End::Well)
    }
}

/// A printer whose job is mostly picture, with `pattern` in every row.
fn with_raster(pattern: &[u8; 3]) -> PrinterRig {
    let mut rig = PrinterRig::new();
    let rows = pattern.repeat(2 * 400);
    rig.job = Job::of(vec![Line::Image(Bitmap::from_rows(48, rows).unwrap()), Line::Cut]);
    rig
}

fn plan(strike: Strike, mend: Strike, end: End) -> Plan {
    Plan::new(strike, mend, end, JOB + END)
}

/// What a job under way ends in when its line is lost.
fn lost(phase: Phase) -> End {
    match phase {
        Phase::MidWrite | Phase::Awaiting | Phase::Closing => End::Unknown,
        Phase::Idle | Phase::Opening => End::Nothing,
    }
}

/// What it ends in when nothing is lost; a handle that is dropped calls it off.
fn kept(phase: Phase) -> End {
    match phase {
        Phase::MidWrite | Phase::Awaiting => End::Well,
        Phase::Closing => End::Unknown,
        Phase::Idle | Phase::Opening => End::Nothing,
    }
}

pub(super) fn cell(fault: Fault, phase: Phase) -> Cell {
    if (fault, phase) == (Fault::ClockJump, Phase::MidWrite) {
        return Cell::Vm("usb_line::clock_set_mid_job");
    }
    if let Some(cell) = common(fault) {
        return cell;
    }
    match fault {
        Fault::Unplugged => pulled(phase, After::Out),
        Fault::Replugged => pulled(phase, After::Back),
        Fault::DeniedFor2s => pulled(phase, After::Denied),
        Fault::Owned => pulled(phase, After::Owned),
        Fault::Renumbered => run(move || renumbered(phase)),
        Fault::Stall1s => run(move || stall(phase, Some(Duration::from_secs(1)))),
        Fault::Stall30s => run(move || stall(phase, Some(LONG))),
        Fault::StallForEver => run(move || stall(phase, None)),
        Fault::PaperOut => run(move || {
            stopped(phase, |panel, on| {
                panel.set_paper(if on { Paper::Out } else { Paper::Ok });
            })
        }),
        Fault::CoverOpen => run(move || {
            stopped(phase, |panel, on| {
                panel.set_cover(if on { Cover::Open } else { Cover::Closed });
            })
        }),
        Fault::CutterError => run(move || cutter(phase)),
        Fault::PartialWrite => match phase {
            Phase::Idle => Cell::Na("nothing is written then"),
            Phase::Opening | Phase::MidWrite | Phase::Awaiting | Phase::Closing => {
                said(phase, |hand| hand.bite(Some(3)))
            }
        },
        Fault::GarbageByte => said(phase, |hand| hand.say(&[0xFF])),
        Fault::QuadSplit => said(phase, |hand| {
            hand.split();
            FINE.iter().for_each(|byte| hand.say(&[*byte]));
        }),
        Fault::XoffInQuad => said(phase, |hand| hand.say(&[0x14, 0x00, 0x13, 0x00, 0x0F, 0x11])),
        Fault::StatusInRaster => match phase {
            Phase::Idle | Phase::Opening => Cell::Na("no picture is under way then"),
            Phase::MidWrite | Phase::Awaiting | Phase::Closing => run(move || {
                drive(&mut with_raster(&[0x10, 0x04, 0x01]), phase, plan(nothing(), nothing(), kept(phase)));
            }),
        },
        Fault::WrongSeq | Fault::TimeExtension | Fault::MuteCard | Fault::CardPulled | Fault::TwoCards => {
            Cell::Na("no card goes into it")
        }
        Fault::ServiceKilled | Fault::ClockJump | Fault::PlugCycles => Cell::Na("told above"),
    }
}

fn pulled(phase: Phase, after: After) -> Cell {
    run(move || {
        let mut rig = PrinterRig::new();
        let (panel, mended) = (rig.panel.clone(), rig.panel.clone());
        let end = lost(phase);
        let plan =
            Plan::pulled(&rig.door, after, move || panel.unplug(), move || mended.plug_in(), end, JOB + END);
        drive(&mut rig, phase, plan);
    })
}

/// A serial printer that comes back at another node; the link to it moves along, as udev moves it.
fn renumbered(phase: Phase) {
    let mut rig = PrinterRig::new();
    let serially = Serially::new(&rig.panel);
    rig.serial = Some(serially.clone());
    let (panel, again) = (rig.panel.clone(), rig.panel.clone());
    let strike: Strike = Box::new(move || panel.unplug());
    let mend: Strike = Box::new(move || {
        again.plug_in();
        serially.plug(&again);
    });
    drive(
        &mut rig,
        phase,
        Plan { noticed: true, or_well: phase == Phase::Awaiting, ..plan(strike, mend, lost(phase)) },
    );
}

fn stall(phase: Phase, limit: Option<Duration>) {
    let mut rig = PrinterRig::new();
    let until = move || limit.map_or(Stall::ForEver, |limit| Stall::Until(Instant::now() + limit));
    let strike = with(&rig.hand, move |hand| hand.stall(Some(until())));
    // One that stalls for ever is switched off and on; the others go on by themselves.
    let (hand, panel) = (rig.hand.clone(), rig.panel.clone());
    let mend: Strike = Box::new(move || {
        if limit.is_none() {
            panel.unplug();
            panel.plug_in();
            hand.stall(None);
        }
    });
    let short = limit.is_some_and(|limit| limit < JOB);
    let end = if short { kept(phase) } else { lost(phase) };
    drive(&mut rig, phase, plan(strike, mend, end));
}

/// Paper or cover, mended before the job's deadline: one whole receipt. What it is when nobody mends it in time
/// is `printer_faults`'.
fn stopped(phase: Phase, set: fn(&PrinterPanel, bool)) {
    let mut rig = with_raster(&[0xAA, 0x55, 0xAA]);
    let (panel, again) = (rig.panel.clone(), rig.panel.clone());
    let end = match phase {
        Phase::Idle | Phase::Opening => End::Nothing,
        // While awaiting, it was on paper when the roll ended.
        Phase::MidWrite | Phase::Awaiting => End::Well,
        // Called off before the printer said why it had stopped.
        Phase::Closing => End::Unknown,
    };
    let noticed = phase != Phase::Awaiting;
    let strike: Strike = Box::new(move || set(&panel, true));
    let mend: Strike = Box::new(move || set(&again, false));
    drive(&mut rig, phase, Plan { noticed, early: true, ..plan(strike, mend, end) });
}

/// The simulated printer has no cutter to get stuck: the line says so in its place, and takes nothing meanwhile.
fn cutter(phase: Phase) {
    let mut rig = PrinterRig::new();
    let strike = with(&rig.hand, |hand| {
        hand.say(&CUTTER_STUCK);
        hand.stall(Some(Stall::ForEver));
    });
    let mend = with(&rig.hand, |hand| {
        hand.say(&FINE);
        hand.stall(None);
    });
    let end = match phase {
        Phase::Idle | Phase::Opening => End::Nothing,
        Phase::MidWrite | Phase::Awaiting => End::Well,
        Phase::Closing => End::Interrupted,
    };
    let noticed = phase != Phase::Opening;
    drive(&mut rig, phase, Plan { early: true, noticed, ..plan(strike, mend, end) });
}

/// Something in what it says or takes that must change nothing.
fn said(phase: Phase, act: fn(&LineHand)) -> Cell {
    run(move || {
        let mut rig = PrinterRig::new();
        let strike = with(&rig.hand, act);
        drive(&mut rig, phase, plan(strike, nothing(), kept(phase)));
        let bad = &rig.heard.as_ref().unwrap().bad;
        assert!(bad.is_empty(), "health said {bad:?}");
        assert_eq!(rig.heard.as_ref().unwrap().health, Some(Health::Ready));
    })
}
