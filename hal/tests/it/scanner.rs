//! What a barcode scanner may and may not let through.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use crate::desk::{Desk, LIMIT};
use hal::{
    Class, Deadline, DeviceError, Event, Health, Trouble,
    keys::now_us,
    scanner::{self, Canceller, Event as Told, Heard, ScanData, Scanner, ScannerHandle, Symbology},
    sim::{keyboard::Place, world::Symbol},
};
use std::{
    collections::BTreeSet,
    sync::mpsc::{Receiver, channel, sync_channel},
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

const SCANNER: &str = "[devices.scanner]\nselector = 'sim:scanner'";

fn desk(more: &str) -> Desk {
    let desk = Desk::with(&format!("{SCANNER}\n{more}"));
    desk.until_health(&Health::Ready);
    desk
}

fn handle(desk: &Desk) -> &ScannerHandle {
    desk.devices.scanner.as_ref().unwrap()
}

fn text(text: &str) -> Symbol {
    Symbol::Text(text.to_owned())
}

/// What the next event, a delivery, says.
fn read(desk: &Desk) -> String {
    match desk.next_scan() {
        Told::Read { scan, .. } => String::from_utf8(scan.data.expose().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// A storm is noticed long before.
const STORM_MAX: u64 = 10_000;

#[test]
fn an_armed_scanner_delivers_once_with_symbol_source_and_separators() {
    let desk = desk("terminator = 'enter'");
    let armed = handle(&desk).arm();
    assert!(desk.world.scan(&text("]d20109506000134352\u{1d}10AB-c~\t{x}")));
    match desk.next_scan() {
        Told::Read { arming, scan } => {
            assert_eq!(arming, armed);
            assert_eq!(scan.aim.map(scanner::Aim::symbology), Some(Symbology::DataMatrix));
            assert_eq!(scan.data.expose(), b"0109506000134352\x1d10AB-c~\t{x}");
            assert_eq!(&*scan.source, "sim:scanner");
        }
        other => panic!("{other:?}"),
    }
    assert!(desk.world.scan(&text("again")));
    assert!(matches!(desk.next_scan(), Told::Dropped), "the gate closed with the delivery");
    assert_eq!(handle(&desk).dropped(), 1);
}

#[test]
fn two_scans_back_to_back_are_two_and_only_the_first_is_delivered() {
    let desk = desk("");
    handle(&desk).arm();
    assert!(desk.world.scan(&text("first")) && desk.world.scan(&text("second")));
    assert_eq!(read(&desk), "first");
    assert!(matches!(desk.next_scan(), Told::Dropped));
    let second = handle(&desk).arm();
    assert!(desk.world.scan(&text("third")));
    assert!(matches!(desk.next_scan(), Told::Read { arming, .. } if arming == second));
}

#[test]
fn a_scan_nobody_asked_for_is_dropped_and_counted() {
    let desk = desk("");
    for count in 1..=2 {
        assert!(desk.world.scan(&text("12345")));
        assert!(matches!(desk.next_scan(), Told::Dropped));
        assert_eq!(handle(&desk).dropped(), count);
    }
    handle(&desk).arm();
    handle(&desk).disarm();
    assert!(desk.world.scan(&Symbol::Garbage));
    assert!(matches!(desk.next_scan(), Told::Dropped));
}

#[test]
fn a_forgotten_terminator_ends_in_silence() {
    let desk = desk("");
    handle(&desk).arm();
    assert!(desk.world.scan(&Symbol::NoEnd("12345".to_owned())));
    assert_eq!(read(&desk), "12345");
}

#[test]
fn a_terminator_that_was_promised_and_does_not_come_makes_the_scan_worthless() {
    let desk = desk("terminator = 'enter'");
    handle(&desk).arm();
    assert!(desk.world.scan(&Symbol::NoEnd("12345".to_owned())));
    assert!(matches!(desk.next_scan(), Told::Garbled));
    assert!(desk.world.scan(&text("67890")));
    assert_eq!(read(&desk), "67890", "never joined with what came before");
}

#[test]
fn a_scanner_unplugged_mid_scan_delivers_nothing_of_it_and_comes_back_in_time() {
    let desk = desk("");
    handle(&desk).arm();
    assert!(desk.world.scan(&Symbol::CutOff("1234567890".to_owned())));
    desk.until_health(&Health::Absent);
    let plugged = Instant::now();
    desk.world.plug(Class::Scanner);
    desk.until_health(&Health::Ready);
    assert!(plugged.elapsed() < Duration::from_secs(3));
    assert!(desk.world.scan(&text("67890")));
    assert_eq!(read(&desk), "67890");
    assert_eq!(handle(&desk).dropped(), 0);
}

#[test]
fn garbage_is_told_as_such_and_the_gate_stays_open() {
    let desk = desk("");
    handle(&desk).arm();
    assert!(desk.world.scan(&Symbol::Garbage));
    assert!(matches!(desk.next_scan(), Told::Garbled));
    assert!(desk.world.scan(&text("12345")));
    assert_eq!(read(&desk), "12345");
}

#[test]
fn a_payment_card_pulled_through_a_scanner_is_refused_and_appears_nowhere() {
    let desk = desk("");
    handle(&desk).arm();
    assert!(desk.world.scan(&text("%B4111111111111111^DOE/J^2912?;4111111111111111=2912?")));
    let refusal = desk.next_scan();
    assert!(matches!(refusal, Told::RefusedPaymentCard));
    assert!(!format!("{refusal:?}").contains("4111"));
    assert!(desk.world.scan(&text("12345")));
    assert_eq!(read(&desk), "12345");
}

#[test]
fn a_storm_of_keys_is_a_loss_and_no_text() {
    let desk = desk("");
    handle(&desk).arm();
    assert!(desk.world.key_storm(Place::Scanner, 30, 10_000));
    assert!(matches!(desk.next_scan(), Told::Garbled));
    // Silence ends the storm; what comes then is whole.
    assert!(desk.events.recv_timeout(Duration::from_millis(300)).is_err());
    assert!(desk.world.scan(&text("12345")));
    assert_eq!(read(&desk), "12345");
}

#[test]
fn a_storm_of_scans_is_bounded_told_as_health_and_over_with_the_silence() {
    let desk = desk("");
    let stormy = Health::Degraded(BTreeSet::from([Trouble::NotTalking]));
    let (mut scans, mut told) = (0, Vec::new());
    let stormed = |told: &[Event]| {
        told.iter().any(|event| matches!(event, Event::Health { health, .. } if *health == stormy))
    };
    while !stormed(&told) {
        assert!(desk.world.scan(&text("1")));
        scans += 1;
        assert!(scans < STORM_MAX, "no storm");
        told.extend(desk.events.try_iter());
    }
    desk.until_health(&Health::Ready);
    assert_eq!(handle(&desk).dropped(), scans, "each is counted");
    let dropped = told.iter().filter(|event| matches!(event, Event::Scanner(Told::Dropped))).count();
    assert!(scans > u64::from(scanner::SCANS_PER_SECOND_MAX) && dropped < usize::try_from(scans).unwrap());
    handle(&desk).arm();
    assert!(desk.world.scan(&text("12345")));
    assert_eq!(read(&desk), "12345");
}

#[test]
fn a_scanner_that_cannot_be_had_alone_is_refused_and_not_read() {
    let desk = desk("");
    desk.world.take_keyboard(Place::Scanner, true);
    desk.world.unplug(Class::Scanner);
    desk.until_health(&Health::Absent);
    desk.world.plug(Class::Scanner);
    desk.until_health(&Health::Faulted("E-SCN-GRAB"));
    assert!(!desk.world.key_storm(Place::Scanner, 30, 1), "nobody reads it");
    desk.world.take_keyboard(Place::Scanner, false);
    desk.until_health(&Health::Ready);
    handle(&desk).arm();
    assert!(desk.world.scan(&text("12345")));
    assert_eq!(read(&desk), "12345");
}

/// A scanner by hand: each message is what it heard.
struct ByHand(Receiver<Heard>);

impl Scanner for ByHand {
    fn next_scan(&mut self, deadline: Deadline) -> Result<Option<Heard>, DeviceError> {
        Ok(self.0.recv_timeout(deadline.left()).ok())
    }

    fn canceller(&self) -> Option<Canceller> {
        None
    }
}

#[test]
fn a_scan_that_began_during_the_wrong_screen_is_no_answer_to_the_next() {
    let (hand, heard) = channel();
    let (sink, events) = sync_channel(16);
    let mut scanner = Some(ByHand(heard));
    let open = move || match scanner.take() {
        Some(scanner) => Ok(Box::new(scanner) as Box<dyn Scanner>),
        None => Err(DeviceError::Gone(String::new())),
    };
    let handle = scanner::spawn("/dev/kiosk/scanner", open, sink);
    let symbol = |begun_us| {
        let data = ScanData::new(Zeroizing::new(b"1".to_vec()));
        Heard::Symbol { begun_us, aim: None, data }
    };
    let next = || loop {
        match events.recv_timeout(LIMIT).unwrap() {
            Event::Scanner(event) => return event,
            Event::Health { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    let before = now_us() - 1;
    let armed = handle.arm();
    hand.send(symbol(before)).unwrap();
    assert!(matches!(next(), Told::Dropped));
    hand.send(symbol(now_us())).unwrap();
    assert!(matches!(next(), Told::Read { arming, .. } if arming == armed));
    drop(hand);
}

/// A node that opens, and fails at the first read.
struct OnlyOpens;

impl Scanner for OnlyOpens {
    fn next_scan(&mut self, _: Deadline) -> Result<Option<Heard>, DeviceError> {
        Err(DeviceError::Gone("no such device".to_owned()))
    }

    fn canceller(&self) -> Option<Canceller> {
        None
    }
}

#[test]
fn a_node_that_only_opens_is_never_ready_and_tried_ever_more_seldom() {
    let (opened, openings) = channel();
    let (sink, events) = sync_channel(64);
    let open = move || {
        opened.send(()).map_err(|_| DeviceError::Gone("the test is over".to_owned()))?;
        Ok(Box::new(OnlyOpens) as Box<dyn Scanner>)
    };
    let scanner = scanner::spawn("only-opens", open, sink);
    let until = Instant::now() + Duration::from_millis(1200);
    let mut healths = Vec::new();
    while let Ok(event) = events.recv_timeout(until.saturating_duration_since(Instant::now())) {
        healths.push(event);
    }
    drop(scanner);
    assert!(
        matches!(
            healths[..],
            [Event::Health { health: Health::Opening, .. }, Event::Health { health: Health::Absent, .. }]
        ),
        "{healths:?}"
    );
    let count = openings.iter().count();
    assert!((2..=5).contains(&count), "{count} openings in 1.2 s: 0, 0.1, 0.3, 0.7 s");
}
