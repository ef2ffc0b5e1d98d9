//! What devices did is in the file once the counters are dropped, and is taken up again.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use crate::desk::{Desk, LIMIT};
use hal::{
    Event, Health,
    card::Event as Card,
    counters::{self, Counters},
    factory::Config,
    printer::{Event as Printer, JobId, Profile},
    selftest,
    sim::world::CardKind,
};
use std::{collections::BTreeMap, path::Path};

const DEVICES: &str = "[devices.printer]\nselector = 'sim:printer'\nprofile = 'epson-tm-t20iii'\n\
                       [devices.card_reader]\nselector = 'sim:card'";

/// Prints one page and reads one card while `counters` listen.
fn serve(folder: &Path) {
    let desk = Desk::with(DEVICES);
    let (counters, damage) = Counters::open(folder, &Config::from_toml(DEVICES).unwrap()).unwrap();
    assert_eq!(damage, None);
    let listen = |ends: &dyn Fn(&Event) -> bool| loop {
        let event = desk.events.recv_timeout(LIMIT).unwrap();
        counters.observe(&event);
        if ends(&event) {
            return;
        }
    };
    let page = selftest::page(&Profile::named("epson-tm-t20iii").unwrap());
    counters.printing(JobId(7), &page);
    desk.devices.printer.as_ref().unwrap().print(JobId(7), page).unwrap();
    listen(&|event| matches!(event, Event::Printer(Printer::Done { .. })));
    desk.devices.card.as_ref().unwrap().arm();
    desk.world.insert_card(CardKind::Library { number: "21234000012345".into() });
    listen(&|event| matches!(event, Event::Card(Card::Read { .. })));
    desk.world.unplug(hal::Class::CardReader);
    listen(&|event| matches!(event, Event::Health { class: hal::Class::CardReader, health: Health::Absent }));
    assert!(!folder.join(counters::FILE_NAME).exists(), "nothing is written before it is time");
    assert!(!counters.counts().is_empty());
}

fn told(folder: &Path) -> BTreeMap<String, u64> {
    let counts = counters::read(folder).unwrap();
    let named =
        counts.iter().flat_map(|(key, of)| of.iter().map(move |(name, n)| (format!("{key}: {name}"), *n)));
    named.filter(|(name, _)| !name.ends_with("ready-seconds")).collect()
}

#[test]
fn counters_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    serve(folder.path());
    let once = told(folder.path());
    let expected = [
        ("card-reader sim:card: cards", 1),
        ("card-reader sim:card: cards-read", 1),
        ("card-reader sim:card: fault.gone", 1),
        ("card-reader sim:card: opened", 1),
        ("receipt-printer sim:printer: cuts", 1),
        ("receipt-printer sim:printer: lines", 8),
        ("receipt-printer sim:printer: opened", 1),
        ("receipt-printer sim:printer: receipts", 1),
    ];
    assert_eq!(once, expected.map(|(name, n)| (name.to_owned(), n)).into());
    let text = std::fs::read_to_string(folder.path().join(counters::FILE_NAME)).unwrap();
    assert!(!text.contains("21234"), "{text}");
    // The second run goes on where the first one ended.
    let config = Config::from_toml(DEVICES).unwrap();
    let (again, damage) = Counters::open(folder.path(), &config).unwrap();
    assert_eq!(damage, None);
    again.observe(&Event::Card(Card::Inserted));
    drop(again);
    assert_eq!(told(folder.path()).get("card-reader sim:card: cards"), Some(&2));
}

#[test]
fn a_folder_that_is_not_there_is_an_error_when_written_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let (counters, _) = Counters::open(&gone, &Config::from_toml(DEVICES).unwrap()).unwrap();
    counters.observe(&Event::Card(Card::Inserted));
    counters.save();
    assert_eq!(counters.counts().len(), 1, "what could not be written is still counted");
    drop(counters);
    assert!(!gone.exists());
}
