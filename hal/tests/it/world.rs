//! Whole desks: config in, events out.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use crate::desk::Desk;
use hal::{
    Class, Event, Health,
    factory::{self, Config, ConfigError, Site},
    pointer::Kind,
    sim::{World, world::CardKind},
};
use std::sync::mpsc::sync_channel;

const TOUCH: &str = "[[devices.pointer]]\nselector = 'sim:touch'";

fn refused(config: &str) -> ConfigError {
    let (sink, _events) = sync_channel(8);
    let site = Site { world: Some(World::new()) };
    match Config::from_toml(config).and_then(|config| factory::open(&config, &site, &sink)) {
        Ok(_) => panic!("taken: {config}"),
        Err(error) => error,
    }
}

#[test]
fn a_garbled_config_is_refused_with_place_and_reason() {
    for (config, place, reason) in [
        (
            "[devices.printer]\nselector = 'sim:press'\nprofile = 'generic-80'",
            "devices.printer",
            "no driver takes 'sim:press' (there are: usb, serial, tcp, file, sim:printer",
        ),
        (
            "[devices.printer]\nselector = '/dev/ttyS9'\nprofile = 'generic-80'\nbaud = 1200",
            "devices",
            "line 4: baud 1200 is none of 9600, 19200, 38400, 57600, 115200",
        ),
        (
            "[devices.printer]\nselector = '/dev/ttyS9'\nprofile = 'generic-80'\nflow = 'dtr-dsr'",
            "devices",
            "line 4: flow dtr-dsr is not in the kernel",
        ),
        (
            "[devices.printer]\nselector = '/dev/ttyS9'\nprofile = 'generic-80'\nflow = 'xon-xoff'",
            "devices.printer",
            "flow xon-xoff may spoil pictures on 'generic-80'",
        ),
        (
            "[devices.printer]\nselector = '04b8:0e15'\nprofile = 'generic-80'\nbaud = 9600",
            "devices.printer",
            "baud is for a serial line, /dev/...; '04b8:0e15' has none",
        ),
        (
            "[devices.printer]\nselector = 'tcp://h:9100'\nprofile = 'generic-80'\nflow = 'none'",
            "devices.printer",
            "flow is for a serial line, /dev/...; 'tcp://h:9100' has none",
        ),
        ("[devices.printer]\nselector = 'sim:printer'\nprofile = 'lp'", "devices.printer", "lp"),
        (
            "[devices.printer]\nselector = 'nonsense'\nprofile = 'x'",
            "devices",
            "line 2: 'nonsense' names no device",
        ),
        (
            "[devices.card_reader]\nselector = 'sim:card'\nremovel_wait = 3",
            "devices",
            "line 3: unknown field `removel_wait`",
        ),
        ("[devices.scaner]\nselector = 'sim:card'", "devices", "unknown field `scaner`"),
        (
            "[[devices.pointer]]\nselector = 'sim:touch'\nrotation = 45",
            "devices",
            "rotation 45 is none of 0, 90, 180, 270",
        ),
        (
            "[[devices.pointer]]\nselector = 'sim:touch'\ncalibration = [0,0,0,0,0,0]",
            "devices",
            "onto a line",
        ),
        (
            "[devices.card_reader]\nselector = 'tcp://h:1'",
            "devices.card_reader",
            "no driver takes 'tcp://h:1' (there are: stripe, ccid, ",
        ),
        (
            "[devices.document_scanner]\nselector = 'sim:card'",
            "devices.document_scanner",
            "no driver takes 'sim:card'",
        ),
        ("[[devices.pointer]]\nselector = 'tcp://h:1'", "devices.pointer", "there are: evdev, sim:touch"),
    ] {
        let error = refused(config);
        assert_eq!(error.what, place, "{error}");
        assert!(error.reason.contains(reason), "{error}");
    }
}

#[test]
fn a_device_that_types_is_refused_with_place_and_reason() {
    for (config, place, reason) in [
        (
            "[devices.scanner]\nselector = 'tcp://h:1'",
            "devices.scanner",
            "no driver takes 'tcp://h:1' (there are: barcode, sim:scanner)",
        ),
        (
            "[devices.scanner]\nselector = 'sim:scanner'\nterminator = 'cr'",
            "devices",
            "unknown variant `cr`, expected one of `any`, `enter`, `tab`, `gap`",
        ),
        ("[devices.scanner]\nselector = '/dev/x'\nbaud = 9600", "devices.scanner", "baud is for kind"),
        (
            "[devices.scanner]\nselector = '/dev/x'\nkind = 'serial'\nlayout = 'us'",
            "devices.scanner",
            "layout is for kind",
        ),
        (
            "[devices.card_reader]\nselector = '/dev/x'\nlayout = 'azerty'",
            "devices.card_reader",
            "azerty:1: no such keyboard layout; there are us",
        ),
        (
            "[devices.keypad]\nselector = '/dev/x'\nalso = ['tcp://h:1']\nmap = 'arrows'",
            "devices.keypad",
            "not a device node",
        ),
        ("[devices.scanner]\nselector = 'sim:scanner'\nkind = 'serial'", "devices.scanner", "as a keyboard"),
        ("[devices.card_reader]\nselector = 'sim:card'\nkind = 'wedge'", "devices.card_reader", "that types"),
        ("[devices.card_reader]\nselector = '08e6:3437'\nbaud = 9600", "devices.card_reader", "that types"),
        (
            "[devices.card_reader]\nselector = '/dev/x'\npresented = 'dip'",
            "devices.card_reader",
            "presented is for a chip card reader",
        ),
        ("[devices.keypad]\nselector = 'sim:keypad'", "devices", "missing field `map`"),
        ("[devices.keypad]\nselector = 'sim:keypad'\nmap = 'abc'", "devices.keypad", "no such key map"),
        (
            "[devices.keypad]\nselector = 'sim:keypad'\nmap = 'storm-audionav'",
            "devices.keypad",
            "storm-audionav has to be learned on the device (up, down, right, ",
        ),
    ] {
        let error = refused(config);
        assert_eq!(error.what, place, "{error}");
        assert!(error.reason.contains(reason), "{error}");
    }
}

#[test]
fn a_config_prints_back_as_given() {
    let text = "[devices.printer]\nselector = '/dev/ttyS9'\nprofile = 'generic-80'\n\
                baud = 9600\nflow = 'none'\n\
                [devices.card_reader]\nselector = 'sim:card'\nremoval_wait_s = 5\n\
                [devices.scanner]\nselector = '/dev/kiosk/scanner'\nkind = 'serial'\nbaud = 115200\n\
                terminator = 'enter'\n[devices.keypad]\nselector = '/dev/kiosk/keypad'\nmap = 'arrows'\n\
                [[devices.pointer]]\nselector = '/dev/input/event3'\nrotation = 270\n\
                [outbox]\nfolder = '/var/lib/kiosk'";
    let config = Config::from_toml(text).unwrap();
    let again: Config = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
    assert_eq!(again, config);
    assert_eq!(Config::from_toml("").unwrap(), Config::default());
}

#[test]
fn a_simulated_device_without_a_world_is_refused() {
    let (sink, _events) = sync_channel(8);
    let config = Config::from_toml(TOUCH).unwrap();
    let error = factory::open(&config, &Site::default(), &sink).err().unwrap();
    assert_eq!(error.to_string(), "devices.pointer: a simulated device needs a simulated world");
}

fn next_pointer(desk: &Desk) -> (Kind, f32, f32) {
    match desk.next() {
        Event::Pointer(event) => (event.kind, event.x, event.y),
        other => panic!("{other:?}"),
    }
}

fn near(told: (Kind, f32, f32), kind: Kind, x: f32, y: f32) {
    assert_eq!(told.0, kind);
    assert!((told.1 - x).abs() < 0.001 && (told.2 - y).abs() < 0.001, "{told:?}");
}

#[test]
fn a_tap_lands_where_the_picture_is_turned_to() {
    let desk = Desk::with(&format!("{TOUCH}\nrotation = 90"));
    assert!(desk.world.touch(0.25, 0.1));
    near(next_pointer(&desk), Kind::Down, 0.9, 0.25);
    near(next_pointer(&desk), Kind::Up, 0.9, 0.25);
    assert_eq!(desk.devices.pointers[0].name(), "sim:touch");
}

#[test]
fn a_panel_unplugged_under_a_finger_cancels_the_press() {
    let desk = Desk::with(TOUCH);
    assert!(desk.world.press(0, 0.5, 0.5));
    near(next_pointer(&desk), Kind::Down, 0.5, 0.5);
    desk.world.unplug(Class::Pointer);
    near(next_pointer(&desk), Kind::Cancel, 0.5, 0.5);
    desk.until_health(&Health::Absent);
    assert!(!desk.world.touch(0.1, 0.1) && !desk.world.release(0));
    desk.world.plug(Class::Pointer);
    desk.until_health(&Health::Ready);
    assert!(desk.world.touch(0.1, 0.1));
    near(next_pointer(&desk), Kind::Down, 0.1, 0.1);
}

#[test]
fn a_printer_unplugged_is_told_and_comes_back_in_time() {
    let desk = Desk::with("[devices.printer]\nselector = 'sim:printer'\nprofile = 'generic-80'");
    desk.until_health(&Health::Ready);
    desk.world.unplug(Class::ReceiptPrinter);
    desk.until_health(&Health::Absent);
    let plugged = std::time::Instant::now();
    desk.world.plug(Class::ReceiptPrinter);
    desk.until_health(&Health::Ready);
    assert!(plugged.elapsed() < std::time::Duration::from_secs(3));
}

#[test]
fn one_channel_carries_every_device_in_order() {
    let desk = Desk::with(&format!(
        "[devices.card_reader]\nselector = 'sim:card'\n[devices.document_scanner]\nselector = 'sim:document'\n{TOUCH}"
    ));
    let card = desk.devices.card.as_ref().unwrap();
    let arming = card.arm();
    desk.world.insert_card(CardKind::Library { number: "20000000000001".into() });
    assert!(matches!(desk.next(), Event::Card(hal::card::Event::Inserted)));
    assert!(
        matches!(desk.next(), Event::Card(hal::card::Event::Read { arming: told, .. }) if told == arming)
    );
    desk.world.place_sheet(hal::sim::world::SheetKind::Letter);
    assert!(matches!(desk.next(), Event::Document(hal::document::Event::SheetPlaced)));
    assert!(desk.world.touch(0.5, 0.5));
    near(next_pointer(&desk), Kind::Down, 0.5, 0.5);
}

#[test]
fn a_dropped_desk_ends_its_threads_even_when_nobody_listens() {
    let Desk { world, devices, events } = Desk::with("[devices.card_reader]\nselector = 'sim:card'");
    drop(events);
    world.insert_card(CardKind::Blank);
    let begun = std::time::Instant::now();
    drop(devices);
    assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
}
