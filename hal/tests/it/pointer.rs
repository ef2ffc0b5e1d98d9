//! Touch that gets lost, stuck or garbled on its way.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use hal::{
    Class, Event as Told, Health,
    pointer::{
        Event, FeedError, Kind, PointerFeed, evdev,
        slots::{Axis, Button, Fed, Layout, Raw, Snapshot, Tracker, code},
    },
};
use proptest::prelude::*;
use std::{
    collections::BTreeSet,
    sync::mpsc::{TryRecvError, sync_channel},
    time::Duration,
};

const AXIS: Axis = Axis { min: 0, max: 1000 };
const PANEL: Layout = Layout::MultiTouch { x: AXIS, y: AXIS, slots: 4 };

fn raw(kind: u16, code: u16, value: i32) -> Raw {
    Raw { at_us: 1, kind, code, value }
}

const SYN: (u16, u16, i32) = (code::EV_SYN, code::SYN_REPORT, 0);
const DROPPED: (u16, u16, i32) = (code::EV_SYN, code::SYN_DROPPED, 0);

fn slot(n: i32) -> (u16, u16, i32) {
    (code::EV_ABS, code::ABS_MT_SLOT, n)
}

fn id(n: i32) -> (u16, u16, i32) {
    (code::EV_ABS, code::ABS_MT_TRACKING_ID, n)
}

fn x(n: i32) -> (u16, u16, i32) {
    (code::EV_ABS, code::ABS_MT_POSITION_X, n)
}

fn y(n: i32) -> (u16, u16, i32) {
    (code::EV_ABS, code::ABS_MT_POSITION_Y, n)
}

fn feed(tracker: &mut Tracker, raws: &[(u16, u16, i32)]) -> Fed {
    raws.iter().fold(Fed::More, |_, (kind, code, value)| tracker.feed(raw(*kind, *code, *value)))
}

/// Kind, slot and place in thousandths of what the tracker has to say.
fn said(tracker: &mut Tracker) -> Vec<(Kind, u8, u16, u16)> {
    let thousandth = |part: f32| (0..=1000).find(|n| f32::from(*n) >= part * 1000.0 - 0.01).unwrap();
    std::iter::from_fn(|| tracker.next_event())
        .map(|event| (event.kind, event.slot, thousandth(event.x), thousandth(event.y)))
        .collect()
}

#[test]
fn two_fingers_keep_their_slots() {
    let mut tracker = Tracker::new(PANEL);
    let _ = feed(&mut tracker, &[slot(0), id(7), x(100), y(200), slot(1), id(8), x(300), y(400), SYN]);
    assert_eq!(said(&mut tracker), [(Kind::Down, 0, 100, 200), (Kind::Down, 1, 300, 400)]);
    // Unchanged values are left out by the kernel.
    let _ = feed(&mut tracker, &[x(310), SYN, slot(0), id(-1), SYN, id(9), SYN]);
    let expected = [(Kind::Move, 1, 310, 400), (Kind::Up, 0, 100, 200), (Kind::Down, 0, 100, 200)];
    assert_eq!(said(&mut tracker), expected);
}

#[test]
fn a_finger_replaced_within_one_report_is_lifted_first() {
    let mut tracker = Tracker::new(PANEL);
    let _ = feed(&mut tracker, &[id(1), x(10), y(10), SYN, id(2), x(900), SYN]);
    let expected = [(Kind::Down, 0, 10, 10), (Kind::Up, 0, 10, 10), (Kind::Down, 0, 900, 10)];
    assert_eq!(said(&mut tracker), expected);
}

#[test]
fn a_release_lost_in_an_overflow_cancels_and_does_not_stick() {
    let mut tracker = Tracker::new(PANEL);
    let _ = feed(&mut tracker, &[slot(0), id(1), x(10), y(10), slot(1), id(2), x(20), y(20), SYN]);
    let _ = said(&mut tracker);
    // Worthless between the loss and the report: finger 0 seems to be at the left edge.
    let fed = feed(&mut tracker, &[DROPPED, slot(0), x(0), id(5), SYN]);
    assert_eq!(fed, Fed::NeedsSync);
    assert_eq!(said(&mut tracker), []);
    let now = Snapshot { slot: 1, contacts: vec![(-1, 10, 10), (2, 25, 20), (6, 30, 30), (-1, 0, 0)] };
    tracker.sync(2, Some(&now));
    let expected = [(Kind::Cancel, 0, 10, 10), (Kind::Move, 1, 25, 20), (Kind::Down, 2, 30, 30)];
    assert_eq!(said(&mut tracker), expected);
    // The kernel's current slot came with the snapshot.
    let _ = feed(&mut tracker, &[id(-1), SYN]);
    assert_eq!(said(&mut tracker), [(Kind::Up, 1, 25, 20)]);
}

#[test]
fn an_overflow_without_a_snapshot_cancels_every_finger() {
    let mut tracker = Tracker::new(PANEL);
    let _ = feed(&mut tracker, &[id(1), x(10), y(10), SYN, DROPPED, SYN]);
    tracker.sync(2, None);
    // Which slot these belong to is not known until the device says so.
    let _ = feed(&mut tracker, &[x(500), id(3), SYN, slot(2), id(4), SYN]);
    let expected = [(Kind::Down, 0, 10, 10), (Kind::Cancel, 0, 10, 10), (Kind::Down, 2, 0, 0)];
    assert_eq!(said(&mut tracker), expected);
}

#[test]
fn a_panel_out_of_range_stays_on_the_screen() {
    let mut tracker = Tracker::new(PANEL);
    let _ = feed(
        &mut tracker,
        &[id(1), x(-50), y(i32::MAX), SYN, slot(99), id(2), x(5), SYN, slot(-1), id(3), SYN],
    );
    assert_eq!(said(&mut tracker), [(Kind::Down, 0, 0, 1000)]);
    let flat = Axis { min: 5, max: 5 };
    let mut broken = Tracker::new(Layout::MultiTouch { x: flat, y: flat, slots: 0 });
    let _ = feed(&mut broken, &[id(1), x(7), y(7), SYN]);
    assert_eq!(said(&mut broken), [(Kind::Down, 0, 0, 0)]);
}

#[test]
fn a_single_touch_panel_and_a_mouse_speak_the_same() {
    let (touch, left) = ((code::EV_KEY, code::BTN_TOUCH), (code::EV_KEY, code::BTN_LEFT));
    let (ax, ay) = ((code::EV_ABS, code::ABS_X), (code::EV_ABS, code::ABS_Y));
    let mut panel = Tracker::new(Layout::Absolute { x: AXIS, y: AXIS, button: Button::Touch });
    let _ = feed(&mut panel, &[(ax.0, ax.1, 250), (ay.0, ay.1, 750), (touch.0, touch.1, 1), SYN]);
    let _ = feed(&mut panel, &[(touch.0, touch.1, 0), SYN, (ax.0, ax.1, 0), SYN]);
    assert_eq!(said(&mut panel), [(Kind::Down, 0, 250, 750), (Kind::Up, 0, 250, 750)]);

    let mut mouse = Tracker::new(Layout::Relative { width: 1000, height: 1000 });
    let rel = |dx| (code::EV_REL, code::REL_X, dx);
    let _ = feed(
        &mut mouse,
        &[rel(100), SYN, (left.0, left.1, 1), SYN, rel(5000), SYN, (left.0, left.1, 0), SYN],
    );
    let expected = [
        (Kind::Move, 0, 600, 500),
        (Kind::Down, 0, 600, 500),
        (Kind::Move, 0, 1000, 500),
        (Kind::Up, 0, 1000, 500),
    ];
    assert_eq!(said(&mut mouse), expected);
}

#[test]
fn a_device_that_goes_cancels_its_fingers() {
    let mut tracker = Tracker::new(PANEL);
    let _ = feed(&mut tracker, &[id(1), x(10), y(10), SYN]);
    tracker.cancel(3);
    tracker.cancel(4);
    assert_eq!(said(&mut tracker), [(Kind::Down, 0, 10, 10), (Kind::Cancel, 0, 10, 10)]);
}

/// What a stranger's device may send: mostly plausible, sometimes anything.
fn any_raw() -> impl Strategy<Value = Raw> {
    let kind = prop_oneof![
        Just(code::EV_SYN),
        Just(code::EV_ABS),
        Just(code::EV_KEY),
        Just(code::EV_REL),
        any::<u16>()
    ];
    let code = prop_oneof![
        0_u16..4,
        Just(code::ABS_MT_SLOT),
        Just(code::ABS_MT_TRACKING_ID),
        Just(code::ABS_MT_POSITION_X),
        Just(code::BTN_TOUCH),
        Just(code::BTN_LEFT),
        any::<u16>(),
    ];
    (kind, code, prop_oneof![-2_i32..5, any::<i32>()]).prop_map(|(kind, code, value)| raw(kind, code, value))
}

fn any_layout() -> impl Strategy<Value = Layout> {
    let axis = prop_oneof![Just(AXIS), (any::<i32>(), any::<i32>()).prop_map(|(min, max)| Axis { min, max })];
    let button = prop_oneof![Just(Button::Touch), Just(Button::Left)];
    (axis.clone(), axis, any::<u8>(), button, any::<u16>(), 0..3).prop_map(
        |(x, y, slots, button, width, pick)| match pick {
            0 => Layout::MultiTouch { x, y, slots },
            1 => Layout::Absolute { x, y, button },
            _ => Layout::Relative { width, height: width },
        },
    )
}

proptest! {
    #[test]
    fn any_events_give_well_formed_presses(
        layout in any_layout(),
        raws in prop::collection::vec((any_raw(), prop::option::weighted(0.8, (any::<i32>(), prop::collection::vec(any::<(i32, i32, i32)>(), 0..20)))), 0..200),
    ) {
        let mut tracker = Tracker::new(layout);
        let mut down = BTreeSet::new();
        let mut check = |tracker: &mut Tracker| -> Result<(), TestCaseError> {
            while let Some(event) = tracker.next_event() {
                prop_assert!((0.0..=1.0).contains(&event.x) && (0.0..=1.0).contains(&event.y));
                match event.kind {
                    Kind::Down => prop_assert!(down.insert(event.slot), "two presses in a row"),
                    Kind::Up | Kind::Cancel => prop_assert!(down.remove(&event.slot), "a release of nothing"),
                    Kind::Move => {
                        let touches = matches!(layout, Layout::MultiTouch { .. } | Layout::Absolute { button: Button::Touch, .. });
                        prop_assert!(!touches || down.contains(&event.slot), "a finger that hovers");
                    }
                }
            }
            Ok(())
        };
        for (raw, snapshot) in raws {
            if tracker.feed(raw) == Fed::NeedsSync {
                let snapshot = snapshot.map(|(slot, contacts)| Snapshot { slot, contacts });
                tracker.sync(raw.at_us, snapshot.as_ref());
            }
            check(&mut tracker)?;
        }
        tracker.cancel(9);
        check(&mut tracker)?;
        prop_assert!(down.is_empty(), "a stuck finger");
    }
}

#[test]
fn a_full_channel_never_leaves_a_finger_stuck() {
    let (sink, told) = sync_channel(1);
    let feed = PointerFeed::new(sink);
    let at = |kind| Event::now(kind, 3, 0.5, 0.5);
    assert_eq!(feed.send(at(Kind::Up)), Err(FeedError::OutOfTurn));
    assert_eq!(feed.send(at(Kind::Down)), Ok(()));
    assert_eq!(feed.send(at(Kind::Down)), Err(FeedError::OutOfTurn));
    assert_eq!(feed.send(at(Kind::Up)), Err(FeedError::Full));
    let kind = |event| match event {
        Ok(Told::Pointer(event)) => Ok(event.kind),
        Ok(_) => panic!("not a pointer's"),
        Err(error) => Err(error),
    };
    assert_eq!(kind(told.try_recv()), Ok(Kind::Down));
    // The release is made up for before anything else.
    assert_eq!(feed.send(at(Kind::Down)), Err(FeedError::Full));
    assert_eq!(kind(told.try_recv()), Ok(Kind::Cancel));
    assert_eq!(kind(told.try_recv()), Err(TryRecvError::Empty));
    assert_eq!(feed.send(at(Kind::Down)), Ok(()));
    assert_eq!(kind(told.try_recv()), Ok(Kind::Down));
    drop(told);
    assert_eq!(feed.send(at(Kind::Up)), Err(FeedError::Closed));
}

#[test]
fn a_place_off_the_screen_is_refused() {
    let (sink, _told) = sync_channel(1);
    let feed = PointerFeed::new(sink);
    for (slot, x) in [(0, 1.5), (0, f32::NAN), (16, 0.5)] {
        assert_eq!(feed.send(Event::now(Kind::Down, slot, x, 0.5)), Err(FeedError::OutOfTurn));
    }
}

#[test]
fn a_node_that_is_no_pointer_is_told_as_health_and_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("event0");
    let file = folder.path().join("event1");
    std::fs::write(&file, b"not a device").unwrap();
    for (path, expected) in [(missing, Health::Absent), (file, Health::Faulted("E-PTR-UNSUPPORTED"))] {
        let (sink, told) = sync_channel(16);
        let handle = evdev::spawn(path, evdev::Options::default(), sink).unwrap();
        let health = || match told.recv_timeout(Duration::from_secs(5)).unwrap() {
            Told::Health { class: Class::Pointer, health } => health,
            other => panic!("{other:?}"),
        };
        assert_eq!(health(), Health::Opening);
        assert_eq!(health(), expected);
        drop(handle);
        assert!(told.iter().next().is_none(), "the thread ended and said nothing more");
    }
}
