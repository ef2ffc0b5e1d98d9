//! Keyboard-like devices against a real kernel: grab, loss, unplugging, clocks.
//!
//! `cargo run -p hal --example keys_on_kernel`, in a virtual machine with `/dev/uinput`, as root. It is a program
//! and not a test, because it may not pass where it cannot run: there it fails.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a check fails by panicking")]

use evdev::{AttributeSet, EventType, InputEvent, KeyCode, raw_stream::RawDevice, uinput::VirtualDevice};
use hal::{
    Class, Deadline, Event, Health,
    factory::{self, Config, Devices, Site},
    keypad::{self, Kind, NavKey},
    keys::{Keyboard, now_us},
    scanner,
    wedge::{Framed, Framer, Garble, KeyText, Layout, Terminator, TextSource, Typist},
};
use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(10);

/// Nothing is to come; longer than the kernel waits before it repeats a key.
const SILENCE: Duration = Duration::from_millis(700);

/// What the keyboards call themselves.
const NAME: &str = "hal test keyboard";

const UP: u16 = 103;
const VOLUME_UP: u16 = 115;

/// One check: what holds when it returns.
type Check = (&'static str, fn());

const CHECKS: [Check; 5] = [
    ("what a scanner types reaches nobody else", what_a_scanner_types_reaches_nobody_else),
    ("a node somebody else has is refused", a_node_somebody_else_has_is_refused_until_they_let_it_go),
    ("an unplugged scanner is grabbed again", an_unplugged_scanner_loses_its_half_scan_and_is_grabbed_again),
    ("a buffer that ran over is a loss", a_buffer_that_ran_over_is_a_loss_and_what_follows_is_whole),
    ("a key held down is one press", a_key_held_down_is_one_press_and_is_up_when_the_keypad_goes),
];

fn main() {
    for (name, check) in CHECKS {
        check();
        println!("ok: {name}");
    }
    println!("keys on a kernel: {} checks, all hold", CHECKS.len());
}

/// A keyboard the kernel takes for real, under a link as udev would make it.
struct Plugged {
    device: VirtualDevice,
    node: PathBuf,
}

impl Plugged {
    fn new(link: &Path) -> Self {
        let keys: AttributeSet<KeyCode> = (1..248).map(KeyCode).collect();
        let builder = VirtualDevice::builder().unwrap().name(NAME).with_keys(&keys).unwrap();
        let mut device = builder.build().unwrap();
        let mut nodes = device.enumerate_dev_nodes_blocking().unwrap().map(Result::unwrap);
        let node = nodes.find(|node| node.to_string_lossy().contains("event")).unwrap();
        drop(std::fs::remove_file(link));
        symlink(&node, link).unwrap();
        Self { device, node }
    }

    fn key(&mut self, code: u16, down: bool) {
        let event = InputEvent::new(EventType::KEY.0, code, i32::from(down));
        self.device.emit(&[event]).unwrap();
    }

    /// Types in the US layout; `text` is short enough for the kernel's buffer.
    fn type_text(&mut self, text: &str) {
        let us = Layout::named("us").unwrap();
        for character in text.chars() {
            let (modifier, code) = match character {
                '\r' => (None, 28),
                '\u{1d}' => (Some(29), 27),
                other => us.key(other).map(|(code, shift)| (shift.then_some(42), code)).unwrap(),
            };
            modifier.into_iter().chain([code]).for_each(|code| self.key(code, true));
            [code].into_iter().chain(modifier).for_each(|code| self.key(code, false));
        }
    }

    /// Somebody else who reads the node, as a screen would.
    fn other_reader(&self) -> RawDevice {
        let reader = RawDevice::open(&self.node).unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        reader
    }
}

/// What another reader sees of it.
fn seen(reader: &mut RawDevice) -> usize {
    reader.fetch_events().map_or(0, Iterator::count)
}

struct Desk {
    devices: Devices,
    events: Receiver<Event>,
}

impl Desk {
    fn with(table: &str, link: &Path, more: &str) -> Self {
        let config = format!("[devices.{table}]\nselector = '{}'\n{more}", link.display());
        let (sink, events) = sync_channel(64);
        let devices = factory::open(&Config::from_toml(&config).unwrap(), &Site::default(), &sink).unwrap();
        Self { devices, events }
    }

    fn arm(&self) {
        self.devices.scanner.as_ref().unwrap().arm();
    }

    fn until_health(&self, wanted: &Health) {
        loop {
            match self.events.recv_timeout(LIMIT).expect("a health in time") {
                Event::Health { health, .. } if health == *wanted => return,
                Event::Health { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn read(&self) -> Vec<u8> {
        match self.events.recv_timeout(LIMIT).expect("a scan in time") {
            Event::Scanner(scanner::Event::Read { scan, .. }) => scan.data.expose().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn key(&self) -> (NavKey, Kind) {
        match self.events.recv_timeout(LIMIT).expect("a key in time") {
            Event::Keypad(keypad::Event { key, kind, .. }) => (key, kind),
            other => panic!("{other:?}"),
        }
    }
}

/// A link under `/dev`, as a selector wants it.
fn link(name: &str) -> PathBuf {
    Path::new("/dev").join(format!("hal-test-{name}"))
}

fn what_a_scanner_types_reaches_nobody_else() {
    let link = link("alone");
    let mut plugged = Plugged::new(&link);
    let listed = |found: &factory::Found| found.class == Class::Keypad && found.name.as_deref() == Ok(NAME);
    assert!(factory::list().iter().any(listed));
    let mut other = plugged.other_reader();
    let desk = Desk::with("scanner", &link, "terminator = 'enter'");
    desk.until_health(&Health::Ready);
    desk.arm();
    plugged.type_text("]C1aB\u{1d}7\r");
    assert_eq!(desk.read(), b"aB\x1d7");
    plugged.type_text("no\r");
    let event = desk.events.recv_timeout(LIMIT).unwrap();
    assert!(matches!(event, Event::Scanner(scanner::Event::Dropped)));
    assert_eq!(seen(&mut other), 0);
    // Let go, it is everybody's again: the other reader was not merely deaf.
    drop(desk);
    plugged.type_text("x");
    assert!(seen(&mut other) > 0);
}

fn a_node_somebody_else_has_is_refused_until_they_let_it_go() {
    let link = link("taken");
    let mut plugged = Plugged::new(&link);
    let mut taker = plugged.other_reader();
    taker.grab().unwrap();
    let desk = Desk::with("scanner", &link, "");
    desk.until_health(&Health::Faulted("E-SCN-GRAB"));
    desk.arm();
    plugged.type_text("mine\r");
    drop(taker);
    desk.until_health(&Health::Ready);
    plugged.type_text("ours\r");
    assert_eq!(desk.read(), b"ours");
}

fn an_unplugged_scanner_loses_its_half_scan_and_is_grabbed_again() {
    let link = link("again");
    let mut plugged = Plugged::new(&link);
    let desk = Desk::with("scanner", &link, "");
    desk.until_health(&Health::Ready);
    desk.arm();
    plugged.type_text("123");
    drop(plugged);
    desk.until_health(&Health::Absent);
    let mut plugged = Plugged::new(&link);
    let mut other = plugged.other_reader();
    desk.until_health(&Health::Ready);
    plugged.type_text("456\r");
    assert_eq!(desk.read(), b"456");
    assert_eq!(seen(&mut other), 0);
}

fn a_buffer_that_ran_over_is_a_loss_and_what_follows_is_whole() {
    let link = link("loss");
    let mut plugged = Plugged::new(&link);
    let layout = Layout::named("us").unwrap();
    let keyboard = Box::new(Keyboard::open(&[&plugged.node]).unwrap());
    let mut text = KeyText::new(keyboard, Typist::new(layout), Framer::new(Terminator::Any, 100));
    for _ in 0..300 {
        plugged.key(30, true);
        plugged.key(30, false);
    }
    let soon = || Deadline::after(Duration::from_millis(300));
    assert_eq!(text.next(soon()).unwrap(), Some(Framed::Garbled(Garble::Lost)));
    // Silence ends what is worthless.
    assert_eq!(text.next(soon()).unwrap(), None);
    let before = now_us();
    plugged.type_text("after\r");
    match text.next(Deadline::after(LIMIT)).unwrap() {
        Some(Framed::Text(text)) => {
            assert_eq!(text.bytes.as_slice(), b"after");
            assert!((before..=now_us()).contains(&text.begun_us), "the kernel stamps with our clock");
        }
        other => panic!("{other:?}"),
    }
}

fn a_key_held_down_is_one_press_and_is_up_when_the_keypad_goes() {
    let link = link("keypad");
    let mut plugged = Plugged::new(&link);
    let volume_link = self::link("volume");
    let mut volume = Plugged::new(&volume_link);
    let more = format!("also = ['{}']\nmap = 'arrows'", volume_link.display());
    let desk = Desk::with("keypad", &link, &more);
    desk.until_health(&Health::Ready);
    plugged.key(UP, true);
    assert_eq!(desk.key(), (NavKey::Up, Kind::Press));
    assert!(desk.events.recv_timeout(SILENCE).is_err(), "the kernel's repeats are not told");
    volume.key(VOLUME_UP, true);
    assert_eq!(desk.key(), (NavKey::VolumeUp, Kind::Press), "two nodes, one keypad");
    volume.key(VOLUME_UP, false);
    assert_eq!(desk.key(), (NavKey::VolumeUp, Kind::Release));
    drop(plugged);
    // The kernel lets its keys go before the node; whether that is still read is a race.
    assert!(matches!(desk.key(), (NavKey::Up, Kind::Release | Kind::Cancel)));
    desk.until_health(&Health::Absent);
}
