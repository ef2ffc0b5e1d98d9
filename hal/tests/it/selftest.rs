//! A self-test says what it saw, and no more.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use hal::{
    Class,
    factory::{Config, Site},
    keypad::{KeyMap, NavKey},
    printer::{Cover, Paper},
    selftest::{self, Corner, Level, Outcome, Prompt, Report},
    sim::{
        World,
        chip::ChipKind,
        world::{CardKind, SheetKind, Symbol},
    },
};
use std::time::Duration;

const PRINTER: &str = "[devices.printer]\nselector = 'sim:printer'\nprofile = 'epson-tm-t20iii'";
const CHIP: &str = "[devices.card_reader]\nselector = 'sim:ccid'";
const STRIPE: &str = "[devices.card_reader]\nselector = 'sim:card'";
const DOCUMENT: &str = "[devices.document_scanner]\nselector = 'sim:document'";
const SCANNER: &str = "[devices.scanner]\nselector = 'sim:scanner'";
const KEYPAD: &str = "[devices.keypad]\nselector = 'sim:keypad'\nmap = 'arrows'";
const POINTER: &str = "[[devices.pointer]]\nselector = 'sim:touch'";

/// What a person is given for each prompt.
const LIMIT: Duration = Duration::from_secs(5);
/// The same for a person who is not there.
const NOBODY: Duration = Duration::from_millis(150);

fn test(text: &str, world: &World, level: Level, limit: Duration, hand: &mut dyn FnMut(Prompt)) -> Report {
    let config = Config::from_toml(text).unwrap();
    let target = selftest::targets(&config).remove(0);
    let site = Site { world: Some(world.clone()) };
    selftest::run(&target, &config, &site, (level, limit), hand).unwrap()
}

fn alone(text: &str, world: &World, level: Level) -> Report {
    test(text, world, level, NOBODY, &mut |_| {})
}

/// `step: outcome facts`, one for each step.
fn told(report: &Report) -> Vec<String> {
    let told = report.steps.iter().map(|step| {
        let outcome = match &step.outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed(code) => format!("failed {code}"),
            Outcome::NotDone(code) => format!("not done {code}"),
        };
        let facts = step.facts.iter().map(|(name, value)| format!(", {name} {value}"));
        format!("{}: {outcome}{}", step.name, facts.collect::<String>())
    });
    told.collect()
}

/// Does what is asked.
fn helpful(world: &World, card: ChipKind) -> impl FnMut(Prompt) {
    let world = world.clone();
    move |prompt| match prompt {
        Prompt::PresentCard => {
            world.ccid().insert(card.clone());
            world.insert_card(CardKind::Library { number: "21234000012345".into() });
        }
        Prompt::TakeCard => {
            world.ccid().pull();
            world.pull_card();
        }
        Prompt::ShowCode => assert!(world.scan(&Symbol::Text("]C1secret-number".into()))),
        Prompt::PressKey(name) => {
            let key = NavKey::named(name).unwrap();
            assert!(world.tap(KeyMap::named("arrows").unwrap().codes(key).next().unwrap()));
        }
        Prompt::TouchCorner(corner) => {
            let (x, y) = match corner {
                Corner::UpperLeft => (0.05, 0.05),
                Corner::UpperRight => (0.95, 0.05),
                Corner::LowerRight => (0.95, 0.95),
                Corner::LowerLeft => (0.05, 0.95),
            };
            assert!(world.touch(x, y));
        }
        Prompt::LaySheet => world.place_sheet(SheetKind::Letter),
        Prompt::OpenCover => world.printer().set_cover(Cover::Open),
        Prompt::CloseCover => world.printer().set_cover(Cover::Closed),
    }
}

#[test]
fn a_printer_is_asked_without_printing() {
    let world = World::new();
    let report = alone(PRINTER, &world, Level::Internal);
    let status = "status: passed, paper ok, cover closed, cutter ok, head ok";
    assert_eq!(told(&report), ["open: passed", status, "identity: passed, model SIM-80"]);
    assert!(world.printer().receipts().is_empty() && !report.failed() && !report.incomplete());
}

#[test]
fn the_test_page_is_printed_once_and_with_proof() {
    let world = World::new();
    let report = alone(PRINTER, &world, Level::External);
    assert_eq!(told(&report).last().unwrap(), "print: passed, proof completed");
    assert_eq!(world.printer().receipts().len(), 1);
    let plain = PRINTER.replace("epson-tm-t20iii", "generic-80");
    assert_eq!(
        told(&alone(&plain, &world, Level::External)).last().unwrap(),
        "print: passed, proof accepted"
    );
}

#[test]
fn a_printer_without_paper_fails_with_its_reason() {
    let world = World::new();
    world.printer().set_paper(Paper::Out);
    let report = alone(PRINTER, &world, Level::External);
    let told = told(&report);
    assert!(told[1].starts_with("status: failed paper-out"), "{told:?}");
    assert_eq!(told.last().unwrap(), "print: failed paper-out, proof none");
    assert!(report.failed() && world.printer().receipts().is_empty());
}

#[test]
fn a_file_is_not_said_to_have_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.bin");
    let text =
        format!("[devices.printer]\nselector = 'file://{}'\nprofile = 'epson-tm-t20iii'", file.display());
    let report = alone(&text, &World::new(), Level::External);
    let not = "not done line-cannot-answer";
    let print = format!("print: {not}, proof sent");
    assert_eq!(
        told(&report),
        ["open: passed", &format!("status: {not}"), &format!("identity: {not}"), &print]
    );
    assert!(report.incomplete() && !report.failed());
    assert!(std::fs::read(&file).unwrap().len() > 100);
}

#[test]
fn the_cover_is_seen_to_open_and_close_or_the_test_fails() {
    let world = World::new();
    let report = test(PRINTER, &world, Level::Interactive, LIMIT, &mut helpful(&world, ChipKind::Plain));
    assert_eq!(told(&report).last().unwrap(), "cover: passed, seen open, closed");
    let nobody = alone(PRINTER, &World::new(), Level::Interactive);
    assert_eq!(told(&nobody).last().unwrap(), "cover: failed open not-seen");
}

#[test]
fn a_chip_card_is_put_in_and_only_its_answer_to_reset_is_told() {
    let world = World::new();
    let card = ChipKind::Memory { uid: vec![4, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6] };
    let report = test(CHIP, &world, Level::Interactive, LIMIT, &mut helpful(&world, card));
    let atr = "atr: passed, atr 3B 8F 80 01 80 4F 0C A0 00 00 03 06 03 00 01 00 00 00 00 6A";
    let expected =
        ["open: passed, kind dip", "status: passed, slot no-card", "card: passed", atr, "removal: passed"];
    assert_eq!(told(&report), expected);
    let nobody = alone(CHIP, &World::new(), Level::Interactive);
    assert_eq!(told(&nobody).last().unwrap(), "card: failed not-seen");
    let empty = alone(CHIP, &World::new(), Level::External);
    assert_eq!(told(&empty).last().unwrap(), "card: not done no-card");
}

#[test]
fn a_card_the_wrong_way_round_is_mute() {
    let world = World::new();
    let report = test(CHIP, &world, Level::Interactive, LIMIT, &mut helpful(&world, ChipKind::Mute));
    assert!(told(&report).contains(&"atr: failed mute".to_owned()), "{:?}", told(&report));
}

#[test]
fn of_a_stripe_only_the_length_is_told() {
    let world = World::new();
    let report = test(STRIPE, &world, Level::Interactive, LIMIT, &mut helpful(&world, ChipKind::Plain));
    let told = told(&report);
    let stripe = told.iter().find(|line| line.starts_with("stripe")).unwrap();
    assert!(stripe.starts_with("stripe: passed, track-1 none, track-2 "), "{stripe}");
    assert!(!format!("{report:?}").contains("2123400"), "{report:?}");
}

#[test]
fn a_sheet_a_code_keys_and_corners_need_a_hand() {
    for (text, step, passed) in [
        (DOCUMENT, "sheet", "sheet: passed, pages 1, bytes "),
        (SCANNER, "code", "code: passed, symbology "),
        (KEYPAD, "key", "key: passed, keys "),
        (POINTER, "touch", "touch: passed, corners 4"),
    ] {
        let world = World::new();
        let report = test(text, &world, Level::Interactive, LIMIT, &mut helpful(&world, ChipKind::Plain));
        let last = told(&report).pop().unwrap();
        assert!(last.starts_with(passed), "{last}");
        assert!(!format!("{report:?}").contains("secret"), "{report:?}");
        let nobody = alone(text, &World::new(), Level::Interactive);
        assert!(nobody.failed(), "{step}: {:?}", told(&nobody));
        let external = alone(text, &World::new(), Level::External);
        assert!(external.incomplete() && !external.failed(), "{step}: {:?}", told(&external));
        assert_eq!(told(&alone(text, &World::new(), Level::Internal)), ["open: passed"]);
    }
}

#[test]
fn what_is_not_there_fails_to_open() {
    for (text, class) in [
        (PRINTER, Class::ReceiptPrinter),
        (CHIP, Class::CardReader),
        (DOCUMENT, Class::DocumentScanner),
        (SCANNER, Class::Scanner),
        (KEYPAD, Class::Keypad),
        (POINTER, Class::Pointer),
    ] {
        let world = World::new();
        world.unplug(class);
        let report = alone(text, &world, Level::Internal);
        assert_eq!(report.target.class, class);
        let told = told(&report);
        assert!(told.len() == 1 && told[0].starts_with("open: failed gone"), "{told:?}");
    }
}
