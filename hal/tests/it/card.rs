//! What a card reader may and may not let through.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use crate::desk::{Desk, LIMIT};
use hal::{
    Class, Deadline, DeviceError, Event, Health,
    card::{
        self, Arming, CardError, CardHandle, CardReader, CardStatus, Event as Card, Options, RawTrack,
        ReaderKind, Slot, Tracks,
    },
    sim::world::CardKind,
};
use std::{
    sync::mpsc::{Receiver, Sender, channel, sync_channel},
    time::Duration,
};
use zeroize::Zeroizing;

const READER: &str = "[devices.card_reader]\nselector = 'sim:card'";
const NUMBER: &str = "21234000012347";

fn library() -> CardKind {
    CardKind::Library { number: NUMBER.to_owned() }
}

fn desk() -> Desk {
    let desk = Desk::with(READER);
    desk.until_health(&Health::Ready);
    desk
}

fn handle(desk: &Desk) -> &CardHandle {
    desk.devices.card.as_ref().unwrap()
}

/// The number and the arming of the next event, which is a delivery.
fn delivered(event: Card) -> (String, Arming) {
    match event {
        Card::Read { arming, card } => (card.number.expose().to_owned(), arming),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_armed_reader_delivers_once() {
    let desk = desk();
    let arming = handle(&desk).arm();
    desk.world.insert_card(library());
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert_eq!(delivered(desk.next_card()), (NUMBER.to_owned(), arming));
    desk.world.pull_card();
    assert!(matches!(desk.next_card(), Card::Removed));
    desk.world.insert_card(library());
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert!(matches!(desk.next_card(), Card::Dropped), "the gate closed with the delivery");
    assert_eq!(handle(&desk).dropped(), 1);
}

#[test]
fn a_card_nobody_asked_for_is_dropped_and_counted() {
    let desk = desk();
    for count in 1..=3 {
        desk.world.insert_card(library());
        assert!(matches!(desk.next_card(), Card::Inserted));
        assert!(matches!(desk.next_card(), Card::Dropped));
        assert_eq!(handle(&desk).dropped(), count);
        desk.world.pull_card();
        assert!(matches!(desk.next_card(), Card::Removed));
    }
}

#[test]
fn a_card_put_in_before_the_screen_asked_is_read_once_it_does() {
    let desk = desk();
    desk.world.insert_card(library());
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert!(matches!(desk.next_card(), Card::Dropped));
    assert_eq!(handle(&desk).status(), CardStatus::Present);
    let arming = handle(&desk).arm();
    assert_eq!(delivered(desk.next_card()), (NUMBER.to_owned(), arming));
    // The same card again, for the next citizen: not before it was taken out.
    let second = handle(&desk).arm();
    desk.world.pull_card();
    assert!(matches!(desk.next_card(), Card::Removed));
    desk.world.insert_card(library());
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert_eq!(delivered(desk.next_card()).1, second);
}

#[test]
fn a_card_read_after_the_screen_changed_is_dropped() {
    let desk = desk();
    desk.world.hold_card_read(true);
    handle(&desk).arm();
    desk.world.insert_card(library());
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert!(desk.world.wait_card_read(LIMIT));
    handle(&desk).disarm();
    desk.world.hold_card_read(false);
    assert!(matches!(desk.next_card(), Card::Dropped));
    assert_eq!(handle(&desk).dropped(), 1);
}

#[test]
fn a_payment_card_is_refused_and_appears_nowhere() {
    let number = "4111111111111111";
    let desk = desk();
    handle(&desk).arm();
    desk.world.insert_card(CardKind::Payment { number: number.to_owned() });
    let mut said = format!("{:?}", desk.next_card());
    let refusal = desk.next_card();
    assert!(matches!(refusal, Card::RefusedPaymentCard));
    said += &format!("{refusal:?}");
    desk.world.pull_card();
    said += &format!("{:?}", desk.next_card());
    assert!(!said.contains("4111") && !said.contains("JEAN"), "{said}");
    // The gate stays open for the right card.
    desk.world.insert_card(library());
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert_eq!(delivered(desk.next_card()).0, NUMBER);
}

#[test]
fn a_payment_number_on_a_library_card_is_refused_too() {
    let desk = desk();
    handle(&desk).arm();
    desk.world.insert_card(CardKind::Library { number: "5555555555554444".to_owned() });
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert!(matches!(desk.next_card(), Card::RefusedPaymentCard));
}

#[test]
fn a_card_pulled_mid_read_is_torn() {
    let desk = desk();
    desk.world.hold_card_read(true);
    handle(&desk).arm();
    desk.world.insert_card(library());
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert!(desk.world.wait_card_read(LIMIT));
    desk.world.pull_card();
    assert!(matches!(desk.next_card(), Card::Torn));
    assert!(matches!(desk.next_card(), Card::Removed));
    desk.world.hold_card_read(false);
    desk.world.insert_card(library());
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert_eq!(delivered(desk.next_card()).0, NUMBER);
}

#[test]
fn a_card_the_wrong_way_round_is_mute_and_a_scratched_one_unreadable() {
    let desk = desk();
    handle(&desk).arm();
    desk.world.insert_card(CardKind::WrongWayRound);
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert!(matches!(desk.next_card(), Card::Mute));
    for kind in [CardKind::Damaged, CardKind::Blank] {
        desk.world.insert_card(kind);
        assert!(matches!(desk.next_card(), Card::Removed));
        assert!(matches!(desk.next_card(), Card::Inserted));
        assert!(matches!(desk.next_card(), Card::Unreadable));
    }
}

#[test]
fn a_forgotten_card_is_told_and_never_read_for_the_next_citizen() {
    let desk = Desk::with("[devices.card_reader]\nselector = 'sim:card'\nremoval_wait_s = 0");
    desk.until_health(&Health::Ready);
    desk.world.insert_card(library());
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert!(matches!(desk.next_card(), Card::Dropped));
    assert!(matches!(desk.next_card(), Card::Forgotten));
    handle(&desk).arm();
    desk.world.pull_card();
    assert!(matches!(desk.next_card(), Card::Removed));
}

#[test]
fn an_unplugged_reader_loses_its_card_and_comes_back_in_time() {
    let desk = desk();
    desk.world.insert_card(library());
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert!(matches!(desk.next_card(), Card::Dropped));
    desk.world.unplug(Class::CardReader);
    assert!(matches!(desk.next_card(), Card::Removed));
    desk.until_health(&Health::Absent);
    assert_eq!(handle(&desk).status(), CardStatus::Absent);
    let plugged = std::time::Instant::now();
    desk.world.pull_card();
    desk.world.plug(Class::CardReader);
    desk.until_health(&Health::Ready);
    assert!(plugged.elapsed() < Duration::from_secs(3));
    handle(&desk).arm();
    desk.world.insert_card(library());
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert_eq!(delivered(desk.next_card()).0, NUMBER);
}

#[test]
fn a_reader_unplugged_mid_read_delivers_nothing() {
    let desk = desk();
    desk.world.hold_card_read(true);
    handle(&desk).arm();
    desk.world.insert_card(library());
    assert!(matches!(desk.next_card(), Card::Inserted));
    assert!(desk.world.wait_card_read(LIMIT));
    desk.world.unplug(Class::CardReader);
    assert!(matches!(desk.next_card(), Card::Removed));
    desk.until_health(&Health::Absent);
}

/// A swipe reader that types its tracks, by hand: each message is a swipe.
struct Swipe {
    swipes: Receiver<&'static str>,
    held: Option<&'static str>,
    cards: u64,
    discarded: Sender<()>,
}

impl CardReader for Swipe {
    fn kind(&self) -> ReaderKind {
        ReaderKind::Swipe
    }

    fn status(&mut self, _deadline: Deadline) -> Result<Slot, DeviceError> {
        let status = if self.held.is_some() { CardStatus::Present } else { CardStatus::NoCard };
        Ok(Slot { status, cards: self.cards })
    }

    fn wait_change(&mut self, deadline: Deadline) -> Result<Slot, DeviceError> {
        if let Ok(swipe) = self.swipes.recv_timeout(deadline.left()) {
            (self.held, self.cards) = (Some(swipe), self.cards + 1);
        }
        self.status(deadline)
    }

    fn read_tracks(&mut self, _deadline: Deadline) -> Result<Tracks, CardError> {
        let two = self.held.take().map(|text| RawTrack::Text(Zeroizing::new(text.to_owned())));
        Ok(Tracks { two, ..Tracks::default() })
    }

    fn discard(&mut self) {
        self.held = None;
        self.discarded.send(()).unwrap();
    }
}

#[test]
fn a_swipe_during_the_wrong_screen_is_no_answer_to_the_next() {
    let (swipe, swipes) = channel();
    let (discarded, told) = channel();
    let (sink, events) = sync_channel(16);
    let mut reader = Some(Swipe { swipes, held: None, cards: 0, discarded });
    let open = move || match reader.take() {
        Some(reader) => Ok(Box::new(reader) as Box<dyn CardReader>),
        None => Err(DeviceError::Gone(String::new())),
    };
    let handle = card::spawn(open, Options::default(), sink);
    let next = || loop {
        match events.recv_timeout(LIMIT).unwrap() {
            Event::Card(event) => return event,
            Event::Health { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    swipe.send(";20000000000001?").unwrap();
    assert!(matches!(next(), Card::Inserted));
    assert!(matches!(next(), Card::Dropped));
    told.recv_timeout(LIMIT).unwrap();
    handle.arm();
    assert!(matches!(next(), Card::Removed));
    swipe.send(";20000000000002?").unwrap();
    assert!(matches!(next(), Card::Inserted));
    assert_eq!(delivered(next()).0, "20000000000002");
    assert_eq!(handle.kind(), Some(ReaderKind::Swipe));
}
