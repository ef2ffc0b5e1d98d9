//! A second opinion on touches: the same fingers on the same panel, told by libinput and by hal.
//!
//! One after the other, because hal has the panel for itself.

use super::{
    CHANNEL, open,
    panel::{EDGE, Panel},
};
use crate::others::{self, Running};
use anyhow::{Context as _, Result, ensure};
use hal::{
    Health,
    pointer::{Event, Kind},
};
use std::process::Command;

/// How far both may be apart: libinput divides by the number of places, 4096, and writes hundredths of a percent;
/// hal has the last place, 4095, at the edge of the screen.
const ROUNDING: f64 = 1.0 / 4096.0 + 0.000_05;

/// Each finger's moves.
const MOVES: i32 = 20;

/// One thing told of a finger: what, its slot, where (the last place, for `Up`).
type Told = (Kind, u8, f64, f64);

/// Down, motion and up, in the same order, of the same slots, at the same places.
pub(crate) fn libinput_agrees() -> Result<()> {
    let mut panel = Panel::plug_in()?;
    let udev = others::udev()?;
    let node = panel.node().display().to_string();
    let mut command = Command::new("/usr/libexec/libinput/libinput-debug-events");
    let libinput = Running::start(command.args(["--device", &node]))?;
    libinput.until_line("DEVICE_ADDED")?;
    let mut lines = Vec::new();
    play(&mut panel, 1, |_, kind| {
        lines.extend(libinput.until_line(word(kind))?);
        Ok(())
    })?;
    libinput.kill()?;
    drop(udev);
    let theirs = theirs(&lines).with_context(|| format!("libinput wrote {lines:?}"))?;

    let (_devices, mut heard) = open(CHANNEL)?;
    heard.health(&Health::Ready)?;
    play(&mut panel, 3, |slot, kind| heard.finger(slot, kind).map(drop))?;
    let ours: Vec<Told> = heard.fingers().map(told).collect();
    ensure!(ours.len() == theirs.len(), "hal told {} events, libinput {}", ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let near = (ours.2 - theirs.2).abs() < ROUNDING && (ours.3 - theirs.3).abs() < ROUNDING;
        ensure!((ours.0, ours.1) == (theirs.0, theirs.1) && near, "hal {ours:?}, libinput {theirs:?}");
    }
    ensure!(count(&ours, Kind::Move) == usize::try_from(2 * MOVES)?, "{} moves", count(&ours, Kind::Move));
    Ok(())
}

/// Two fingers land, move in turn and lift, the first after the second; `seen` waits for each to be told, so
/// that no buffer runs over.
fn play(panel: &mut Panel, id: i32, mut seen: impl FnMut(u8, Kind) -> Result<()>) -> Result<()> {
    panel.press(0, id, 100, 200)?;
    seen(0, Kind::Down)?;
    panel.press(1, id + 1, 3000, EDGE)?;
    seen(1, Kind::Down)?;
    for step in 1..=MOVES {
        panel.drag(0, 100 + 37 * step, 200 + 11 * step)?;
        seen(0, Kind::Move)?;
        panel.drag(1, 3000 - 91 * step, EDGE - 5 * step)?;
        seen(1, Kind::Move)?;
    }
    panel.lift(1)?;
    seen(1, Kind::Up)?;
    panel.lift(0)?;
    seen(0, Kind::Up)
}

/// What libinput calls it.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Down => "TOUCH_DOWN",
        Kind::Move => "TOUCH_MOTION",
        Kind::Up => "TOUCH_UP",
        Kind::Cancel => "TOUCH_CANCEL",
    }
}

fn told(event: Event) -> Told {
    (event.kind, event.slot, f64::from(event.x), f64::from(event.y))
}

fn count(all: &[Told], kind: Kind) -> usize {
    all.iter().filter(|told| told.0 == kind).count()
}

/// Lines such as ` event3   TOUCH_DOWN   3  +0.12s   0 (0) 24.42/48.84 (1/2mm)`.
fn theirs(lines: &[String]) -> Option<Vec<Told>> {
    let mut all: Vec<Told> = Vec::new();
    for line in lines {
        let kinds = [Kind::Down, Kind::Move, Kind::Up, Kind::Cancel];
        let Some(kind) = kinds.into_iter().find(|kind| line.contains(word(*kind))) else { continue };
        let (before, after) = line.split_once(" (")?;
        let slot: u8 = before.split_whitespace().next_back()?.parse().ok()?;
        let (_, rest) = after.split_once(')')?;
        let last = all.iter().rev().find(|told| told.1 == slot).map(|told| (told.2, told.3));
        let ends = matches!(kind, Kind::Up | Kind::Cancel);
        let (x, y) = if ends { last? } else { place(rest)? };
        all.push((kind, slot, x, y));
    }
    Some(all)
}

/// `24.42/48.84`, in percent.
fn place(text: &str) -> Option<(f64, f64)> {
    let (x, rest) = text.split_once('/')?;
    let part = |text: &str| text.trim().parse::<f64>().ok().map(|percent| percent / 100.0);
    Some((part(x)?, part(rest.trim_start().split([' ', '(']).next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libinput_writes_is_read() {
        let lines = [
            "-event3   DEVICE_ADDED   kiosk touch panel   seat0 default group1 cap:t ntouches 10 calib",
            " event3   TOUCH_DOWN             +0.000s\t0 (0) 24.42/48.84 (10.1/20.2mm)",
            " event3   TOUCH_FRAME            +0.000s\t",
            " event3   TOUCH_UP               +0.010s\t0 (0)",
        ];
        let all = theirs(&lines.map(str::to_owned)).unwrap();
        assert_eq!(all.len(), 2);
        assert!((all[1].2 - 0.2442).abs() < 1e-9 && all[1].0 == Kind::Up);
        assert_eq!(place(" 1.00/ 2.50 (1/2mm)"), Some((0.01, 0.025)));
    }
}
