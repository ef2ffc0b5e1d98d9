//! Stripe readers that type: what a swipe may and may not let through.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use crate::desk::{Desk, number};
use hal::{
    Class, Health,
    card::{CardHandle, Event as Card, ReaderKind},
    sim::keyboard::Place,
};

const LIBRARY: &str = "%21234000012347^READER$JANE^?;21234000012347=2912?\r";

fn desk() -> Desk {
    let desk = Desk::with("[devices.card_reader]\nselector = 'sim:swipe'");
    desk.until_health(&Health::Ready);
    desk
}

fn handle(desk: &Desk) -> &CardHandle {
    desk.devices.card.as_ref().unwrap()
}

#[test]
fn an_armed_reader_delivers_the_number_once() {
    let desk = desk();
    assert_eq!(handle(&desk).kind(), Some(ReaderKind::Swipe));
    handle(&desk).arm();
    assert!(desk.world.swipe(LIBRARY));
    assert_eq!(number(desk.next_swipe()), "21234000012347");
    assert!(desk.world.swipe(LIBRARY));
    assert!(matches!(desk.next_swipe(), Card::Dropped));
    assert_eq!(handle(&desk).dropped(), 1);
    // What was swiped for the screen before is gone, and read for none after.
    handle(&desk).arm();
    assert!(desk.world.swipe(";29999000000004?\r"));
    assert_eq!(number(desk.next_swipe()), "29999000000004");
}

/// Swipes that began when they say.
struct Told(std::sync::mpsc::Receiver<u64>);

impl hal::card::Swipes for Told {
    fn next_swipe(&mut self, _: hal::Deadline) -> Result<Option<(u64, hal::card::Tracks)>, hal::DeviceError> {
        let Ok(begun_us) = self.0.recv_timeout(std::time::Duration::from_millis(20)) else { return Ok(None) };
        let two = hal::card::RawTrack::Text(String::from(";21234000012347?").into());
        Ok(Some((begun_us, hal::card::Tracks { two: Some(two), ..Default::default() })))
    }

    fn canceller(&self) -> Option<hal::card::Canceller> {
        None
    }
}

#[test]
fn a_swipe_that_began_before_it_was_asked_for_is_dropped() {
    let (swipes, told) = std::sync::mpsc::channel();
    let (sink, events) = std::sync::mpsc::sync_channel(64);
    let mut told = Some(told);
    let open = move || {
        let told = told.take().ok_or_else(|| hal::DeviceError::Gone("once".to_owned()))?;
        Ok(Box::new(hal::card::SwipeReader::over(Box::new(Told(told)))) as Box<dyn hal::card::CardReader>)
    };
    let handle = hal::card::spawn(open, hal::card::Options::default(), sink);
    let next = || loop {
        let event = events.recv_timeout(std::time::Duration::from_secs(5)).unwrap();
        if let hal::Event::Card(event) = event
            && !matches!(event, Card::Inserted | Card::Removed)
        {
            break event;
        }
    };
    let arming = handle.arm();
    // Long before, and long after the gate was opened.
    swipes.send(0).unwrap();
    let dropped = next();
    assert!(matches!(dropped, Card::Dropped), "{dropped:?}");
    assert_eq!(handle.dropped(), 1);
    swipes.send(u64::MAX).unwrap();
    let read = next();
    assert!(matches!(read, Card::Read { arming: for_whom, .. } if for_whom == arming), "{read:?}");
}

#[test]
fn enter_between_the_tracks_does_not_cut_the_card() {
    let desk = desk();
    handle(&desk).arm();
    assert!(desk.world.swipe("%B4111111111111111^DOE/J^2912?\r;21234000012347?\r"));
    assert!(matches!(desk.next_swipe(), Card::RefusedPaymentCard), "both tracks are looked at");
}

#[test]
fn a_payment_card_is_refused_and_appears_nowhere() {
    let desk = desk();
    handle(&desk).arm();
    assert!(desk.world.swipe("%B4111111111111111^DOE/JANE^2912?;4111111111111111=2912?\r"));
    let refusal = desk.next_swipe();
    assert!(matches!(refusal, Card::RefusedPaymentCard));
    let said = format!("{refusal:?}");
    assert!(!said.contains("4111") && !said.contains("DOE"), "{said}");
    assert!(desk.world.swipe(LIBRARY));
    assert_eq!(number(desk.next_swipe()), "21234000012347", "the gate stays armed for the right card");
}

#[test]
fn a_swipe_the_kernel_lost_a_part_of_is_unreadable() {
    let desk = desk();
    handle(&desk).arm();
    assert!(desk.world.swipe(";2123400"));
    assert!(desk.world.key_storm(Place::Stripe, 30, 10_000));
    assert!(matches!(desk.next_swipe(), Card::Unreadable));
}

#[test]
fn a_reader_unplugged_mid_swipe_delivers_nothing_of_it() {
    let desk = desk();
    handle(&desk).arm();
    assert!(desk.world.swipe(";2123400"));
    desk.world.unplug(Class::CardReader);
    desk.until_health(&Health::Absent);
    desk.world.plug(Class::CardReader);
    desk.until_health(&Health::Ready);
    assert!(desk.world.swipe(";29999000000004?\r"));
    assert_eq!(number(desk.next_swipe()), "29999000000004");
}

#[test]
fn a_reader_that_cannot_be_had_alone_is_refused() {
    let desk = desk();
    desk.world.take_keyboard(Place::Stripe, true);
    desk.world.unplug(Class::CardReader);
    desk.world.plug(Class::CardReader);
    desk.until_health(&Health::Faulted("E-CRD-GRAB"));
}
