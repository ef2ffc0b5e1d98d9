//! The touch panel: simulated at its raw events. It is not opened and has no thread of its own; what opening
//! meets is shown on the kernel's panels in the virtual machine.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use super::{Cell, Fault, Phase, common, run};
use hal::{
    Class, Event, Health,
    pointer::{Kind, evdev::Options},
    sim::{World, pointer},
};
use std::{
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

/// An event is told within.
const TOLD: Duration = Duration::from_secs(2);

pub(super) fn cell(fault: Fault, phase: Phase) -> Cell {
    if (fault, phase) == (Fault::ClockJump, Phase::MidWrite) {
        return Cell::Vm("touch::clock_set_under_a_finger");
    }
    if let Some(cell) = common(fault) {
        return cell;
    }
    let in_machine = |scenario| match phase {
        Phase::Opening => Cell::Vm(scenario),
        Phase::Idle | Phase::MidWrite | Phase::Awaiting | Phase::Closing => {
            Cell::Na("it matters only when the node is opened")
        }
    };
    match fault {
        Fault::Unplugged | Fault::Replugged => match phase {
            Phase::Idle => run(|| pulled(false)),
            Phase::MidWrite => run(|| pulled(true)),
            Phase::Opening => Cell::Vm("touch::unplugged_and_found_again"),
            Phase::Awaiting => Cell::Na("nothing is asked of it"),
            Phase::Closing => run(closing),
        },
        Fault::Renumbered => in_machine("touch::comes_back_under_another_number"),
        Fault::DeniedFor2s => in_machine("touch::permission_comes_late"),
        Fault::Owned => in_machine("touch::held_by_somebody_else_is_not_read"),
        Fault::Stall1s | Fault::Stall30s | Fault::StallForEver => match phase {
            Phase::MidWrite => Cell::Vm("touch::stuck_finger_leaves_room_for_another"),
            Phase::Idle | Phase::Opening | Phase::Awaiting | Phase::Closing => {
                Cell::Na("a device that waits to be used says nothing anyway")
            }
        },
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

/// The pointer events that are there, and the last health.
fn heard(events: &Receiver<Event>) -> (Vec<Kind>, Option<Health>) {
    let (mut kinds, mut last) = (Vec::new(), None);
    for event in events.try_iter() {
        match event {
            Event::Pointer(event) => kinds.push(event.kind),
            Event::Health { health, .. } => last = Some(health),
            other => panic!("{other:?}"),
        }
    }
    (kinds, last)
}

/// Unplugged with a finger down or without, and back.
fn pulled(down: bool) {
    let world = World::new();
    let (sink, events) = sync_channel(64);
    let _handle = pointer::connect(&world, "sim:touch", Options::default(), sink);
    assert!(!down || world.press(0, 0.5, 0.5));
    world.unplug(Class::Pointer);
    let wanted: &[Kind] = if down { &[Kind::Down, Kind::Cancel] } else { &[] };
    assert_eq!(heard(&events), (wanted.to_vec(), Some(Health::Absent)));
    assert!(!world.touch(0.5, 0.5), "nothing comes from a panel that is out");
    world.plug(Class::Pointer);
    assert!(world.touch(0.5, 0.5));
    assert_eq!(heard(&events), (vec![Kind::Down, Kind::Up], Some(Health::Ready)));
}

/// The handle and the listener go while a finger is down.
fn closing() {
    let world = World::new();
    let (sink, events) = sync_channel(64);
    let handle = pointer::connect(&world, "sim:touch", Options::default(), sink);
    assert!(world.press(0, 0.5, 0.5));
    drop(handle);
    world.unplug(Class::Pointer);
    drop(events);
    world.plug(Class::Pointer);
    let (sink, events) = sync_channel(64);
    let _handle = pointer::connect(&world, "sim:touch", Options::default(), sink);
    assert!(world.touch(0.5, 0.5));
    let told = events.recv_timeout(TOLD).unwrap();
    assert!(matches!(told, Event::Health { health: Health::Ready, .. }), "{told:?}");
    assert_eq!(heard(&events).0, [Kind::Down, Kind::Up]);
}
