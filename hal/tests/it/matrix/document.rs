//! The document scanner: simulated, kept by its thread.
//!
//! A scan may take thirty seconds; the tap shortens that to [`SCAN`] before the scanner sees it.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use super::{
    Cell, Fault, Phase, common,
    rig::{After, Door, End, Heard, Plan, Rig, Strike, Tap, drive},
    run,
};
use hal::{
    Class, Deadline, DeviceError, Event,
    card::Canceller,
    document::{self, Document, DocumentHandle, DocumentScanner, ScanError, ScanId, Sheet},
    sim::{World, document as simulated, world::SheetKind},
};
use std::{
    sync::{Arc, Condvar, Mutex, mpsc::sync_channel},
    time::{Duration, Instant},
};

/// What a scan may take here.
const SCAN: Duration = Duration::from_secs(2);
/// Longer than that.
const LONG: Duration = Duration::from_secs(3);

/// Until when the scanner says nothing; woken when it is mended.
type Stall = Arc<(Mutex<Option<Instant>>, Condvar)>;

struct DocumentRig {
    world: World,
    door: Door,
    tap: Tap,
    stall: Stall,
    handle: Option<DocumentHandle>,
    heard: Option<Heard>,
    begun: u64,
}

struct Tapped {
    scanner: Box<dyn DocumentScanner>,
    tap: Tap,
    stall: Stall,
}

impl Tapped {
    /// Waits out a stall; whether it lasts until `deadline`.
    fn stalled(&self, deadline: Deadline) -> bool {
        let mut until = self.stall.0.lock().unwrap();
        while let Some(left) = until.and_then(|until| until.checked_duration_since(Instant::now())) {
            if deadline.passed() {
                return true;
            }
            until = self.stall.1.wait_timeout(until, left.min(deadline.left())).unwrap().0;
        }
        false
    }
}

impl DocumentScanner for Tapped {
    fn status(&mut self, deadline: Deadline) -> Result<Sheet, DeviceError> {
        self.tap.at(Phase::Opening);
        if self.stalled(deadline) { Err(DeviceError::TimedOut) } else { self.scanner.status(deadline) }
    }

    fn wait_change(&mut self, deadline: Deadline) -> Result<Sheet, DeviceError> {
        self.scanner.wait_change(deadline)
    }

    fn canceller(&self) -> Option<Canceller> {
        self.scanner.canceller()
    }

    fn scan(&mut self, deadline: Deadline) -> Result<Document, ScanError> {
        let deadline = deadline.at_most(SCAN);
        self.tap.at(Phase::MidWrite);
        if self.stalled(deadline) {
            return Err(DeviceError::TimedOut.into());
        }
        let scanned = self.scanner.scan(deadline);
        self.tap.at(Phase::Awaiting);
        if self.stalled(deadline) { Err(DeviceError::TimedOut.into()) } else { scanned }
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        self.tap.at(Phase::Closing);
    }
}

impl Rig for DocumentRig {
    fn open(&mut self) {
        let (sink, events) = sync_channel(256);
        let (world, door, tap, stall) =
            (self.world.clone(), self.door.clone(), self.tap.clone(), self.stall.clone());
        let open = move || {
            door.pass(simulated::open(&world).is_ok(), || world.plug(Class::DocumentScanner))?;
            let scanner = simulated::open(&world)?;
            let tapped = Tapped { scanner, tap: tap.clone(), stall: stall.clone() };
            Ok(Box::new(tapped) as Box<dyn DocumentScanner>)
        };
        self.handle = Some(document::spawn(open, sink));
        self.heard = Some(Heard::new(events));
    }

    fn tap(&self) -> Tap {
        self.tap.clone()
    }

    fn events(&mut self) -> &mut Heard {
        self.heard.as_mut().unwrap()
    }

    fn begin(&mut self) {
        self.begun += 1;
        self.handle.as_ref().unwrap().scan(ScanId(self.begun)).unwrap();
    }

    fn completes(&self, event: &Event) -> Option<End> {
        let Event::Document(document::Event::Done { outcome, .. }) = event else { return None };
        Some(match outcome {
            Ok(_) => End::Well,
            Err(ScanError::NoSheet) => End::NotReady,
            Err(ScanError::Device(DeviceError::Gone(_))) => End::Gone,
            Err(ScanError::Device(_)) => End::TimedOut,
        })
    }

    /// After what was begun ended.
    fn close(&mut self) {
        while self.heard.as_mut().unwrap().next(SCAN).is_ok_and(|event| self.completes(&event).is_none()) {}
        self.handle = None;
    }

    fn serves(&mut self) -> bool {
        let id = ScanId(self.begun + 1);
        if self.handle.as_ref().unwrap().scan(id).is_err() {
            return false;
        }
        self.begun += 1;
        loop {
            let event = self.events().next(SCAN + LONG).unwrap();
            if let Event::Document(document::Event::Done { id: told, .. }) = &event {
                assert_eq!(*told, id, "a completion of something else");
                return self.completes(&event) == Some(End::Well);
            }
        }
    }
}

fn rig() -> DocumentRig {
    let world = World::new();
    world.place_sheet(SheetKind::Blank);
    DocumentRig {
        world,
        door: Door::default(),
        tap: Tap::default(),
        stall: Stall::default(),
        handle: None,
        heard: None,
        begun: 0,
    }
}

pub(super) fn cell(fault: Fault, phase: Phase) -> Cell {
    if let Some(cell) = common(fault) {
        return cell;
    }
    match fault {
        Fault::Unplugged => run(move || pulled(phase, After::Out)),
        Fault::Replugged => run(move || pulled(phase, After::Back)),
        Fault::DeniedFor2s => run(move || pulled(phase, After::Denied)),
        Fault::Owned => run(move || pulled(phase, After::Owned)),
        Fault::Renumbered => Cell::Na("it is found by vendor and product, or named by the simulated world"),
        Fault::Stall1s | Fault::Stall30s | Fault::StallForEver
            if matches!(phase, Phase::Idle | Phase::Closing) =>
        {
            Cell::Na("a device that waits to be used says nothing anyway")
        }
        Fault::Stall1s => run(move || stall(phase, Some(Duration::from_secs(1)))),
        Fault::Stall30s => run(move || stall(phase, Some(LONG))),
        Fault::StallForEver => run(move || stall(phase, None)),
        Fault::PaperOut
        | Fault::CoverOpen
        | Fault::CutterError
        | Fault::QuadSplit
        | Fault::XoffInQuad
        | Fault::StatusInRaster => Cell::Na("it prints nothing"),
        Fault::WrongSeq | Fault::TimeExtension | Fault::MuteCard | Fault::CardPulled | Fault::TwoCards => {
            Cell::Na("no card goes into it")
        }
        Fault::PartialWrite | Fault::GarbageByte => Cell::Na("the only one is simulated and has no messages"),
        Fault::ServiceKilled | Fault::ClockJump | Fault::PlugCycles => Cell::Na("told above"),
    }
}

fn pulled(phase: Phase, after: After) {
    let mut rig = rig();
    let (world, mended) = (rig.world.clone(), rig.world.clone());
    let end = match phase {
        Phase::MidWrite => End::Gone,
        // The page was in already.
        Phase::Awaiting => End::Well,
        Phase::Idle | Phase::Opening | Phase::Closing => End::Nothing,
    };
    let plan = Plan::pulled(
        &rig.door,
        after,
        move || world.unplug(Class::DocumentScanner),
        move || mended.plug(Class::DocumentScanner),
        end,
        SCAN,
    );
    drive(&mut rig, phase, plan);
}

fn stall(phase: Phase, limit: Option<Duration>) {
    let mut rig = rig();
    let (stall, mended) = (rig.stall.clone(), rig.stall.clone());
    let strike: Strike = Box::new(move || {
        *stall.0.lock().unwrap() = Some(Instant::now() + limit.unwrap_or(Duration::from_secs(3600)));
    });
    let mend: Strike = Box::new(move || {
        *mended.0.lock().unwrap() = None;
        mended.1.notify_all();
    });
    let end = match phase {
        Phase::Opening | Phase::Idle | Phase::Closing => End::Nothing,
        Phase::MidWrite | Phase::Awaiting if limit.is_some_and(|limit| limit < SCAN) => End::Well,
        Phase::MidWrite | Phase::Awaiting => End::TimedOut,
    };
    let plan = Plan { noticed: phase == Phase::Opening, ..Plan::new(strike, mend, end, SCAN) };
    drive(&mut rig, phase, plan);
}
