//! The chip card reader: a CCID reader that exchanges APDUs, kept by its thread, and a card without contacts.
//!
//! The reader gives up on a card that says nothing after three seconds by itself, so a stall of 30 s takes three.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use super::{
    Cell, Fault, Phase, common,
    rig::{After, Door, End, Heard, Plan, Rig, Strike, Tap, drive, nothing},
    run,
};
use hal::{
    DeviceError, Event,
    card::{self, CardHandle, Options, ReaderKind, ccid::CcidPipe},
    sim::{
        ccid::{CcidPanel, Fault as Ccid, Model, Phase as At},
        chip::ChipKind,
    },
};
use std::{sync::mpsc::sync_channel, time::Duration};

/// What reading a card may take.
const READ: Duration = Duration::from_secs(5);
const STALL_MS: u64 = 1_000;
const LONG_MS: u64 = 30_000;

pub(super) struct ChipRig {
    panel: CcidPanel,
    door: Door,
    tap: Tap,
    handle: Option<CardHandle>,
    heard: Option<Heard>,
    uid: u8,
}

impl ChipRig {
    fn new() -> Self {
        let panel = CcidPanel::new(Model::short_apdu());
        let (door, tap) = (Door::default(), Tap::default());
        Self { panel, door, tap, handle: None, heard: None, uid: 0 }
    }

    /// Another card each time.
    fn present(&mut self) {
        self.uid += 1;
        self.panel.insert(ChipKind::Memory { uid: vec![0x04, 1, 2, self.uid] });
    }
}

/// The pipe to the reader; it tells the tap where the driver is.
struct Tapped {
    pipe: Box<dyn CcidPipe>,
    tap: Tap,
    opened: bool,
    commanded: bool,
}

impl CcidPipe for Tapped {
    fn descriptor(&self) -> card::ccid::descriptor::Descriptor {
        self.pipe.descriptor()
    }

    fn packet(&self) -> usize {
        self.pipe.packet()
    }

    fn has_notices(&self) -> bool {
        self.pipe.has_notices()
    }

    fn send(&mut self, message: &[u8], deadline: hal::Deadline) -> Result<(), DeviceError> {
        if !std::mem::replace(&mut self.opened, true) {
            self.tap.at(Phase::Opening);
        }
        // PC_to_RDR_XfrBlock and PC_to_RDR_IccPowerOff.
        self.commanded = message.first() == Some(&0x6F);
        if self.commanded {
            self.tap.at(Phase::MidWrite);
        }
        if message.first() == Some(&0x63) {
            self.tap.at(Phase::Closing);
        }
        self.pipe.send(message, deadline)
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: hal::Deadline) -> Result<usize, DeviceError> {
        if self.commanded {
            self.tap.at(Phase::Awaiting);
        }
        self.pipe.receive(buffer, deadline)
    }

    fn notice(
        &mut self,
        buffer: &mut [u8],
        deadline: hal::Deadline,
    ) -> Result<card::ccid::Told, DeviceError> {
        self.pipe.notice(buffer, deadline)
    }

    fn canceller(&self) -> card::Canceller {
        self.pipe.canceller()
    }

    fn abort(&mut self, slot: u8, seq: u8, deadline: hal::Deadline) -> Result<(), DeviceError> {
        self.pipe.abort(slot, seq, deadline)
    }
}

impl Rig for ChipRig {
    fn open(&mut self) {
        let (sink, events) = sync_channel(256);
        let (panel, door, tap) = (self.panel.clone(), self.door.clone(), self.tap.clone());
        let open = move || {
            door.pass(panel.connect().is_ok(), || panel.plug_in())?;
            let pipe = Tapped { pipe: panel.connect()?, tap: tap.clone(), opened: false, commanded: false };
            let soon = hal::Deadline::after(READ);
            let reader = card::ccid::CcidReader::open(Box::new(pipe), ReaderKind::Contactless, soon)?;
            Ok(Box::new(reader) as Box<dyn card::CardReader>)
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
        self.present();
    }

    fn completes(&self, event: &Event) -> Option<End> {
        ended(event)
    }

    /// After the card that was put in was read: it has power, which is taken away now.
    fn close(&mut self) {
        loop {
            let event = self.events().next(READ).unwrap();
            if ended(&event) == Some(End::Well) {
                break;
            }
        }
        self.handle = None;
    }

    fn serves(&mut self) -> bool {
        self.panel.pull();
        self.handle.as_ref().unwrap().arm();
        self.present();
        reads(self)
    }
}

/// Whether the card that was just put in is read; one event for it, and no other.
pub(super) fn reads(rig: &mut dyn Rig) -> bool {
    let mut inserted = false;
    while let Ok(event) = rig.events().next(Duration::from_millis(700)) {
        inserted |= matches!(event, Event::Card(card::Event::Inserted));
        match ended(&event) {
            Some(End::Well) => {
                assert!(inserted, "read before it came");
                return true;
            }
            Some(_) if inserted => return false,
            Some(_) | None => {}
        }
    }
    false
}

/// How the reading of a card ended.
pub(super) fn ended(event: &Event) -> Option<End> {
    let Event::Card(event) = event else {
        let absent = matches!(event, Event::Health { health: hal::Health::Absent, .. });
        return absent.then_some(End::Gone);
    };
    match event {
        card::Event::Read { .. } => Some(End::Well),
        card::Event::Torn => Some(End::Torn),
        card::Event::Mute => Some(End::Mute),
        card::Event::Unreadable => Some(End::Unreadable),
        card::Event::RefusedPaymentCard => Some(End::Garbled),
        card::Event::Inserted | card::Event::Removed | card::Event::Forgotten | card::Event::Dropped => None,
    }
}

pub(super) fn cell(fault: Fault, phase: Phase) -> Cell {
    if let Some(cell) = common(fault) {
        return cell;
    }
    let listens = Cell::Na("a device that waits to be used says nothing anyway");
    let no_card = Cell::Na("no card is spoken to then");
    let spoken_to = matches!(phase, Phase::MidWrite | Phase::Awaiting);
    match fault {
        Fault::Unplugged => pulled(phase, After::Out),
        Fault::Replugged => pulled(phase, After::Back),
        Fault::DeniedFor2s => pulled(phase, After::Denied),
        Fault::Owned => pulled(phase, After::Owned),
        Fault::Renumbered => Cell::Na("it is found by vendor and product, or named by the simulated world"),
        Fault::Stall1s | Fault::Stall30s | Fault::StallForEver if phase == Phase::Idle => listens,
        Fault::Stall1s => protocol(phase, Ccid::Pause(STALL_MS), End::Well),
        Fault::Stall30s => protocol(phase, Ccid::Pause(LONG_MS), End::Unreadable),
        Fault::StallForEver => protocol(phase, Ccid::Silent, End::Unreadable),
        Fault::GarbageByte => protocol(phase, Ccid::Garbage, End::Well),
        Fault::WrongSeq if phase == Phase::Idle => Cell::Na("a notice has no number"),
        Fault::WrongSeq => protocol(phase, Ccid::WrongSeq(10), End::Well),
        Fault::TimeExtension if phase == Phase::Idle => no_card,
        Fault::TimeExtension => protocol(phase, Ccid::Slow(3), End::Well),
        Fault::MuteCard if spoken_to => protocol(phase, Ccid::Mute, End::Mute),
        Fault::MuteCard => no_card,
        Fault::CardPulled if phase == Phase::Idle => Cell::Na("a card that is not spoken to is just removed"),
        Fault::CardPulled if phase == Phase::Opening => no_card,
        Fault::CardPulled => protocol(phase, Ccid::PullCard, End::Torn),
        // What a reader says of a collision: the line of the card it spoke to is faulty.
        Fault::TwoCards if spoken_to => protocol(phase, Ccid::HardwareError, End::Unreadable),
        Fault::TwoCards => no_card,
        Fault::PartialWrite => Cell::Na("messages in part are the bus's: usb.rs goes on with the rest"),
        Fault::PaperOut
        | Fault::CoverOpen
        | Fault::CutterError
        | Fault::QuadSplit
        | Fault::XoffInQuad
        | Fault::StatusInRaster => Cell::Na("it prints nothing"),
        Fault::ServiceKilled | Fault::ClockJump | Fault::PlugCycles => Cell::Na("told above"),
    }
}

fn pulled(phase: Phase, after: After) -> Cell {
    run(move || {
        let mut rig = ChipRig::new();
        let (panel, mended) = (rig.panel.clone(), rig.panel.clone());
        let end = if matches!(phase, Phase::MidWrite | Phase::Awaiting) { End::Gone } else { End::Nothing };
        let plan =
            Plan::pulled(&rig.door, after, move || panel.unplug(), move || mended.plug_in(), end, READ);
        drive(&mut rig, phase, plan);
    })
}

/// A fault of the protocol, once, in the reply to what the driver sends in this phase.
fn protocol(phase: Phase, fault: Ccid, ends: End) -> Cell {
    if phase == Phase::MidWrite && !matches!(fault, Ccid::Silent) {
        return Cell::Na("a command is handed over whole; what is wrong with it shows in its answer");
    }
    run(move || {
        let mut rig = ChipRig::new();
        let (at, ends) = match phase {
            Phase::Idle => (At::Idle, End::Nothing),
            Phase::Opening => (At::Asking, End::Nothing),
            Phase::MidWrite => (At::Sending, ends),
            Phase::Awaiting => (At::Answering, ends),
            Phase::Closing => (At::Closing, End::Nothing),
        };
        let panel = rig.panel.clone();
        // At this point the message of the phase is not sent yet.
        let point = if phase == Phase::Awaiting { Phase::MidWrite } else { phase };
        let strike: Strike = Box::new(move || panel.arm(at, fault));
        let plan = Plan::new(strike, nothing(), ends, READ);
        drive(&mut rig, point, plan);
        assert!(!rig.panel.is_armed(), "{fault:?} did not happen");
    })
}
