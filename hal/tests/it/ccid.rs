//! The CCID driver on a simulated reader: every exchange level, every kind of card, the gate in front.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use crate::desk::{Desk, LIMIT};
use hal::{
    Class, Deadline, DeviceError, Event, Health,
    card::{
        self, CardError, CardReader, CardStatus, Event as Card, Options, ReaderKind, Source, ccid::CcidReader,
    },
    sim::{
        ccid::{CcidPanel, Model},
        chip::{ChipKind, PLAIN_BYTES},
        chip_t1::Slip,
    },
};
use std::{
    sync::mpsc::sync_channel,
    time::{Duration, Instant},
};

pub(crate) fn soon() -> Deadline {
    Deadline::after(LIMIT)
}

/// A driver on a reader with a card in.
pub(crate) fn with_card(model: Model, kind: ChipKind) -> (CcidPanel, Box<dyn CardReader>) {
    let panel = CcidPanel::new(model);
    panel.insert(kind);
    let reader = panel.open(ReaderKind::Dip).unwrap();
    (panel, reader)
}

/// READ BINARY of so many bytes, and what the chip has there.
fn read(count: usize) -> ([u8; 5], Vec<u8>) {
    let le = u8::try_from(count).unwrap_or(0);
    let right = (0..count).map(|at| at.to_le_bytes()[0]).chain([0x90, 0]).collect();
    ([0, 0xB0, 0, 0, le], right)
}

fn models() -> Vec<Model> {
    let quiet = |model| Model { notices: false, empty_packets: true, ..model };
    let mut all = vec![Model::short_apdu(), Model::extended_apdu()];
    for protocol in [0, 1] {
        let bare = Model::tpdu(protocol);
        // Bare, negotiating by itself, agreeing on what is set, telling IFSD by itself.
        all.extend([0, 0x40, 0x82, 0x400].map(|bits| Model { features: bare.features | bits, ..bare }));
    }
    all.extend(all.clone().into_iter().map(quiet));
    all.push(Model { padding: 7, ..Model::tpdu(0) });
    all
}

#[test]
fn every_kind_of_reader_carries_every_length() {
    for model in models() {
        let (panel, mut reader) = with_card(model, ChipKind::Plain);
        assert_eq!(reader.status(soon()).unwrap().status, CardStatus::Present);
        let atr = reader.power_on(soon()).unwrap();
        assert_eq!(atr.bytes().first(), Some(&0x3B));
        for count in (1..=256).chain([256, 256]) {
            let (command, right) = read(count);
            assert_eq!(reader.transmit(&command, soon()).unwrap().expose(), right, "{model:?} {count}");
        }
        for count in [1, 31, 32, 33, 244, 255] {
            let data = vec![0xC5; count];
            let command = [&[0, 0xEE, 0, 0, u8::try_from(count).unwrap()], data.as_slice(), &[0]].concat();
            let right = [data.as_slice(), &[0x90, 0]].concat();
            assert_eq!(reader.transmit(&command, soon()).unwrap().expose(), right, "{model:?} {count}");
        }
        assert_eq!(reader.transmit(&[0, 0xA4, 4, 0, 2, 1, 2, 0], soon()).unwrap().expose(), [0x6A, 0x82]);
        assert_eq!(panel.executed(), 258 + 6 + 1, "each command once: {model:?}");
    }
}

#[test]
fn long_commands_go_in_parts_or_are_refused_with_the_reason() {
    let data = vec![0x5C; 5000];
    let echo = [&[0, 0xEE, 0, 0, 0, 0x13, 0x88], data.as_slice(), &[0, 0]].concat();
    let right = [data.as_slice(), &[0x90, 0]].concat();
    for model in [Model::extended_apdu(), Model::tpdu(1)] {
        let (panel, mut reader) = with_card(model, ChipKind::Plain);
        reader.power_on(soon()).unwrap();
        assert_eq!(reader.transmit(&echo, soon()).unwrap().expose(), right, "{model:?}");
        assert_eq!(panel.executed(), 1);
    }
    for model in [Model::short_apdu(), Model::tpdu(0)] {
        let (panel, mut reader) = with_card(model, ChipKind::Plain);
        reader.power_on(soon()).unwrap();
        let refused = reader.transmit(&echo, soon()).unwrap_err();
        assert!(
            matches!(&refused, CardError::Device(DeviceError::Unsupported(why)) if why.contains("255")),
            "{refused:?}"
        );
        assert_eq!(panel.executed(), 0);
    }
    let (_panel, mut reader) = with_card(Model::extended_apdu(), ChipKind::Plain);
    reader.power_on(soon()).unwrap();
    let all = reader.transmit(&[0, 0xB0, 0, 0, 0, 0, 0], soon()).unwrap();
    assert_eq!(all.expose().len(), PLAIN_BYTES + 2);
}

#[test]
fn a_card_of_another_voltage_is_found_by_trying() {
    let manual = Model { features: 0x2_04B2, ..Model::short_apdu() };
    for (supply, tries) in [(1, 1), (2, 2), (3, 3)] {
        let (panel, mut reader) = with_card(Model { supply, ..manual }, ChipKind::Plain);
        reader.power_on(soon()).unwrap();
        assert_eq!(panel.log().iter().filter(|kind| **kind == 0x62).count(), tries);
        assert_eq!(panel.log().iter().filter(|kind| **kind == 0x63).count(), tries - 1);
    }
    let (_panel, mut reader) = with_card(Model { supply: 3, voltages: 3, ..manual }, ChipKind::Plain);
    assert!(matches!(reader.power_on(soon()), Err(CardError::Mute)), "no supply of this reader suits it");
}

#[test]
fn speed_is_agreed_with_the_card_only_where_the_reader_leaves_it_to_us() {
    let sent = |features| {
        let (panel, mut reader) = with_card(Model { features, ..Model::tpdu(0) }, ChipKind::Plain);
        reader.power_on(soon()).unwrap();
        panel.log()
    };
    assert_eq!(sent(0x1_0038), [0x65, 0x62, 0x6F, 0x61]);
    assert_eq!(sent(0x1_00B8), [0x65, 0x62, 0x61]);
    assert_eq!(sent(0x1_0078), [0x65, 0x62, 0x6C]);
}

#[test]
fn a_t1_card_is_told_once_how_much_the_reader_takes() {
    let (panel, mut reader) = with_card(Model::tpdu(1), ChipKind::Plain);
    reader.power_on(soon()).unwrap();
    let blocks = || panel.log().iter().filter(|kind| **kind == 0x6F).count();
    let before = blocks();
    for (command, count) in [(read(200), 2), (read(200), 3)] {
        assert_eq!(reader.transmit(&command.0, soon()).unwrap().expose(), command.1);
        assert_eq!(blocks() - before, count, "one block tells it, then one a command");
    }
}

#[test]
fn a_misbehaving_t1_card_behind_a_reader_still_answers() {
    for slip in [Slip::BadCheck, Slip::Lost, Slip::Deaf, Slip::Damaged, Slip::Wtx(3), Slip::Ifs(100)] {
        let (panel, mut reader) = with_card(Model::tpdu(1), ChipKind::Plain);
        reader.power_on(soon()).unwrap();
        panel.slip(&[Slip::Right, slip]);
        let (command, right) = read(200);
        assert_eq!(reader.transmit(&command, soon()).unwrap().expose(), right, "{slip:?}");
        assert_eq!(panel.executed(), 1, "{slip:?}");
    }
    let (panel, mut reader) = with_card(Model::tpdu(1), ChipKind::Plain);
    reader.power_on(soon()).unwrap();
    panel.slip(&[Slip::Dead]);
    assert!(matches!(reader.transmit(&read(5).0, soon()), Err(CardError::Mute)));
}

#[test]
fn a_contactless_card_gives_its_uid_unless_it_is_a_random_one() {
    let uid = |uid: &[u8]| {
        let (_panel, mut reader) = with_card(Model::short_apdu(), ChipKind::Memory { uid: uid.to_vec() });
        reader.read_identifier(soon())
    };
    let read = uid(&[0x04, 0xA2, 0x2B, 0x11, 0x5C, 0x80, 0x0F]).unwrap();
    assert_eq!((read.source, read.number.expose()), (Source::Contactless, "04A22B115C800F"));
    assert_eq!(uid(&[0xDE, 0xAD, 0xBE, 0xEF]).unwrap().number.expose(), "DEADBEEF");
    assert!(matches!(uid(&[0x08, 1, 2, 3]), Err(CardError::NoNumber)));
}

#[test]
fn a_payment_chip_is_refused_and_a_plain_one_bears_no_number() {
    for model in models() {
        let read = |kind| with_card(model, kind).1.read_identifier(soon());
        assert!(matches!(read(ChipKind::Payment), Err(CardError::Payment)), "{model:?}");
        assert!(matches!(read(ChipKind::Plain), Err(CardError::NoNumber)), "{model:?}");
        assert!(matches!(read(ChipKind::Mute), Err(CardError::Mute)), "{model:?}");
    }
    let (panel, mut reader) = with_card(Model::short_apdu(), ChipKind::ContactlessPayment);
    assert!(matches!(reader.read_identifier(soon()), Err(CardError::Payment)));
    assert_eq!(panel.executed(), 1, "its number was not asked for");
}

#[test]
fn cards_that_come_go_and_are_swapped_are_counted_with_and_without_an_interrupt_end_point() {
    for notices in [true, false] {
        let panel = CcidPanel::new(Model { notices, ..Model::short_apdu() });
        let mut reader = panel.open(ReaderKind::Dip).unwrap();
        let mut seen = || reader.wait_change(soon()).map(|slot| (slot.status, slot.cards)).unwrap();
        for count in 1..4 {
            panel.insert(ChipKind::Plain);
            assert_eq!(seen(), (CardStatus::Present, count));
            panel.pull();
            assert_eq!(seen(), (CardStatus::NoCard, count));
        }
    }
    let panel = CcidPanel::new(Model::short_apdu());
    let mut reader = panel.open(ReaderKind::Dip).unwrap();
    assert_eq!(reader.wait_change(Deadline::after(Duration::from_millis(20))).unwrap().cards, 0);
    panel.insert(ChipKind::Plain);
    assert_eq!(reader.wait_change(soon()).unwrap().cards, 1);
    reader.power_on(soon()).unwrap();
    panel.insert(ChipKind::Plain);
    let swapped = reader.wait_change(soon()).unwrap();
    assert_eq!((swapped.status, swapped.cards), (CardStatus::Present, 2));
    assert!(matches!(reader.transmit(&read(5).0, soon()), Err(CardError::Torn)), "it is another card");
    panel.pull();
    assert_eq!(reader.wait_change(soon()).unwrap().status, CardStatus::NoCard);
    panel.insert(ChipKind::Plain);
    panel.pull();
    let passed = reader.wait_change(soon()).unwrap();
    assert_eq!((passed.status, passed.cards), (CardStatus::NoCard, 3), "one came and went unseen");
}

#[test]
fn a_card_there_at_opening_is_one_card_though_told_twice() {
    let (_panel, mut reader) = with_card(Model::short_apdu(), ChipKind::Plain);
    assert_eq!(reader.status(soon()).unwrap().cards, 1);
    let still = reader.wait_change(Deadline::after(Duration::from_millis(50))).unwrap();
    assert_eq!((still.status, still.cards), (CardStatus::Present, 1));
}

#[test]
fn a_canceller_ends_the_wait_of_any_reader() {
    for notices in [true, false] {
        let panel = CcidPanel::new(Model { notices, ..Model::short_apdu() });
        let mut reader = panel.open(ReaderKind::Dip).unwrap();
        let cancel = reader.canceller().unwrap();
        let begun = Instant::now();
        let thread = std::thread::spawn(move || cancel());
        assert_eq!(reader.wait_change(soon()).unwrap().status, CardStatus::NoCard);
        assert!(begun.elapsed() < LIMIT / 2);
        thread.join().unwrap();
    }
}

#[test]
fn a_closed_reader_leaves_the_card_without_power() {
    let (panel, mut reader) = with_card(Model::short_apdu(), ChipKind::Plain);
    reader.power_on(soon()).unwrap();
    assert!(panel.powered());
    drop(reader);
    assert!(!panel.powered());
}

#[test]
fn readers_that_exchange_characters_are_refused() {
    let panel = CcidPanel::new(Model { features: 0x3A, ..Model::short_apdu() });
    assert!(matches!(panel.open(ReaderKind::Dip), Err(DeviceError::Unsupported(_))));
}

#[test]
fn behind_the_gate_a_uid_is_delivered_once_and_a_payment_card_never() {
    let desk = Desk::with("[devices.card_reader]\nselector = 'sim:ccid'\npresented = 'contactless'");
    desk.until_health(&Health::Ready);
    let handle = desk.devices.card.as_ref().unwrap();
    assert_eq!(handle.kind(), Some(ReaderKind::Contactless));
    let panel = desk.world.ccid();
    let armed = handle.arm();
    panel.insert(ChipKind::ContactlessPayment);
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert!(matches!(desk.next_card(), Card::RefusedPaymentCard));
    panel.insert(ChipKind::Memory { uid: vec![4, 1, 2, 3, 4, 5, 6] });
    assert!(matches!(desk.next_card(), Card::Removed));
    assert!(matches!(desk.next_card(), Card::Inserted));
    match desk.next_card() {
        Card::Read { arming, card } => {
            assert_eq!(
                (arming, card.number.expose(), card.source),
                (armed, "04010203040506", Source::Contactless)
            );
        }
        other => panic!("{other:?}"),
    }
    panel.pull();
    assert!(matches!(desk.next_card(), Card::Removed));
    handle.arm();
    panel.insert(ChipKind::Mute);
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert!(matches!(desk.next_card(), Card::Mute));
    desk.world.unplug(Class::CardReader);
    assert!(matches!(desk.next_card(), Card::Removed));
    desk.until_health(&Health::Absent);
    desk.world.plug(Class::CardReader);
    desk.until_health(&Health::Ready);
    assert!(matches!(desk.next_card(), Card::Inserted));
}

fn counted(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_thousand_plug_cycles_leak_no_thread_and_no_file() {
    let panel = CcidPanel::new(Model::short_apdu());
    let cycle = || {
        panel.plug_in();
        panel.pull();
        let (sink, events) = sync_channel(16);
        let opened = panel.clone();
        let handle = card::spawn(move || opened.open(ReaderKind::Dip), Options::default(), sink);
        handle.arm();
        let until = |wanted: &dyn Fn(&Event) -> bool| while !wanted(&events.recv_timeout(LIMIT).unwrap()) {};
        until(&|event| matches!(event, Event::Health { health: Health::Ready, .. }));
        panel.insert(ChipKind::Plain);
        until(&|event| matches!(event, Event::Card(Card::Unreadable)));
        panel.unplug();
        until(&|event| matches!(event, Event::Health { health: Health::Absent, .. }));
    };
    cycle();
    let before = (counted("/proc/self/task"), counted("/proc/self/fd"));
    for _ in 0..1000 {
        cycle();
    }
    assert_eq!((counted("/proc/self/task"), counted("/proc/self/fd")), before);
}

#[test]
fn a_reader_plugged_in_again_serves_within_three_seconds_again_and_again() {
    let panel = CcidPanel::new(Model::short_apdu());
    let (sink, events) = sync_channel(64);
    let opened = panel.clone();
    let _handle = card::spawn(move || opened.open(ReaderKind::Dip), Options::default(), sink);
    let until = |wanted: Health| {
        while !matches!(events.recv_timeout(LIMIT).unwrap(), Event::Health { health, .. } if health == wanted)
        {
        }
    };
    until(Health::Ready);
    for _ in 0..5 {
        panel.unplug();
        until(Health::Absent);
        let plugged = Instant::now();
        panel.plug_in();
        until(Health::Ready);
        assert!(plugged.elapsed() < Duration::from_secs(3));
    }
}

#[test]
fn a_reader_unplugged_before_it_was_opened_is_gone() {
    let panel = CcidPanel::new(Model::short_apdu());
    let pipe = panel.connect().unwrap();
    panel.unplug();
    assert!(matches!(CcidReader::open(pipe, ReaderKind::Dip, soon()), Err(DeviceError::Gone(_))));
    assert!(matches!(panel.open(ReaderKind::Dip), Err(DeviceError::Gone(_))));
}
