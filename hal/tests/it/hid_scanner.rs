//! Barcode scanners that send HID reports: what a scan may and may not let through.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail by panicking")]

use crate::desk::Desk;
use hal::{
    Class, Health,
    scanner::{Event as Told, ScannerHandle, Symbology, hid::PART_WAIT},
    sim::{hid::HidPlace, hid_scanner::ScanFault},
};
use std::time::Instant;

const QR: [u8; 3] = *b"]Q0";

fn desk() -> Desk {
    let desk = Desk::with("[devices.scanner]\nselector = 'sim:hid-scanner'");
    desk.until_health(&Health::Ready);
    desk
}

fn handle(desk: &Desk) -> &ScannerHandle {
    desk.devices.scanner.as_ref().unwrap()
}

fn scan(desk: &Desk, data: &[u8], fault: ScanFault) {
    assert!(desk.world.scan_hid(QR, data, fault), "nobody hears of the scan");
}

/// What the next event, a delivery, says.
fn read(desk: &Desk) -> Vec<u8> {
    match desk.next_scan() {
        Told::Read { scan, .. } => scan.data.expose().to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_armed_scanner_delivers_once_with_symbol_and_source() {
    let desk = desk();
    let armed = handle(&desk).arm();
    scan(&desk, b"0109506000134352\x1d10AB\0\xff", ScanFault::None);
    match desk.next_scan() {
        Told::Read { arming, scan } => {
            assert_eq!(arming, armed);
            assert_eq!(scan.aim.unwrap().symbology(), Symbology::QrCode);
            assert_eq!(scan.data.expose(), b"0109506000134352\x1d10AB\0\xff", "bytes a keyboard cannot type");
            assert_eq!(&*scan.source, "sim:hid-scanner");
        }
        other => panic!("{other:?}"),
    }
    scan(&desk, b"again", ScanFault::None);
    assert!(matches!(desk.next_scan(), Told::Dropped), "the gate closed with the delivery");
    assert_eq!(handle(&desk).dropped(), 1);
}

#[test]
fn a_long_scan_in_many_reports_is_one_whatever_comes_between() {
    let desk = desk();
    let long: Vec<u8> = (0..=u8::MAX).cycle().take(3000).collect();
    for fault in [ScanFault::None, ScanFault::Chatter] {
        handle(&desk).arm();
        // The kernel keeps 64 reports; a scanner is not faster than its reader.
        let data = if fault == ScanFault::Chatter { &long[..1500] } else { &long };
        scan(&desk, data, fault);
        assert_eq!(read(&desk), data);
    }
}

#[test]
fn the_kind_of_symbol_is_told_only_when_the_scanner_tells() {
    let desk = desk();
    for (identifier, told) in [([0; 3], None), (*b"]C1", Some(Symbology::Code128)), (*b"QQQ", None)] {
        handle(&desk).arm();
        assert!(desk.world.scan_hid(identifier, b"12345", ScanFault::None));
        match desk.next_scan() {
            Told::Read { scan, .. } => assert_eq!(scan.aim.map(|aim| aim.symbology()), told),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn half_a_scan_is_garbled_and_never_joined_with_the_next() {
    let desk = desk();
    handle(&desk).arm();
    for fault in [ScanFault::CutTo(10), ScanFault::Boast, ScanFault::NoEnd] {
        let begun = Instant::now();
        scan(&desk, &[b'1'; 100], fault);
        assert!(matches!(desk.next_scan(), Told::Garbled), "{fault:?}");
        if fault == ScanFault::NoEnd {
            assert!(begun.elapsed() >= PART_WAIT);
            scan(&desk, b"67890", ScanFault::None);
            assert_eq!(read(&desk), b"67890");
        } else {
            // Up to its end, which did not come whole, what follows belongs to it.
            scan(&desk, b"12345", ScanFault::None);
            scan(&desk, b"67890", ScanFault::None);
            assert_eq!(read(&desk), b"67890");
            handle(&desk).arm();
        }
    }
}

#[test]
fn a_payment_cards_stripe_is_refused_here_too() {
    let desk = desk();
    handle(&desk).arm();
    scan(&desk, b";4111111111111111=2912?", ScanFault::None);
    assert!(matches!(desk.next_scan(), Told::RefusedPaymentCard));
    scan(&desk, b"12345", ScanFault::None);
    assert_eq!(read(&desk), b"12345");
}

#[test]
fn a_scanner_unplugged_mid_scan_delivers_nothing_of_it() {
    let desk = desk();
    handle(&desk).arm();
    scan(&desk, &[b'1'; 100], ScanFault::NoEnd);
    desk.world.unplug(Class::Scanner);
    desk.until_health(&Health::Absent);
    desk.world.plug(Class::Scanner);
    desk.until_health(&Health::Ready);
    scan(&desk, b"67890", ScanFault::None);
    assert_eq!(read(&desk), b"67890");
}

#[test]
fn a_scanner_that_cannot_be_had_alone_is_refused() {
    let desk = desk();
    desk.world.take_hid(HidPlace::Scanner, true);
    desk.world.unplug(Class::Scanner);
    desk.world.plug(Class::Scanner);
    desk.until_health(&Health::Faulted("E-SCN-GRAB"));
    desk.world.take_hid(HidPlace::Scanner, false);
    desk.until_health(&Health::Ready);
}
