//! Stripe readers that send raw HID reports: what a swipe may and may not let through.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use crate::desk::{Desk, number};
use hal::{
    Class, Deadline, DeviceError, Event, Health,
    card::{
        self, CardHandle, CardReader, Event as Card, ReaderKind, SwipeReader,
        hid::{HidSwipes, StripeLayout},
    },
    sim::{
        World,
        hid::{self, HidPlace},
        hid_stripe::{ReportFault, Stripe},
    },
    transport::hidraw::{ReportDescriptor, ReportSource},
};
use std::{sync::mpsc::sync_channel, time::Duration};
use zeroize::Zeroizing;

const NUMBER: &str = "21234000012347";

fn desk() -> Desk {
    let desk = Desk::with("[devices.card_reader]\nselector = 'sim:hid-swipe'");
    desk.until_health(&Health::Ready);
    desk
}

fn handle(desk: &Desk) -> &CardHandle {
    desk.devices.card.as_ref().unwrap()
}

fn library() -> Stripe {
    Stripe::new(&format!("{NUMBER}^READER$JANE^"), &format!("{NUMBER}=2912"), "").unwrap()
}

fn payment() -> Stripe {
    Stripe::new("B4111111111111111^DOE/JANE^2912", "4111111111111111=2912", "").unwrap()
}

/// A swipe, which is a card that came and went, and what was told of it.
fn swiped(desk: &Desk, stripe: &Stripe, fault: ReportFault) -> Card {
    assert!(desk.world.swipe_stripe(stripe, fault), "nobody hears of the swipe");
    desk.next_swipe()
}

fn whole(desk: &Desk, stripe: &Stripe) -> Card {
    swiped(desk, stripe, ReportFault::None)
}

#[test]
fn an_armed_reader_delivers_the_number_once_from_either_direction() {
    let desk = desk();
    assert_eq!(handle(&desk).kind(), Some(ReaderKind::Swipe));
    for stripe in [library(), library().backwards()] {
        handle(&desk).arm();
        assert_eq!(number(whole(&desk, &stripe)), NUMBER);
    }
    assert!(matches!(whole(&desk, &library()), Card::Dropped), "the gate closed with the delivery");
    assert_eq!(handle(&desk).dropped(), 1);
}

#[test]
fn a_payment_card_is_refused_from_either_direction_and_appears_nowhere() {
    let desk = desk();
    handle(&desk).arm();
    for stripe in [payment(), payment().backwards(), payment().scratched(&[7])] {
        let refusal = whole(&desk, &stripe);
        assert!(matches!(refusal, Card::RefusedPaymentCard));
        assert!(!format!("{refusal:?}").contains("4111"));
    }
    assert_eq!(number(whole(&desk, &library())), NUMBER, "the gate stays armed for the right card");
}

#[test]
fn parity_and_checksum_errors_make_a_card_unreadable_and_never_another_number() {
    let desk = desk();
    handle(&desk).arm();
    let two = || Stripe::new("", NUMBER, "").unwrap();
    for stripe in [two().scratched(&[12]), two().scratched(&[11, 12]), two().half()] {
        assert!(matches!(whole(&desk, &stripe), Card::Unreadable));
        assert!(matches!(whole(&desk, &stripe.backwards()), Card::Unreadable));
    }
    assert_eq!(number(whole(&desk, &two())), NUMBER);
}

#[test]
fn the_other_track_will_do_when_one_is_damaged() {
    let desk = desk();
    handle(&desk).arm();
    assert_eq!(number(whole(&desk, &library().scratched(&[12]))), NUMBER);
}

#[test]
fn empty_tracks_bear_no_number_not_even_that_of_the_card_before() {
    let desk = desk();
    handle(&desk).arm();
    assert_eq!(number(whole(&desk, &library())), NUMBER);
    handle(&desk).arm();
    for stripe in [Stripe::new("", "", "").unwrap(), Stripe::new("", "", "0121234000012347==").unwrap()] {
        assert!(matches!(whole(&desk, &stripe), Card::Unreadable));
    }
    let shorter = Stripe::new("", "2123", "").unwrap();
    assert_eq!(number(whole(&desk, &shorter)), "2123");
}

#[test]
fn a_report_cut_short_or_boasting_or_noise_is_unreadable() {
    let desk = desk();
    handle(&desk).arm();
    for bytes in [0, 1, 6, 7, 117, 140, 336] {
        assert!(matches!(swiped(&desk, &library(), ReportFault::CutTo(bytes)), Card::Unreadable), "{bytes}");
    }
    for fault in [ReportFault::Boast, ReportFault::Noise] {
        assert!(matches!(swiped(&desk, &library(), fault), Card::Unreadable), "{fault:?}");
    }
    assert_eq!(number(whole(&desk, &library())), NUMBER);
}

#[test]
fn an_unplugged_reader_loses_the_swipe_and_comes_back() {
    let desk = desk();
    handle(&desk).arm();
    desk.world.unplug(Class::CardReader);
    desk.until_health(&Health::Absent);
    assert!(!desk.world.swipe_stripe(&library(), ReportFault::None));
    desk.world.plug(Class::CardReader);
    desk.until_health(&Health::Ready);
    assert_eq!(number(whole(&desk, &library())), NUMBER);
}

#[test]
fn a_reader_that_cannot_be_had_alone_is_refused() {
    let desk = desk();
    desk.world.take_hid(HidPlace::Stripe, true);
    desk.world.unplug(Class::CardReader);
    desk.world.plug(Class::CardReader);
    desk.until_health(&Health::Faulted("E-CRD-GRAB"));
    desk.world.take_hid(HidPlace::Stripe, false);
    desk.until_health(&Health::Ready);
}

/// A keyboard that somebody set up as a stripe reader.
struct Keyboard(ReportDescriptor);

impl ReportSource for Keyboard {
    fn descriptor(&self) -> &ReportDescriptor {
        &self.0
    }

    fn read(&mut self, _deadline: Deadline) -> Result<Option<Zeroizing<Vec<u8>>>, DeviceError> {
        panic!("it is read");
    }

    fn canceller(&self) -> Option<card::Canceller> {
        None
    }
}

#[test]
fn what_is_no_stripe_reader_is_told_and_not_read() {
    let (sink, events) = sync_channel(8);
    let open = || {
        let keyboard = ReportDescriptor::parse(&[0x05, 1, 0x09, 6, 0xA1, 1, 0xC0]).unwrap();
        let swipes = HidSwipes::new(Box::new(Keyboard(keyboard)))?;
        Ok(Box::new(SwipeReader::over(Box::new(swipes))) as Box<dyn CardReader>)
    };
    let _handle = card::spawn(open, card::Options::default(), sink);
    let faulted = Health::Faulted("E-CRD-UNSUPPORTED");
    let told = |event: Event| matches!(event, Event::Health { health, .. } if health == faulted);
    assert!((0..3).any(|_| told(events.recv_timeout(Duration::from_secs(5)).unwrap())));
}

#[test]
fn a_simulated_reader_describes_itself_as_the_manual_does() {
    let source = hid::open(&World::new(), HidPlace::Stripe).unwrap();
    assert_eq!(source.descriptor().report_bytes(0), Some(337));
    assert!(StripeLayout::of(source.descriptor()).is_ok());
}
