//! The magnetic stripe: a dip reader of the simulated world, kept by its thread.
//!
//! Reading a card may take five seconds, so a stall of 30 s takes five.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use super::{
    Cell, Fault, Phase, chip, common,
    rig::{After, Door, End, Heard, Plan, Rig, Strike, Tap, drive, nothing},
    run,
};
use hal::{
    Class, Deadline, DeviceError, Event,
    card::{self, Canceller, CardError, CardHandle, CardReader, Options, ReaderKind, Slot, Tracks},
    sim::{World, card as simulated, world::CardKind},
};
use std::{sync::mpsc::sync_channel, time::Duration};

/// What reading a card may take.
const READ: Duration = Duration::from_secs(5);

struct StripeRig {
    world: World,
    door: Door,
    tap: Tap,
    handle: Option<CardHandle>,
    heard: Option<Heard>,
}

struct Tapped {
    reader: Box<dyn CardReader>,
    tap: Tap,
}

impl CardReader for Tapped {
    fn kind(&self) -> ReaderKind {
        self.reader.kind()
    }

    fn status(&mut self, deadline: Deadline) -> Result<Slot, DeviceError> {
        self.tap.at(Phase::Opening);
        self.reader.status(deadline)
    }

    fn wait_change(&mut self, deadline: Deadline) -> Result<Slot, DeviceError> {
        self.reader.wait_change(deadline)
    }

    fn canceller(&self) -> Option<Canceller> {
        self.reader.canceller()
    }

    fn read_tracks(&mut self, deadline: Deadline) -> Result<Tracks, CardError> {
        self.tap.at(Phase::Awaiting);
        self.reader.read_tracks(deadline)
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        self.tap.at(Phase::Closing);
    }
}

fn library() -> CardKind {
    CardKind::Library { number: "21234000012347".to_owned() }
}

impl Rig for StripeRig {
    fn open(&mut self) {
        let (sink, events) = sync_channel(256);
        let (world, door, tap) = (self.world.clone(), self.door.clone(), self.tap.clone());
        let open = move || {
            door.pass(simulated::open(&world).is_ok(), || world.plug(Class::CardReader))?;
            Ok(Box::new(Tapped { reader: simulated::open(&world)?, tap: tap.clone() }) as Box<dyn CardReader>)
        };
        self.handle = Some(card::spawn(open, Options::default(), sink));
        self.heard = Some(Heard::new(events));
    }

    fn tap(&self) -> Tap {
        self.tap.clone()
    }

    fn events(&mut self) -> &mut Heard {
        self.heard.as_mut().unwrap()
    }

    fn begin(&mut self) {
        self.handle.as_ref().unwrap().arm();
        self.world.insert_card(library());
    }

    fn completes(&self, event: &Event) -> Option<End> {
        chip::ended(event)
    }

    fn close(&mut self) {
        while chip::ended(&self.events().next(READ).unwrap()).is_none() {}
        self.handle = None;
    }

    fn serves(&mut self) -> bool {
        self.world.pull_card();
        self.handle.as_ref().unwrap().arm();
        self.world.insert_card(library());
        chip::reads(self)
    }
}

fn rig() -> StripeRig {
    StripeRig { world: World::new(), door: Door::default(), tap: Tap::default(), handle: None, heard: None }
}

pub(super) fn cell(fault: Fault, phase: Phase) -> Cell {
    if let Some(cell) = common(fault) {
        return cell;
    }
    let pull: fn(Phase, After) -> Cell = |phase, after| match phase {
        Phase::MidWrite => Cell::Na("nothing is written to it"),
        Phase::Idle | Phase::Opening | Phase::Awaiting | Phase::Closing => run(move || pulled(phase, after)),
    };
    match fault {
        Fault::Unplugged => pull(phase, After::Out),
        Fault::Replugged => pull(phase, After::Back),
        Fault::DeniedFor2s => pull(phase, After::Denied),
        Fault::Owned => pull(phase, After::Owned),
        Fault::Renumbered => Cell::Na("it is found by vendor and product, or named by the simulated world"),
        Fault::Stall1s | Fault::Stall30s | Fault::StallForEver | Fault::CardPulled
            if phase != Phase::Awaiting =>
        {
            Cell::Na("a device that waits to be used says nothing anyway")
        }
        Fault::Stall1s => run(|| held(Some(Duration::from_secs(1)))),
        // Both outlast the reading, which is given up by itself.
        Fault::Stall30s | Fault::StallForEver => run(|| held(None)),
        Fault::CardPulled => run(|| {
            let mut rig = rig();
            let world = rig.world.clone();
            let strike: Strike = Box::new(move || world.pull_card());
            drive(&mut rig, Phase::Awaiting, Plan::new(strike, nothing(), End::Torn, READ));
        }),
        Fault::MuteCard if phase == Phase::Idle => run(wrong_way_round),
        Fault::MuteCard => Cell::Na("a stripe that shows its back is seen when the card comes"),
        Fault::TwoCards => Cell::Na("the slot holds one card"),
        Fault::PartialWrite | Fault::WrongSeq | Fault::TimeExtension | Fault::GarbageByte => {
            Cell::Na("the head gives bits, without messages")
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

fn pulled(phase: Phase, after: After) {
    let mut rig = rig();
    let (world, mended) = (rig.world.clone(), rig.world.clone());
    let end = if phase == Phase::Awaiting { End::Gone } else { End::Nothing };
    let plan = Plan::pulled(
        &rig.door,
        after,
        move || world.unplug(Class::CardReader),
        move || mended.plug(Class::CardReader),
        end,
        READ,
    );
    drive(&mut rig, phase, plan);
}

/// The head gives nothing more for so long.
fn held(limit: Option<Duration>) {
    let mut rig = rig();
    let (world, released) = (rig.world.clone(), rig.world.clone());
    let strike: Strike = Box::new(move || {
        world.hold_card_read(true);
        if let Some(limit) = limit {
            std::thread::spawn(move || {
                std::thread::park_timeout(limit);
                world.hold_card_read(false);
            });
        }
    });
    let mend: Strike = Box::new(move || released.hold_card_read(false));
    let end = if limit.is_some() { End::Well } else { End::Unreadable };
    drive(&mut rig, Phase::Awaiting, Plan::new(strike, mend, end, READ));
}

fn wrong_way_round() {
    let mut rig = rig();
    rig.open();
    rig.events().until_ready();
    rig.handle.as_ref().unwrap().arm();
    rig.world.insert_card(CardKind::WrongWayRound);
    let told = loop {
        let event = rig.events().next(READ).unwrap();
        if let Some(end) = chip::ended(&event) {
            break end;
        }
    };
    assert_eq!(told, End::Mute);
    assert!(rig.serves(), "the next card is read");
}
