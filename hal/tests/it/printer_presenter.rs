//! A receipt in the printer's mouth goes to its owner or back, never to the next citizen.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use crate::printer::{Desk, numbered, numbers, quick, soon};
use hal::{
    Health, Trouble,
    printer::{EscPos, Media, Presenter, PrintError, PrintProof, Profile, ReceiptPrinter, thread::Limits},
    sim::printer::SimPrinter,
};
use std::{collections::BTreeSet, time::Duration};

const MODEL: &str = "custom-vkp80iii";

/// Receipts of any length end at a mark; a roll without marks stops the printer and staff are told.
#[test]
fn with_black_marks_each_receipt_is_a_whole_number_of_forms() {
    let profile = Profile { black_mark: true, presenter: None, ..Profile::named(MODEL).unwrap() };
    let (printer, panel) = SimPrinter::new(profile.dots_per_line);
    let mut driver = EscPos::open(printer.connect().unwrap(), profile, soon()).unwrap();
    panel.set_marks(400);
    for lines in [1, 20] {
        assert!(matches!(driver.print(&numbered("line", lines), soon()), Ok(PrintProof::Accepted)));
    }
    assert_eq!(panel.lengths(), [400, 800]);
    panel.set_marks(0);
    let limit = hal::Deadline::after(Duration::from_secs(4));
    let stopped = driver.print(&numbered("line", 1), limit);
    assert!(
        matches!(&stopped, Err(PrintError::Interrupted { troubles, .. }) if troubles.contains(&Trouble::Jam)),
        "{stopped:?}"
    );
    assert_eq!(panel.lengths(), [400, 800]);
}

/// The model, but its printer pulls back after one second.
fn driver() -> (EscPos, hal::sim::printer::PrinterPanel, SimPrinter) {
    let presenter = Some(Presenter { show_mm: 60, retract_s: 1 });
    let profile = Profile { presenter, ..Profile::named(MODEL).unwrap() };
    let (printer, panel) = SimPrinter::new(profile.dots_per_line);
    (EscPos::open(panel.connect().unwrap(), profile, soon()).unwrap(), panel, printer)
}

#[test]
fn a_taken_receipt_makes_room_for_the_next() {
    let desk = Desk::new(MODEL);
    desk.print(1, numbered("first", 2));
    assert!(matches!(desk.wait_done(1), Ok(PrintProof::Accepted)));
    desk.wait_status(|status| status.media == Media::Presented);
    assert!(desk.panel.take_receipt());
    desk.wait_status(|status| status.media == Media::NotPresent);
    desk.print(2, numbered("second", 2));
    assert!(matches!(desk.wait_done(2), Ok(PrintProof::Accepted)));
    assert_eq!(desk.words(), [numbers("first", 2), numbers("second", 2)]);
    assert_eq!(desk.panel.retracted_and_mixed(), (0, 0));
}

#[test]
fn an_untaken_receipt_is_pulled_back_before_the_next_is_printed() {
    let (mut driver, panel, _printer) = driver();
    assert!(matches!(driver.print(&numbered("first", 1), soon()), Ok(PrintProof::Accepted)));
    assert!(matches!(driver.print(&numbered("second", 1), soon()), Ok(PrintProof::Accepted)));
    assert_eq!(panel.retracted_and_mixed(), (1, 0));
    assert_eq!(panel.texts(), [numbers("first", 1), numbers("second", 1)]);
}

/// The motor is stuck: nobody gets somebody else's receipt, staff are told, and once it is out all is well.
#[test]
fn a_receipt_that_stays_stops_the_printer_until_it_is_gone() {
    let (mut driver, panel, _printer) = driver();
    panel.stick_presenter(true);
    assert!(matches!(driver.print(&numbered("first", 1), soon()), Ok(PrintProof::Accepted)));
    panel.take_bytes();
    let left = |error| matches!(error, Err(PrintError::NotReady(troubles)) if troubles == BTreeSet::from([Trouble::ReceiptLeft]));
    assert!(left(driver.print(&numbered("second", 1), soon())));
    assert_eq!(driver.last_status().media, Media::Abandoned);
    assert!(left(driver.print(&numbered("third", 1), soon())), "it stays a trouble");
    assert!(!panel.take_bytes().windows(6).any(|window| window == b"second" || window == b"third "));
    assert!(panel.take_receipt());
    assert!(matches!(driver.print(&numbered("third", 1), soon()), Ok(PrintProof::Accepted)));
    assert_eq!(panel.texts(), [numbers("first", 1), numbers("third", 1)]);
    assert_eq!(panel.retracted_and_mixed(), (0, 0));
}

/// Somebody's receipt was in the mouth when the program began anew.
#[test]
fn a_receipt_from_before_is_not_printed_over() {
    let (mut before, panel, _printer) = driver();
    panel.stick_presenter(true);
    assert!(matches!(before.print(&numbered("first", 1), soon()), Ok(PrintProof::Accepted)));
    drop(before);
    let profile = Profile::named(MODEL).unwrap();
    let mut anew = EscPos::open(panel.connect().unwrap(), profile, soon()).unwrap();
    assert_eq!(anew.last_status().media, Media::Presented);
    let soon = hal::Deadline::after(Duration::from_millis(500));
    assert!(matches!(anew.print(&numbered("second", 1), soon), Err(PrintError::NotReady(_))));
    assert_eq!(panel.texts(), [numbers("first", 1)]);
}

#[test]
fn unplugged_with_a_receipt_in_the_mouth_it_is_seen_again() {
    let desk = Desk::with(MODEL, Limits { open: Duration::from_secs(3), ..quick() }, |line| line);
    desk.print(1, numbered("first", 1));
    assert!(matches!(desk.wait_done(1), Ok(PrintProof::Accepted)));
    desk.wait_status(|status| status.media == Media::Presented);
    desk.panel.unplug();
    desk.wait_health(&Health::Absent);
    desk.panel.plug_in();
    desk.wait_health(&Health::Ready);
    assert_eq!(desk.handle.status().media, Media::Presented);
    assert!(desk.panel.take_receipt());
    desk.print(2, numbered("second", 1));
    assert!(matches!(desk.wait_done(2), Ok(PrintProof::Accepted)));
    assert_eq!(desk.panel.retracted_and_mixed(), (0, 0));
}
