//! Keys that stick, go missing or go mad, and a keypad nobody has a map of.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use crate::desk::Desk;
use hal::{
    Class, DeviceError, Event, Health, Trouble,
    keypad::{self, ATTEMPTS_MAX, Jack, KeyMap, Kind, Learner, NavKey, Question, Taken},
    sim::{
        World,
        keyboard::{self, Place},
    },
};
use std::{collections::BTreeSet, time::Duration};

/// `KEY_UP`, `KEY_KP8`, `KEY_DOWN`, `KEY_A`.
const UP: u16 = 103;
const PAD_8: u16 = 72;
const DOWN: u16 = 108;
const A: u16 = 30;

fn desk() -> Desk {
    let desk = Desk::with("[devices.keypad]\nselector = 'sim:keypad'\nmap = 'arrows'");
    desk.until_health(&Health::Ready);
    desk
}

fn next(desk: &Desk) -> (NavKey, Kind) {
    match desk.next() {
        Event::Keypad(event) => (event.key, event.kind),
        other => panic!("{other:?}"),
    }
}

/// A storm is noticed long before.
const STORM_MAX: u32 = 10_000;

#[test]
fn a_key_with_two_codes_is_pressed_once_and_text_is_nobodys() {
    let desk = desk();
    assert!(desk.world.key(A, true) && desk.world.key(A, false));
    assert!(desk.world.key(UP, true) && desk.world.key(PAD_8, true));
    assert!(desk.world.key(UP, false) && desk.world.key(DOWN, true));
    assert!(desk.world.key(PAD_8, false));
    assert_eq!(next(&desk), (NavKey::Up, Kind::Press));
    assert_eq!(next(&desk), (NavKey::Down, Kind::Press));
    assert_eq!(next(&desk), (NavKey::Up, Kind::Release));
}

#[test]
fn a_keypad_unplugged_under_a_finger_cancels_the_key_and_comes_back() {
    let desk = desk();
    assert!(desk.world.key(UP, true));
    assert_eq!(next(&desk), (NavKey::Up, Kind::Press));
    desk.world.unplug(Class::Keypad);
    assert_eq!(next(&desk), (NavKey::Up, Kind::Cancel));
    desk.until_health(&Health::Absent);
    desk.world.plug(Class::Keypad);
    desk.until_health(&Health::Ready);
    assert!(desk.world.key(DOWN, true));
    assert_eq!(next(&desk), (NavKey::Down, Kind::Press));
}

#[test]
fn a_release_lost_in_an_overflow_cancels_and_invents_nothing() {
    let desk = desk();
    assert!(desk.world.key(UP, true));
    assert_eq!(next(&desk), (NavKey::Up, Kind::Press));
    // Up comes up among so much that the kernel loses it; A is not on this keypad.
    assert!(desk.world.lose_key(Place::Keypad, UP, A));
    assert_eq!(next(&desk), (NavKey::Up, Kind::Cancel));
    assert!(desk.world.key(DOWN, true));
    assert_eq!(next(&desk), (NavKey::Down, Kind::Press));
}

#[test]
fn a_storm_of_keys_is_bounded_told_as_health_and_over_with_the_silence() {
    let desk = desk();
    let stormy = Health::Degraded(BTreeSet::from([Trouble::NotTalking]));
    let is =
        |event: &Event, wanted: &Health| matches!(event, Event::Health { health, .. } if health == wanted);
    let (mut taps, mut told) = (0, Vec::new());
    while !told.iter().any(|event| is(event, &stormy)) {
        assert!(desk.world.tap(UP));
        taps += 1;
        assert!(taps < STORM_MAX, "no storm");
        told.extend(desk.events.try_iter());
    }
    while !told.last().is_some_and(|event| is(event, &Health::Ready)) {
        told.push(desk.events.recv_timeout(crate::desk::LIMIT).unwrap());
    }
    let (mut presses, mut down) = (0, false);
    for event in told {
        match event {
            Event::Keypad(event) => {
                assert_ne!(down, event.kind == Kind::Press, "well formed");
                down = event.kind == Kind::Press;
                presses += u32::from(down);
            }
            Event::Health { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(!down);
    assert!(presses < taps, "{presses} of {taps}");
    assert!(desk.devices.keypad.as_ref().unwrap().dropped() > 0);
    assert!(desk.world.key(DOWN, true));
    assert_eq!(next(&desk), (NavKey::Down, Kind::Press));
}

#[test]
fn a_keypad_that_cannot_be_had_alone_is_refused() {
    let desk = desk();
    desk.world.take_keyboard(Place::Keypad, true);
    desk.world.unplug(Class::Keypad);
    desk.world.plug(Class::Keypad);
    desk.until_health(&Health::Faulted("E-KPD-GRAB"));
    assert!(!desk.world.key(UP, true), "nobody reads it");
    desk.world.take_keyboard(Place::Keypad, false);
    desk.until_health(&Health::Ready);
}

/// The codes of a keypad nobody has a map of: F13 and on.
fn code_of(key: NavKey) -> u16 {
    183 + u16::try_from(NavKey::ALL.iter().position(|other| *other == key).unwrap()).unwrap()
}

#[test]
fn a_keypad_is_learned_key_by_key_and_works_with_what_was_learned() {
    let world = World::new();
    let mut source = keyboard::open(&world, Place::Keypad).unwrap();
    let mut asked = Vec::new();
    let mut ask = |question| {
        asked.push(question);
        let code = match question {
            // The first try at Down is a slip: Up again.
            Question::Press(NavKey::Down) => code_of(NavKey::Up),
            // Repeat is a key this keypad does not have; whoever learns it insists on another one.
            Question::Press(NavKey::Repeat) | Question::Again { key: NavKey::Repeat, .. } => {
                code_of(NavKey::Up)
            }
            Question::Press(key) | Question::Again { key, .. } => code_of(key),
            Question::LeftOut(_) => return,
        };
        assert!(world.key(code, true) && world.key(code, false));
    };
    let learned = keypad::learn("The one at the desk", &mut source, &mut ask).unwrap();
    assert!(asked.contains(&Question::Again { key: NavKey::Down, was: NavKey::Up }));
    assert!(asked.contains(&Question::LeftOut(NavKey::Repeat)));
    let slips = asked.iter().filter(|q| matches!(q, Question::Again { key: NavKey::Repeat, .. })).count();
    assert_eq!(slips, usize::from(ATTEMPTS_MAX) - 1);
    assert!(learned.contains("up = [\"KEY_F13\"]") && !learned.contains("repeat"), "{learned}");
    drop(source);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("desk.toml");
    std::fs::write(&file, &learned).unwrap();
    let desk = Desk::with(&format!("[devices.keypad]\nselector = 'sim:keypad'\nmap = '{}'", file.display()));
    desk.until_health(&Health::Ready);
    let handle = desk.devices.keypad.as_ref().unwrap();
    assert_eq!(handle.jack(), Jack::Unknown);
    for (key, jack) in [(NavKey::JackIn, Jack::In), (NavKey::JackOut, Jack::Out)] {
        assert!(desk.world.key(code_of(key), true) && desk.world.key(code_of(key), false));
        assert_eq!(next(&desk), (key, Kind::Press));
        assert_eq!(handle.jack(), jack);
        assert_eq!(next(&desk), (key, Kind::Release));
    }
}

#[test]
fn learning_from_a_keypad_that_goes_away_yields_nothing() {
    let world = World::new();
    let mut source = keyboard::open(&world, Place::Keypad).unwrap();
    let mut ask = |question| {
        if question == Question::Press(NavKey::Left) {
            world.unplug(Class::Keypad);
        } else if let Question::Press(key) = question {
            assert!(world.key(code_of(key), true));
        }
    };
    let ended = keypad::learn("x", &mut source, &mut ask);
    assert!(matches!(ended, Err(DeviceError::Gone(_))));
}

#[test]
fn a_skipped_key_is_left_out_and_a_press_after_the_last_is_nothing() {
    let mut learner = Learner::new("x");
    assert_eq!(learner.handle_press(UP), Taken::Learned(NavKey::Up));
    assert_eq!(learner.handle_press(UP), Taken::Known(NavKey::Up));
    while learner.asked().is_some() {
        learner.skip();
    }
    assert_eq!(learner.handle_press(DOWN), Taken::Nothing);
    let map = learner.map();
    assert_eq!((map.key(UP), map.key(DOWN)), (Some(NavKey::Up), None));
    assert_eq!(KeyMap::parse("x", &map.to_toml()), Ok(map));
    assert!(keypad::KEY_WAIT >= Duration::from_secs(10));
}
