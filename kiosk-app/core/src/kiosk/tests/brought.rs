//! What a citizen brings: a receipt, a card.

use super::*;

#[test]
fn a_receipt_under_the_scanner_is_as_good_as_its_code_typed() {
    let mut story = Story::new();
    let code = ClaimCode::draw([7; 8]).unwrap();
    let read = |text: String| Event::Symbol(Symbol::Text(Secret::new(text)));
    story.act(Act::Touch);
    story.act(Act::Language("en".into()));
    story.event(read(code.to_string()));
    assert_eq!(story.view().screen, Screen::Services, "nobody asked for it");
    story.act(Act::OpenLookup);
    assert!(matches!(story.commands.last(), Some(Command::ArmScanner(true))));
    assert!(!story.view().can_scan, "no scanner was heard of yet");
    story.event(Event::Device(Device::BarcodeScanner, Condition::Ready));
    assert!(story.view().can_scan);
    for wrong in [Event::Symbol(Symbol::Unreadable), read("5012345678900".into())] {
        story.commands.clear();
        story.event(wrong);
        assert_eq!(story.view().code_problem, "symbol-of-something-else");
        assert!(matches!(story.commands.last(), Some(Command::ArmScanner(true))), "asked for once more");
    }
    story.event(read(format!("https://council.example/claim/{code}")));
    assert_eq!(story.view().screen, Screen::LookingUp);
    let asked = |command: &Command| matches!(command, Command::Lookup(claim) if *claim == code.digest());
    assert!(story.commands.iter().any(asked));
    assert!(matches!(story.commands.last(), Some(Command::ArmScanner(false))));
}

#[test]
fn a_reader_that_does_not_serve_is_said_with_its_code() {
    let mut story = Story::new();
    story.fill_in();
    story.act(Act::Change("card".into()));
    story.event(Event::Device(Device::CardReader, Condition::Broken));
    let question = story.view().question.unwrap();
    assert_eq!((question.card, question.device_code), (CardHint::Missing, "K-214"));
    story.event(Event::Device(Device::CardReader, Condition::Ready));
    let question = story.view().question.unwrap();
    assert_eq!((question.card, question.device_code), (CardHint::Insert, ""));
}
