//! What a document scanner gives, and when it gives nothing.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use crate::desk::Desk;
use hal::{
    Class, DeviceError, Event, Health,
    document::{Document, DocumentHandle, Event as Scanner, ScanError, ScanId, Sheet},
    sim::world::SheetKind,
};
use std::time::{Duration, Instant};

fn desk() -> Desk {
    let desk = Desk::with("[devices.document_scanner]\nselector = 'sim:document'");
    desk.until_health(&Health::Ready);
    desk
}

fn handle(desk: &Desk) -> &DocumentHandle {
    desk.devices.document.as_ref().unwrap()
}

fn next(desk: &Desk) -> Scanner {
    match desk.next() {
        Event::Document(event) => event,
        other => panic!("{other:?}"),
    }
}

fn scanned(desk: &Desk, wanted: ScanId) -> Result<Document, ScanError> {
    handle(desk).scan(wanted).unwrap();
    match next(desk) {
        Scanner::Done { id, outcome } => {
            assert_eq!(id, wanted);
            outcome
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sheet_becomes_a_page() {
    let desk = desk();
    desk.world.place_sheet(SheetKind::Letter);
    assert!(matches!(next(&desk), Scanner::SheetPlaced));
    assert_eq!(handle(&desk).status(), Sheet::Present);
    let page = scanned(&desk, ScanId(7)).unwrap();
    assert_eq!((page.media_type, page.pages), ("image/png", 1));
    assert!(page.bytes.len() < 300 * 1024, "{} bytes", page.bytes.len());
    let mut picture = png::Decoder::new(std::io::Cursor::new(page.bytes.as_slice())).read_info().unwrap();
    let mut dots = vec![0; picture.output_buffer_size().unwrap()];
    let info = picture.next_frame(&mut dots).unwrap();
    assert_eq!((info.width, info.height), (827, 1169));
    let ink = dots.iter().filter(|dot| **dot < 128).count();
    assert!(ink > 10_000 && ink < dots.len() / 4, "{ink} dark dots are no letter");
    assert!(!format!("{page:?}").contains("80, 78"), "the bytes are not shown");
    desk.world.remove_sheet();
    assert!(matches!(next(&desk), Scanner::SheetRemoved));
}

#[test]
fn a_scan_without_a_sheet_says_so() {
    let desk = desk();
    assert!(matches!(scanned(&desk, ScanId(1)), Err(ScanError::NoSheet)));
    desk.world.place_sheet(SheetKind::Blank);
    assert!(matches!(next(&desk), Scanner::SheetPlaced));
    assert!(scanned(&desk, ScanId(2)).is_ok());
}

#[test]
fn an_unplugged_scanner_refuses_and_comes_back_in_time() {
    let desk = desk();
    desk.world.place_sheet(SheetKind::Letter);
    assert!(matches!(next(&desk), Scanner::SheetPlaced));
    desk.world.unplug(Class::DocumentScanner);
    assert!(matches!(next(&desk), Scanner::SheetRemoved));
    desk.until_health(&Health::Absent);
    assert!(matches!(handle(&desk).scan(ScanId(1)), Err(DeviceError::Gone(_))));
    let plugged = Instant::now();
    desk.world.plug(Class::DocumentScanner);
    desk.until_health(&Health::Ready);
    assert!(plugged.elapsed() < Duration::from_secs(3));
    assert!(matches!(next(&desk), Scanner::SheetPlaced));
    assert!(scanned(&desk, ScanId(2)).is_ok());
}
