//! Touch panels: what hal tells of fingers that the kernel reports.
//!
//! Each panel is opened as a kiosk does, from a config by [`hal::factory::open`]. What holds for every
//! scenario is checked at its end by [`well_formed`].

pub(crate) mod opinion;
mod panel;

use crate::{
    around::{Held, allow, set_clock, unprivileged, until_asleep},
    heard::{EVENT_LIMIT, Heard},
    kiosk,
};
use anyhow::{Context as _, Result, ensure};
use evdev::raw_stream::RawDevice;
use hal::{
    Health, Trouble,
    factory::{self, Devices},
    pointer::{Event, Kind, SLOTS_MAX},
};
use panel::{EDGE, LINK, NAME, Panel};
use std::{collections::BTreeSet, time::Duration};

/// The thread of hal that reads the panel.
const THREAD: &str = "hal-pointer";

/// As many events as hal may be ahead of us.
const CHANNEL: usize = 256;

/// A panel that is plugged in again is found within this.
const FOUND_AGAIN: Duration = Duration::from_secs(3);

/// Plugged in and out so often.
const CYCLES: usize = 20;

/// An hour, in seconds.
const HOUR_S: i64 = 3600;

/// Reports that overflow the kernel's buffer of 64 events for a reader that stands still.
const FLOOD: i32 = 1500;

/// How far a coordinate may be from the truth: half a dot of a screen 4000 dots wide.
const TOLERANCE: f64 = 0.000_125;

/// Opens the panel as a kiosk does.
fn open(channel: usize) -> Result<(Devices, Heard)> {
    kiosk::open(&format!("[[devices.pointer]]\nselector = \"{LINK}\"\n"), channel)
}

/// Two fingers that land, move and lift at their own times are told apart, at their places.
pub(crate) fn two_fingers_keep_apart() -> Result<()> {
    let mut panel = Panel::plug_in()?;
    let listed = factory::list();
    ensure!(listed.iter().any(|found| found.name.as_deref() == Ok(NAME)), "not listed: {listed:?}");
    let (_devices, mut heard) = open(CHANNEL)?;
    heard.health(&Health::Ready)?;
    panel.press(0, 1, 1000, 2000)?;
    expect_at(heard.finger(0, Kind::Down)?, 1000, 2000)?;
    panel.press(1, 2, 3000, 500)?;
    expect_at(heard.finger(1, Kind::Down)?, 3000, 500)?;
    panel.drag(0, 1100, 2100)?;
    expect_at(heard.finger(0, Kind::Move)?, 1100, 2100)?;
    panel.lift(0)?;
    expect_at(heard.finger(0, Kind::Up)?, 1100, 2100)?;
    panel.drag(1, 0, EDGE)?;
    expect_at(heard.finger(1, Kind::Move)?, 0, EDGE)?;
    panel.lift(1)?;
    expect_at(heard.finger(1, Kind::Up)?, 0, EDGE)?;
    let told: Vec<_> = heard.fingers().map(|event| (event.slot, event.kind)).collect();
    ensure!(told.len() == 6, "more was told than happened: {told:?}");
    well_formed(&heard)
}

/// The kernel drops reports while nobody reads. A finger that lifted meanwhile is cancelled, never clicked;
/// one that stayed goes on from where it is; no finger appears at the left edge.
pub(crate) fn overflow_makes_no_ghost() -> Result<()> {
    let mut panel = Panel::plug_in()?;
    // Room for one event: finger 1 fills it, finger 2 holds hal's thread, and the kernel's buffer runs over.
    let (_devices, mut heard) = open(1)?;
    heard.health(&Health::Ready)?;
    panel.press(0, 1, 1000, 2000)?;
    heard.finger(0, Kind::Down)?;
    panel.press(1, 2, 2000, 2000)?;
    panel.press(2, 3, 1500, 3000)?;
    until_asleep(THREAD, EVENT_LIMIT)?;
    for step in 1..=FLOOD {
        panel.drag(2, 1500 + step, 3000)?;
    }
    panel.lift(0)?;
    for step in 1..=FLOOD {
        panel.drag(2, 3000 - step, 3000)?;
    }
    heard.finger(0, Kind::Cancel).context("a release that was lost")?;
    panel.lift(1)?;
    expect_at(heard.finger(1, Kind::Up)?, 2000, 2000)?;
    panel.lift(2)?;
    expect_at(heard.finger(2, Kind::Up)?, 1500, 3000)?;
    let inside = |event: &Event| event.x > 0.2 && event.y > 0.4;
    let ghost = heard.fingers().find(|event| !inside(event));
    ensure!(ghost.is_none(), "a touch nobody made: {ghost:?}");
    let landed = heard.fingers().filter(|event| event.kind == Kind::Down).count();
    ensure!(landed == 3, "{landed} fingers for 3");
    well_formed(&heard)
}

/// What the kernel still holds after an overflow is older than what it answers when asked, and leaves out
/// the slot it began in. Taken for new, a release of one finger becomes the click of another.
pub(crate) fn overflow_lifts_no_other_finger() -> Result<()> {
    let mut panel = Panel::plug_in()?;
    let (_devices, mut heard) = open(1)?;
    heard.health(&Health::Ready)?;
    panel.press(0, 1, 1000, 2000)?;
    heard.finger(0, Kind::Down)?;
    panel.press(1, 2, 2000, 2000)?;
    panel.press(2, 3, 1500, 3000)?;
    until_asleep(THREAD, EVENT_LIMIT)?;
    for step in 1..=FLOOD {
        panel.drag(2, 1500 + step, 3000)?;
    }
    // The kernel names no slot for this release: finger 2 is the one it spoke of last.
    panel.lift(2)?;
    panel.drag(1, 2100, 2100)?;
    heard.finger(2, Kind::Cancel).context("a release that was lost")?;
    panel.lift(0)?;
    heard.finger(0, Kind::Up)?;
    let other = heard.fingers().find(|event| event.slot == 1 && event.kind != Kind::Down);
    let stayed = other.is_none_or(|event| event.kind == Kind::Move && expect_at(event, 2100, 2100).is_ok());
    ensure!(stayed, "finger 1 stayed where it is, and did {other:?}");
    panel.lift(1)?;
    expect_at(heard.finger(1, Kind::Up)?, 2100, 2100)?;
    well_formed(&heard)
}

/// A panel that is pulled out takes its finger with it, and is found when it is back.
pub(crate) fn unplugged_and_found_again() -> Result<()> {
    let mut panel = Panel::plug_in()?;
    let (_devices, mut heard) = open(CHANNEL)?;
    heard.health(&Health::Ready)?;
    for round in 0..3 {
        panel.press(0, 1 + round, 1000, 2000)?;
        heard.finger(0, Kind::Down)?;
        drop(panel);
        heard.finger(0, Kind::Cancel)?;
        heard.health(&Health::Absent)?;
        panel = Panel::plug_in()?;
        let took = heard.health(&Health::Ready)?;
        ensure!(took < FOUND_AGAIN, "found again after {} ms", took.as_millis());
    }
    panel.press(3, 9, 1000, 2000)?;
    heard.finger(3, Kind::Down)?;
    panel.lift(3)?;
    heard.finger(3, Kind::Up)?;
    well_formed(&heard)
}

/// Water or gum that was there before hal: told once, and another finger taps as ever.
pub(crate) fn stuck_finger_leaves_room_for_another() -> Result<()> {
    let mut panel = Panel::plug_in()?;
    panel.press(0, 1, 4000, 4000)?;
    let (_devices, mut heard) = open(CHANNEL)?;
    expect_at(heard.finger(0, Kind::Down)?, 4000, 4000)?;
    for tap in 2..12 {
        panel.press(1, tap, 1000, 1000 + tap)?;
        expect_at(heard.finger(1, Kind::Down)?, 1000, 1000 + tap)?;
        panel.lift(1)?;
        heard.finger(1, Kind::Up)?;
    }
    let stuck: Vec<_> = heard.fingers().filter(|event| event.slot == 0).map(|event| event.kind).collect();
    ensure!(stuck == [Kind::Down], "the stuck finger did {stuck:?}");
    panel.lift(0)?;
    heard.finger(0, Kind::Up)?;
    well_formed(&heard)
}

/// A panel that somebody else has grabbed is not read until it is let go.
pub(crate) fn held_by_somebody_else_is_not_read() -> Result<()> {
    let mut panel = Panel::plug_in()?;
    let mut other = RawDevice::open(panel.node())?;
    other.grab()?;
    let (_devices, mut heard) = open(CHANNEL)?;
    heard.health(&Health::Degraded(BTreeSet::from([Trouble::Offline])))?;
    panel.press(0, 1, 1000, 1000)?;
    panel.lift(0)?;
    other.ungrab()?;
    heard.health(&Health::Ready)?;
    panel.press(0, 2, 2000, 2000)?;
    expect_at(heard.finger(0, Kind::Down)?, 2000, 2000)?;
    let told = heard.fingers().count();
    ensure!(told == 1, "{told} events for one touch");
    well_formed(&heard)
}

/// The kernel has made the node, udev has not yet given it to the kiosk's user: the panel is not read, and
/// read as soon as it may be.
pub(crate) fn permission_comes_late() -> Result<()> {
    let mut panel = Panel::plug_in()?;
    let (_devices, mut heard) = unprivileged(|| open(CHANNEL))?;
    heard.health(&Health::Faulted("E-PTR-DENIED"))?;
    allow(panel.node())?;
    let took = heard.health(&Health::Ready)?;
    ensure!(took < FOUND_AGAIN, "read after {} ms", took.as_millis());
    panel.press(0, 1, 1000, 2000)?;
    expect_at(heard.finger(0, Kind::Down)?, 1000, 2000)
}

/// A number below became free, so that the panel comes back under that one. The link leads hal there.
pub(crate) fn comes_back_under_another_number() -> Result<()> {
    let below = Panel::plug_in()?;
    let mut panel = Panel::plug_in()?;
    drop(below);
    let before = panel.node().to_owned();
    let (_devices, mut heard) = open(CHANNEL)?;
    heard.health(&Health::Ready)?;
    drop(panel);
    heard.health(&Health::Absent)?;
    panel = Panel::plug_in()?;
    ensure!(panel.node() != before, "it came back as {}", before.display());
    let took = heard.health(&Health::Ready)?;
    ensure!(took < FOUND_AGAIN, "found again after {} ms", took.as_millis());
    panel.press(0, 1, 1000, 2000)?;
    expect_at(heard.finger(0, Kind::Down)?, 1000, 2000)
}

/// The wall clock is set under a finger: the order and distance of what it does stay as they were.
pub(crate) fn clock_set_under_a_finger() -> Result<()> {
    let mut panel = Panel::plug_in()?;
    let (_devices, mut heard) = open(CHANNEL)?;
    heard.health(&Health::Ready)?;
    panel.press(0, 1, 1000, 2000)?;
    let down = heard.finger(0, Kind::Down)?;
    set_clock(-HOUR_S)?;
    panel.drag(0, 1100, 2000)?;
    heard.finger(0, Kind::Move)?;
    set_clock(2 * HOUR_S)?;
    panel.lift(0)?;
    let up = heard.finger(0, Kind::Up)?;
    let held = Duration::from_micros(up.at_us.saturating_sub(down.at_us));
    ensure!(held < EVENT_LIMIT, "a touch of {} s", held.as_secs());
    well_formed(&heard)
}

/// However often the plug is pulled, no thread and no open file is left behind.
pub(crate) fn hot_plugging_leaks_nothing() -> Result<()> {
    let mut panel = Panel::plug_in()?;
    let (_devices, mut heard) = open(CHANNEL)?;
    let mut counts = Vec::new();
    for _ in 0..CYCLES {
        heard.health(&Health::Ready)?;
        counts.push(Held::now()?);
        drop(panel);
        heard.health(&Health::Absent)?;
        panel = Panel::plug_in()?;
    }
    Held::same_throughout(&counts)
}

fn expect_at(event: Event, x: i32, y: i32) -> Result<()> {
    let near = |told: f32, true_value: i32| {
        let wanted = f64::from(true_value) / f64::from(EDGE);
        (f64::from(told) - wanted).abs() < TOLERANCE
    };
    ensure!(near(event.x, x) && near(event.y, y), "{event:?} is not at {x}, {y} of {EDGE}");
    Ok(())
}

/// Per slot: `Down`, moves, one `Up` or `Cancel`, and so on; on the screen; never back in time.
fn well_formed(heard: &Heard) -> Result<()> {
    for slot in 0..SLOTS_MAX {
        let mut down = false;
        for event in heard.fingers().filter(|event| event.slot == slot) {
            let starts = event.kind == Kind::Down;
            ensure!(starts != down, "{event:?} does not follow from what slot {slot} did before");
            down = !matches!(event.kind, Kind::Up | Kind::Cancel);
            let on_screen = (0.0..=1.0).contains(&event.x) && (0.0..=1.0).contains(&event.y);
            ensure!(on_screen, "{event:?} is off the screen");
        }
    }
    let times: Vec<_> = heard.fingers().map(|event| event.at_us).collect();
    ensure!(times.is_sorted(), "time runs backwards: {times:?}");
    Ok(())
}
