//! Devices that type: a barcode scanner and a keypad, simulated keyboards kept by their threads.
//!
//! Nothing is written to them and nothing is asked of them: the middle is that of a symbol, or a key held down.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use super::{
    Cell, Fault, Phase, common,
    rig::{After, Door, End, Heard, Plan, Rig, Tap, drive},
    run,
};
use hal::{
    Class, Deadline, DeviceError, Event,
    keypad::{self, KeyMap, KeypadHandle, Kind},
    keys::KeySource,
    scanner::{self, Canceller, SCAN_BYTES_MAX, Scanner, ScannerHandle, TextScanner},
    sim::{
        World,
        keyboard::{self, Place},
        world::Symbol,
    },
    wedge::{Framer, KeyText, Layout, Terminator, Typist},
};
use std::{collections::BTreeSet, sync::mpsc::sync_channel, time::Duration};
use zeroize::Zeroizing;

/// A key or a symbol is told within.
const TOLD: Duration = Duration::from_secs(2);

/// `KEY_UP`.
const UP: u16 = 103;

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Barcode,
    Keypad,
}

impl What {
    const fn class(self) -> Class {
        match self {
            Self::Barcode => Class::Scanner,
            Self::Keypad => Class::Keypad,
        }
    }

    const fn place(self) -> Place {
        match self {
            Self::Barcode => Place::Scanner,
            Self::Keypad => Place::Keypad,
        }
    }
}

enum Handle {
    Barcode(ScannerHandle),
    Keypad(#[expect(dead_code, reason = "held so that its thread runs")] KeypadHandle),
}

struct TypedRig {
    what: What,
    world: World,
    door: Door,
    tap: Tap,
    handle: Option<Handle>,
    heard: Option<Heard>,
}

/// A keyboard; it tells the tap where the driver is.
struct Tapped {
    keys: keyboard::SimKeyboard,
    tap: Tap,
}

impl KeySource for Tapped {
    fn read(&mut self, deadline: Deadline) -> Result<Zeroizing<Vec<hal::keys::Raw>>, DeviceError> {
        self.tap.at(Phase::Opening);
        self.keys.read(deadline)
    }

    fn held(&mut self) -> Result<BTreeSet<u16>, DeviceError> {
        self.keys.held()
    }

    fn canceller(&self) -> Option<Canceller> {
        self.keys.canceller()
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        self.tap.at(Phase::Closing);
    }
}

impl Rig for TypedRig {
    fn open(&mut self) {
        let (sink, events) = sync_channel(256);
        let (world, door, tap, what) = (self.world.clone(), self.door.clone(), self.tap.clone(), self.what);
        let open = move || {
            let plugged = !matches!(keyboard::open(&world, what.place()), Err(DeviceError::Gone(_)));
            door.pass(plugged, || world.plug(what.class()))?;
            Ok(Tapped { keys: keyboard::open(&world, what.place())?, tap: tap.clone() })
        };
        self.handle = Some(match what {
            What::Barcode => {
                let open = move || {
                    let typist = Typist::new(Layout::named("us").unwrap());
                    let framer = Framer::new(Terminator::Enter, SCAN_BYTES_MAX);
                    let text = KeyText::new(Box::new(open()?), typist, framer);
                    Ok(Box::new(TextScanner::new(Box::new(text))) as Box<dyn Scanner>)
                };
                Handle::Barcode(scanner::spawn("sim:scanner", open, sink))
            }
            What::Keypad => {
                let open = move || Ok(Box::new(open()?) as Box<dyn KeySource>);
                Handle::Keypad(keypad::spawn(KeyMap::named("arrows").unwrap(), open, sink))
            }
        });
        self.heard = Some(Heard::new(events));
    }

    fn tap(&self) -> Tap {
        self.tap.clone()
    }

    fn events(&mut self) -> &mut Heard {
        self.heard.as_mut().unwrap()
    }

    /// Half a symbol, or a key that is not let go.
    fn begin(&mut self) {
        match &self.handle {
            Some(Handle::Barcode(handle)) => {
                handle.arm();
                assert!(self.world.scan(&Symbol::NoEnd("half of it".to_owned())));
            }
            Some(Handle::Keypad(_)) => {
                assert!(self.world.key(UP, true));
                while !matches!(self.events().next(TOLD).unwrap(), Event::Keypad(_)) {}
            }
            None => panic!("not open"),
        }
        self.tap.at(Phase::MidWrite);
    }

    fn completes(&self, event: &Event) -> Option<End> {
        match event {
            Event::Keypad(event) if event.kind == Kind::Cancel => Some(End::Cancelled),
            Event::Scanner(scanner::Event::Read { scan, .. }) if scan.data.expose() == b"half of it" => {
                Some(End::Garbled)
            }
            Event::Health { health: hal::Health::Absent, .. } if self.what == What::Barcode => {
                Some(End::Gone)
            }
            _ => None,
        }
    }

    fn close(&mut self) {
        self.handle = None;
    }

    fn serves(&mut self) -> bool {
        match &self.handle {
            Some(Handle::Barcode(handle)) => {
                handle.arm();
                self.world.scan(&Symbol::Text("whole".to_owned())) && self.reads("whole")
            }
            Some(Handle::Keypad(_)) => {
                self.world.key(UP, true) && self.world.key(UP, false) && self.pressed()
            }
            None => panic!("not open"),
        }
    }
}

impl TypedRig {
    fn new(what: What) -> Self {
        let (door, tap) = (Door::default(), Tap::default());
        Self { what, world: World::new(), door, tap, handle: None, heard: None }
    }

    fn reads(&mut self, text: &str) -> bool {
        while let Ok(event) = self.events().next(Duration::from_millis(500)) {
            if let Event::Scanner(scanner::Event::Read { scan, .. }) = event {
                assert_eq!(scan.data.expose(), text.as_bytes(), "a scan of something else");
                return true;
            }
        }
        false
    }

    fn pressed(&mut self) -> bool {
        let mut kinds = Vec::new();
        while kinds.len() < 2 {
            match self.events().next(Duration::from_millis(500)) {
                Ok(Event::Keypad(event)) => kinds.push(event.kind),
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        assert_eq!(kinds, [Kind::Press, Kind::Release]);
        true
    }
}

pub(super) fn barcode(fault: Fault, phase: Phase) -> Cell {
    cell(What::Barcode, fault, phase)
}

pub(super) fn keypad(fault: Fault, phase: Phase) -> Cell {
    cell(What::Keypad, fault, phase)
}

fn cell(what: What, fault: Fault, phase: Phase) -> Cell {
    if let Some(cell) = common(fault) {
        return cell;
    }
    let pull: fn(What, Phase, After) -> Cell = |what, phase, after| match phase {
        Phase::Awaiting => Cell::Na("nothing is asked of it"),
        Phase::Idle | Phase::Opening | Phase::MidWrite | Phase::Closing => {
            run(move || pulled(what, phase, after))
        }
    };
    match fault {
        Fault::Unplugged => pull(what, phase, After::Out),
        Fault::Replugged => pull(what, phase, After::Back),
        Fault::DeniedFor2s => pull(what, phase, After::Denied),
        Fault::Owned => pull(what, phase, After::Owned),
        Fault::Renumbered if phase == Phase::Idle => Cell::Vm("touch::comes_back_under_another_number"),
        Fault::Renumbered => Cell::Na("once it is pulled out, what number it gets is the same story"),
        Fault::Stall1s | Fault::Stall30s | Fault::StallForEver => {
            Cell::Na("a device that waits to be used says nothing anyway")
        }
        Fault::GarbageByte if phase == Phase::Idle && what == What::Barcode => run(garbage),
        Fault::PartialWrite | Fault::GarbageByte => Cell::Na("keys are whole events of the kernel"),
        Fault::WrongSeq | Fault::TimeExtension | Fault::MuteCard | Fault::CardPulled | Fault::TwoCards => {
            Cell::Na("no card goes into it")
        }
        Fault::PaperOut
        | Fault::CoverOpen
        | Fault::CutterError
        | Fault::QuadSplit
        | Fault::XoffInQuad
        | Fault::StatusInRaster => Cell::Na("it prints nothing"),
        Fault::ServiceKilled | Fault::ClockJump | Fault::PlugCycles => Cell::Na("told above"),
    }
}

fn pulled(what: What, phase: Phase, after: After) {
    let mut rig = TypedRig::new(what);
    let (world, mended) = (rig.world.clone(), rig.world.clone());
    let end = match (phase, what) {
        (Phase::MidWrite, What::Barcode) => End::Gone,
        (Phase::MidWrite, What::Keypad) => End::Cancelled,
        (Phase::Closing, What::Keypad) => End::Cancelled,
        (Phase::Idle | Phase::Opening | Phase::Awaiting | Phase::Closing, _) => End::Nothing,
    };
    let plan = Plan::pulled(
        &rig.door,
        after,
        move || world.unplug(what.class()),
        move || mended.plug(what.class()),
        end,
        TOLD,
    );
    drive(&mut rig, phase, plan);
}

/// Keys that type nothing among the digits: no scan, and the next one is whole.
fn garbage() {
    let mut rig = TypedRig::new(What::Barcode);
    rig.open();
    rig.events().until_ready();
    let Some(Handle::Barcode(handle)) = &rig.handle else { panic!("not open") };
    handle.arm();
    assert!(rig.world.scan(&Symbol::Garbage));
    loop {
        let event = rig.events().next(TOLD).unwrap();
        match event {
            Event::Scanner(scanner::Event::Garbled) => break,
            Event::Scanner(other) => panic!("{other:?}"),
            _ => {}
        }
    }
    assert!(rig.serves());
}
