//! Scanners and stripe readers on a serial line, against a pseudo-terminal.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use hal::{
    Deadline, DeviceError, Event, Health,
    card::{self, CardReader, SwipeReader, stripe::STRIPE_BYTES_MAX},
    factory::{self, Config, Site},
    scanner::{self, SCAN_BYTES_MAX, Scanner, TextScanner},
    wedge::{BAUD_DEFAULT, Framed, Framer, SerialText, Terminator, TextSource},
};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::{
    os::{fd::OwnedFd, unix::ffi::OsStringExt as _, unix::fs::symlink},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(5);

/// The device's end of a line, and the path of ours.
fn line() -> (OwnedFd, PathBuf) {
    let device = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&device).unwrap();
    unlockpt(&device).unwrap();
    let path = ptsname(&device, Vec::new()).unwrap().into_bytes();
    (device, std::ffi::OsString::from_vec(path).into())
}

fn send(device: &OwnedFd, bytes: &[u8]) {
    assert_eq!(rustix::io::write(device, bytes).unwrap(), bytes.len());
}

fn framer(terminator: Terminator, bytes_max: usize) -> Framer {
    Framer::new(terminator, bytes_max)
}

fn until_health(events: &Receiver<Event>, wanted: &Health) {
    loop {
        let event = events.recv_timeout(LIMIT).expect("a health in time");
        if matches!(&event, Event::Health { health, .. } if health == wanted) {
            return;
        }
    }
}

/// The next event that is not about health.
fn next(events: &Receiver<Event>) -> Event {
    loop {
        let event = events.recv_timeout(LIMIT).expect("an event in time");
        if !matches!(event, Event::Health { .. }) {
            return event;
        }
    }
}

fn read(events: &Receiver<Event>) -> Vec<u8> {
    match next(events) {
        Event::Scanner(scanner::Event::Read { scan, .. }) => scan.data.expose().to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_serial_scanner_is_opened_by_the_factory_and_delivers_raw_bytes() {
    let (device, path) = line();
    let config =
        format!("[devices.scanner]\nselector = '{}'\nkind = 'serial'\nbaud = 115200", path.display());
    let (sink, events) = sync_channel(64);
    let devices = factory::open(&Config::from_toml(&config).unwrap(), &Site::default(), &sink).unwrap();
    until_health(&events, &Health::Ready);
    devices.scanner.as_ref().unwrap().arm();
    // A byte that is no UTF-8, a separator, and bytes a line discipline would eat: nothing is cooked.
    send(&device, b"]Q1\xe4\x1d\x03\x04\x11\x13\x7f42\r\n");
    assert_eq!(read(&events), b"\xe4\x1d\x03\x04\x11\x13\x7f42");
}

#[test]
fn a_line_that_hangs_up_is_absent_and_is_found_again_under_its_link() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("scanner");
    let plug = || {
        let (device, path) = line();
        symlink(path, &link).unwrap();
        device
    };
    let device = plug();
    let path = link.clone();
    let open = move || {
        let text = SerialText::open(&path, BAUD_DEFAULT, framer(Terminator::Any, SCAN_BYTES_MAX))?;
        Ok(Box::new(TextScanner::new(Box::new(text))) as Box<dyn Scanner>)
    };
    let (sink, events) = sync_channel(64);
    let handle = scanner::spawn("scanner", open, sink);
    until_health(&events, &Health::Ready);
    handle.arm();
    send(&device, b"1234");
    std::fs::remove_file(&link).unwrap();
    drop(device);
    until_health(&events, &Health::Absent);
    let device = plug();
    until_health(&events, &Health::Ready);
    send(&device, b"5678\r");
    assert_eq!(read(&events), b"5678", "nothing of the half scan");
    let begun = std::time::Instant::now();
    drop(handle);
    assert!(begun.elapsed() < Duration::from_secs(1), "the wait is ended, not waited for");
}

#[test]
fn a_serial_stripe_reader_refuses_a_payment_card_and_reads_a_library_card() {
    let (device, path) = line();
    let open = move || {
        let text = SerialText::open(&path, BAUD_DEFAULT, framer(Terminator::Gap, STRIPE_BYTES_MAX))?;
        Ok(Box::new(SwipeReader::new(Box::new(text))) as Box<dyn CardReader>)
    };
    let (sink, events) = sync_channel(64);
    let handle = card::spawn(open, card::Options::default(), sink);
    until_health(&events, &Health::Ready);
    handle.arm();
    let between = |bytes: &[u8]| {
        send(&device, bytes);
        assert!(matches!(next(&events), Event::Card(card::Event::Inserted)));
        let told = next(&events);
        assert!(matches!(next(&events), Event::Card(card::Event::Removed)));
        told
    };
    let refused = between(b"\x02%B4111111111111111^DOE/J^2912?;4111111111111111=2912?\r\x03");
    assert!(matches!(refused, Event::Card(card::Event::RefusedPaymentCard)));
    match between(b";21234000012347=2912?\r") {
        Event::Card(card::Event::Read { card, .. }) => assert_eq!(card.number.expose(), "21234000012347"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_serial_line_or_is_somebody_elses_is_refused() {
    let soon = || framer(Terminator::Any, 10);
    let missing = SerialText::open(Path::new("/dev/no-such-line"), BAUD_DEFAULT, soon());
    assert!(matches!(missing, Err(DeviceError::Gone(_))));
    let file = tempfile::NamedTempFile::new().unwrap();
    let file = SerialText::open(file.path(), BAUD_DEFAULT, soon());
    assert!(matches!(file, Err(DeviceError::Unsupported(_))));
    let (device, path) = line();
    let mut first = SerialText::open(&path, BAUD_DEFAULT, soon()).unwrap();
    let second = SerialText::open(&path, BAUD_DEFAULT, soon());
    assert!(matches!(second, Err(DeviceError::NotExclusive(_))));
    // The refusal took nothing from the first.
    send(&device, b"1\r2\r");
    for expected in [b"1", b"2"] {
        match first.next(Deadline::after(LIMIT)).unwrap() {
            Some(Framed::Text(text)) => assert_eq!(text.bytes.as_slice(), expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_the_line_held_before_it_was_opened_is_thrown_away() {
    let (device, path) = line();
    send(&device, b"old");
    let mut text = SerialText::open(&path, BAUD_DEFAULT, framer(Terminator::Any, 10)).unwrap();
    send(&device, b"new\r");
    match text.next(Deadline::after(LIMIT)).unwrap() {
        Some(Framed::Text(text)) => assert_eq!(text.bytes.as_slice(), b"new"),
        other => panic!("{other:?}"),
    }
}
